"""Points that somebody gives away: to the fund they came from, or to a member of the household. Nothing else is given.

Points are no money: between strangers none pass. The desk (hours/gift_desk.py) sees to it that two members of staff act,
that giver and helpers are told, and that a delay runs; here the books are moved, lot by lot, by one visible entry.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, Connection, select

from pointsbank.activities.ports import By
from pointsbank.activities.reading import versions_of
from pointsbank.activities.refusals import FourEyes
from pointsbank.activities.service import made_by
from pointsbank.engine.commands import Command, attach, new_salt, request_digest
from pointsbank.engine.registry import Ledger
from pointsbank.hours.aliases import people_of
from pointsbank.hours.case_tables import gifts
from pointsbank.hours.debts import debts_of
from pointsbank.hours.holding import Held, load_held
from pointsbank.hours.postings import HOURS
from pointsbank.hours.refusals import (
    BalanceCap,
    DebtLeft,
    GiftDecided,
    GiftWaits,
    NotOfHousehold,
    UnknownCase,
)
from pointsbank.hours.settling import living_with
from pointsbank.intake.lines import kept_text
from pointsbank.ledger.chart import POINT
from pointsbank.ledger.model import MAX_AMOUNT, RECORDED_AT, SEQUENCE, Change, Draft, Movement, Row
from pointsbank.ledger.refusals import AmountOutOfRange, InsufficientBalance, Refusal
from pointsbank.people.volunteers import Volunteer
from pointsbank.points.lots import HeldLot, lots_of
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.calendar import city_day, start_of_day
from pointsbank.policy.model import Policy

ATTEMPTS: Final = 20

LAPSES_MICROS: Final = 30 * 86_400 * 1_000_000
"""So long after its delay somebody may confirm a gift. After that the giver may have forgotten it: it is proposed anew."""


class Gift(msgspec.Struct, frozen=True, kw_only=True):
    """Points (hundredths) that `giver` gives to `taker` of the household, or to the fund where `taker` is empty.

    Proposed by one and decided by another; not before `ready_at` (microseconds UTC). `sequence` is the entry. `state` is
    proposed, given, called-off, or lapsed: a proposal that nobody confirmed in time. Time alone does that, so no
    document says it and nothing is written.
    """

    gift_id: str
    giver: str
    taker: str
    points: int
    proposed_by: str
    proposed_at: int
    ready_at: int
    decided_by: str
    decided_at: int
    sequence: int
    state: str

    @property
    def lapses_at(self) -> int:
        """From when on it can no longer be confirmed, in microseconds UTC."""
        return max(self.proposed_at, self.ready_at) + LAPSES_MICROS

    def as_of(self, now: int) -> Gift:
        """The gift as it stands at a moment."""
        is_over = self.state == "proposed" and now >= self.lapses_at
        return msgspec.structs.replace(self, state="lapsed") if is_over else self


class Giving:
    """Proposes, posts and calls off gifts. Who may, and when, is for the desk."""

    def __init__(self, ledger: Ledger, policies: PolicyBook) -> None:
        self._ledger = ledger
        self._policies = policies
        self._zone = policies.policies[-1].timezone

    async def propose(
        self,
        giver: str,
        taker: str,
        points: int,
        ready_at: int,
        by: By,
        command: Command,
        tell: Callable[[], Awaitable[None]] | None = None,
    ) -> Gift | Refusal:
        """Write a gift down that nobody has confirmed yet. What cannot be given now is refused.

        `tell` is called before a new one is written: of a gift that stands, the giver was told.
        """
        gift_id = gift_of(command)
        found = await self.find(gift_id)
        if found is None:
            facts = await self._facts(giver, taker)
            refusal = UnknownCase(giver) if facts is None else _refusal(facts, giver, taker, points)
            if refusal is not None:
                return refusal
            if tell is not None:
                await tell()
        values = (gift_id, giver, taker, points, "", by.person, RECORDED_AT, ready_at, "", 0, 0, new_salt())
        draft = self._draft(
            "propose-gift", command.key, request_digest("gift", giver, taker, str(points)), by, command
        )
        rows = (Row("gifts", (*values, "proposed")),)
        [result] = await self._ledger.submit([msgspec.structs.replace(draft, rows=rows)], HOURS)
        return result if isinstance(result, Refusal) else await self._there(gift_id)

    async def give(
        self,
        gift: Gift,
        by: By,
        command: Command,
        why_not: Callable[[], Awaitable[Refusal | None]] | None = None,
    ) -> Gift | Refusal:
        """Post a gift: the giver's lots, the first-expiring first, keep their fund and their last day.

        `why_not` is asked after each look at the books: what changes these afterwards is found by their versions.
        """
        refusal: Refusal = UnknownCase(gift.gift_id)
        for _ in range(ATTEMPTS):
            found = await self._there(gift.gift_id)
            if found.state != "proposed":
                is_again = (found.state, found.decided_by) == ("given", by.person)
                return found if is_again else GiftDecided(gift.gift_id, found.state)
            if self._now() < found.ready_at:
                return GiftWaits(found.ready_at)
            if by.person in (found.proposed_by, found.giver, found.taker):
                return FourEyes("decider-is-proposer")
            facts = await self._facts(gift.giver, gift.taker)
            why = (
                UnknownCase(gift.giver)
                if facts is None
                else _refusal(facts, gift.giver, gift.taker, gift.points)
            )
            if facts is None or why is not None:
                return why or refusal
            if why_not is not None and (why := await why_not()) is not None:
                return why
            salt = await self._ledger.database.read(_salt, self._ledger.id, gift.gift_id)
            result = (await self._ledger.submit([self._gift(gift, facts, salt, by, command)], HOURS))[0]
            if not isinstance(result, Refusal):
                return await self._there(gift.gift_id)
            refusal = result
            if not refusal.retry and refusal.code not in ("state-changed", "insufficient-balance"):
                break
        return refusal

    async def call_off(self, gift: Gift, by: By, command: Command) -> Gift | Refusal:
        """Stop a gift that nobody has confirmed."""
        if gift.state == "called-off":
            return gift
        if gift.state == "lapsed":
            return GiftDecided(gift.gift_id, gift.state)
        draft = self._draft(
            "call-gift-off", f"call-off:{gift.gift_id}", request_digest("call-off", gift.gift_id), by, command
        )
        values = (("decided_by", by.person), ("decided_at", RECORDED_AT))
        changes = (Change("gifts", (gift.gift_id,), "proposed", "called-off", values),)
        [result] = await self._ledger.submit([msgspec.structs.replace(draft, changes=changes)], HOURS)
        if isinstance(result, Refusal):
            now = await self._there(gift.gift_id)
            return result if now.state == "proposed" else GiftDecided(gift.gift_id, now.state)
        return await self._there(gift.gift_id)

    async def find(self, gift_id: str) -> Gift | None:
        """The gift with this id."""
        found = await self._ledger.database.read(_gifts, self._ledger.id, gifts.c.gift_id == gift_id)
        return found[0].as_of(self._now()) if found else None

    async def of(self, giver: str) -> list[Gift]:
        """What somebody gave, was to give, or was kept from giving, newest first."""
        found = await self._ledger.database.read(_gifts, self._ledger.id, gifts.c.giver == giver)
        return [gift.as_of(self._now()) for gift in found]

    def _gift(self, gift: Gift, facts: _Facts, salt: bytes, by: By, command: Command) -> Draft:
        today, people = self._today(), [facts.giver, *([facts.taker] if facts.taker else [])]
        content = kept_text(
            (gift.gift_id, gift.giver, gift.taker, str(gift.points), gift.proposed_by, by.person)
        )
        values = (
            ("content", content),
            ("decided_by", by.person),
            ("decided_at", RECORDED_AT),
            ("sequence", SEQUENCE),
        )
        return Draft(
            "gift",
            f"gift:{gift.gift_id}",
            command.client,
            request_digest("gift", content),
            start_of_day(today, self._zone),
            movements(facts, gift.points),
            by.name,
            by.place,
            "given-to-household" if gift.taker else "donated",
            documents=(attach("gift", gift.gift_id, salt, content),),
            reads=tuple((one.subject, facts.versions[one.subject]) for one in people),
            touches=tuple(one.subject for one in people),
            changes=(Change("gifts", (gift.gift_id,), "proposed", "given", values),),
        )

    def _draft(self, kind: str, key: str, digest: bytes, by: By, command: Command) -> Draft:
        return Draft(kind, key, command.client, digest, self._now(), actor=by.name, place=by.place)

    async def _facts(self, giver: str, taker: str) -> _Facts | None:
        today = self._today()
        policy = self._policies.protecting(today)
        return await self._ledger.database.read(_facts_of, self._ledger.id, giver, taker, today, policy)

    async def _there(self, gift_id: str) -> Gift:
        found = await self.find(gift_id)
        assert found is not None, "a gift is never removed"
        return found

    def _today(self) -> date:
        return city_day(self._now(), self._zone)

    def _now(self) -> int:
        return self._ledger.writer.clock.now()


class _Facts(msgspec.Struct, frozen=True):
    """Giver and taker from one snapshot."""

    giver: Volunteer
    taker: Volunteer | None
    live_together: bool
    held: list[HeldLot]
    owed: int
    room: int
    """How many points the taker may still be given, in hundredths: no more than the city lets anybody hold."""
    versions: dict[str, int]


def gift_of(command: Command) -> str:
    """The id of the gift that a command proposes."""
    return made_by(command, "gift")


def movements(facts: _Facts, points: int) -> tuple[Movement, ...]:
    """`points` out of the giver's lots, the first-expiring first."""
    moved, left = list[Movement](), points
    for lot in facts.held:
        amount = min(left, lot.balance)
        if amount:
            to = facts.taker.wallet if facts.taker else lot.fund.issued
            moved.append(Movement(lot.wallet, to, POINT.code, amount, lot.lot))
            left -= amount
    return tuple(moved)


def _refusal(facts: _Facts, giver: str, taker: str, points: int) -> Refusal | None:
    """Why these points cannot be given."""
    if taker and (facts.taker is None or not facts.live_together or facts.taker.id == facts.giver.id):
        return NotOfHousehold(taker)
    if not 0 < points < MAX_AMOUNT:
        return AmountOutOfRange(facts.giver.wallet, points)
    if facts.owed:
        return DebtLeft(facts.owed)
    available = sum(lot.balance for lot in facts.held)
    if points > available:
        return InsufficientBalance(facts.giver.wallet, POINT.code, "", available, 0, points)
    if points > facts.room:
        return BalanceCap(facts.room)
    return None


def _facts_of(
    connection: Connection, ledger_id: int, giver_id: str, taker_id: str, today: date, policy: Policy
) -> _Facts | None:
    people = people_of(connection, ledger_id, [one for one in (giver_id, taker_id) if one])
    giver, taker = people.get(giver_id), people.get(taker_id)
    if giver is None:
        return None
    held = lots_of(connection, ledger_id, [giver.wallet]).get(giver.wallet, [])
    owed = debts_of(connection, ledger_id, [giver.id]).get(giver.id, [])
    return _Facts(
        giver,
        taker,
        taker is not None and taker_id in living_with(connection, ledger_id, [giver_id], today),
        [lot for lot in held if lot.expires_on >= today.isoformat()],
        sum(lot.balance for lot in owed),
        MAX_AMOUNT if taker is None else _room(connection, ledger_id, taker, today, policy),
        versions_of(connection, ledger_id, [one.subject for one in people.values()]),
    )


def _room(connection: Connection, ledger_id: int, taker: Volunteer, today: date, policy: Policy) -> int:
    if not policy.limits.balance_cap_points:
        return MAX_AMOUNT
    held = Held()
    load_held(connection, ledger_id, [taker.id], held)
    return held.within(taker.id, MAX_AMOUNT, today, policy)


def _gifts(connection: Connection, ledger_id: int, condition: ColumnElement[bool]) -> list[Gift]:
    t = gifts.c
    query = select(*(t[name] for name in Gift.__struct_fields__)).where(t.ledger_id == ledger_id)
    rows = connection.execute(query.where(condition).order_by(t.proposed_at.desc(), t.gift_id).limit(200))
    return [Gift(**row._mapping) for row in rows]


def _salt(connection: Connection, ledger_id: int, gift_id: str) -> bytes:
    t = gifts.c
    query = select(t.salt).where(t.ledger_id == ledger_id, t.gift_id == gift_id)
    return bytes(connection.execute(query).scalar_one())
