"""Places of the city: opened with their accounts, found by code. This room opens accounts and never posts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import msgspec
from sqlalchemy import Connection, func, select

from pointsbank.engine.commands import Command, request_digest
from pointsbank.engine.ids import new_id
from pointsbank.ledger.model import Draft, OpenAccount, Row
from pointsbank.places.atlas import term_row
from pointsbank.places.model import OPEN_END, SINCE_EVER, PlaceHistory, Term
from pointsbank.places.tables import place_terms, places
from pointsbank.store.lists import is_one_of
from pointsbank.store.questions import LEDGER, Question

PLACES = frozenset(["places"])

_p, _d = places.c, place_terms.c
_DAYS = Question(
    lambda one_of: select(_p.code, _p.place_id, _p.name, _d.from_day, _d.to_day).where(
        _p.ledger_id == LEDGER,
        _p.kind == "station",
        one_of(_p.code, "codes"),
        _d.ledger_id == LEDGER,
        _d.place_id == _p.place_id,
        _d.state == "open",
    )
)


class Station(msgspec.Struct, frozen=True):
    """A station with its shop: the city's code, our random id, its name."""

    code: str
    id: str
    name: str = ""

    @property
    def stock(self) -> str:
        return f"station:{self.id}:stock"

    @property
    def handed_out(self) -> str:
        return f"station:{self.id}:handed-out"

    @property
    def redeemed(self) -> str:
        return f"station:{self.id}:redeemed"


def opening(kind: str, code: str, name: str, parent: str, command: Command) -> Draft:
    """The draft that registers a place as it stands, without a date; a station gets the accounts of its shop.

    For data sets that say nothing of days and may name parents that they do not bring: nothing is checked here.
    Whoever opens a place on a day uses `places.service`.
    """
    term = Term(SINCE_EVER, OPEN_END, parent, name, "", "open")
    place = PlaceHistory(code, new_id(), kind, "open", (term,))
    return Draft(
        kind="open-place",
        key=command.key,
        client=command.client,
        request=request_digest("open-place", kind, code, name, parent),
        effective_at=0,
        actor=command.actor,
        opens=shop_accounts(place),
        rows=place_rows(place),
    )


def place_rows(place: PlaceHistory) -> tuple[Row, ...]:
    """The rows of a new place: who it is, and its first term."""
    term = place.last
    identity = Row("places", (place.code, place.id, place.kind, term.name, term.parent, place.state))
    return (identity, term_row(place.id, term))


def shop_accounts(place: PlaceHistory) -> tuple[OpenAccount, ...]:
    """The accounts of a station's shop; other places have none."""
    if place.kind != "station":
        return ()
    station = Station(place.code, place.id)
    return tuple(map(OpenAccount, (station.stock, station.handed_out, station.redeemed)))


def stations(
    connection: Connection, ledger_id: int, codes: Iterable[str] | None = None, *, day: date | None = None
) -> dict[str, Station]:
    """Open stations by code: those asked for, or all of the city (some 3,000).

    With a `day` those that are open on it, under the names they have then; without one as they were last written.
    """
    t = places.c
    query = select(t.code, t.place_id, t.name).where(
        t.ledger_id == ledger_id, t.kind == "station", t.state == "open"
    )
    if day is not None:
        terms = place_terms.c
        query = select(t.code, t.place_id, terms.name).where(
            t.ledger_id == ledger_id,
            t.kind == "station",
            terms.ledger_id == ledger_id,
            terms.place_id == t.place_id,
            terms.from_day <= day.isoformat(),
            terms.to_day > day.isoformat(),
            terms.state == "open",
        )
    if codes is not None:
        query = query.where(is_one_of(connection, t.code, codes))
    return {code: Station(code, id_, name) for code, id_, name in connection.execute(query)}


_NO_END = OPEN_END.isoformat()
"""Until further notice: the last day of the calendar is then a day like any other."""


class StationDays(msgspec.Struct, frozen=True):
    """A station and the days on which it is open: from each first day up to and without the second."""

    station: Station
    days: tuple[tuple[str, str], ...]

    def is_open(self, day: str) -> bool:
        """Whether the station is open on a day (YYYY-MM-DD)."""
        return any(first <= day and (day < end or end == _NO_END) for first, end in self.days)


def station_days(connection: Connection, ledger_id: int, codes: Iterable[str]) -> dict[str, StationDays]:
    """Stations by code with their days, those that have closed too: what is judged may be of any day."""
    rows = _DAYS.fetched(connection, ledger_id, codes=codes)
    found: dict[str, StationDays] = {}
    for code, place_id, name, first, end in rows:
        days = found[code].days if code in found else ()
        found[code] = StationDays(Station(code, place_id, name), (*days, (first, end)))
    return found


def counts(connection: Connection, ledger_id: int) -> dict[str, int]:
    """How many places there are of each kind."""
    t = places.c
    rows = connection.execute(select(t.kind, func.count()).where(t.ledger_id == ledger_id).group_by(t.kind))
    return {str(kind): int(count) for kind, count in rows}
