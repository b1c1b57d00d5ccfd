"""No question about a few places or people reads more when the city grows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from sqlalchemy import Connection
from tests.readers.test_plans import analyse, faults

from pointsbank.engine.commands import Command
from pointsbank.engine.ids import new_id
from pointsbank.ledger.model import Draft, Row
from pointsbank.places import loading, membership, tree
from pointsbank.places.model import Closing, Joining, Merging, Moving, Opening
from pointsbank.places.stations import PLACES, opening, stations
from pointsbank.store.database import Database

from .land import TODAY, open_land

DAY = date(2025, 5, 1)
PEOPLE = [new_id() for _ in range(3)]
ID = new_id()
QUESTIONS: dict[str, Callable[[Connection, int], object]] = {
    "ancestors": lambda c, ledger: tree.ancestors_of(c, ledger, [ID, *PEOPLE], TODAY),
    "children": lambda c, ledger: tree.children(c, ledger, "C1A", TODAY, limit=10),
    "page": lambda c, ledger: tree.page(c, ledger, TODAY, after="C", limit=10),
    "page of a kind": lambda c, ledger: tree.page(c, ledger, TODAY, kind="centre", limit=10),
    "places by code": lambda c, ledger: tree.places_on(c, ledger, ["S1", "S2"], TODAY),
    "places by id": lambda c, ledger: tree.places_by_id(c, ledger, PEOPLE, TODAY),
    "history": lambda c, ledger: tree.history(c, ledger, "S1"),
    "stations": lambda c, ledger: stations(c, ledger, ["S1"]),
    "stations of a day": lambda c, ledger: stations(c, ledger, ["S1"], day=TODAY),
    "groups": lambda c, ledger: membership.groups_of(c, ledger, PEOPLE, TODAY),
    "members": lambda c, ledger: membership.members_of(c, ledger, ID, TODAY),
    "household": lambda c, ledger: membership.share_household(c, ledger, PEOPLE[0], PEOPLE[1], TODAY),
    "changes": lambda c, ledger: loading.atlas_for(
        c,
        ledger,
        [
            Opening("S9", "station", "x", "C1A", DAY),
            Moving("S1", "C2A", DAY),
            Closing("S2", DAY),
            Merging("S2", "S1", DAY),
        ],
    ),
    "joining": lambda c, ledger: loading.member_atlas_for(c, ledger, [Joining("T1", PEOPLE[0], DAY)]),
}
TABLES = {"places", "place_terms", "memberships"}


async def test_no_question_reads_more_when_the_city_grows(database: Database) -> None:
    async with open_land(database) as land:
        if database.dialect == "postgresql":
            drafts = [
                opening("household", f"H{n:05}", "户", f"S{n % 300}", Command("t", f"h{n}"))
                for n in range(4000)
            ]
            await land.ledger.submit(drafts, PLACES)
            for at in range(0, 4000, 500):
                rows = tuple(
                    Row(
                        "memberships",
                        (f"g{n % 1000}", f"p{n}", "2020-01-01", "9999-12-31", "member", "open"),
                        key_length=3,
                    )
                    for n in range(at, at + 500)
                )
                draft = Draft("join-group", f"m{at}", "t", bytes(16), 0, rows=rows)
                await land.ledger.submit([draft], PLACES)
            await analyse(database)
        found = {
            name: await database.read(faults, land.ledger.id, ask, TABLES) for name, ask in QUESTIONS.items()
        }
    assert {name: wrong for name, wrong in found.items() if wrong} == {}
