"""Backup while the bank serves, and restore that is verified before it is called done.

A backup is one file for both engines: a zip with a manifest and, for each table, its rows in key order as MessagePack.
So a pilot's SQLite file becomes a city's PostgreSQL by a backup and a restore.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Final

import msgspec
from sqlalchemy import Connection, MetaData, Table, func, insert, select, tuple_
from sqlalchemy.exc import DBAPIError, OperationalError

from pointsbank.store.database import Database
from pointsbank.store.schema import current_revision, latest_revision, upgrade, write_connection
from pointsbank.store.tables import heads

FORMAT: Final = "pointsbank-backup/1"
ROWS: Final = 2000
MANIFEST_BYTES: Final = 16 * 1024 * 1024
PAGE_BYTES: Final = 256 * 1024 * 1024
"""More than any page of rows or manifest has: who claims more would fill the memory."""

_UNREADABLE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    msgspec.MsgspecError,
    EOFError,
    KeyError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What reading a damaged or hand-made zip raises, down to its compression and its encryption."""

Progress = Callable[[str, int, int], None]


class BackupError(Exception):
    """The backup cannot be made or restored; the message says why and what to do."""


class TableManifest(msgspec.Struct, frozen=True):
    """A table in a backup: its columns, its rows, and the SHA-256 of their bytes."""

    name: str
    columns: tuple[str, ...]
    rows: int
    sha256: str


class LedgerManifest(msgspec.Struct, frozen=True):
    """A ledger in a backup, and the head at which it was taken."""

    ledger_id: int
    name: str
    sequence: int


class Manifest(msgspec.Struct, frozen=True):
    """What is in a backup."""

    format: str
    revision: str
    ledgers: tuple[LedgerManifest, ...]
    tables: tuple[TableManifest, ...]


async def back_up(database: Database, file: Path, on_progress: Progress) -> Manifest:
    """Write all ledgers of a database to `file`, as one consistent snapshot, while others go on writing.

    The file appears under its name only when it is whole. Raises BackupError.
    """
    part = file.with_name(file.name + ".part")
    part.unlink(missing_ok=True)
    try:
        manifest = await database.read(_write_all, part, on_progress)
        _sync(part)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    return manifest


def _write_all(connection: Connection, part: Path, on_progress: Progress) -> Manifest:
    revision = current_revision(connection)
    if revision != latest_revision():
        raise BackupError(
            f"数据库结构为 {revision}，请先运行 pointsbank db upgrade。 The schema is at {revision}: upgrade first."
        )
    with zipfile.ZipFile(part, "x", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        tables = []
        for table in _tables(connection):
            with archive.open(f"{table.name}.msgpack", "w", force_zip64=True) as out:
                tables.append(_write_table(connection, table, out, on_progress))
        rows = connection.execute(
            select(heads.c.ledger_id, heads.c.name, heads.c.sequence).order_by(heads.c.ledger_id)
        )
        manifest = Manifest(
            FORMAT, revision or "", tuple(LedgerManifest(*row) for row in rows), tuple(tables)
        )
        archive.writestr("manifest.json", msgspec.json.format(msgspec.json.encode(manifest)))
    return manifest


def _tables(connection: Connection) -> list[Table]:
    """Every table of the database itself, whatever this process happens to use of it."""
    found = MetaData()
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name != "alembic_version"]


def _write_table(
    connection: Connection, table: Table, out: IO[bytes], on_progress: Progress
) -> TableManifest:
    total = connection.execute(select(func.count()).select_from(table)).scalar_one()
    digest, encoder, done = sha256(), msgspec.msgpack.Encoder(), 0
    for page in _pages(connection, table):
        raw = encoder.encode([tuple(row) for row in page])
        chunk = len(raw).to_bytes(4, "big") + raw
        out.write(chunk)
        digest.update(chunk)
        done += len(page)
        on_progress(table.name, done, total)
    return TableManifest(str(table.name), tuple(str(c.name) for c in table.columns), done, digest.hexdigest())


def _pages(connection: Connection, table: Table) -> Iterator[list[Any]]:
    """All rows in key order, a page at a time: each page begins after the last key."""
    key = list(table.primary_key.columns)
    last: tuple[Any, ...] | None = None
    while True:
        query = select(table).order_by(*key).limit(ROWS)
        if last is not None:
            query = query.where(tuple_(*key) > tuple_(*last))
        page = list(connection.execute(query))
        if not page:
            return
        yield page
        last = tuple(page[-1]._mapping[column] for column in key)


def read_manifest(file: Path) -> Manifest:
    """The manifest of a backup. Raises BackupError if the file is none."""
    try:
        with zipfile.ZipFile(file) as archive:
            with archive.open("manifest.json") as source:
                raw = source.read(MANIFEST_BYTES + 1)
            if len(raw) > MANIFEST_BYTES:
                raise ValueError("the manifest is too long")
            manifest = msgspec.json.decode(raw, type=Manifest)
    except (*_UNREADABLE, OSError) as error:
        raise BackupError(f"{file} 不是备份文件 / is not a backup: {error}") from error
    if manifest.format != FORMAT:
        raise BackupError(f"{file} 的格式是 {manifest.format}，本程序读 {FORMAT} / has another format")
    return manifest


async def restore(file: Path, database: Database, on_progress: Progress) -> Manifest:
    """Read a backup into a database that has no ledger yet, in one transaction.

    The caller verifies the ledgers before calling it done. Raises BackupError; then nothing was written.
    """
    manifest = read_manifest(file)
    if manifest.revision != latest_revision():
        raise BackupError(
            f"备份的结构为 {manifest.revision}，程序为 {latest_revision()}：请用同版本程序恢复后再升级。"
            f" The backup has schema {manifest.revision}, the program {latest_revision()}: restore with the program"
            " that made it, then upgrade."
        )
    await upgrade(database)
    await write_connection(database, lambda connection: _read_all(connection, file, manifest, on_progress))
    return manifest


def _read_all(connection: Connection, file: Path, manifest: Manifest, on_progress: Progress) -> None:
    if connection.execute(select(func.count()).select_from(heads)).scalar_one():
        raise BackupError(
            "目标数据库已有账簿，不会覆盖。 The database has books already; they are not overwritten."
        )
    tables = {str(table.name): table for table in _tables(connection)}
    if sorted(entry.name for entry in manifest.tables) != sorted(tables):
        raise BackupError(
            "备份中的表不全或有多余 / the backup does not have exactly the tables of the program"
        )
    with zipfile.ZipFile(file) as archive:
        for entry in manifest.tables:
            table = tables[entry.name]
            if tuple(c.name for c in table.columns) != entry.columns:
                raise BackupError(
                    f"备份中的表 {entry.name} 与程序不符 / the table {entry.name} is not as expected"
                )
            try:
                with archive.open(f"{entry.name}.msgpack") as source:
                    _read_table(connection, table, entry, source, on_progress)
            except OperationalError:
                raise  # the database, not the file
            except (*_UNREADABLE, DBAPIError) as error:
                raise _damaged(entry) from error
    # The caller verifies the ledgers that the manifest names: there must be no others.
    heads_found = select(heads.c.ledger_id, heads.c.name, heads.c.sequence).order_by(heads.c.ledger_id)
    if tuple(LedgerManifest(*row) for row in connection.execute(heads_found)) != manifest.ledgers:
        raise BackupError("备份的账簿与其清单不符 / the ledgers of the backup are not those of its manifest")


def _read_table(
    connection: Connection, table: Table, entry: TableManifest, source: IO[bytes], on_progress: Progress
) -> None:
    digest, done = sha256(), 0
    while length := source.read(4):
        size = int.from_bytes(length, "big")
        raw = source.read(size) if size <= PAGE_BYTES else b""
        if len(raw) != size:
            raise _damaged(entry)
        digest.update(length + raw)
        rows = msgspec.msgpack.decode(raw)
        connection.execute(insert(table), [dict(zip(entry.columns, row, strict=True)) for row in rows])
        done += len(rows)
        on_progress(entry.name, done, entry.rows)
    if digest.hexdigest() != entry.sha256 or done != entry.rows:
        raise _damaged(entry)


def _damaged(entry: TableManifest) -> BackupError:
    return BackupError(f"备份损坏：表 {entry.name} / the backup is damaged: table {entry.name}")


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
