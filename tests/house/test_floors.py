"""The house has floors, and imports point downward only. This list is the law; docs/decisions says why."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "src" / "pointsbank"

FLOORS: tuple[tuple[str, ...], ...] = (
    ("cli",),
    ("bench",),
    ("app",),
    ("web",),
    ("demo", "replay"),
    ("reversals",),
    ("funds", "recognition", "record_sheets"),
    ("hours", "market", "rosters"),
    ("activities",),
    ("access", "intake", "points"),
    ("people", "places"),
    ("engine", "export", "readers", "verify"),
    ("store",),
    ("policy", "proof"),
    ("ledger",),
)
"""From the roof to the vault. A room imports from lower floors and from itself, never from its neighbours."""

ANYWHERE = {"settings", "tables"}
"""`settings` reads the environment for whoever wires; `tables` lists every room's tables for migrations."""

LEVEL = {room: level for level, floor in enumerate(FLOORS) for room in floor}


def modules() -> list[Path]:
    return sorted(SOURCES.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(SOURCES).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = (
                [node.module] if node.module != "pointsbank" else [f"pointsbank.{a.name}" for a in node.names]
            )
        for name in names:
            parts = name.split(".")
            if parts[0] == "pointsbank" and len(parts) > 1:
                yield node.lineno, parts[1]


def test_every_room_stands_on_a_floor() -> None:
    rooms = {room_of(path) for path in modules()} - {"__init__"} - ANYWHERE
    assert rooms == set(LEVEL)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCES)))
def test_imports_point_downward(path: Path) -> None:
    room = room_of(path)
    if room in ANYWHERE | {"__init__"}:
        return
    wrong = [
        f"line {line}: {room} imports {other}"
        for line, other in imported_rooms(path)
        if other != room and other not in ANYWHERE and LEVEL[other] <= LEVEL[room]
    ]
    assert not wrong


def test_the_vault_imports_nothing_of_ours_and_does_no_work_of_the_world() -> None:
    forbidden = {
        "os",
        "time",
        "random",
        "secrets",
        "socket",
        "asyncio",
        "sqlite3",
        "sqlalchemy",
        "asyncpg",
        "pathlib",
    }
    for path in (SOURCES / "ledger").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.split(".")[0] not in forbidden, f"{path.name} imports {name}"
                assert not name.startswith("pointsbank.") or name.startswith("pointsbank.ledger"), path.name


def test_only_the_settings_read_the_environment() -> None:
    for path in modules():
        text = path.read_text("utf-8")
        if path.name != "settings.py" and room_of(path) != "bench":
            assert "os.environ" not in text, path
            assert "getenv" not in text, path
