"""Record sheets over HTTP: issue, print, withdraw; and what everybody may ask who holds the paper.

The public questions are POSTs, so that a token stands in no address. They say nothing of anybody: no name, no activity.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody, PathParameter
from msgspec import Meta

from pointsbank.access.model import Actor
from pointsbank.engine.commands import Command
from pointsbank.ledger.refusals import Refusal
from pointsbank.record_sheets.model import REASONS, NameCheck, PublicSheet, Sheet, SheetOrder
from pointsbank.record_sheets.reading import Opening
from pointsbank.record_sheets.refusals import TooManyLooks
from pointsbank.web.api.answers import NO_STORE, answered
from pointsbank.web.api.describe import READING, WRITING, IdempotencyKey, operation, problems
from pointsbank.web.api.people_shapes import ReasonIn, Words
from pointsbank.web.api.place_shapes import Code, Person
from pointsbank.web.api.shapes import when
from pointsbank.web.bank import Bank
from pointsbank.web.bounds import Act, may_at, require_at
from pointsbank.web.guard import PUBLIC, actor_in, needs
from pointsbank.web.problems import ProblemError, refused
from pointsbank.web.validation import BankRequest

T = TypeVar("T")

NO_INDEX: Final = {"X-Robots-Tag": "noindex, nofollow, noarchive"}
SheetId = Annotated[str, PathParameter(min_length=1, max_length=64, pattern="^[0-9a-f]+$")]
PersonId = Annotated[str, PathParameter(min_length=36, max_length=36, pattern="^[0-9a-f-]+$")]
ISSUING: Final = (
    "idempotency-conflict",
    "stale-read",
    "state-changed",
    "document-exists",
    "invalid-draft",
    "unknown-record-sheet",
    "period-invalid",
    "issuer-unknown",
    "nothing-to-certify",
    "person-without-name",
)
OF_A_MINOR: Final = ("minor-protected", "reason-needed")
ASKING: Final = (
    "bad-request",
    "malformed-json",
    "invalid-request",
    "unsupported-media-type",
    "payload-too-large",
    "unknown-record-sheet",
    "too-many-looks",
    "internal-error",
    "unavailable",
)


class SheetIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sheet to issue: whose, by which place, from the first to the last day; perhaps in the place of another.

    `reason` is needed of a minor, and kept with who saw whom.
    """

    person: Person
    issuer: Code
    from_day: date
    to_day: date
    replaces: Annotated[str, Meta(max_length=64, pattern="^[0-9a-f]*$")] = ""
    reason: Words = ""


class WithdrawalIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a sheet is withdrawn."""

    reason: Literal[REASONS]  # type: ignore[valid-type]


class TokenIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The token in the QR code."""

    token: Annotated[str, Meta(min_length=1, max_length=64)]


class NameIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The token in the QR code, and the name as it is printed."""

    token: Annotated[str, Meta(min_length=1, max_length=64)]
    name: Annotated[str, Meta(min_length=1, max_length=100)]


class SheetOut(msgspec.Struct, frozen=True):
    """A sheet without anybody's name. Merit in minutes; `as_of` is the entry on which it rests."""

    id: str
    person: str
    number: str
    issuer: str
    issuer_name: str
    from_day: str
    to_day: str
    minutes: int
    records: int
    as_of: int
    issued_at: datetime
    issued_by: str
    expires_on: str
    replaces: str
    reason: str
    state: str


class SheetsOut(msgspec.Struct, frozen=True):
    """The sheets of a person that the reader may see, newest first."""

    sheets: list[SheetOut]


class NameOut(msgspec.Struct, frozen=True):
    """Whether the name is the printed one, and nothing else."""

    result: Literal["matches", "does-not-match"]


class KeyOut(msgspec.Struct, frozen=True):
    """A public key (Ed25519) as PEM."""

    id: str
    pem: str


class KeysOut(msgspec.Struct, frozen=True):
    """What signatures of sheets are checked with; the first is in use."""

    keys: list[KeyOut]


@post(
    "/",
    opt=needs("sheets:issue", bounded=True),
    responses=problems(*WRITING, *ISSUING, *OF_A_MINOR),
    **operation(
        "Issue a service record sheet; the issuer is at or above a station where something of it was served.",
        "出具服务记录单",
    ),
)
async def issue(
    bank: NamedDependency[Bank],
    request: BankRequest,
    data: JSONBody[SheetIn],
    idempotency_key: IdempotencyKey,
) -> Response[SheetOut]:
    actor = actor_in(request)
    await require_at(bank, actor, "sheets:issue", station=data.issuer, person=data.person)
    order = SheetOrder(
        person_id=data.person,
        issuer=data.issuer,
        first=data.from_day,
        last=data.to_day,
        replaces=data.replaces,
    )
    command = Command(actor.client, idempotency_key, actor.name)
    opening = await _opening(bank, actor, data.person, data.reason)
    sheet = _done(await bank.sheets.issue(order, command, opening))
    return answered(_out(sheet), 201, {"Location": f"/api/v1/record-sheets/{sheet.sheet_id}"})


@get(
    "/{sheet_id:str}",
    opt=needs("sheets:read", bounded=True),
    responses=problems(*READING, "unknown-record-sheet"),
    **operation("One sheet, without anybody's name.", "查一张服务记录单"),
)
async def get_sheet(
    bank: NamedDependency[Bank], request: BankRequest, sheet_id: SheetId
) -> Response[SheetOut]:
    return answered(_out(await _at_hand(bank, request, "sheets:read", sheet_id)))


@get(
    "/of/{person_id:str}",
    opt=needs("sheets:read", bounded=True),
    responses=problems(*READING),
    **operation("The sheets of a person, as far as the reader may see them.", "查某人的服务记录单"),
)
async def sheets_of(
    bank: NamedDependency[Bank], request: BankRequest, person_id: PersonId
) -> Response[SheetsOut]:
    sheets = await bank.sheets.of_person(person_id)
    acts = [Act(place=sheet.issuer, person=sheet.person_id) for sheet in sheets]
    seen = await may_at(bank, actor_in(request), "sheets:read", acts)
    return answered(SheetsOut([_out(sheet) for sheet, is_seen in zip(sheets, seen, strict=True) if is_seen]))


@post(
    "/{sheet_id:str}/pdf",
    opt=needs("sheets:issue", bounded=True),
    status_code=200,
    media_type="application/pdf",
    responses={
        200: ResponseSpec(
            bytes, generate_examples=False, description="the sheet", media_type="application/pdf"
        ),
        **problems(
            *READING,
            "bad-request",
            "malformed-json",
            "payload-too-large",
            "unsupported-media-type",
            "form-expired",
            *OF_A_MINOR,
            "unknown-record-sheet",
            "record-sheet-forgotten",
            "not-printable",
        ),
    },
    **operation(
        "The sheet as PDF, made anew each time and kept nowhere; of a minor with a right of its own and a reason.",
        "打印服务记录单（PDF）",
    ),
)
async def print_sheet(
    bank: NamedDependency[Bank], request: BankRequest, sheet_id: SheetId, data: JSONBody[ReasonIn]
) -> Response[Any]:
    sheet = await _at_hand(bank, request, "sheets:issue", sheet_id)
    opening = await _opening(bank, actor_in(request), sheet.person_id, data.reason)
    printed = _done(await bank.sheets.print(sheet_id, opening))
    headers = {**NO_STORE, **NO_INDEX, "Content-Disposition": f'inline; filename="{printed.number}.pdf"'}
    return Response(printed.pdf, headers=headers, media_type="application/pdf")


@post(
    "/{sheet_id:str}/withdrawal",
    opt=needs("sheets:withdraw", bounded=True),
    status_code=200,
    responses=problems(*WRITING, *ISSUING, "reason-invalid"),
    **operation("Withdraw a sheet; its public page says so from now on.", "撤回服务记录单"),
)
async def withdraw(
    bank: NamedDependency[Bank],
    request: BankRequest,
    sheet_id: SheetId,
    data: JSONBody[WithdrawalIn],
    idempotency_key: IdempotencyKey,
) -> Response[SheetOut]:
    actor = actor_in(request)
    await _at_hand(bank, request, "sheets:withdraw", sheet_id)
    command = Command(actor.client, idempotency_key, actor.name)
    return answered(_out(_done(await bank.sheets.withdraw(sheet_id, data.reason, command))))


@get(
    "/public-keys",
    opt=PUBLIC,
    responses=problems("internal-error", "unavailable"),
    **operation("The keys with which anybody checks the signature of a sheet.", "记录单签名公钥"),
)
async def public_keys(bank: NamedDependency[Bank]) -> Response[KeysOut]:
    return answered(KeysOut([KeyOut(key.id, key.pem) for key in bank.sheets.public_keys]))


@post(
    "/public",
    opt=PUBLIC,
    status_code=200,
    responses=problems(*ASKING),
    **operation("Whether a sheet is valid, by the token in its QR code.", "核验服务记录单"),
)
async def look(
    bank: NamedDependency[Bank], request: BankRequest, data: JSONBody[TokenIn]
) -> Response[PublicSheet]:
    return answered(_done(await bank.sheets.look(data.token, address_of(request))), headers=NO_INDEX)


@post(
    "/public/name",
    opt=PUBLIC,
    status_code=200,
    responses=problems(*ASKING),
    **operation("Whether a name is the one that is printed on the sheet.", "核对记录单上的姓名"),
)
async def check_name(
    bank: NamedDependency[Bank], request: BankRequest, data: JSONBody[NameIn]
) -> Response[NameOut]:
    told: NameCheck = _done(await bank.sheets.check_name(data.token, data.name, address_of(request)))
    return answered(NameOut(told), headers=NO_INDEX)


def address_of(request: BankRequest) -> str:
    """The address that asks."""
    return request.client.host if request.client is not None else ""


async def _at_hand(bank: Bank, request: BankRequest, action: str, sheet_id: str) -> Sheet:
    """A sheet, if the reader may do this at its issuer's place. What is not there is no place of anybody's."""
    sheet = await bank.sheets.sheet(sheet_id)
    place, person = (sheet.issuer, sheet.person_id) if sheet else ("", "")
    await require_at(bank, actor_in(request), action, place=place, person=person)
    if sheet is None:
        raise ProblemError("unknown-record-sheet")
    return sheet


async def _opening(bank: Bank, actor: Actor, person: str, reason: str) -> Opening:
    """Who makes or opens a sheet, with the right to minors' profiles of this moment."""
    return Opening(actor.person or actor.id, reason, await bank.people.may_open_minors(actor, person))


def _done(result: T | Refusal) -> T:
    if isinstance(result, TooManyLooks):
        raise ProblemError(
            "too-many-looks", headers={"Retry-After": str(result.seconds)}, seconds=result.seconds
        )
    if isinstance(result, Refusal):
        raise refused(result)
    return result


def _out(sheet: Sheet) -> SheetOut:
    return SheetOut(
        sheet.sheet_id,
        sheet.person_id,
        sheet.number,
        sheet.issuer_code,
        sheet.issuer_name,
        sheet.from_day,
        sheet.to_day,
        sheet.minutes,
        sheet.records,
        sheet.as_of,
        when(sheet.issued_at),
        sheet.issued_by,
        sheet.expires_on,
        sheet.replaces,
        sheet.reason,
        sheet.state,
    )


router = Router(
    "/record-sheets",
    route_handlers=[issue, get_sheet, sheets_of, print_sheet, withdraw, public_keys, look, check_name],
    tags=["record sheets 服务记录单"],
)
