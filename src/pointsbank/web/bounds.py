"""Where an act takes place and whom it is about: asked before a person with a role of some places acts.

The place bounds the act, not the volunteer's home: who stands at the counter is served there.
"""

from __future__ import annotations

from sqlalchemy import Connection

from pointsbank.access.authorize import Resource, authorize
from pointsbank.access.model import Actor
from pointsbank.access.standing import places_above
from pointsbank.places.stations import stations
from pointsbank.web.bank import Bank
from pointsbank.web.guard import deny


async def require_at(bank: Bank, actor: Actor, action: str, *, station: str = "", person: str = "") -> None:
    """Raise ProblemError unless somebody may do this at this station, by code, and for this person, by id.

    An unknown station is no place of anybody's: only a role of the whole city goes on to hear that it is unknown. A
    source without a person was judged at the door.
    """
    if actor.person:
        resource: Resource = await bank.ask(_resource, station, person)
        deny(authorize(actor, action, resource), action)


def _resource(connection: Connection, ledger_id: int, station: str, person: str) -> Resource:
    codes = [code for code in (station,) if code.isprintable()]
    place = stations(connection, ledger_id, codes).get(station)
    places = places_above(connection, ledger_id, place.id) if place is not None else ()
    return Resource(places=places or (), person=person)
