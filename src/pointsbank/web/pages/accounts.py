"""Find an account, and its statement. Not for everybody: see web/guard.py."""

from __future__ import annotations

from typing import Annotated

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter
from sqlalchemy import Connection

from pointsbank.ledger.refusals import UnknownAccount
from pointsbank.people import volunteers
from pointsbank.places.stations import stations
from pointsbank.readers.balances import AccountBalance, balances_now, is_plain
from pointsbank.readers.overview import FoundAccount, find_accounts
from pointsbank.readers.refusals import QuestionRefused
from pointsbank.readers.statements import statement
from pointsbank.web.bank import Bank
from pointsbank.web.guard import page
from pointsbank.web.pages.render import city_time, draw
from pointsbank.web.problems import ProblemError
from pointsbank.web.validation import BankRequest

MOST_FOUND = 30
LINES = 25

RULE = page("ledger:read")


@get("/accounts", opt=RULE, include_in_schema=False)
async def search(
    bank: NamedDependency[Bank], request: BankRequest, q: Annotated[str, QueryParameter(max_length=200)] = ""
) -> Response[bytes]:
    """Accounts by volunteer number, station code, id or path."""
    words = q.strip()
    found = await bank.ask(_find, words) if words else ()
    return draw(request, "search.html", words=words, found=found, limit=MOST_FOUND)


@get("/accounts/{path:str}", opt=RULE, include_in_schema=False)
async def show_account(
    bank: NamedDependency[Bank],
    request: BankRequest,
    path: Annotated[str, PathParameter(max_length=200)],
    cursor: Annotated[str, QueryParameter(max_length=64)] = "",
) -> Response[bytes]:
    """One account: what it holds, and its statement page by page."""
    holding, lines, siblings = await bank.ask(_account_page, path, cursor)
    if isinstance(lines, UnknownAccount):
        raise ProblemError("no-such-account", account=path)
    if isinstance(lines, QuestionRefused):
        raise ProblemError("cursor-invalid", problem=getattr(lines, "problem", ""))
    zone = bank.policies.policies[-1].timezone
    times = {line.posting: city_time(line.effective_at, zone) for line in lines.lines}
    return draw(
        request, "account.html", holding=holding, page=lines, times=times, siblings=siblings, is_first=not cursor
    )


def _account_page(connection: Connection, ledger_id: int, path: str, cursor: str):  # type: ignore[no-untyped-def]
    """Balance, statement page and the holder's other accounts, all of one moment."""
    lines = statement(connection, ledger_id, path, cursor=cursor, limit=LINES)
    root = path.rpartition(":")[0]
    found = find_accounts(connection, ledger_id, root + ":", limit=8) if root.count(":") else ()
    return balances_now(connection, ledger_id, [path]).get(path), lines, found


def _find(connection: Connection, ledger_id: int, words: str) -> tuple[FoundAccount, ...]:
    """What was typed may be a city's number, which only the people and the places know, or an account's path or id."""
    if not words.isprintable():
        return ()
    paths: list[str] = []
    for person in volunteers.by_number(connection, ledger_id, [words]).values():
        paths += [person.wallet, person.pending, person.merit]
    for station in stations(connection, ledger_id, [words]).values():
        paths += [station.stock, station.redeemed, station.handed_out]
    by_number = balances_now(connection, ledger_id, paths)
    found = tuple(_found(by_number[path]) for path in paths if path in by_number)
    if found or not is_plain(words):
        return found
    return find_accounts(connection, ledger_id, words, limit=MOST_FOUND)


def _found(account: AccountBalance) -> FoundAccount:
    return FoundAccount(
        account.account, account.kind, account.type, {c.commodity: c.total for c in account.commodities}
    )
