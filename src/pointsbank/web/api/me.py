"""What volunteers do for themselves, or for a ward by a recorded link: in a session by phone, or by card and PIN.

Commands carry the session's CSRF token as `X-CSRF-Token`, and at a terminal its key as `X-Terminal-Key`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import Response, Router, delete, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta

from pointsbank.access.own_codes import OwnCodes
from pointsbank.activities.attendance import Shown
from pointsbank.activities.ports import By
from pointsbank.engine.commands import Command
from pointsbank.people.cards import Cards
from pointsbank.people.consents import Consents
from pointsbank.readers.balances import Wallet
from pointsbank.web.api.activity_shapes import Noted
from pointsbank.web.api.answers import NO_STORE, answered, found, replayed
from pointsbank.web.api.describe import (
    WRITING,
    IdempotencyKey,
    any_object,
    nothing_follows,
    operation,
    problems,
)
from pointsbank.web.api.desks import desks_of
from pointsbank.web.api.people_answers import desk_of, done, look
from pointsbank.web.api.people_shapes import ConsentsOut, MaybeId, Number, PersonDone, PersonId, consent_out
from pointsbank.web.api.sessions import DOOR
from pointsbank.web.api.shapes import when
from pointsbank.web.api.visit_cookies import asking_cookie_of, asking_token, visit_cookie_of
from pointsbank.web.api.visits import Secret, VisitOut, opened_visit, visits_of
from pointsbank.web.bank import Bank
from pointsbank.web.guard import PUBLIC, actor_in, own, require_own_page, visit_in, visit_token
from pointsbank.web.problems import refused
from pointsbank.web.validation import BankRequest

OWN = (
    "invalid-request", "unauthenticated", "forbidden", "unknown-terminal", "internal-error", "unavailable",
    "log-in-closed",
)  # fmt: skip
COMMAND = (*WRITING, "form-expired", "unknown-terminal", "log-in-closed")
MEETING = (
    "idempotency-conflict", "stale-read", "state-changed", "invalid-draft", "unknown-activity", "four-eyes",
    "sign-up-refused", "session-full", "check-in-refused",
)  # fmt: skip


class PhoneIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The phone to which a code is sent."""

    phone: Number

    def __repr__(self) -> str:
        return "PhoneIn(…)"


class AskedOut(msgspec.Struct, frozen=True):
    """A code is on its way, if anybody on file has the phone; this does not tell whether."""

    expires_at: datetime


class PhoneCodeIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The phone and the code that it got; of several adults with one phone also the volunteer number of who it is."""

    phone: Number
    code: Secret
    volunteer_number: Number = ""

    def __repr__(self) -> str:
        return "PhoneCodeIn(…)"


class WardOut(msgspec.Struct, frozen=True):
    """Somebody for whom one may act, masked."""

    person: str
    name: str
    kind: str


class MeOut(msgspec.Struct, frozen=True):
    """Who acts and for whom, both masked: an act for somebody else shows both names."""

    person: str
    name: str
    ward: str
    ward_name: str
    way: str
    expires_at: datetime
    wards: list[WardOut]


class OwnSessionOut(msgspec.Struct, frozen=True):
    """One of one's own sessions; `is_current` is the one that asks."""

    id: str
    opened_at: datetime
    touched_at: datetime
    expires_at: datetime
    is_current: bool


class OwnSessionsOut(msgspec.Struct, frozen=True):
    """One's own sessions, newest first."""

    sessions: list[OwnSessionOut]


class WardIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For whom to act from now on; empty for oneself."""

    ward: MaybeId


class OwnCodeOut(msgspec.Struct, frozen=True):
    """The dynamic code of this half minute; it is good once."""

    code: str


class MeetingIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A session, and the code on its wall; with a card at the session's own terminal no code is needed."""

    session: Annotated[str, Meta(min_length=1, max_length=64, pattern="^[A-Za-z0-9._-]+$")]
    code: Secret = ""


@post(
    "/codes",
    opt=PUBLIC,
    security=[],
    responses=problems(*DOOR, "person-data-invalid"),
    **operation("Send a code to one's phone.", "获取短信验证码"),
)
async def ask_code(
    bank: NamedDependency[Bank], request: BankRequest, data: JSONBody[PhoneIn]
) -> Response[AskedOut]:
    require_own_page(request)
    address = request.client.host if request.client is not None else ""
    asked = done(await visits_of(bank).ask_code(data.phone, address))
    look(bank)
    seconds = max((asked.expires_at - bank.clock.now()) // 1_000_000, 0)
    return Response(
        AskedOut(when(asked.expires_at)),
        status_code=201,
        headers=NO_STORE,
        cookies=[asking_cookie_of(bank, asked.browser, seconds)],
        media_type="application/json",
    )


@post(
    "/sessions",
    opt=PUBLIC,
    security=[],
    responses=problems(*DOOR, "person-data-invalid", "phone-code-refused"),
    **operation("Log in with the code that one's phone got.", "凭验证码登录"),
)
async def log_in(
    bank: NamedDependency[Bank], request: BankRequest, data: JSONBody[PhoneCodeIn]
) -> Response[VisitOut]:
    require_own_page(request)
    browser = asking_token(bank, request)
    opened = await visits_of(bank).open_with_phone(data.phone, browser, data.code, data.volunteer_number)
    return await opened_visit(bank, opened)


@get(
    "/",
    opt=own("own:session"),
    responses=problems(*OWN),
    **operation("Who acts, for whom, until when.", "本人登录状态"),
)
async def me(bank: NamedDependency[Bank], request: BankRequest) -> Response[MeOut]:
    visit, door = visit_in(request), visits_of(bank)
    names = await door.names(visit.person, visit.ward)
    wards = [] if visit.terminal else [WardOut(*ward) for ward in await door.wards(visit.person)]
    return answered(
        MeOut(
            visit.person, names.get(visit.person, ""), visit.ward, names.get(visit.ward, ""), visit.way,
            when(visit.expires_at), wards,
        )
    )  # fmt: skip


@delete(
    "/session",
    opt=own("own:session"),
    status_code=204,
    responses={**nothing_follows(), **problems(*OWN, "form-expired")},
    **operation("Log out.", "退出登录"),
)
async def log_out(bank: NamedDependency[Bank], request: BankRequest) -> Response[None]:
    visit = visit_in(request)
    await visits_of(bank).end(visit.person, visit.session)
    return Response(None, status_code=204, headers=NO_STORE, cookies=[visit_cookie_of(bank, "", 0)])


@get(
    "/sessions",
    opt=own("own:session"),
    responses=problems(*OWN),
    **operation("One's own sessions by phone.", "本人的登录"),
)
async def sessions(bank: NamedDependency[Bank], request: BankRequest) -> Response[OwnSessionsOut]:
    mine = visit_in(request)
    found = await visits_of(bank).list(mine.person)
    return answered(
        OwnSessionsOut(
            [
                OwnSessionOut(
                    one.session, when(one.opened_at), when(one.touched_at), when(one.expires_at),
                    one.session == mine.session,
                )
                for one in found
            ]
        )
    )  # fmt: skip


@delete(
    "/sessions/{session_id:str}",
    opt=own("own:session"),
    status_code=204,
    responses={**nothing_follows(), **problems(*OWN, "form-expired")},
    **operation("End another session of one's own.", "结束本人的另一个登录"),
)
async def end_session(
    bank: NamedDependency[Bank], request: BankRequest, session_id: PersonId
) -> Response[None]:
    await visits_of(bank).end(visit_in(request).person, session_id)
    return Response(None, status_code=204, headers=NO_STORE)


@post(
    "/ward",
    opt=own("own:ward"),
    status_code=200,
    responses=problems(*COMMAND, "not-a-ward"),
    **operation("Act for a ward from now on, by a recorded link.", "为被监护人、被协助人办理"),
)
async def pick_ward(
    bank: NamedDependency[Bank], request: BankRequest, data: JSONBody[WardIn]
) -> Response[PersonDone]:
    visit = done(await visits_of(bank).pick_ward(visit_token(bank, request), data.ward))
    return answered(PersonDone(visit.ward or visit.person))


@get(
    "/wallet",
    opt=own("own:balance"),
    responses=problems(*OWN, "no-such-account"),
    **operation("One's own points and merit minutes, or the ward's.", "本人积分与服务时长"),
)
async def wallet(bank: NamedDependency[Bank], request: BankRequest) -> Response[Wallet]:
    return answered(found(await bank.balances.wallet(_about(request))))


@get(
    "/code",
    opt=own("own:code"),
    responses=problems(*OWN),
    **operation("One's own dynamic code: good once, for a minute at most.", "本人动态码"),
)
async def own_code(bank: NamedDependency[Bank], request: BankRequest) -> Response[OwnCodeOut]:
    codes: OwnCodes = visits_of(bank).own_codes
    return answered(OwnCodeOut(codes.code(_about(request), bank.clock.now())))


@post(
    "/check-ins",
    opt=own("own:check-in"),
    responses=problems(*COMMAND, *MEETING),
    **operation("Come to a session.", "本人签到"),
)
async def check_in(
    bank: NamedDependency[Bank],
    request: BankRequest,
    data: JSONBody[MeetingIn],
    idempotency_key: IdempotencyKey,
) -> Response[Noted]:
    shown, by, command = _met(request, data, idempotency_key)
    attendance = desks_of(bank).attendance
    receipt = done(await attendance.check_in(data.session, visit_in(request).person, shown, by, command))
    return answered(Noted(when(receipt.recorded_at)), 201, replayed(receipt.replayed))


@post(
    "/check-outs",
    opt=own("own:check-in"),
    responses=problems(*COMMAND, *MEETING),
    **operation("Leave a session.", "本人签退"),
)
async def check_out(
    bank: NamedDependency[Bank],
    request: BankRequest,
    data: JSONBody[MeetingIn],
    idempotency_key: IdempotencyKey,
) -> Response[Noted]:
    shown, by, command = _met(request, data, idempotency_key)
    attendance = desks_of(bank).attendance
    receipt = done(await attendance.check_out(data.session, visit_in(request).person, shown, by, command))
    return answered(Noted(when(receipt.recorded_at)), 201, replayed(receipt.replayed))


@get(
    "/data",
    opt=own("own:data"),
    responses={**any_object(), **problems(*OWN, "unknown-person")},
    **operation("All of one's own data, or the ward's, as JSON.", "导出本人资料"),
)
async def own_data(bank: NamedDependency[Bank], request: BankRequest) -> Response[bytes]:
    asked_by = visit_in(request).person
    data = done(await desk_of(bank).own_data(_about(request), asked_by))
    return Response(data, media_type="application/json", headers=NO_STORE)


@get(
    "/consents",
    opt=own("own:consents"),
    responses=problems(*OWN),
    **operation("One's own consents, or the ward's.", "本人的同意"),
)
async def consents(bank: NamedDependency[Bank], request: BankRequest) -> Response[ConsentsOut]:
    given = await Consents(desk_of(bank).store).history(_about(request))
    return answered(ConsentsOut([consent_out(one) for one in given]))


@delete(
    "/consents/{consent_id:str}",
    opt=own("own:consents"),
    status_code=200,
    responses=problems(*COMMAND, "unknown-consent"),
    **operation("Withdraw a consent from now on.", "撤回同意"),
)
async def withdraw(
    bank: NamedDependency[Bank], request: BankRequest, consent_id: PersonId, idempotency_key: IdempotencyKey
) -> Response[PersonDone]:
    person = _about(request)
    refusal = await Consents(desk_of(bank).store).withdraw(person, consent_id, visit_in(request).person)
    if refusal is not None:
        raise refused(refusal)
    return answered(PersonDone(person))


@post(
    "/card-freeze",
    opt=own("own:card"),
    status_code=200,
    responses=problems(*COMMAND, "unknown-card"),
    **operation("Freeze one's own card, or the ward's, at once.", "立即冻结本人的卡"),
)
async def freeze_card(
    bank: NamedDependency[Bank], request: BankRequest, idempotency_key: IdempotencyKey
) -> Response[PersonDone]:
    person = _about(request)
    refusal = await Cards(desk_of(bank).store).freeze(person, visit_in(request).person)
    if refusal is not None:
        raise refused(refusal)
    look(bank)
    return answered(PersonDone(person))


def _about(request: BankRequest) -> str:
    """Whom the request is about: the ward that was picked, or oneself."""
    visit = visit_in(request)
    return visit.ward or visit.person


def _met(request: BankRequest, data: MeetingIn, key: str) -> tuple[Shown, By, Command]:
    """How somebody shows that they are there: with the card at a terminal, or with the code on the wall."""
    visit, actor = visit_in(request), actor_in(request)
    if visit.terminal:  # who keeps the terminal answers for it
        by = By(actor.id, visit.staff, visit.terminal, visit.place)
        return Shown("card"), by, Command(f"terminal:{visit.terminal}", key, f"person:{visit.staff}")
    return (
        Shown("session-code", data.code),
        By(actor.id, visit.person),
        Command(actor.client, key, actor.name),
    )


router = Router(
    "/me",
    route_handlers=[
        ask_code, log_in, me, log_out, sessions, end_session,
        pick_ward, wallet, own_code, check_in, check_out, own_data, consents, withdraw,
        freeze_card,
    ],
    tags=["me 本人"],
)  # fmt: skip
