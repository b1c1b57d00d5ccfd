"""What a volunteer has, by the city's number: what a till asks before it sells."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.params import PathParameter

from pointsbank.people.directory import directory_of
from pointsbank.people.volunteers import registered
from pointsbank.readers.balances import Wallet
from pointsbank.web.api.answers import found, tagged
from pointsbank.web.api.describe import READING, IfNoneMatch, not_modified, operation, problems
from pointsbank.web.bank import Bank
from pointsbank.web.guard import needs
from pointsbank.web.problems import ProblemError

VolunteerNumber = Annotated[
    str, PathParameter(min_length=1, max_length=64, description="the city's volunteer number (志愿者编号)")
]


@get(
    "/{number:str}/wallet",
    opt=needs("ledger:read"),
    responses=problems(*READING, "unknown-volunteer") | not_modified(),
    **operation(
        "What a volunteer has: available, on notice, held, expiring next, merit minutes; all of one sequence number.",
        "志愿者的积分：可用、公示中、冻结、最近到期、服务时长",
    ),
)
async def get_wallet(
    bank: NamedDependency[Bank], number: VolunteerNumber, if_none_match: IfNoneMatch = None
) -> Response[Wallet]:
    known = await directory_of(bank.ledger).by_number([number])
    ours = await bank.ask(registered, [person.id for person in known.values()])
    if number not in known or known[number].id not in ours:
        raise ProblemError("unknown-volunteer", volunteer=number)
    wallet = found(await bank.balances.wallet(known[number].id))
    return tagged(msgspec.structs.replace(wallet, holder=number), str(wallet.sequence), if_none_match)


router = Router("/volunteers", route_handlers=[get_wallet], tags=["volunteers 志愿者"])
