"""Card and PIN at a terminal: a member of staff is logged in there, the device shows its key, the holder types the PIN.

The key of the terminal is in the header `X-Terminal-Key`. The session that opens is in a cookie of its own beside the
staff's, good for two minutes and at this terminal only.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import Response, Router, post
from litestar.di import NamedDependency
from litestar.params import HeaderParameter, JSONBody
from msgspec import Meta

from pointsbank.access.eligibility import Eligibility, eligibility
from pointsbank.access.passwords import PasswordsBusy
from pointsbank.access.sessions import form_token
from pointsbank.access.visits import OpenedVisit, Visits
from pointsbank.ledger.refusals import Refusal
from pointsbank.web.api.answers import NO_STORE, answered
from pointsbank.web.api.describe import operation, problems
from pointsbank.web.api.people_answers import ASKING, done
from pointsbank.web.api.shapes import when
from pointsbank.web.api.visit_cookies import visit_cookie_of
from pointsbank.web.bank import Bank
from pointsbank.web.guard import TERMINAL_HEADER, actor_in, person
from pointsbank.web.problems import ProblemError, refused
from pointsbank.web.validation import BankRequest

TerminalKey = Annotated[
    str, HeaderParameter(name=TERMINAL_HEADER, max_length=200, description="the key of the terminal")
]
Secret = Annotated[str, Meta(max_length=200)]

AT_TERMINAL = (
    *ASKING, "log-in-closed", "unknown-terminal", "pin-refused", "pin-paused", "card-frozen", "terminal-stopped",
    "overloaded",
)  # fmt: skip


class CardIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the terminal read from the card, and the six digits that the holder typed."""

    card: Secret
    pin: Secret

    def __repr__(self) -> str:
        return "CardIn(…)"


class OwnCodeIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The dynamic code that the terminal read from a telephone."""

    code: Secret


class VisitOut(msgspec.Struct, frozen=True):
    """Who stands there, masked, what may be spent, and until when. `csrf` goes back with every command of the session.

    `available` and `left_today` (what the day's limit leaves, null for no limit) in hundredths, as of `as_of`;
    `needs_guardian` if only with the guardian beside.
    """

    person: str
    session: str
    name: str
    as_of: int
    available: int
    left_today: int | None
    needs_guardian: bool
    spends_from: datetime | None
    expires_at: datetime | None
    csrf: str


class PinChosenOut(msgspec.Struct, frozen=True):
    """The PIN is chosen; it spends after the delay."""

    is_chosen: bool


@post(
    "/",
    opt=person("cards:read", bounded=True),
    responses=problems(*AT_TERMINAL),
    **operation("Let a holder in with card and PIN, for two minutes.", "持卡人凭卡和 PIN 办理（两分钟）"),
)
async def open_visit(
    bank: NamedDependency[Bank], request: BankRequest, data: JSONBody[CardIn], terminal_key: TerminalKey = ""
) -> Response[VisitOut]:
    door = visits_of(bank)
    try:
        opened = await door.open_with_card(terminal_key, actor_in(request), data.card, data.pin)
    except PasswordsBusy as busy:
        raise ProblemError("overloaded") from busy
    return await opened_visit(bank, opened)


@post(
    "/pin",
    opt=person("cards:read", bounded=True),
    responses=problems(*AT_TERMINAL, "weak-pin", "no-pin-choice"),
    **operation("Let the holder choose a PIN, after two members of staff gave leave.", "持卡人设定 PIN"),
)
async def choose_pin(
    bank: NamedDependency[Bank], request: BankRequest, data: JSONBody[CardIn], terminal_key: TerminalKey = ""
) -> Response[PinChosenOut]:
    try:
        refusal = await visits_of(bank).choose_pin(terminal_key, actor_in(request), data.card, data.pin)
    except PasswordsBusy as busy:
        raise ProblemError("overloaded") from busy
    if refusal is not None:
        raise refused(refusal)
    return answered(PinChosenOut(True), 201)


@post(
    "/code",
    opt=person("cards:read", bounded=True),
    responses=problems(*AT_TERMINAL, "own-code-refused"),
    **operation("Who shows a dynamic code; each is good once.", "核验动态码（一次有效）"),
)
async def read_code(
    bank: NamedDependency[Bank],
    request: BankRequest,
    data: JSONBody[OwnCodeIn],
    terminal_key: TerminalKey = "",
) -> Response[VisitOut]:
    person_id, name = done(await visits_of(bank).read_own_code(terminal_key, actor_in(request), data.code))
    sequence, available = await _available(bank, person_id)
    may = await _eligibility(bank, person_id)
    out = VisitOut(
        person_id, "", name, sequence, available, may.left_today, may.needs_guardian, None, None, ""
    )
    return answered(out, 201)


def visits_of(bank: Bank) -> Visits:
    """The doors for volunteers. Raises ProblemError if the service has no secret of log-ins."""
    if bank.visits is None:
        raise ProblemError("log-in-closed")
    return bank.visits


async def opened_visit(bank: Bank, opened: OpenedVisit | Refusal) -> Response[VisitOut]:
    """An opened session as an answer with its cookie, or the refusal raised."""
    found = done(opened)
    now = bank.clock.now()
    sequence, available = await _available(bank, found.person)
    may = await _eligibility(bank, found.person)
    out = VisitOut(
        found.person,
        found.session,
        found.name,
        sequence,
        available,
        may.left_today,
        may.needs_guardian,
        when(found.spends_from) if found.spends_from > now else None,
        when(found.expires_at),
        form_token(found.token),
    )
    seconds = max((found.expires_at - now) // 1_000_000, 0)
    return Response(
        out,
        status_code=201,
        headers=NO_STORE,
        cookies=[visit_cookie_of(bank, found.token, seconds)],
        media_type="application/json",
    )


async def _available(bank: Bank, person_id: str) -> tuple[int, int]:
    """The books' sequence number, and what may be spent."""
    wallet = await bank.balances.wallet(person_id)
    return (0, 0) if isinstance(wallet, Refusal) else (wallet.sequence, wallet.available)


async def _eligibility(bank: Bank, person_id: str) -> Eligibility:
    return await eligibility(
        bank.people.registry, bank.logins, bank.policies, person_id, visits_of(bank).zone
    )


router = Router("/visits", route_handlers=[open_visit, choose_pin, read_code], tags=["terminals 终端"])
