"""Look-ups of many things at once: by a list of values, in one statement, fetched in one go."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    any_,
    bindparam,
    column,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, BIGINT, TEXT
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class TextList(FunctionElement[Sequence[str]]):
    """A list of texts on PostgreSQL out of one text that `in_one_text` has made.

    Of an array the driver looks at each element in Python, which takes ten times as long as all the rest.
    """

    type = ARRAY(TEXT())
    inherit_cache = True


@compiles(TextList)
def _split(element: TextList, compiler: SQLCompiler, **options: Any) -> str:
    text = compiler.process(element.clauses.clauses[0], **options)
    return f"(string_to_array(substr({text}, 2), left({text}, 1)))[2:]"


def in_one_text(values: Iterable[str]) -> str:
    """Texts after the sign that parts them, each with it before: a sign that none of them holds."""
    texts = list(values)
    together = "".join(texts)
    sign = next(sign for sign in map(chr, range(0x1F, 0x10FFFF)) if sign not in together)
    return "".join([sign, *[part for text in texts for part in (sign, text)]])


def is_one_of(
    connection: Connection,
    sought: ColumnElement[str] | ColumnElement[int],
    values: Iterable[str] | Iterable[int],
) -> ColumnElement[bool]:
    """Whether a column has one of these values: one array on PostgreSQL, one JSON text on SQLite.

    A list of bound values would be parsed and planned anew for each length, which costs more than the look-up.
    """
    wanted = list(values)
    if connection.dialect.name == "postgresql":
        if isinstance(sought.type, Integer):
            return sought == any_(bindparam(None, wanted, type_=ARRAY(BIGINT())))
        return sought == any_(TextList(bindparam(None, in_one_text(wanted), type_=TEXT())))  # type: ignore[arg-type]
    listed = func.json_each(json.dumps(wanted, ensure_ascii=False)).table_valued(column("value"))
    return sought.in_(select(listed.c.value))


def in_hex(dialect: str, octets: ColumnElement[bytes]) -> ColumnElement[str]:
    """A column of bytes as hexadecimal text, on an engine by its name."""
    if dialect == "postgresql":
        return func.encode(octets, "hex")
    return func.hex(octets)


def fetched(connection: Connection, query: Select[Any]) -> Sequence[Sequence[Any]]:
    """All rows of a query whose columns are integers and texts, in any order.

    SQLite's driver gives Python's lock back and takes it again for every row, and each time a thread that computes
    may keep it for milliseconds; so there all rows come as one JSON text.
    """
    if connection.dialect.name == "postgresql":
        return connection.execute(query).all()
    return msgspec.json.decode(_as_json(connection, query), type=list[list[int | str | None]])


def as_one_text(query: Select[Any]) -> Select[Any]:
    """All rows of a query as one JSON text, by SQLite."""
    rows = query.subquery("rows")
    return select(func.json_group_array(func.json_array(*rows.c)))


def _as_json(connection: Connection, query: Select[Any]) -> str:
    return str(connection.execute(as_one_text(query)).scalar_one())
