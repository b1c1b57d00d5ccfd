"""Places of the city: opened with their accounts, found by code. This room opens accounts and never posts."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from sqlalchemy import Connection, func, select

from pointsbank.engine.commands import Command, request_digest
from pointsbank.engine.ids import new_id
from pointsbank.ledger.model import Draft, OpenAccount, Row
from pointsbank.places.tables import places
from pointsbank.store.lists import is_one_of

PLACES = frozenset(["places"])


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
    """The draft that opens a place; a station gets the accounts of its shop."""
    id_ = new_id()
    station = Station(code, id_)
    accounts = (station.stock, station.handed_out, station.redeemed) if kind == "station" else ()
    return Draft(
        kind="open-place",
        key=command.key,
        client=command.client,
        request=request_digest("open-place", kind, code, name, parent),
        effective_at=0,
        actor=command.actor,
        opens=tuple(OpenAccount(path) for path in accounts),
        rows=(Row("places", (code, id_, kind, name, parent, "open")),),
    )


def stations(
    connection: Connection, ledger_id: int, codes: Iterable[str] | None = None
) -> dict[str, Station]:
    """Open stations by code: those asked for, or all of the city (some 3,000)."""
    t = places.c
    query = select(t.code, t.place_id, t.name).where(
        t.ledger_id == ledger_id, t.kind == "station", t.state == "open"
    )
    if codes is not None:
        query = query.where(is_one_of(connection, t.code, codes))
    return {code: Station(code, id_, name) for code, id_, name in connection.execute(query)}


def counts(connection: Connection, ledger_id: int) -> dict[str, int]:
    """How many places there are of each kind."""
    t = places.c
    rows = connection.execute(select(t.kind, func.count()).where(t.ledger_id == ledger_id).group_by(t.kind))
    return {str(kind): int(count) for kind, count in rows}
