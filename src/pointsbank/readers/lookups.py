"""Joins that are look-ups: read the left side, look each row's partner up by its whole key.

SQLite has no figures of our tables and takes any ledger for ten rows, so it may turn a join round and read
a whole table to save a sort; its CROSS JOIN is a promise to keep the order. PostgreSQL has figures and
needs no promise.
"""

from __future__ import annotations

from collections.abc import Iterable
from json import dumps
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, FromClause, TableValuedAlias, Text, bindparam, cast, func
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.selectable import Join


class _InOrder(Join):
    inherit_cache = True


@compiles(_InOrder, "sqlite")
def _in_order_on_sqlite(join: _InOrder, compiler: Any, **options: Any) -> str:
    options["asfrom"] = True
    left, right = (compiler.process(side, **options) for side in (join.left, join.right))
    options["asfrom"] = False
    return f"{left} CROSS JOIN {right} ON {compiler.process(join.onclause, **options)}"


def then(left: FromClause, right: FromClause, on: ColumnElement[bool]) -> FromClause:
    """The rows of `left` in the order in which they come, each with its partner in `right`."""
    return _InOrder(left, right, on)


def asked(dialect: str) -> TableValuedAlias:
    """The texts that were asked for (argument `asked`) as a table with the column `value`."""
    if dialect == "sqlite":
        return func.json_each(bindparam("asked")).table_valued("value", name="asked")
    texts = cast(bindparam("asked"), ARRAY(Text))
    return func.unnest(texts).table_valued("value", name="asked").render_derived()


def listed(dialect: str, values: Iterable[int] | Iterable[str]) -> str | list[Any]:
    """A list as an argument of a statement: JSON for SQLite, an array for PostgreSQL."""
    return dumps(list(values)) if dialect == "sqlite" else list(values)
