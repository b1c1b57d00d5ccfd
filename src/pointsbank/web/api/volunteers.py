"""What a volunteer has: what a till asks before it sells.

A volunteer number stands in a body, never in an address: addresses are kept by browsers, proxies and logs.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter
from msgspec import Meta

from pointsbank.access.model import Actor
from pointsbank.people.directory import directory_of
from pointsbank.people.identity import masked_number
from pointsbank.people.refusals import PersonDataInvalid
from pointsbank.people.volunteers import registered
from pointsbank.readers.balances import Wallet
from pointsbank.web.api.answers import answered, found, tagged
from pointsbank.web.api.describe import READING, IfNoneMatch, not_modified, operation, problems
from pointsbank.web.api.people_answers import done
from pointsbank.web.bank import Bank
from pointsbank.web.guard import actor_in, needs
from pointsbank.web.problems import ProblemError
from pointsbank.web.validation import BankRequest

PersonId = Annotated[str, PathParameter(min_length=36, max_length=36, pattern="^[0-9a-f-]+$")]


class NumberIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A volunteer number of the city (志愿者编号), whole."""

    number: Annotated[
        str, Meta(min_length=1, max_length=64, pattern="^[^\\u0000-\\u001f\\u007f\\ud800-\\udfff]*$")
    ]


@post(
    "/wallet",
    opt=needs("ledger:read"),
    status_code=200,
    responses=problems(
        *READING,
        "bad-request",
        "malformed-json",
        "payload-too-large",
        "unsupported-media-type",
        "form-expired",
        "search-limit",
        "unknown-volunteer",
    ),
    **operation(
        "What the volunteer with this number has: available, on notice, held, expiring next, merit minutes; all of"
        " one sequence number. It counts as a search; of a machine's key only if nobody has the number.",
        "按志愿者编号查积分：可用、公示中、冻结、最近到期、服务时长",
    ),
)
async def find_wallet(
    bank: NamedDependency[Bank], request: BankRequest, data: JSONBody[NumberIn]
) -> Response[Wallet]:
    person = await person_with(bank, actor_in(request), data.number)
    wallet = await _wallet(bank, person, masked_number(data.number))
    return answered(msgspec.structs.replace(wallet, holder=data.number))


@get(
    "/{person_id:str}/wallet",
    opt=needs("ledger:read"),
    responses=problems(*READING, "unknown-volunteer") | not_modified(),
    **operation(
        "What a volunteer has, by the person's id; all of one sequence number.",
        "按人员 ID 查积分",
    ),
)
async def get_wallet(
    bank: NamedDependency[Bank], person_id: PersonId, if_none_match: IfNoneMatch = None
) -> Response[Wallet]:
    wallet = await _wallet(bank, person_id, person_id)
    return tagged(wallet, str(wallet.sequence), if_none_match)


async def person_with(bank: Bank, actor: Actor | None, number: str) -> str:
    """Whose number this is, empty if nobody's. Counted and logged as a search of the person or the key that asks.

    Whom the key of a till finds has come to it, and only its misses count: a queue passes, trying numbers does not.
    Only a page that is open to everybody, a demo's, asks for nobody.
    """
    if actor is not None:
        searched = await bank.people.registry.find(
            "volunteer-number", number, actor.seen_as, serves=not actor.person
        )
        if not isinstance(searched, PersonDataInvalid):
            held = done(searched)
            return held[0].person_id if held else ""
    # what has not the form of a number is nobody's, but in a replay, whose numbers are what its files say
    known = await directory_of(bank.ledger).by_number([number])
    return known[number].id if number in known else ""


async def _wallet(bank: Bank, person: str, shown: str) -> Wallet:
    ours = await bank.ask(registered, [person]) if person else ()
    if person not in ours:
        raise ProblemError("unknown-volunteer", volunteer=shown)
    return found(await bank.balances.wallet(person))


router = Router("/volunteers", route_handlers=[find_wallet, get_wallet], tags=["volunteers 志愿者"])
