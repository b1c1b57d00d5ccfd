"""Look-ups by a list of values, in one statement whose text does not grow with the list."""

from __future__ import annotations

import json
from collections.abc import Iterable

from sqlalchemy import ColumnElement, Connection, Integer, any_, bindparam, column, func, select
from sqlalchemy.dialects.postgresql import ARRAY, BIGINT, TEXT


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
        kind = BIGINT() if isinstance(sought.type, Integer) else TEXT()
        return sought == any_(bindparam(None, wanted, type_=ARRAY(kind)))
    listed = func.json_each(json.dumps(wanted, ensure_ascii=False)).table_valued(column("value"))
    return sought.in_(select(listed.c.value))
