"""An office for tests: a ledger with its first two administrators, more staff when asked, a clock that stands still."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

from pointsbank.access.log_in import LogIns, OpenedSession
from pointsbank.access.logins import LoginStore
from pointsbank.access.model import Actor, Grant
from pointsbank.access.passwords import Passwords
from pointsbank.access.pepper import Pepper
from pointsbank.access.ring import KeyRing
from pointsbank.access.roles import Granted, RoleDesk, RoleIn
from pointsbank.access.service import KeyDesk
from pointsbank.access.staff import Half, StaffDesk
from pointsbank.access.totp import code_at, step_of
from pointsbank.engine.clock import FixedClock
from pointsbank.engine.commands import Command
from pointsbank.engine.registry import CITY_LEDGER, Ledger, open_ledger
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.shipped import policies_at
from pointsbank.store.database import Database

NOON = 1_795_000_000_000_000
"""2026-11-18 in the city."""

PASSWORD = "correct horse battery 马"
ADDRESS = "192.0.2.7"
MINUTE = 60_000_000


@dataclass
class Office:
    """Everything that access does, on one ledger."""

    ledger: Ledger
    clock: FixedClock
    ring: KeyRing
    staff: StaffDesk
    roles: RoleDesk
    keys: KeyDesk
    log_ins: LogIns
    store: LoginStore
    codes: dict[str, str] = field(default_factory=dict)
    """whole enrolment code of each login name"""
    people: dict[str, str] = field(default_factory=dict)
    """person id of each login name"""
    apps: dict[str, bytes] = field(default_factory=dict)
    """what the authenticator app of each login name holds"""
    _numbers: count[int] = field(default_factory=count)

    def command(self, actor: Actor | None = None) -> Command:
        name = actor.name if actor is not None else "test"
        return Command(actor.client if actor else "test", f"command {next(self._numbers)}", name)

    def actor(self, login: str, *roles: str, is_stepped_up: bool = True) -> Actor:
        """A member of staff as the guard would hand them over; the desks look their roles up again."""
        person = self.people[login]
        grants = tuple(Grant(role) for role in roles)
        return Actor(
            "session", f"person:{person}", frozenset(), person, "staff", grants, "session", is_stepped_up
        )

    async def add(self, login: str, by: str = "ann", confirmed_by: str = "bo") -> str:
        """A new member of staff with a whole code, through two administrators."""
        first = await self.staff.add(self.actor(by), login, self.command(self.actor(by)))
        assert isinstance(first, Half), first
        other = self.actor(confirmed_by)
        second = await self.staff.confirm_enrolment(other, first.enrolment, self.command(other))
        assert isinstance(second, Half), second
        self.people[login] = first.person
        self.codes[login] = f"{first.code}-{second.code}"
        return first.person

    async def give(self, login: str, role: str, place: str = "") -> str:
        """A role through two administrators: the id of the grant."""
        ann, bo = self.actor("ann"), self.actor("bo")
        proposed = await self.roles.propose(ann, RoleIn(self.people[login], role, place), self.command(ann))
        assert isinstance(proposed, Granted), proposed
        confirmed = await self.roles.confirm(bo, proposed.grant.id, self.command(bo))
        assert isinstance(confirmed, Granted), confirmed
        return confirmed.grant.id

    async def enrol(self, login: str, password: str = PASSWORD) -> None:
        """Set the password and put the second factor into an app."""
        uri = await self.log_ins.enrol(login, self.codes[login], password, ADDRESS, self.command())
        assert isinstance(uri, str), uri
        self.apps[login] = secret_in(uri)

    def code(self, login: str, steps: int = 0) -> str:
        """What the app shows now, or some steps from now."""
        return code_at(self.apps[login], step_of(self.clock.time) + steps)

    async def log_in(self, login: str) -> OpenedSession:
        """Log in, with a code that was not used yet."""
        self.clock.time += MINUTE
        opened = await self.log_ins.log_in(login, PASSWORD, self.code(login), ADDRESS)
        assert isinstance(opened, OpenedSession), opened
        return opened


def secret_in(uri: str) -> bytes:
    """The secret that an authenticator app reads out of an address."""
    from base64 import b32decode
    from urllib.parse import parse_qs, urlsplit

    return b32decode(parse_qs(urlsplit(uri).query)["secret"][0])


@asynccontextmanager
async def open_office(
    database: Database,
    *,
    founded: bool = True,
    name: str = CITY_LEDGER,
    policies: PolicyBook | None = None,
) -> AsyncIterator[Office]:
    """The office of a database of the test's own, with the administrators ann and bo."""
    clock = FixedClock(NOON)
    pepper = Pepper(bytes(range(32)))
    store, passwords = LoginStore(database), Passwords(pepper)
    async with open_ledger(database, name, clock=clock) as ledger:
        ring = KeyRing(ledger, clock)
        staff = StaffDesk(ledger, ring)
        await store.open()
        try:
            office = Office(
                ledger,
                clock,
                ring,
                staff,
                RoleDesk(ledger, ring, policies or policies_at()),
                KeyDesk(ledger, ring),
                LogIns(ledger, ring, staff, store, pepper, passwords),
                store,
            )
            if founded:
                halves = await staff.found(("ann", "bo"), Command("test", "founding", "test"))
                assert isinstance(halves, tuple), halves
                for login, half in zip(("ann", "bo"), halves, strict=True):
                    office.people[login] = half.person
                    office.codes[login] = str(half.code)
            yield office
        finally:
            passwords.close()
            await store.close()
