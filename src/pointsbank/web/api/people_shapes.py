"""What goes in and out of the doors for people. Nothing here is ever part of an address."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec
from litestar.params import PathParameter
from msgspec import Meta

from pointsbank.people.acts import Act
from pointsbank.people.cards import Card
from pointsbank.people.changes import Change
from pointsbank.people.closing import Closing
from pointsbank.people.consents import Consent
from pointsbank.people.links import Link
from pointsbank.people.model import Purpose
from pointsbank.web.api.shapes import when

PersonId = Annotated[str, PathParameter(min_length=1, max_length=64, pattern="^[0-9A-Za-z-]+$")]
Id = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[0-9A-Za-z-]+$")]
MaybeId = Annotated[str, Meta(max_length=64, pattern="^[0-9A-Za-z-]*$")]
Words = Annotated[
    str, Meta(max_length=500, pattern="^[^\\u0000-\\u001f\\u007f\\u0085\\u2028\\u2029\\ud800-\\udfff]*$")
]
Number = Annotated[str, Meta(max_length=40, pattern="^[^\\u0000-\\u001f\\u007f\\ud800-\\udfff]*$")]


class PersonIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody to put on file at a place (its id; empty for the whole city). Numbers as they were typed."""

    name: Words
    role: Literal["volunteer", "guardian", "helper"] = "volunteer"
    phone: Number = ""
    volunteer_number: Number = ""
    id_number: Number = ""
    born: date | None = None
    place: MaybeId = ""

    def __repr__(self) -> str:
        return "PersonIn(…)"


class HintOut(msgspec.Struct, frozen=True):
    """Somebody on file may be the same person: people look, nothing is merged by itself."""

    person: str
    reason: str


class RegisteredOut(msgspec.Struct, frozen=True):
    """Somebody is on file."""

    person: str
    hints: list[HintOut]


class SearchIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole number and which it is; parts and names find nobody."""

    by: Literal["phone", "id-number", "volunteer-number"]
    number: Number

    def __repr__(self) -> str:
        return "SearchIn(…)"


class FoundOut(msgspec.Struct, frozen=True):
    """Enough to choose the right one of a family."""

    person: str
    state: str
    name: str
    age_band: str


class FoundsOut(msgspec.Struct, frozen=True):
    """Who has the number, of those whom the one who asks may see."""

    people: list[FoundOut]


class ReasonIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why somebody looks; it is kept with who saw whom."""

    reason: Words = ""


class ProfileOut(msgspec.Struct, frozen=True):
    """A person, masked."""

    person: str
    state: str
    roles: list[str]
    name: str
    phone: str
    volunteer_number: str
    has_id_number: bool
    age_band: str
    is_minor: bool
    consents: list[str]


class UnmaskIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which value, and why."""

    field: Literal["name", "phone", "volunteer-number", "birth", "id-number"]
    reason: Words


class RevealedOut(msgspec.Struct, frozen=True):
    """One value in full; empty if it is not on file."""

    person: str
    field: str
    value: str

    def __repr__(self) -> str:
        return "RevealedOut(…)"


class ConsentIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A consent: to what, to which version of the text, and the guardian who gives it (empty: the person)."""

    purpose: Purpose
    wording: Annotated[str, Meta(min_length=1, max_length=64, pattern="^[A-Za-z0-9._-]+$")]
    given_by: MaybeId = ""


class ConsentOut(msgspec.Struct, frozen=True):
    """A consent; `withdrawn_at` is null while it stands."""

    id: str
    purpose: str
    wording: str
    given_at: datetime
    given_by: str
    taken_by: str
    withdrawn_at: datetime | None


class ConsentsOut(msgspec.Struct, frozen=True):
    """Consents, oldest first."""

    consents: list[ConsentOut]


class LinkIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A guardian or a helper, with the evidence that was seen."""

    kind: Literal["guardian", "helper"]
    holder: Id
    evidence: Words


class LinkOut(msgspec.Struct, frozen=True):
    """A link, with both names masked; it works from `effective_at` on (null: not confirmed)."""

    id: str
    ward: str
    ward_name: str
    kind: str
    holder: str
    holder_name: str
    from_day: str
    to_day: str
    state: str
    proposed_by: str
    confirmed_by: str
    effective_at: datetime | None


class LinksOut(msgspec.Struct, frozen=True):
    """Links, oldest first."""

    links: list[LinkOut]


class ChangeIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to change, and to what (`unfreeze` needs nothing)."""

    kind: Literal["phone", "name", "volunteer-number", "birth", "unfreeze"]
    value: Words = ""

    def __repr__(self) -> str:
        return "ChangeIn(…)"


class ActIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What takes two: a card, the end of a card's freeze, leave to choose a PIN, or a household to join or leave.

    `household` is the code of the household; `leaves` says that the person leaves it.
    """

    kind: Literal["card", "card-unfreezing", "pin-reset", "household"]
    household: Annotated[str, Meta(max_length=64, pattern="^[A-Za-z0-9._-]*$")] = ""
    leaves: bool = False


class ActOut(msgspec.Struct, frozen=True):
    """An act or a change that one proposed and perhaps another confirmed; it holds from `effective_at` on."""

    id: str
    person: str
    kind: str
    state: str
    proposed_by: str
    confirmed_by: str
    effective_at: datetime | None


class ActsOut(msgspec.Struct, frozen=True):
    """What waits for a second member of staff."""

    acts: list[ActOut]


class CardOut(msgspec.Struct, frozen=True):
    """A card; it may spend from `effective_at` on."""

    id: str
    state: str
    issued_at: datetime
    effective_at: datetime


class CardsOut(msgspec.Struct, frozen=True):
    """Every card that somebody ever had."""

    cards: list[CardOut]


class ConfirmedOut(msgspec.Struct, frozen=True):
    """A confirmed act. Of a new card also what goes into its code or chip and what is printed on it, this once."""

    act: ActOut | None = None
    card: CardOut | None = None
    token: str | None = None
    number: str | None = None

    def __repr__(self) -> str:
        return "ConfirmedOut(…)"


class CardNumberIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is printed on a card that was found or lost."""

    number: Number


class AccountClosingIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What becomes of the points: there are none, they are donated, or they go to the household."""

    settlement: Literal["nothing", "donate", "household"]


class ClosingOut(msgspec.Struct, frozen=True):
    """How far a closing has come: `proposed` waits for a second person, `done` means forgotten."""

    person: str
    step: str
    act: str = ""
    settles_at: datetime | None = None


class PersonDone(msgspec.Struct, frozen=True):
    """It is done and durable."""

    person: str


def consent_out(consent: Consent) -> ConsentOut:
    return ConsentOut(
        consent.id, consent.purpose, consent.wording, when(consent.given_at), consent.given_by, consent.taken_by,
        when(consent.withdrawn_at) if consent.withdrawn_at else None,
    )  # fmt: skip


def link_out(link: Link, names: dict[str, str]) -> LinkOut:
    return LinkOut(
        link.id, link.ward_id, names.get(link.ward_id, ""), link.kind, link.holder_id, names.get(link.holder_id, ""),
        link.from_day, link.to_day, link.state, link.proposed_by, link.confirmed_by, _from(link.effective_at),
    )  # fmt: skip


def act_out(act: Act | Change) -> ActOut:
    return ActOut(
        act.id, act.person_id, act.kind, act.state, act.proposed_by, act.confirmed_by, _from(act.effective_at)
    )


def card_out(card: Card) -> CardOut:
    return CardOut(card.id, card.state, when(card.issued_at), when(card.effective_at))


def closing_out(closing: Closing | Act) -> ClosingOut:
    if isinstance(closing, Act):
        return ClosingOut(closing.person_id, "proposed", closing.id)
    return ClosingOut(closing.person_id, closing.step, "", _from(closing.settles_at))


def _from(micros: int) -> datetime | None:
    return when(micros) if micros else None
