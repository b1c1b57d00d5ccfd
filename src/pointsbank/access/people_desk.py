"""The desk for people: every verb first asks the table of rights, with the relations and the place of the moment.

Whoever acts is the logged-in person (or, before the founding, the operator); nobody acts in somebody else's name. The
rights are read anew for each act, and so are the household of the person concerned and where the person is at home.
"""

from __future__ import annotations

from datetime import date
from typing import Literal

from sqlalchemy import Connection

from pointsbank.access import standing
from pointsbank.access.about import About, OwnBooks, Whereabouts, no_books, nowhere, places_and_household
from pointsbank.access.authorize import Resource, authorize
from pointsbank.access.deciding import refusal_of, with_rights_of
from pointsbank.access.model import Actor
from pointsbank.access.refusals import NotPermitted
from pointsbank.access.rights import Relation
from pointsbank.engine.commands import Command
from pointsbank.engine.registry import Ledger
from pointsbank.ledger.refusals import Refusal
from pointsbank.people import acts
from pointsbank.people.acts import Act
from pointsbank.people.cards import Card, Cards, IssuedCard
from pointsbank.people.changes import Change, Changes
from pointsbank.people.closing import Closing, Settle, Settlement, call_off, close_account
from pointsbank.people.consents import Consent, Consents
from pointsbank.people.export import export_own_data
from pointsbank.people.links import Link, LinkKind, LinkRules, Links
from pointsbank.people.model import Found, NewPerson, Profile, Purpose, Registered, SearchLimits, Seen
from pointsbank.people.refusals import LinkNotAllowed, ReasonNeeded, UnknownCard, UnknownPerson
from pointsbank.people.registry import Registry, Revealed, Shown
from pointsbank.people.sealing import IndexKind
from pointsbank.people.store import PeopleStore
from pointsbank.places.model import KIND_NAMES, Joining, Leaving, NotAGroup, UnknownPlace
from pointsbank.places.service import PlacesService
from pointsbank.places.tree import places_on
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.calendar import city_day
from pointsbank.policy.model import PeopleRules

ChangeKind = Literal["phone", "name", "volunteer-number", "birth", "unfreeze"]


class PeopleDesk:
    """What staff do with people. `store` must be open; `seen` and `books` tell what other rooms know of somebody.

    How often one searches, how long a new means waits and how many wards a helper has says the policy of the day.
    """

    def __init__(
        self,
        ledger: Ledger,
        store: PeopleStore,
        policies: PolicyBook,
        *,
        zone: str = standing.ZONE,
        seen: Whereabouts = nowhere,
        books: OwnBooks = no_books,
    ) -> None:
        self._ledger = self.ledger = ledger
        self._policies = policies
        self._seen = seen
        self._books = books
        self.store = store
        self.zone = zone

    def under(self, store: PeopleStore) -> PeopleDesk:
        """The same desk over a store that remembers a command."""
        return PeopleDesk(
            self._ledger, store, self._policies, zone=self.zone, seen=self._seen, books=self._books
        )

    @property
    def rules(self) -> PeopleRules:
        """What the policy of today says about people."""
        return self._policies.protecting(city_day(self.store.clock.now(), self.zone)).people

    @property
    def delay(self) -> int:
        """How long a new means waits before it may spend, in microseconds."""
        return self.rules.new_means_micros

    @property
    def registry(self) -> Registry:
        """The people on file, with the limits of today."""
        rules = self.rules
        limits = SearchLimits(rules.searches_hour, rules.searches_day)
        return Registry(self.store, zone=self.zone, limits=limits)

    # on file

    async def register(self, actor: Actor, person: NewPerson, place: str = "") -> Registered | Refusal:
        """Put somebody on file. Nobody makes members of staff here: accounts are the administrators'."""
        day = city_day(self.store.clock.now(), self.zone)
        places = await self._ledger.database.read(standing.places_above, self._ledger.id, place, day)
        refusal = await self._may(actor, "people:register", Resource("person", "", places or ()))
        return refusal or await self.registry.register(person, actor.seen_as)

    async def find(self, actor: Actor, kind: IndexKind, number: str) -> list[Found] | Refusal:
        """Who has this whole number, of those who are at home where the actor has a role. Misses count."""
        found = await self.registry.find(kind, number, actor.seen_as)
        if isinstance(found, Refusal):
            return found
        return [
            one
            for one in found
            if await self._may(actor, "people:read", (await self.about(actor, one.person_id)).resource)
            is None
        ]

    async def profile(self, actor: Actor, person_id: str, reason: str = "") -> Profile | Refusal:
        """A person, masked. Of somebody under 18 it takes a right that a manager gave, and a reason."""
        about = await self.about(actor, person_id)
        refusal = await self._may(actor, "people:read", about.resource)
        if refusal is not None:
            return refusal
        may_open = await self.may_open_minors(actor, person_id)
        return await self.registry.profile(person_id, actor.seen_as, reason=reason, may_open_minors=may_open)

    async def may_open_minors(self, actor: Actor, person_id: str) -> bool:
        """Whether a manager gave the actor leave to open the profile of this minor, and it still runs."""
        about = await self.about(actor, person_id)
        return await self._may(actor, "people:minors", about.resource) is None

    async def unmask(self, actor: Actor, person_id: str, field: Shown, reason: str) -> Revealed | Refusal:
        """One value in full, with a reason that is kept."""
        about = await self.about(actor, person_id)
        refusal = await self._may(actor, "people:unmask", about.resource)
        if refusal is not None:
            return refusal
        may_open = await self.may_open_minors(actor, person_id)
        return await self.registry.unmask(
            person_id, field, actor.seen_as, permitted=True, reason=reason, may_open_minors=may_open
        )

    async def export(self, actor: Actor, person_id: str, reason: str) -> bytes | Refusal:
        """All that the bank holds of somebody who asks for it at the desk: in full, so with a reason."""
        about = await self.about(actor, person_id)
        refusal = await self._may(actor, "people:unmask", about.resource)
        if refusal is not None:
            return refusal
        if not reason.strip():
            return ReasonNeeded()
        # masked, and logged with the reason; of a minor only for who may open the profile
        seen = await self.profile(actor, person_id, reason)
        if isinstance(seen, Refusal):
            return seen
        return await self.own_data(person_id, actor.seen_as)

    async def own_data(self, person_id: str, by: str) -> bytes | UnknownPerson:
        """All that the bank holds of somebody, for whoever has shown to be that person or may ask for it."""
        read, ledger_id = self._ledger.database.read, self._ledger.id
        return await export_own_data(
            self.store, person_id, by, zone=self.zone, books=lambda ids: read(self._books, ledger_id, ids)
        )

    async def sightings(self, actor: Actor, person_id: str, limit: int = 100) -> list[Seen] | Refusal:
        """Who saw somebody, when and why: for auditors."""
        refusal = await self._may_about(actor, "people:audit", person_id)
        return refusal or await self.registry.who_saw(person_id, limit)

    async def freeze(self, actor: Actor, person_id: str) -> Refusal | None:
        """Stop everything that somebody could do, at once. One is enough."""
        refusal = await self._may_about(actor, "people:freeze", person_id)
        return refusal or await self.registry.freeze(person_id, actor.seen_as)

    # consents

    async def consents(self, actor: Actor, person_id: str) -> list[Consent] | Refusal:
        """Every consent of somebody, also the withdrawn."""
        refusal = await self._may_about(actor, "people:read", person_id)
        return refusal or await Consents(self.store, zone=self.zone).history(person_id)

    async def consent(
        self, actor: Actor, person_id: str, purpose: Purpose, wording: str, given_by: str = ""
    ) -> Consent | Refusal:
        """Take a consent down, of the person or under 14 of a recorded guardian."""
        refusal = await self._may_about(actor, "people:register", person_id)
        return refusal or await Consents(self.store, zone=self.zone).give(
            person_id, purpose, wording=wording, given_by=given_by or person_id, taken_by=actor.seen_as
        )

    async def withdraw(self, actor: Actor, person_id: str, consent_id: str) -> Refusal | None:
        """End a consent from now on."""
        refusal = await self._may_about(actor, "people:register", person_id)
        return refusal or await Consents(self.store, zone=self.zone).withdraw(
            person_id, consent_id, actor.seen_as
        )

    # what takes two

    async def links(self, actor: Actor, person_id: str) -> list[Link] | Refusal:
        """Every link of somebody, also the proposed and the ended."""
        refusal = await self._may_about(actor, "people:read", person_id)
        return refusal or await self._links().of(person_id)

    async def propose_link(
        self, actor: Actor, person_id: str, kind: LinkKind, holder_id: str, evidence: str
    ) -> Link | Refusal:
        """Propose a guardian or a helper. A helper is never staff of the person's station."""
        about = await self.about(actor, person_id)
        refusal = await self._may(actor, "people:propose", about.resource)
        refusal = refusal or await self._is_staff_there(kind, holder_id, about.resource.places)
        return refusal or await self._links().propose(
            kind, holder_id, person_id, actor.seen_as, evidence=evidence, household=about.household
        )

    async def confirm_link(self, actor: Actor, person_id: str, link_id: str) -> Link | Refusal:
        """Confirm a guardian or a helper whom another proposed."""
        about = await self.about(actor, person_id)
        refusal = await self._may(actor, "people:confirm", about.resource)
        if refusal is not None:
            return refusal
        for link in await self._links().of(person_id):
            if link.id == link_id:
                refused = await self._is_staff_there(link.kind, link.holder_id, about.resource.places)
                if refused is not None:
                    return refused
        return await self._links().confirm(person_id, link_id, actor.seen_as, household=about.household)

    async def end_link(self, actor: Actor, person_id: str, link_id: str) -> Refusal | None:
        """End a link at once; one is enough."""
        refusal = await self._may_about(actor, "people:freeze", person_id)
        return refusal or await self._links().end(person_id, link_id, actor.seen_as)

    async def propose_change(
        self,
        actor: Actor,
        person_id: str,
        kind: ChangeKind,
        value: str = "",
    ) -> Change | Refusal:
        """Propose a new phone, a correction, or the end of a freeze."""
        about = await self.about(actor, person_id)
        refusal = await self._may(actor, "people:propose", about.resource)
        if refusal is not None:
            return refusal
        desk, by = self._changes(), actor.seen_as
        if kind == "phone":
            return await desk.propose_phone(person_id, value, by, household=about.household)
        if kind == "unfreeze":
            return await desk.propose_unfreezing(person_id, by, household=about.household)
        return await desk.propose_correction(person_id, kind, value, by, household=about.household)

    async def confirm_change(self, actor: Actor, person_id: str, change_id: str) -> Change | Refusal:
        """Confirm a change that another proposed."""
        about = await self.about(actor, person_id)
        refusal = await self._may(actor, "people:confirm", about.resource)
        return refusal or await self._changes().confirm(
            person_id, change_id, actor.seen_as, household=about.household
        )

    async def propose_card(self, actor: Actor, person_id: str, *, unfreezes: bool = False) -> Act | Refusal:
        """Propose a card, or another in place of the one that somebody has; or that a frozen one opens again."""
        about = await self.about(actor, person_id)
        refusal = await self._may(actor, "people:propose", about.resource)
        if refusal is not None:
            return refusal
        desk, by = self._cards(), actor.seen_as
        if unfreezes:
            return await desk.propose_unfreezing(person_id, by, household=about.household)
        return await desk.propose(person_id, by, household=about.household)

    async def confirm_card(self, actor: Actor, person_id: str, act_id: str) -> IssuedCard | Refusal:
        """Confirm a card that another proposed: its token and number, this once. Earlier cards are dead at once."""
        about = await self.about(actor, person_id)
        refusal = await self._may(actor, "people:confirm", about.resource)
        return refusal or await self._cards().confirm(
            person_id, act_id, actor.seen_as, household=about.household
        )

    async def propose_pin(self, actor: Actor, person_id: str) -> Act | Refusal:
        """Propose that somebody may choose a PIN, the first or a new one."""
        return await self._propose(actor, person_id, "pin-reset", "")

    async def propose_household(
        self, actor: Actor, person_id: str, household: str, *, leaves: bool = False
    ) -> Act | Refusal:
        """Propose that somebody joins or leaves a household: it decides who may act and where points may go."""
        refusal = await self._no_household(household)
        if refusal is not None:
            return refusal
        payload = f"{'leave' if leaves else 'join'} {household}"
        return await self._propose(actor, person_id, "household", payload)

    async def propose_closing(self, actor: Actor, person_id: str, settlement: Settlement) -> Act | Refusal:
        """Propose to close an account whose points go somewhere."""
        return await self._propose(actor, person_id, "closing", settlement)

    async def confirm_act(self, actor: Actor, person_id: str, act_id: str) -> Act | Refusal:
        """Confirm the end of a card's freeze, leave to choose a PIN, or a change of household."""
        about = await self.about(actor, person_id)
        refusal = await self._may(actor, "people:confirm", about.resource)
        if refusal is not None:
            return refusal
        by, household = actor.seen_as, about.household
        kind = await acts.kind_of(self.store, person_id, act_id)
        if kind == "card-unfreezing":
            return await self._cards().confirm_unfreezing(person_id, act_id, by, household=household)
        if kind == "household":
            refusal = await self._change_household(actor, person_id, act_id, household)
            if refusal is not None:
                return refusal
        now, vault = self.store.clock.now(), self.store.vault
        return await self.store.write(
            lambda c: _first(
                acts.confirm(
                    c, vault, person_id, act_id, ("pin-reset", "household"), by, household, now, self.delay
                )
            )
        )

    async def _change_household(
        self, actor: Actor, person_id: str, act_id: str, household: frozenset[str]
    ) -> Refusal | None:
        """The membership first, under the act's own key: what is confirmed has happened."""
        vault, by = self.store.vault, actor.seen_as
        payload = await self.store.read(
            lambda c: acts.ready(c, vault, person_id, act_id, ("household",), by, household)
        )
        if isinstance(payload, Refusal):
            return payload
        how, _, group = payload.partition(" ")
        service = PlacesService(self._ledger, self.zone)
        refusal = await self._no_household(group)
        if refusal is not None:
            return refusal
        act = (
            Leaving(group, person_id, service.today())
            if how == "leave"
            else Joining(group, person_id, service.today())
        )
        command = Command("people", f"household:{act_id}", actor.name)
        done = await service.change_membership(act, command, by_two=True)
        return done if isinstance(done, Refusal) else None

    async def _no_household(self, code: str) -> Refusal | None:
        """Why a code is not that of a household."""
        day = city_day(self.store.clock.now(), self.zone)
        kind = await self._ledger.database.read(_kind_of, self._ledger.id, code, day)
        if not kind:
            return UnknownPlace(code)
        return None if kind == "household" else NotAGroup(code, kind, KIND_NAMES.get(kind, kind))

    async def _propose(self, actor: Actor, person_id: str, kind: acts.ActKind, payload: str) -> Act | Refusal:
        about = await self.about(actor, person_id)
        refusal = await self._may(actor, "people:propose", about.resource)
        if refusal is not None:
            return refusal
        now, vault = self.store.clock.now(), self.store.vault
        return await self.store.write(
            lambda c: acts.propose(c, vault, person_id, kind, payload, actor.seen_as, about.household, now)
        )

    async def cards(self, actor: Actor, person_id: str) -> list[Card] | Refusal:
        """The cards that somebody ever had."""
        refusal = await self._may_about(actor, "people:read", person_id)
        return refusal or await self._cards().of(person_id)

    async def freeze_card(self, actor: Actor, person_id: str) -> Refusal | None:
        """Stop somebody's card at once, at any desk (V2). The account stays as it is."""
        about = await self.about(actor, person_id)
        refusal = await self._may(actor, "people:freeze", about.resource)
        if refusal is not None and await self._may(actor, "people:freeze", await self._here(actor)) is None:
            refusal = None  # V2: at any station, wherever the person is at home
        return refusal or await self._cards().freeze(person_id, actor.seen_as)

    async def freeze_number(self, actor: Actor, number: str) -> str | Refusal:
        """Stop the card with this printed number, at any desk, whoever's it is; the person's id."""
        refusal = await self._may(actor, "people:freeze", await self._here(actor))
        if refusal is not None:
            return refusal
        holder = await self._cards().holder_of_number(number)
        if holder is None:
            return UnknownCard()
        return await self._cards().freeze(holder, actor.seen_as) or holder

    # closing

    async def ask_closing(
        self, actor: Actor, person_id: str, settlement: Settlement, settle: Settle
    ) -> Closing | Refusal:
        """Close an account that holds no points, now. An interrupted closing goes on by the same request."""
        about = await self.about(actor, person_id)
        refusal = await self._may(actor, "people:close", about.resource)
        return refusal or await close_account(
            self.store, person_id, settle, by=actor.seen_as, settlement=settlement, household=about.household
        )

    async def confirm_closing(
        self, actor: Actor, person_id: str, act_id: str, settle: Settle
    ) -> Closing | Refusal:
        """Confirm the closing that another asked for: the person is told, a delay runs, then the points go."""
        about = await self.about(actor, person_id)
        refusal = await self._may(actor, "people:close", about.resource)
        if refusal is not None:
            return refusal
        now, vault, by = self.store.clock.now(), self.store.vault, actor.seen_as
        confirmed = await self.store.write(
            lambda c: acts.confirm(
                c, vault, person_id, act_id, ("closing",), by, about.household, now, self.delay
            )
        )
        if isinstance(confirmed, Refusal):
            return confirmed
        act, settlement = confirmed
        return await close_account(
            self.store,
            person_id,
            settle,
            by=act.proposed_by,
            settlement="household" if settlement == "household" else "donate",
            confirmed_by=by,
            household=about.household,
            delay=self.delay,
        )

    async def call_closing_off(self, actor: Actor, person_id: str) -> Refusal | None:
        """Call a closing off that still waits; one is enough."""
        refusal = await self._may_about(actor, "people:freeze", person_id)
        return refusal or await call_off(self.store, person_id, actor.seen_as)

    # who may

    async def about(self, actor: Actor, person_id: str) -> About:
        """The relations of the actor to a person now, and where the person is at home."""
        day = city_day(self.store.clock.now(), self.zone)
        home, household = await self._ledger.database.read(
            places_and_household, self._ledger.id, person_id, day, self._seen, self.rules.attended_days
        )
        relations: set[Relation] = set()
        if actor.person:
            if actor.person in household:
                relations.add("same-household")
            if any(link.ward_id == person_id for link in await self._links().wards_of(actor.person)):
                relations.add("ward")
        return About(Resource("person", person_id, home, person_id, frozenset(relations)), household)

    async def household_if_may(self, actor: Actor, action: str, person_id: str) -> frozenset[str] | Refusal:
        """Who lives with a person, if the actor may do this with the person; else why not."""
        about = await self.about(actor, person_id)
        return await self._may(actor, action, about.resource) or about.household

    async def _may_about(self, actor: Actor, action: str, person_id: str) -> Refusal | None:
        return await self._may(actor, action, (await self.about(actor, person_id)).resource)

    async def _may(self, actor: Actor, action: str, resource: Resource) -> Refusal | None:
        """Why the actor may not, by the rights of this moment."""
        acting: Actor | None = actor
        if actor.subject == "staff":
            day = city_day(self.store.clock.now(), self.zone).isoformat()
            own = await self._ledger.database.read(standing.standing_of, self._ledger.id, actor.person, day)
            acting = with_rights_of(actor, own)
            if acting is None:
                return NotPermitted(action)
        return refusal_of(authorize(acting, action, resource), action)

    async def _is_staff_there(
        self, kind: str, holder_id: str, places: tuple[str, ...]
    ) -> LinkNotAllowed | None:
        """A helper has no role at the person's places: who sees the points does not also hold the means."""
        if kind != "helper":
            return None
        day = city_day(self.store.clock.now(), self.zone).isoformat()
        own = await self._ledger.database.read(standing.standing_of, self._ledger.id, holder_id, day)
        if own is None or own.account.state != "active":
            return None
        if any(not grant.place or grant.place in places for grant in own.grants):
            return LinkNotAllowed(
                "协助人不能是当事人所在站点的工作人员", "a helper is never staff of the person's station"
            )
        return None

    async def _here(self, actor: Actor) -> Resource:
        """An act at the own place, about somebody who stands there."""
        day = city_day(self.store.clock.now(), self.zone).isoformat()
        own = await self._ledger.database.read(standing.standing_of, self._ledger.id, actor.person, day)
        return Resource("card", places=tuple(grant.place for grant in own.grants) if own else ())

    def _cards(self) -> Cards:
        return Cards(self.store, delay=self.delay)

    def _links(self) -> Links:
        rules = LinkRules(self.rules.most_wards, self.delay)
        return Links(self.store, zone=self.zone, rules=rules)

    def _changes(self) -> Changes:
        return Changes(self.store, zone=self.zone, delay=self.delay)


def _kind_of(connection: Connection, ledger_id: int, code: str, day: date) -> str:
    found = places_on(connection, ledger_id, [code], day).get(code)
    return found.kind if found is not None else ""


def _first(confirmed: acts.Confirmed) -> Act | Refusal:
    return confirmed[0] if isinstance(confirmed, tuple) else confirmed
