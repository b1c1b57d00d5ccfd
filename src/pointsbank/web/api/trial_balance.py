"""The trial balance: every kind of account by commodity, debits beside credits."""

from __future__ import annotations

from typing import Annotated

from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from pointsbank.readers.trial_balance import AccountLines, TrialBalance, account_lines, trial_balance
from pointsbank.web.api.answers import answered, found, tagged, time_asked
from pointsbank.web.api.describe import (
    READING,
    AsOfSequence,
    AsOfTime,
    IfNoneMatch,
    Limit,
    not_modified,
    operation,
    problems,
)
from pointsbank.web.bank import Bank
from pointsbank.web.guard import needs


@get(
    "/",
    opt=needs("ledger:read"),
    responses=problems(*READING, "question-invalid", "sequence-ahead") | not_modified(),
    **operation(
        "The trial balance by kind of account and commodity, now or as of a sequence number or a time.",
        "试算平衡表：当前，或截至某号、某时",
    ),
)
async def get_trial_balance(
    bank: NamedDependency[Bank],
    sequence: AsOfSequence = None,
    at: AsOfTime = None,
    if_none_match: IfNoneMatch = None,
) -> Response[TrialBalance]:
    books = found(await bank.ask(trial_balance, sequence=sequence, recorded_at=time_asked(at, "at")))
    return tagged(books, str(books.sequence), if_none_match)


@get(
    "/accounts",
    opt=needs("ledger:read"),
    responses=problems(*READING, "question-invalid"),
    **operation("The trial balance account by account, in the order of their paths.", "试算平衡表：逐个账户"),
)
async def get_account_lines(
    bank: NamedDependency[Bank],
    prefix: Annotated[str, QueryParameter(max_length=200, description="what the path begins with")] = "",
    after: Annotated[str, QueryParameter(max_length=200, description="`next` of the page before")] = "",
    limit: Limit = 100,
) -> Response[AccountLines]:
    return answered(found(await bank.ask(account_lines, prefix=prefix, after=after, limit=limit)))


router = Router(
    "/trial-balance", route_handlers=[get_trial_balance, get_account_lines], tags=["trial balance 试算平衡表"]
)
