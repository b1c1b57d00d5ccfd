"""The tree of places as it stood on a day: what is above a place, what is below, and the whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import date
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, and_, literal, select

from pointsbank.places.loading import histories
from pointsbank.places.model import KINDS, MAX_DEPTH, TOP, PlaceHistory, PlaceOnDay
from pointsbank.places.tables import place_terms, places
from pointsbank.store.lists import fetched, is_one_of

PAGE = 500


def ancestors(connection: Connection, ledger_id: int, place_id: str, day: date) -> tuple[str, ...]:
    """Ids of a place and of all above it on a day: itself first, the city last.

    Empty if there was no such place on that day. A closed place keeps the parent under which it closed, so that its
    old records have somebody who answers for them.
    """
    return ancestors_of(connection, ledger_id, [place_id], day)[place_id]


def ancestors_of(
    connection: Connection, ledger_id: int, place_ids: Iterable[str], day: date
) -> dict[str, tuple[str, ...]]:
    """`ancestors` of many places in one statement, by id."""
    wanted = list(dict.fromkeys(place_ids))
    p, t = places.c, place_terms.c
    start = select(t.place_id.label("start"), t.place_id, t.parent, literal(0).label("depth")).where(
        t.ledger_id == ledger_id, is_one_of(connection, t.place_id, wanted), _holds(day)
    )
    above = start.cte("above", recursive=True)
    step = select(above.c.start, t.place_id, t.parent, above.c.depth + 1).where(
        p.ledger_id == ledger_id,
        p.code == above.c.parent,
        t.ledger_id == ledger_id,
        t.place_id == p.place_id,
        _holds(day),
        above.c.depth < MAX_DEPTH,
    )
    above = above.union_all(step)
    rows = fetched(connection, select(above.c.start, above.c.place_id, above.c.depth))
    found: dict[str, list[tuple[int, str]]] = {place_id: [] for place_id in wanted}
    for begin, place_id, depth in rows:
        found[str(begin)].append((int(depth), str(place_id)))
    return {begin: tuple(place_id for _, place_id in sorted(line)) for begin, line in found.items()}


def children(
    connection: Connection,
    ledger_id: int,
    code: str,
    day: date,
    *,
    kind: str = "",
    after: str = "",
    limit: int = PAGE,
) -> list[PlaceOnDay]:
    """Open places right under a place (its code; empty for the top) on a day, by code, a page at a time."""
    query = _on(ledger_id, day).where(
        place_terms.c.parent == code, place_terms.c.state == "open", places.c.code > after
    )
    if kind:
        query = query.where(places.c.kind == kind)
    return [_place(row) for row in connection.execute(query.order_by(places.c.code).limit(limit))]


def page(
    connection: Connection,
    ledger_id: int,
    day: date,
    *,
    kind: str = "",
    after: str = "",
    limit: int = PAGE,
) -> list[PlaceOnDay]:
    """Open places on a day, of one kind or of all, by code, a page at a time."""
    query = _on(ledger_id, day).where(place_terms.c.state == "open", places.c.code > after)
    if kind:
        query = query.where(places.c.kind == kind)
    return [_place(row) for row in connection.execute(query.order_by(places.c.code).limit(limit))]


def places_on(
    connection: Connection, ledger_id: int, codes: Iterable[str], day: date
) -> dict[str, PlaceOnDay]:
    """Places by code as they stood on a day, closed ones too; who is not listed was not there yet."""
    query = _on(ledger_id, day).where(is_one_of(connection, places.c.code, codes))
    return {row.code: _place(row) for row in connection.execute(query)}


def places_by_id(
    connection: Connection, ledger_id: int, place_ids: Iterable[str], day: date
) -> dict[str, PlaceOnDay]:
    """Places by id as they stood on a day, closed ones too; who is not listed was not there yet."""
    query = _on(ledger_id, day).where(is_one_of(connection, places.c.place_id, place_ids))
    return {row.place_id: _place(row) for row in connection.execute(query)}


def history(connection: Connection, ledger_id: int, code: str) -> PlaceHistory | None:
    """A place with all its terms, the oldest first."""
    return histories(connection, ledger_id, [code]).get(code)


class Tree(msgspec.Struct, frozen=True):
    """The open places of a day in memory, for who asks often: by id, and the ids right below each."""

    day: date
    places: dict[str, PlaceOnDay]
    above: dict[str, str]
    """Id of the parent by id; a place at the top is not in it."""
    below: dict[str, tuple[str, ...]]
    """Ids right under each id; under the empty text what stands at the top."""

    def ancestors(self, place_id: str) -> tuple[str, ...]:
        """As `tree.ancestors`, of open places, without a query."""
        line = [place_id] if place_id in self.places else []
        while line and len(line) <= MAX_DEPTH and (parent := self.above.get(line[-1])):
            line.append(parent)
        return tuple(line)


def tree(
    connection: Connection,
    ledger_id: int,
    day: date,
    kinds: Collection[str] = frozenset(KINDS) - {"household"},
) -> Tree:
    """All open places of a day in one statement. Households, of which there are many, only if `kinds` names them."""
    query = _on(ledger_id, day).where(
        place_terms.c.state == "open", is_one_of(connection, places.c.kind, sorted(kinds))
    )
    found = [_place(row) for row in fetched(connection, query)]
    ids = {place.code: place.id for place in found}
    below: dict[str, list[str]] = defaultdict(list)
    above: dict[str, str] = {}
    for place in sorted(found, key=lambda place: place.code):
        parent = ids.get(place.parent, TOP)
        below[parent].append(place.id)
        if parent:
            above[place.id] = parent
    return Tree(
        day, {place.id: place for place in found}, above, {id_: tuple(ids) for id_, ids in below.items()}
    )


def _holds(day: date) -> ColumnElement[bool]:
    return and_(place_terms.c.from_day <= day.isoformat(), place_terms.c.to_day > day.isoformat())


def _on(ledger_id: int, day: date) -> Select[Any]:
    p, t = places.c, place_terms.c
    return select(
        p.code,
        p.place_id,
        p.kind,
        t.name,
        t.parent,
        t.sector,
        t.state,
        t.successor,
        t.from_day,
        t.to_day,
    ).where(p.ledger_id == ledger_id, t.ledger_id == ledger_id, t.place_id == p.place_id, _holds(day))


def _place(row: Any) -> PlaceOnDay:
    code, id_, kind, name, parent, sector, state, successor, from_day, to_day = row
    days = date.fromisoformat(from_day), date.fromisoformat(to_day)
    return PlaceOnDay(code, id_, kind, name, parent, sector, state, successor, *days)
