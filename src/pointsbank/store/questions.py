"""Queries that are written once and asked with values: to write one anew costs three times as much as to ask it.

For what every till, terminal and batch asks; a question of a page or a job is written where it is put (`store/lists.py`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

import msgspec
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Dialect,
    FromClause,
    Integer,
    LargeBinary,
    Select,
    TableValuedAlias,
    Text,
    any_,
    bindparam,
    column,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, BIGINT, BYTEA, TEXT
from sqlalchemy.types import TypeDecorator

from pointsbank.store.lists import TextList, as_one_text, in_hex, in_one_text

Shape = TypeVar("Shape", bound=msgspec.Struct)


class OneOf(Protocol):
    """Lists of values in a question, by the names under which they are asked with."""

    def __call__(self, sought: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        """Whether a column has one of these values."""

    def in_hex(self, octets: ColumnElement[bytes]) -> ColumnElement[str]:
        """A column of bytes as hexadecimal text."""

    def pairs(self, first: str, second: str) -> FromClause:
        """Two lists of texts of one length, as rows of two columns of their names."""


LEDGER: Final[BindParameter[int]] = bindparam("ledger", type_=Integer)
"""The ledger that is asked about."""


class Question:
    """A query about values that come later, by name: `LEDGER`, a `bindparam`, or `one_of(column, "name")` for a list.

    A list is one array on PostgreSQL and one JSON text on SQLite, so that its length changes nothing; octets, which
    JSON cannot carry, are listed one by one there.
    """

    def __init__(self, write: Callable[[OneOf], Select[Any]]) -> None:
        self._write = write
        self._written: dict[str, Select[Any]] = {}
        self._as_json: Select[Any] | None = None

    def rows(self, connection: Connection, ledger_id: int, **values: object) -> Sequence[Sequence[Any]]:
        """All rows of the answer."""
        return connection.execute(self._on(connection.dialect), {"ledger": ledger_id, **values}).all()

    def fetched(self, connection: Connection, ledger_id: int, **values: object) -> Sequence[Sequence[Any]]:
        """All rows in any order, where columns are integers and texts; on SQLite in one text (see `lists.fetched`)."""
        if connection.dialect.name == "postgresql":
            return self.rows(connection, ledger_id, **values)
        return msgspec.json.decode(
            self._text(connection, ledger_id, values), type=list[list[int | str | None]]
        )

    def fetched_as(
        self, connection: Connection, ledger_id: int, shape: type[Shape], **values: object
    ) -> list[Shape]:
        """Like `fetched`, each row as a struct whose first fields are the columns, in their order.

        The struct is `array_like`, so that SQLite's text becomes structs without any list or loop in between.
        """
        if connection.dialect.name == "postgresql":
            return [shape(*row) for row in self.rows(connection, ledger_id, **values)]
        return msgspec.json.decode(self._text(connection, ledger_id, values), type=list[shape])  # type: ignore[valid-type]

    def _text(self, connection: Connection, ledger_id: int, values: Mapping[str, object]) -> str:
        if self._as_json is None:
            self._as_json = as_one_text(self._on(connection.dialect))
        return str(connection.execute(self._as_json, {"ledger": ledger_id, **values}).scalar_one())

    def _on(self, dialect: Dialect) -> Select[Any]:
        name = dialect.name
        if name not in self._written:
            self._written[name] = self._write(_Arrays() if name == "postgresql" else _Texts())
        return self._written[name]


def by_index(connection: Connection) -> None:
    """Plans of this snapshot are for look-ups of a thousand things in tables that will be large: each by its index.

    While tables are small, or before PostgreSQL knows them, it takes a thousand values for more work than all rows of
    the ledger, which costs up to ten times as much. A plan that does not see the values takes them to be few.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_BY_INDEX)


_BY_INDEX: Final = """SELECT set_config('enable_seqscan', 'off', true),
    set_config('plan_cache_mode', 'force_generic_plan', true)"""


class _Listed(TypeDecorator[Iterable[object]]):
    """Any iterable as a JSON text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Iterable[object] | None, dialect: Dialect) -> str:
        return json.dumps(list(value or ()), ensure_ascii=False)


class _Array(TypeDecorator[Iterable[object]]):
    """Any iterable as an array."""

    impl = ARRAY
    cache_ok = True

    def process_bind_param(self, value: Iterable[object] | None, dialect: Dialect) -> list[object]:
        return list(value or ())


class _OneText(TypeDecorator[Iterable[str]]):
    """Any texts as one text."""

    impl = TEXT
    cache_ok = True

    def process_bind_param(self, value: Iterable[str] | None, dialect: Dialect) -> str:
        return in_one_text(value or ())


class _Arrays:
    """Lists as PostgreSQL takes them."""

    def __call__(self, sought: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        match sought.type:
            case Integer():
                return sought == any_(bindparam(name, type_=_Array(BIGINT())))
            case LargeBinary():
                return sought == any_(bindparam(name, type_=_Array(BYTEA())))
            case _:
                return sought == any_(TextList(bindparam(name, type_=_OneText())))

    def in_hex(self, octets: ColumnElement[bytes]) -> ColumnElement[str]:
        return in_hex("postgresql", octets)

    def pairs(self, first: str, second: str) -> FromClause:
        both = (TextList(bindparam(name, type_=_OneText())) for name in (first, second))
        return func.unnest(*both).table_valued(first, second).render_derived()


class _Texts:
    """Lists as SQLite takes them."""

    def __call__(self, sought: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        if isinstance(sought.type, LargeBinary):
            return sought.in_(bindparam(name, expanding=True))
        return sought.in_(select(self._each(name).c.value))

    def in_hex(self, octets: ColumnElement[bytes]) -> ColumnElement[str]:
        return in_hex("sqlite", octets)

    def pairs(self, first: str, second: str) -> FromClause:
        ones, others = self._each(first), bindparam(second, type_=_Listed())
        beside = func.json_extract(others, func.format("$[%d]", ones.c.key))
        return select(ones.c.value.label(first), beside.label(second)).subquery()

    def _each(self, name: str) -> TableValuedAlias:
        return func.json_each(bindparam(name, type_=_Listed())).table_valued(column("key"), column("value"))
