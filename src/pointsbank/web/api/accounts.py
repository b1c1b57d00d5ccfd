"""Accounts: find them, what they hold now or as of a moment, their statements."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import msgspec
from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from sqlalchemy import Connection, select

from pointsbank.ledger.chart import NORMAL_SIDE
from pointsbank.readers.balances import AccountBalance, balance, is_plain
from pointsbank.readers.statements import MAX_LINES, StatementFilter, StatementPage, statement
from pointsbank.readers.trial_balance import prefix_end
from pointsbank.store.tables import accounts
from pointsbank.web.api.answers import answered, found, tagged, time_asked
from pointsbank.web.api.describe import (
    READING,
    AccountPath,
    AsOfSequence,
    AsOfTime,
    IfNoneMatch,
    Limit,
    not_modified,
    operation,
    problems,
)
from pointsbank.web.api.shapes import when
from pointsbank.web.bank import Bank
from pointsbank.web.bounds import require_at
from pointsbank.web.guard import actor_in, needs
from pointsbank.web.validation import BankRequest

READING_ACCOUNT = (*READING, "no-such-account")


class Account(msgspec.Struct, frozen=True):
    """An account: its kind in the chart, the side on which its balance counts, its floor (null for none)."""

    path: str
    kind: str
    type: str
    normal_side: str
    floor: int | None


class AccountPage(msgspec.Struct, frozen=True):
    """Accounts in the order of their paths; `next` is the `after` of the next page, null at the end."""

    accounts: list[Account]
    next: str | None


class StatementLineOut(msgspec.Struct, frozen=True):
    """One posting seen from the account. Amounts in minor units, signed on the account's normal side.

    `balance` is of the line's lot after it, `total` of all lots of its commodity. `reverses` and
    `reversed_by` are sequence numbers, 0 for none.
    """

    posting: int
    sequence: int
    kind: str
    effective_at: datetime
    recorded_at: datetime
    amount: int
    counter_account: str
    commodity: str
    lot: str
    expires_on: date | None
    balance: int
    total: int
    key: str
    actor: str
    place: str
    reason: str
    metadata: dict[str, int | str]
    reverses: int
    reversed_by: int


class Statement(msgspec.Struct, frozen=True):
    """Lines newest first, as of `sequence`; `next` is the cursor of the next page, null at the end."""

    account: str
    kind: str
    type: str
    sequence: int
    lines: list[StatementLineOut]
    next: str | None


@get(
    "/",
    opt=needs("ledger:read"),
    responses=problems(*READING),
    **operation("Accounts in the order of their paths, by prefix and kind.", "按路径前缀和种类查账户"),
)
async def list_accounts(
    bank: NamedDependency[Bank],
    prefix: Annotated[str, QueryParameter(max_length=200, description="what the path begins with")] = "",
    kind: Annotated[str, QueryParameter(max_length=64, description="kind in the chart, such as wallet")] = "",
    after: Annotated[str, QueryParameter(max_length=200, description="accounts behind this path")] = "",
    limit: Limit = 50,
) -> Response[AccountPage]:
    listed = await bank.ask(find_accounts, prefix, kind, after, limit)
    return answered(AccountPage(listed, listed[-1].path if len(listed) == limit else None))


@get(
    "/{path:str}",
    opt=needs("ledger:read", bounded=True),
    responses=problems(*READING_ACCOUNT),
    **operation("One account.", "查一个账户"),
)
async def get_account(
    bank: NamedDependency[Bank], request: BankRequest, path: AccountPath
) -> Response[Account]:
    await _require_here(bank, request, path)
    held = found(await bank.ask(balance, path))
    return answered(_account(held.account, held.kind, held.type, held.floor))


@get(
    "/{path:str}/balance",
    opt=needs("ledger:read", bounded=True),
    responses=problems(*READING_ACCOUNT, "question-invalid", "sequence-ahead") | not_modified(),
    **operation(
        "What the account holds, by commodity and lot: now, or as of a sequence number or a recorded time."
        " The answer names its sequence number, which is also its ETag.",
        "余额：当前，或截至某号、某时",
    ),
)
async def get_balance(
    bank: NamedDependency[Bank],
    request: BankRequest,
    path: AccountPath,
    sequence: AsOfSequence = None,
    at: AsOfTime = None,
    if_none_match: IfNoneMatch = None,
) -> Response[AccountBalance]:
    await _require_here(bank, request, path)
    recorded_at = time_asked(at, "at")
    if sequence is None and recorded_at is None:
        held = found(await bank.balances.get(path))
    else:
        held = found(await bank.ask(balance, path, sequence=sequence, recorded_at=recorded_at))
    return tagged(held, str(held.sequence), if_none_match)


@get(
    "/{path:str}/statement",
    opt=needs("ledger:read", bounded=True),
    responses=problems(*READING_ACCOUNT, "question-invalid", "cursor-invalid") | not_modified(),
    **operation(
        "The account's postings, newest first, each with the balance after it. A filtered page may be short"
        " and still have a next.",
        "对账单：从新到旧，逐笔余额",
    ),
)
async def get_statement(
    bank: NamedDependency[Bank],
    request: BankRequest,
    path: AccountPath,
    cursor: Annotated[str, QueryParameter(max_length=64, description="`next` of the page before")] = "",
    limit: Annotated[int, QueryParameter(ge=1, le=MAX_LINES)] = 50,
    kind: Annotated[str, QueryParameter(max_length=32, description="kind of entry")] = "",
    commodity: Annotated[str, QueryParameter(max_length=64)] = "",
    lot: Annotated[str, QueryParameter(max_length=96)] = "",
    first_date: Annotated[
        date | None, QueryParameter(description="first effective date, the city's calendar")
    ] = None,
    last_date: Annotated[date | None, QueryParameter(description="last effective date, included")] = None,
    if_none_match: IfNoneMatch = None,
) -> Response[Statement]:
    await _require_here(bank, request, path)
    only = StatementFilter(kind, commodity, lot, first_date, last_date)
    page = found(await bank.ask(statement, path, cursor=cursor, limit=limit, only=only))
    return tagged(statement_out(page), str(page.sequence), if_none_match)


def statement_out(page: StatementPage) -> Statement:
    """A page of a statement as it is answered."""
    lines = []
    for line in page.lines:
        fields = msgspec.structs.asdict(line)
        fields |= {"effective_at": when(line.effective_at), "recorded_at": when(line.recorded_at)}
        lines.append(StatementLineOut(**fields))
    return Statement(page.account, page.kind, page.type, page.sequence, lines, page.next)


def find_accounts(
    connection: Connection, ledger_id: int, prefix: str, kind: str, after: str, limit: int
) -> list[Account]:
    """Accounts whose path begins with `prefix`, in the order of their paths, behind `after`."""
    if not is_plain(prefix + kind + after):
        return []
    t = accounts.c
    query = select(t.path, t.kind, t.type, t.floor).where(t.ledger_id == ledger_id, t.path > after)
    if prefix:
        query = query.where(t.path >= prefix, t.path < prefix_end(prefix))
    if kind:
        query = query.where(t.kind == kind)
    return [_account(*row) for row in connection.execute(query.order_by(t.path).limit(limit))]


def _account(path: str, kind: str, account_type: str, floor: int | None) -> Account:
    return Account(path, kind, account_type, NORMAL_SIDE[account_type].name.lower(), floor)


async def _require_here(bank: Bank, request: BankRequest, path: str) -> None:
    """An account of a station is at that station; every other is the whole city's."""
    kind, _, rest = path.partition(":")
    place = rest.partition(":")[0] if kind == "station" else ""
    await require_at(bank, actor_in(request), "ledger:read", place=place if place.isprintable() else "")


router = Router(
    "/accounts",
    route_handlers=[list_accounts, get_account, get_balance, get_statement],
    tags=["accounts 账户"],
)
