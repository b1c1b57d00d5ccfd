"""An office with a people store: two stations below a centre, staff with roles there, people at home at a station."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from pointsbank.access.model import Actor, Grant
from pointsbank.access.own_codes import OwnCodes
from pointsbank.access.people_desk import PeopleDesk
from pointsbank.access.phone_codes import PhoneCodes
from pointsbank.access.pins import Pins
from pointsbank.access.terminals import ConfirmedTerminal, Terminal, TerminalDesk
from pointsbank.access.visits import Visits
from pointsbank.engine.commands import Command
from pointsbank.ledger.model import Receipt
from pointsbank.people.acts import Act
from pointsbank.people.cards import IssuedCard
from pointsbank.people.erasures import ErasureList
from pointsbank.people.links import Link
from pointsbank.people.master import MasterKeys, generate
from pointsbank.people.model import NewPerson, Registered
from pointsbank.people.store import PeopleStore
from pointsbank.places.model import Joining
from pointsbank.places.service import PlacesService
from pointsbank.places.stations import PLACES, opening
from pointsbank.places.tree import places_on
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.shipped import policies_at
from pointsbank.store.database import Database

from .office import MINUTE, Office, open_office

HOUR = 60 * MINUTE
DAY = 24 * HOUR
PIN = "907314"
TODAY = date(2026, 11, 18)

TREE = (
    ("city", "HRB", "市", ""),
    ("centre", "C1", "一中心", "HRB"),
    ("station", "S1", "一站", "C1"),
    ("station", "S2", "二站", "C1"),
    ("team", "T1", "一队", "S1"),
    ("team", "T2", "二队", "S2"),
    ("household", "H1", "一户", "S1"),
    ("household", "H2", "二户", "S1"),
)

STAFF = (
    ("op", "station-operator", "S1"),
    ("far", "station-operator", "S2"),
    ("cashier", "cashier", "S1"),
    ("mgr", "centre-manager", "C1"),
    ("second", "centre-manager", "C1"),
)


@dataclass
class Bureau:
    """Everything about people, at one ledger."""

    office: Office
    store: PeopleStore
    desk: PeopleDesk
    visits: Visits
    terminals: TerminalDesk
    places: dict[str, str] = field(default_factory=dict)
    """place id of each code"""

    def staff(self, login: str, *, is_stepped_up: bool = True) -> Actor:
        """A member of staff as the guard hands them over; the desks look the roles up again."""
        role, place = next(((r, p) for name, r, p in STAFF if name == login), ("", ""))
        actor = self.office.actor(login, is_stepped_up=is_stepped_up)
        grants = (Grant(role, self.places[place]),) if role else ()
        return Actor(
            actor.id, actor.client, actor.scopes, actor.person, "staff", grants, "session", is_stepped_up
        )

    async def person(self, name: str = "张小明", *, team: str = "T1", **fields: object) -> str:
        """Somebody on file, at home in a team; the id."""
        given = {"name": name, **fields}
        done = await self.desk.registry.register(NewPerson(**given), "clerk")  # type: ignore[arg-type]
        assert isinstance(done, Registered), done
        if team:
            await self.join(done.person_id, team)
        return done.person_id

    async def join(self, person: str, group: str) -> None:
        joined = await PlacesService(self.office.ledger).change_membership(
            Joining(group, person, TODAY), Command("t", f"{person} {group}"), by_two=True
        )
        assert isinstance(joined, Receipt), joined

    async def card(self, person: str) -> IssuedCard:
        """A card through two members of staff, whose delay is over."""
        act = await self.desk.propose_card(self.staff("op"), person)
        assert isinstance(act, Act), act
        issued = await self.desk.confirm_card(self.staff("mgr"), person, act.id)
        assert isinstance(issued, IssuedCard), issued
        return issued

    async def leave_for_pin(self, person: str) -> None:
        """Leave to choose a PIN, through two members of staff."""
        act = await self.desk.propose_pin(self.staff("op"), person)
        assert isinstance(act, Act), act
        done = await self.desk.confirm_act(self.staff("mgr"), person, act.id)
        assert isinstance(done, Act), done

    async def terminal(self, place: str = "S1", label: str = "一号终端") -> tuple[Terminal, str]:
        """An enrolled terminal through two administrators, and its key."""
        ann, bo = self.office.actor("ann"), self.office.actor("bo")
        made = await self.terminals.propose(ann, self.places[place], label, self.office.command(ann))
        assert isinstance(made, Terminal), made
        confirmed = await self.terminals.confirm(bo, made.id, self.office.command(bo))
        assert isinstance(confirmed, ConfirmedTerminal), confirmed
        enrolled = await self.terminals.enrol(str(confirmed.code))
        assert isinstance(enrolled, tuple), enrolled
        return enrolled

    async def holder(self, name: str = "李秀英", **fields: object) -> tuple[str, IssuedCard, str]:
        """Somebody with card and PIN that may spend, and the key of a terminal of the station."""
        person = await self.person(name, **fields)
        card, (_, key) = await self.card(person), await self.terminal(label=name)
        await self.leave_for_pin(person)
        assert await self.visits.choose_pin(key, self.staff("cashier"), card.token, PIN) is None
        self.office.clock.time += DAY
        return person, card, key

    async def linked(self, kind: str, holder: str, ward: str) -> Link:
        """A link through two members of staff, after its delay."""
        made = await self.desk.propose_link(self.staff("op"), ward, kind, holder, "户口本")  # type: ignore[arg-type]
        assert isinstance(made, Link), made
        link = await self.desk.confirm_link(self.staff("mgr"), ward, made.id)
        assert isinstance(link, Link), link
        self.office.clock.time += DAY
        return link


@asynccontextmanager
async def open_bureau(
    database: Database, folder: Path, policies: PolicyBook | None = None
) -> AsyncIterator[Bureau]:
    """The bureau of a database of the test's own, with the shipped policies if none are given."""
    policies = policies or policies_at()
    async with open_office(database, policies=policies) as office:
        url = database.url if database.dialect == "postgresql" else f"sqlite:///{folder / 'people.db'}"
        store = PeopleStore(
            url,
            office.ledger.id,
            MasterKeys([generate()]),
            ErasureList(folder / "outside" / "people.erasures"),
            clock=office.clock,
        )
        if not store.database.path.exists():  # where books are lent, people are
            await store.upgrade()
        await store.open()
        try:
            pepper, passwords = office.log_ins.pepper, office.log_ins.passwords
            terminals = TerminalDesk(office.ledger, office.ring)
            visits = Visits(
                office.ledger,
                office.store,
                store,
                terminals,
                Pins(office.ledger.id, office.store, passwords, pepper, office.clock),
                OwnCodes(office.ledger.id, office.store, pepper, policies),
                PhoneCodes(office.store, store, pepper),
                policies,
            )
            bureau = Bureau(office, store, PeopleDesk(office.ledger, store, policies), visits, terminals)
            await _furnish(bureau)
            yield bureau
        finally:
            await store.close()


async def _furnish(bureau: Bureau) -> None:
    office = bureau.office
    drafts = [opening(kind, code, name, parent, Command("t", code)) for kind, code, name, parent in TREE]
    for result in await office.ledger.submit(drafts, PLACES):
        assert isinstance(result, Receipt), result
    found = await office.ledger.database.read(
        places_on, office.ledger.id, [code for _, code, _, _ in TREE], TODAY
    )
    bureau.places = {code: place.id for code, place in found.items()}
    for login, role, place in STAFF:
        await office.add(login)
        await office.give(login, role, bureau.places[place])
