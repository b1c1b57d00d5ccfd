"""Backups that were damaged or made by hand: refused with a sentence, and the database stays without books."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, func, select

from pointsbank.engine.registry import open_ledger
from pointsbank.store.backup import BackupError, back_up, restore
from pointsbank.store.database import Database
from pointsbank.store.schema import upgrade
from pointsbank.store.tables import heads

Parts = dict[str, bytes]


def silent(table: str, done: int, total: int) -> None:
    """No progress to show."""


@pytest.fixture
async def parts(sqlite_url: str, tmp_path: Path) -> Parts:
    """The files inside of a good backup."""
    file = tmp_path / "good.backup"
    database = Database(sqlite_url)
    try:
        await upgrade(database)
        async with open_ledger(database):
            await back_up(database, file, silent)
    finally:
        await database.close()
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def manifest_with(parts: Parts, change: Callable[[dict[str, Any]], None]) -> Parts:
    manifest = msgspec.json.decode(parts["manifest.json"])
    change(manifest)
    return {**parts, "manifest.json": msgspec.json.encode(manifest)}


def no_ledgers(parts: Parts) -> Parts:
    return manifest_with(parts, lambda manifest: manifest["ledgers"].clear())


def no_table(parts: Parts) -> Parts:
    return manifest_with(parts, lambda manifest: manifest["tables"].pop())


def twice_a_table(parts: Parts) -> Parts:
    return manifest_with(parts, lambda manifest: manifest["tables"].append(manifest["tables"][0]))


def table_outside(parts: Parts) -> Parts:
    return manifest_with(parts, lambda manifest: manifest["tables"][0].update(name="../heads"))


def no_file(parts: Parts) -> Parts:
    return {name: content for name, content in parts.items() if name != "heads.msgpack"}


def manifest_that_is_no_text(parts: Parts) -> Parts:
    return {**parts, "manifest.json": b'{"format":"\xff"}'}


def heads_as(content: bytes) -> Callable[[Parts], Parts]:
    """The file of one table replaced, and its digest made to fit."""

    def change(parts: Parts) -> Parts:
        def fit(manifest: dict[str, Any]) -> None:
            for table in manifest["tables"]:
                if table["name"] == "heads":
                    table["sha256"] = sha256(content).hexdigest()

        return {**manifest_with(parts, fit), "heads.msgpack": content}

    return change


def page(value: Any) -> bytes:
    raw = msgspec.msgpack.encode(value)
    return len(raw).to_bytes(4, "big") + raw


HOSTILE: dict[str, Callable[[Parts], Parts]] = {
    "no ledgers": no_ledgers,
    "no table": no_table,
    "twice a table": twice_a_table,
    "table outside": table_outside,
    "no file": no_file,
    "manifest is no text": manifest_that_is_no_text,
    "huge length": heads_as(b"\xff\xff\xff\xff"),
    "cut short": heads_as(page([[1, 2, 3]])[:-2]),
    "no messagepack": heads_as(b"\0\0\0\1\xc1"),
    "rows too narrow": heads_as(page([[1]])),
    "rows are no rows": heads_as(page(7)),
    "number too large": heads_as(page([[2**64 - 1] * 40])),
    "nested": heads_as((20_000).to_bytes(4, "big") + b"\x91" * 20_000),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_backup_is_refused_and_nothing_is_written(
    parts: Parts, name: str, tmp_path: Path
) -> None:
    file = tmp_path / "hostile.backup"
    with zipfile.ZipFile(file, "w") as archive:
        for member, content in HOSTILE[name](parts).items():
            archive.writestr(member, content)
    await refused(file, tmp_path)


async def test_a_flipped_byte_anywhere_in_the_file_is_found(parts: Parts, tmp_path: Path) -> None:
    file = tmp_path / "flipped.backup"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in parts.items():
            archive.writestr(member, content)
        start = archive.getinfo("heads.msgpack").header_offset + 30 + len("heads.msgpack")
    whole = bytearray(file.read_bytes())
    whole[start + 3] ^= 0xFF
    file.write_bytes(whole)
    await refused(file, tmp_path)


async def refused(file: Path, folder: Path) -> None:
    database = Database(f"sqlite:///{folder / 'target.db'}")
    try:
        with pytest.raises(BackupError):
            await restore(file, database, silent)
        if database.path.exists():
            assert await database.read(_ledgers) in (0, None)
    finally:
        await database.close()


def _ledgers(connection: Connection) -> int | None:
    if not connection.dialect.has_table(connection, "heads"):
        return None
    return connection.execute(select(func.count()).select_from(heads)).scalar_one()
