"""Find an account, and its statement. Not for everybody: see web/guard.py."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter, URLEncodedBody
from sqlalchemy import Connection, select

from pointsbank.ledger.refusals import UnknownAccount
from pointsbank.market.tables import receipts
from pointsbank.people.directory import directory_of
from pointsbank.people.identity import Malformed, volunteer_number
from pointsbank.people.volunteers import Volunteer
from pointsbank.places.stations import stations
from pointsbank.places.tables import places as places_table
from pointsbank.readers.balances import AccountBalance, balances_now, is_plain
from pointsbank.readers.overview import FoundAccount, find_accounts
from pointsbank.readers.refusals import QuestionRefused
from pointsbank.readers.statements import StatementPage, statement
from pointsbank.web.api.volunteers import person_with
from pointsbank.web.bank import Bank
from pointsbank.web.guard import page, require_own_page
from pointsbank.web.pages.render import city_time, draw
from pointsbank.web.problems import ProblemError
from pointsbank.web.validation import BankRequest

MOST_FOUND = 30
LINES = 25

RULE = page("ledger:read")


class SearchForm(msgspec.Struct, frozen=True):
    """What was typed, or the example that was chosen."""

    q: Annotated[str, msgspec.Meta(max_length=200)] = ""
    example: Annotated[str, msgspec.Meta(max_length=200)] = ""


@get("/accounts", opt=RULE, include_in_schema=False)
async def search_form(request: BankRequest) -> Response[bytes]:
    """The form."""
    return draw(request, "search.html", words="", found=(), limit=MOST_FOUND, example="")


@post("/accounts", opt=RULE, status_code=200, include_in_schema=False)
async def search(
    bank: NamedDependency[Bank], request: BankRequest, data: URLEncodedBody[SearchForm]
) -> Response[bytes]:
    """Accounts by volunteer number, station code or name, id or path: nobody's number stands in an address.

    Whoever is logged in has a volunteer number counted and logged as a search.
    """
    require_own_page(request)
    words = (data.example or data.q).strip()
    found: tuple[FoundAccount, ...] = await bank.ask(_find_stations, words) if words else ()
    if words and not found:
        actor = request.scope["state"].get("actor")
        is_number = not isinstance(volunteer_number(words), Malformed)
        person = await person_with(bank, actor, words) if is_number else ""
        found = await bank.ask(_find, words, person)
    again = {"q": words} if words else None
    return draw(request, "search.html", again=again, words=words, found=found, limit=MOST_FOUND, example="")


@get("/accounts/{path:str}", opt=RULE, include_in_schema=False)
async def show_account(
    bank: NamedDependency[Bank],
    request: BankRequest,
    path: Annotated[str, PathParameter(max_length=200)],
    cursor: Annotated[str, QueryParameter(max_length=64)] = "",
) -> Response[bytes]:
    """One account: what it holds, and its statement page by page."""
    shown: AccountPage = await bank.ask(_account_page, path, cursor)
    lines = shown.lines
    holder = shown.holder or await _number(bank, request, path)
    if isinstance(lines, UnknownAccount):
        raise ProblemError("no-such-account", account=path)
    if isinstance(lines, QuestionRefused):
        raise ProblemError(lines.code, problem=getattr(lines, "problem", ""))
    zone = bank.policies.policies[-1].timezone
    times = {line.posting: city_time(line.effective_at, zone) for line in lines.lines}
    kinds = {
        line.counter_account: kind.name
        for line in lines.lines
        if (kind := bank.chart.kind_of(line.counter_account))
    }
    return draw(
        request,
        "account.html",
        holding=shown.holding,
        page=lines,
        times=times,
        siblings=shown.siblings,
        holder=holder,
        kinds=kinds,
        is_first=not cursor,
    )


class AccountPage(msgspec.Struct, frozen=True):
    """What the page of an account shows, all of one moment."""

    holding: AccountBalance | None
    lines: StatementPage | UnknownAccount | QuestionRefused
    siblings: tuple[FoundAccount, ...]
    holder: str


def _account_page(connection: Connection, ledger_id: int, path: str, cursor: str) -> AccountPage:
    """Balance, statement page, the holder and the holder's other accounts."""
    lines = statement(connection, ledger_id, path, cursor=cursor, limit=LINES)
    root = path.rpartition(":")[0]
    siblings = find_accounts(connection, ledger_id, root + ":", limit=8) if root.count(":") else ()
    holding = balances_now(connection, ledger_id, [path]).get(path)
    return AccountPage(holding, lines, siblings, _holder(connection, ledger_id, path))


async def _number(bank: Bank, request: BankRequest, path: str) -> str:
    """The volunteer number of an account's holder: a look at it is written down."""
    family, _, rest = path.partition(":")
    if family != "volunteer":
        return ""
    person = rest.partition(":")[0]
    actor = request.scope["state"].get("actor")
    by = actor.name if actor is not None else "page"
    return (await directory_of(bank.ledger).numbers([person], by, "account page")).get(person, "")


def _holder(connection: Connection, ledger_id: int, path: str) -> str:
    """What people call a station that holds an account: its code and name."""
    family, _, rest = path.partition(":")
    holder_id = rest.partition(":")[0]
    if not is_plain(path):
        return ""
    if family != "station":
        return ""
    p = places_table.c
    query = select(p.code + " " + p.name).where(p.ledger_id == ledger_id, p.place_id == holder_id)
    return str(connection.execute(query).scalar_one_or_none() or "")


def _find_stations(connection: Connection, ledger_id: int, words: str) -> tuple[FoundAccount, ...]:
    """Accounts of stations: what was typed may be a code or a part of a name."""
    if not words.isprintable():
        return ()
    paths: list[str] = []
    codes = [words] if words.isascii() else _stations_named(connection, ledger_id, words)
    for station in stations(connection, ledger_id, codes).values():
        paths += [station.stock, station.redeemed, station.handed_out]
    return _held(connection, ledger_id, paths)


def _find(connection: Connection, ledger_id: int, words: str, person: str) -> tuple[FoundAccount, ...]:
    """Accounts of the person who was found, or else what an account's path or id begins with."""
    if person:
        known = Volunteer(person, None)
        found = _held(connection, ledger_id, [known.wallet, known.pending, known.merit])
        if found:
            return found
    if not is_plain(words):
        return ()
    return find_accounts(connection, ledger_id, words, limit=MOST_FOUND)


def _held(connection: Connection, ledger_id: int, paths: list[str]) -> tuple[FoundAccount, ...]:
    by_path = balances_now(connection, ledger_id, paths)
    return tuple(_found(by_path[path]) for path in paths if path in by_path)[:MOST_FOUND]


def _stations_named(connection: Connection, ledger_id: int, words: str) -> list[str]:
    """Codes of stations whose name contains what was typed. A city has some 3,000."""
    p = places_table.c
    query = (
        select(p.code)
        .where(p.ledger_id == ledger_id, p.kind == "station", p.name.contains(words, autoescape=True))
        .order_by(p.code)
        .limit(MOST_FOUND // 3)
    )
    return list(connection.execute(query).scalars())


async def example_number(bank: Bank) -> str:
    """The number of the volunteer who went shopping last: somebody with a statement worth a look. For the demo."""
    person: str = await bank.ask(_last_shopper)
    asked = [person] if person else []
    return (await directory_of(bank.ledger).numbers(asked, "page", "demo")).get(person, "") if asked else ""


def _last_shopper(connection: Connection, ledger_id: int) -> str:
    r = receipts.c
    query = (
        select(r.volunteer)
        .where(r.ledger_id == ledger_id, r.sequence > 0)
        .order_by(r.sequence.desc())
        .limit(1)
    )
    return str(connection.execute(query).scalar_one_or_none() or "")


def _found(account: AccountBalance) -> FoundAccount:
    return FoundAccount(
        account.account, account.kind, account.type, {c.commodity: c.total for c in account.commodities}
    )
