"""A printed passbook over HTTP: for who has no telephone."""

from __future__ import annotations

from typing import Any

from litestar import Response, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody

from pointsbank.web.api.answers import NO_STORE
from pointsbank.web.api.describe import operation, problems
from pointsbank.web.api.people_answers import ASKING, desk_of, done
from pointsbank.web.api.people_shapes import PersonId, ReasonIn
from pointsbank.web.bank import Bank
from pointsbank.web.guard import actor_in, needs
from pointsbank.web.passbooks import passbook_of
from pointsbank.web.validation import BankRequest


@post(
    "/{person_id:str}/passbook",
    opt=needs("people:read", bounded=True),
    status_code=200,
    media_type="application/pdf",
    responses={
        200: ResponseSpec(
            bytes, generate_examples=False, description="the passbook", media_type="application/pdf"
        ),
        **problems(
            *ASKING, "unknown-person", "minor-protected", "reason-needed", "no-such-account", "not-printable"
        ),
    },
    **operation("A passbook to print: balances and what moved lately, masked; kept nowhere.", "打印积分存折"),
)
async def passbook(
    bank: NamedDependency[Bank], request: BankRequest, person_id: PersonId, data: JSONBody[ReasonIn]
) -> Response[Any]:
    book = done(await passbook_of(desk_of(bank), actor_in(request), person_id, data.reason))
    page = done(await bank.sheets.set_passbook(book))
    return Response(page, headers=NO_STORE, media_type="application/pdf")


HANDLERS: list[Any] = [passbook]
