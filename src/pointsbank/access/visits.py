"""Sessions of volunteers: by a code sent to the phone, or by card and PIN at a terminal in front of staff.

A session by card lasts two minutes and may see the balance, check in and redeem within the daily limit; one by phone
may do what concerns oneself or, by a recorded link, a ward. Neither changes a phone, a PIN or a helper, nor closes an
account: that takes two members of staff. The table of rights says so (card-holder, volunteer, guardian, helper).
"""

from __future__ import annotations

import secrets
from hashlib import sha256
from typing import Final

import msgspec

from pointsbank.access import standing
from pointsbank.access import visit_rows as rows
from pointsbank.access.authorize import Resource, authorize
from pointsbank.access.deciding import refusal_of, with_rights_of
from pointsbank.access.logins import LoginStore
from pointsbank.access.model import Actor
from pointsbank.access.own_codes import OwnCodes
from pointsbank.access.phone_codes import AskedCode, PhoneCodes
from pointsbank.access.pins import Pins, pin_weakness
from pointsbank.access.refusals import (
    CardDayLimit,
    CardNotYet,
    GuardianNotPresent,
    NoPinChoice,
    NotAWard,
    OwnCodeRefused,
    PinRefused,
    UnknownTerminal,
    WeakPin,
)
from pointsbank.access.rights import Relation, rights
from pointsbank.access.terminals import Terminal, TerminalDesk
from pointsbank.access.visit_rows import Visit
from pointsbank.engine.ids import new_id
from pointsbank.engine.registry import Ledger
from pointsbank.ledger.chart import POINT
from pointsbank.ledger.refusals import Refusal
from pointsbank.people import acts
from pointsbank.people.cards import Card, Cards, token_in
from pointsbank.people.changes import Changes
from pointsbank.people.links import Links
from pointsbank.people.registry import Registry
from pointsbank.people.store import PeopleStore
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.calendar import city_day, completed_years
from pointsbank.policy.model import Policy

CARD: Final = "card"
PHONE: Final = "phone"
CODE: Final = "code"
_MINUTE: Final = 60_000_000
_SECOND: Final = 1_000_000
_HUNDREDTHS: Final = 100


class OpenedVisit(msgspec.Struct, frozen=True):
    """A session that was opened: the token for the cookie, shown to nobody else. Times are microseconds UTC.

    `name` is masked; nothing that the session brings may be spent before `spends_from`.
    """

    token: str
    session: str
    person: str
    name: str
    spends_from: int
    expires_at: int


class Visits:
    """The doors for volunteers of one ledger. Both stores must be open."""

    def __init__(
        self,
        ledger: Ledger,
        store: LoginStore,
        people: PeopleStore,
        terminals: TerminalDesk,
        pins: Pins,
        own_codes: OwnCodes,
        phone_codes: PhoneCodes,
        policies: PolicyBook,
        *,
        zone: str = standing.ZONE,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._people = people
        self._terminals = terminals
        self._zone = self.zone = zone
        self._rules = rights().visit
        self._policies = policies
        self.pins = pins
        self.own_codes = own_codes
        self.phone_codes = phone_codes
        self.registry = Registry(people, zone=zone)

    # at a terminal

    async def open_with_card(
        self, terminal_key: str, staff: Actor, card_text: str, pin: str
    ) -> OpenedVisit | Refusal:
        """Open two minutes for the holder of a card, who has typed the PIN in front of a member of staff.

        An unknown card costs as much work as a known one with a wrong PIN, and counts against the terminal as one.
        """
        at = await self._at_terminal(terminal_key, staff)
        if isinstance(at, Refusal):
            return at
        card = await self._holder(card_text)
        if card is None:
            unknown = sha256((token_in(card_text) or card_text).encode("utf-8", "replace")).hexdigest()
            return await self.pins.check("", unknown, at.id, pin) or PinRefused()
        denied = await self._may_serve(staff, at, card.person_id)
        if denied is not None:
            return denied
        refused = await self.pins.check(card.person_id, card.id, at.id, pin)
        if refused is not None:
            return refused
        spends_from = max(card.effective_at, await self._spending_from(card.person_id))
        seconds = self._rules.card_seconds
        return await self._open(card.person_id, CARD, seconds * _SECOND, at, staff.person, spends_from)

    async def choose_pin(self, terminal_key: str, staff: Actor, card_text: str, pin: str) -> Refusal | None:
        """Let the holder choose a PIN, once, after two members of staff have given leave. It spends after the delay."""
        at = await self._at_terminal(terminal_key, staff)
        if isinstance(at, Refusal):
            return at
        card = await self._holder(card_text)
        if card is None:
            return NoPinChoice()
        denied = await self._may_serve(staff, at, card.person_id)
        if denied is not None:
            return denied
        born = (await self.registry.birth_dates([card.person_id])).get(card.person_id)
        why = pin_weakness(pin, born)
        if why:
            return WeakPin(why)
        now = self._now()
        since = now - self._rules.pin_choice_minutes * _MINUTE
        effective_at = now + self._policy().people.new_means_micros
        is_given = await self._people.write(
            lambda c: acts.use(c, self._people.ledger_id, card.person_id, "pin-reset", since, effective_at)
        )
        if not is_given:
            return NoPinChoice()
        await self.pins.thaw(card.id)
        return await self.pins.choose(card.person_id, pin, born)

    async def read_own_code(self, terminal_key: str, staff: Actor, text: str) -> tuple[str, str] | Refusal:
        """Who shows a dynamic code at a terminal: the person and the masked name. The code is used up (V3)."""
        at = await self._at_terminal(terminal_key, staff)
        if isinstance(at, Refusal):
            return at
        person = await self.own_codes.use(text, self._now())
        if person is None or await self.registry.state(person) != "active":
            return OwnCodeRefused()
        denied = await self._may_serve(staff, at, person)
        if denied is not None:
            return denied
        return person, (await self.registry.masked_names([person])).get(person, "")

    async def whose_code(self, terminal_key: str, staff: Actor, text: str) -> tuple[Terminal, str] | Refusal:
        """At which terminal a code is shown, and whose it is or was: for who asks again what became of a command."""
        at = await self._at_terminal(terminal_key, staff)
        if isinstance(at, Refusal):
            return at
        person = self.own_codes.holder(text)
        return OwnCodeRefused() if person is None else (at, person)

    async def stand_by_code(self, at: Terminal, staff: Actor, text: str) -> Visit | Refusal:
        """Use a dynamic code up: its holder stands at the terminal, for one act of the member of staff."""
        now = self._now()
        person = await self.own_codes.use(text, now)
        if person is None or await self.registry.state(person) != "active":
            return OwnCodeRefused()
        spends_from = await self._spending_from(person)
        return Visit("", person, CODE, "", "", at.id, at.place, staff.person, spends_from, now, now, now)

    # by phone

    async def ask_code(self, phone: str, address: str) -> AskedCode | Refusal:
        """Send a code to a phone."""
        return await self.phone_codes.ask(phone, address)

    async def open_with_phone(
        self, phone: str, browser: str, code: str, volunteer_number: str = ""
    ) -> OpenedVisit | Refusal:
        """Open a session for the adult holder of a phone, who has shown the code that was sent to it."""
        person = await self.phone_codes.prove(phone, browser, code, volunteer_number)
        if isinstance(person, Refusal):
            return person
        hours = self._rules.phone_longest_hours
        return await self._open(
            person, PHONE, hours * 60 * _MINUTE, None, "", await self._spending_from(person)
        )

    # as long as it lasts

    async def visit(self, token: str) -> Visit | None:
        """The session behind a token; None if it is over or never was, or the person may do nothing any more."""
        found = await self._store.run(rows.visit_of, self._ledger.id, _hash(token))
        if found is None:
            return None
        now = self._now()
        idle = self._rules.phone_idle_minutes * _MINUTE
        is_over = now >= found.expires_at or (found.way == PHONE and now - found.touched_at >= idle)
        if is_over or await self.registry.state(found.person) != "active":
            await self.end(found.person, found.session)
            return None
        if not await self._still_good(found):
            await self.end(found.person, found.session)
            return None
        if now - found.touched_at >= _MINUTE:
            await self._store.run(rows.touch, self._ledger.id, _hash(token), found.touched_at, now)
        if found.ward and not await self._is_ward(found.person, found.ward, found.ward_kind):
            return msgspec.structs.replace(found, ward="", ward_kind="")
        return found

    async def beside(self, session: str, terminal: str) -> Visit | None:
        """The session with this id, if it was opened at the same terminal and is not over: who stands beside somebody."""
        token_hash = await self._store.run(rows.token_of, self._ledger.id, session)
        found = await self._store.run(rows.visit_of, self._ledger.id, token_hash)
        if found is None or found.terminal != terminal or self._now() >= found.expires_at:
            return None
        return found if await self.registry.state(found.person) == "active" else None

    async def actor(self, token: str) -> Actor | None:
        """Who is behind a token, as the table of rights knows them."""
        found = await self.visit(token)
        return None if found is None else self.actor_of(found)

    def actor_of(self, found: Visit) -> Actor:
        """Who acts in a session."""
        subject = "card-holder" if found.way == CARD else found.ward_kind or "volunteer"
        return Actor(
            found.session,
            f"volunteer:{found.person}",
            frozenset(),
            found.person,
            subject,
            session=found.session,
            ward=found.ward,
        )

    async def pick_ward(self, token: str, ward: str) -> Visit | Refusal:
        """Act for a ward from now on, by a recorded link that works today; an empty ward is oneself again."""
        found = await self.visit(token)
        if found is None or found.way != PHONE:
            return NotAWard()
        kind = ""
        if ward:
            kinds = {link.kind for link in await self._links().wards_of(found.person) if link.ward_id == ward}
            if not kinds or await self.registry.state(ward) != "active":
                return NotAWard()
            kind = "guardian" if "guardian" in kinds else "helper"
        await self._store.run(rows.pick, self._ledger.id, _hash(token), ward, kind)
        return msgspec.structs.replace(found, ward=ward, ward_kind=kind)

    async def wards(self, person: str) -> list[tuple[str, str, str]]:
        """For whom somebody may act: id, masked name, kind of link."""
        links = await self._links().wards_of(person)
        names = await self.registry.masked_names({link.ward_id for link in links})
        return [(link.ward_id, names.get(link.ward_id, ""), link.kind) for link in links]

    async def names(self, *people: str) -> dict[str, str]:
        """Masked names: an act of a helper shows both."""
        return await self.registry.masked_names([one for one in people if one])

    async def list(self, person: str) -> list[Visit]:
        """One's own sessions by phone that could still be used, newest first."""
        now, idle = self._now(), self._rules.phone_idle_minutes * _MINUTE
        found = await self._store.run(rows.visits_of, self._ledger.id, person, now)
        return [one for one in found if one.way == PHONE and now - one.touched_at < idle]

    async def end(self, person: str, session: str) -> None:
        """End a session. Ending what has ended changes nothing."""
        await self._store.run(rows.end, self._ledger.id, person, session)

    async def end_all(self, person: str) -> None:
        """End every session of somebody: a new phone, a frozen person, a closed account."""
        await self._store.run(rows.end, self._ledger.id, person, "")

    # redeeming

    async def may_redeem(self, found: Visit, price: int, guardian: Visit | None = None) -> Refusal | None:
        """Whether a card may redeem goods of this price (hundredths) now; then they count against its day.

        Below the age of the policy the guardian stands there too, with card and PIN of their own. `not_redeemed` takes
        it back.
        """
        now = self._now()
        refused = await self._may(_keeper(found), found.place, found.person, "market:sell")
        if refused is not None:  # who lets holders in does not therefore hand goods out
            return refused
        if now < found.spends_from:
            return CardNotYet(found.spends_from)
        born = (await self.registry.birth_dates([found.person])).get(found.person)
        today = city_day(now, self._zone)
        rules = self._policy().counter
        if born is not None and completed_years(born, today) < rules.guardian_below_age:
            is_there = guardian is not None and guardian.terminal == found.terminal
            if (
                guardian is None
                or not is_there
                or not await self._is_ward(guardian.person, found.person, "guardian")
            ):
                return GuardianNotPresent()
        if not rules.card_day_points:
            return None
        limit = rules.card_day_points * _HUNDREDTHS
        left = await self._store.run(
            rows.reserve, self._ledger.id, found.person, today.isoformat(), price, limit
        )
        return None if left is None else CardDayLimit(POINT.code, limit, left)

    async def not_redeemed(self, found: Visit, price: int) -> None:
        """The goods were not sold: they do not count against the day."""
        day = city_day(self._now(), self._zone).isoformat()
        await self._store.run(rows.release, self._ledger.id, found.person, day, price)

    # beneath

    async def _still_good(self, found: Visit) -> bool:
        """A revoked terminal or a new phone ends what was opened before."""
        if found.way == CARD:
            return await self._terminals.find_enrolled(found.terminal) is not None
        changed_at = await Changes(self._people, zone=self._zone).phone_changed_at(found.person)
        return found.opened_at > changed_at

    async def _at_terminal(self, terminal_key: str, staff: Actor) -> Terminal | Refusal:
        at = await self._terminals.recognise(terminal_key)
        if at is None or not staff.session or staff.subject != "staff":
            return UnknownTerminal()
        return await self._may_serve(staff, at, "") or at

    async def _may_serve(self, staff: Actor, at: Terminal, person: str) -> Refusal | None:
        """Whether the member of staff may serve this person at the terminal's place, by the rights of this moment."""
        return await self._may(staff, at.place, person, "cards:read")

    async def _may(self, staff: Actor, place: str, person: str, action: str) -> Refusal | None:
        day = city_day(self._now(), self._zone)
        read, ledger_id = self._ledger.database.read, self._ledger.id
        own = await read(standing.standing_of, ledger_id, staff.person, day.isoformat())
        places = await read(standing.places_above, ledger_id, place, day)
        relations = frozenset[Relation]({"present-here"} if person else ())
        resource = Resource("terminal", "", places or (), person, relations)
        return refusal_of(authorize(with_rights_of(staff, own), action, resource), action)

    async def _holder(self, card_text: str) -> Card | None:
        return await Cards(self._people).of_token(card_text)

    async def _spending_from(self, person: str) -> int:
        changed = await Changes(self._people, zone=self._zone).spending_from(person)
        return max(changed, await acts.effective_from(self._people, person, ("pin-reset",)))

    async def _open(
        self, person: str, way: str, lasts: int, at: Terminal | None, staff: str, spends_from: int
    ) -> OpenedVisit:
        now, token, session = self._now(), secrets.token_urlsafe(32), new_id()
        row = {
            "token_hash": _hash(token), "session_id": session, "person_id": person, "way": way, "ward_id": "",
            "ward_kind": "", "terminal_id": at.id if at else "", "place_id": at.place if at else "",
            "staff_id": staff, "spends_from": spends_from, "opened_at": now, "touched_at": now,
            "expires_at": now + lasts,
        }  # fmt: skip
        await self._store.run(rows.open_visit, self._ledger.id, row, now, rights().log_in.most_sessions)
        names = await self.registry.masked_names([person])
        return OpenedVisit(token, session, person, names.get(person, ""), spends_from, now + lasts)

    async def _is_ward(self, holder: str, ward: str, kind: str) -> bool:
        links = await self._links().wards_of(holder)
        return any(link.ward_id == ward and link.kind == kind for link in links)

    def _links(self) -> Links:
        return Links(self._people, zone=self._zone)

    def _policy(self) -> Policy:
        """The policy that protects means today."""
        return self._policies.protecting(city_day(self._now(), self._zone))

    def _now(self) -> int:
        return self._people.clock.now()


def _keeper(found: Visit) -> Actor:
    """The member of staff in front of whom a session was opened."""
    name = f"person:{found.staff}"
    return Actor(found.terminal, name, frozenset(), found.staff, "staff", session=found.terminal)


def _hash(token: str) -> str:
    return sha256(token.encode("utf-8", "replace")).hexdigest()
