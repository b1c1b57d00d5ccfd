"""An account's statement (对账单): its postings newest first, each with the balance after it.

A page rests on the posting number of the line above it, so a page already seen never shifts, whatever is
posted meanwhile. Narrowing by commodity or lot narrows the index ranges that are read; narrowing by kind or
date means passing over lines, at most `MAX_READ` in one call: the page may then be short, even empty, and
still have a next.
"""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import Any, Final

import msgspec
from sqlalchemy import BigInteger, BindParameter, Connection, Select, bindparam, case, func, select, true

from pointsbank.ledger.chart import NORMAL_SIDE
from pointsbank.ledger.model import Side
from pointsbank.ledger.refusals import UnknownAccount
from pointsbank.readers.balances import expiry, is_plain
from pointsbank.readers.cursor import cursor_for, posting_of
from pointsbank.readers.journal import path_of
from pointsbank.readers.lookups import listed, then
from pointsbank.readers.moments import NO_END, day_end, day_start
from pointsbank.readers.refusals import CursorInvalid, QuestionInvalid
from pointsbank.readers.walk import walk
from pointsbank.store.tables import accounts, balances, entries, heads, lots, postings

MAX_LINES: Final = 200
"""Most lines of one page."""

MAX_READ: Final = 10_000
"""Most postings that one call passes over in search of lines that a filter lets through."""

_CHUNK: Final = 2_000
"""Postings that one statement walks through when lines have to be passed over."""
_SMALL_CHUNK: Final = 500
"""The same on PostgreSQL for an account of many lots, where a chunk may cost its square in index entries."""
_MANY_LOTS: Final = 60


class StatementFilter(msgspec.Struct, frozen=True):
    """Which lines to show; empty means all. Effective dates on the city's calendar, both included."""

    kind: str = ""
    commodity: str = ""
    lot: str = ""
    first_date: date | None = None
    last_date: date | None = None

    @property
    def passes_over(self) -> bool:
        """Whether lines of the walk may have to be passed over."""
        return bool(self.kind or self.first_date or self.last_date)


class StatementLine(msgspec.Struct, frozen=True):
    """One posting seen from the account. Amounts in minor units, signed on the account's normal side.

    `balance` is of the line's lot after it, `total` of all lots of its commodity. Times are microseconds UTC.
    `reverses` and `reversed_by` are sequence numbers, 0 for none.
    """

    posting: int
    sequence: int
    kind: str
    effective_at: int
    recorded_at: int
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


class StatementPage(msgspec.Struct, frozen=True):
    """Lines newest first, as of `sequence`. `next` is the cursor of the next page, None at the end.

    `read` counts the postings passed over for this page.
    """

    account: str
    kind: str
    type: str
    sequence: int
    lines: tuple[StatementLine, ...]
    next: str | None
    read: int


class _Account(msgspec.Struct, frozen=True):
    sequence: int
    number: int
    kind: str
    type: str
    lots: dict[int, tuple[str, str, str]]
    """lot number -> commodity, code, expires_on; lots moved most recently first"""


NO_FILTER: Final = StatementFilter()


def statement(
    connection: Connection,
    ledger_id: int,
    path: str,
    *,
    cursor: str = "",
    limit: int = 50,
    only: StatementFilter = NO_FILTER,
) -> StatementPage | UnknownAccount | CursorInvalid | QuestionInvalid:
    """A page of `limit` (1 to 200) lines of an account, newest first, from `cursor` or the newest on."""
    if not 1 <= limit <= MAX_LINES:
        return QuestionInvalid(f"a page has 1 to {MAX_LINES} lines, not {limit}")
    if not only.kind.isprintable():
        return QuestionInvalid("the kind of an entry is printable text")
    account = _account(connection, ledger_id, path)
    if account is None:
        return UnknownAccount(path)
    before = posting_of(cursor, ledger_id, account.number) if cursor else NO_END
    if isinstance(before, CursorInvalid):
        return before
    wanted = [
        number
        for number, (commodity, code, _) in account.lots.items()
        if only.commodity in ("", commodity) and only.lot in ("", code)
    ]
    found, end, read = _read(connection, ledger_id, account, wanted, only, before, limit)
    following = None if end is None else cursor_for(ledger_id, account.number, end)
    lines = tuple(_line(row, account) for row in found)
    return StatementPage(path, account.kind, account.type, account.sequence, lines, following, read)


def _account(connection: Connection, ledger_id: int, path: str) -> _Account | None:
    if not is_plain(path):
        return None
    rows = connection.execute(_ACCOUNT, {"ledger": ledger_id, "path": path}).all()
    if not rows:
        return None
    sequence, number, kind, its_type = rows[0][:4]
    return _Account(
        sequence, number, kind, its_type, {row[4]: tuple(row[5:]) for row in rows if row[4] is not None}
    )


def _read(
    connection: Connection,
    ledger_id: int,
    account: _Account,
    wanted: list[int],
    only: StatementFilter,
    before: int,
    limit: int,
) -> tuple[list[Any], int | None, int]:
    """The rows of a page, the posting after which to go on (None: no more), the postings passed over."""
    dialect = connection.dialect.name
    chunk = largest = limit + 1
    if only.passes_over:
        is_small = dialect == "postgresql" and len(wanted) > _MANY_LOTS
        largest = _SMALL_CHUNK if is_small else _CHUNK
    question = _page(dialect, only.passes_over)
    arguments: dict[str, Any] = {"ledger": ledger_id, "account": account.number}
    if only.passes_over:
        arguments |= {
            "kind": only.kind,
            "since": day_start(only.first_date) if only.first_date else -NO_END,
            "until": day_end(only.last_date) if only.last_date else NO_END,
        }
    found: list[Any] = []
    read = 0
    while wanted:
        steps = min(chunk, MAX_READ - read)
        # On the first page only the lots that moved most recently can reach it: the rows are in that order.
        reach = wanted[:steps] if before == NO_END else wanted
        rows = connection.execute(
            question,
            arguments
            | {
                "lots": listed(dialect, reach),
                "before": before,
                "steps": steps,
                "limit": limit + 1 - len(found),
            },
        ).all()
        walked, oldest = rows[0][:2]
        found += [row for row in rows if row[2] is not None]
        read += walked
        if len(found) > limit:
            return found[:limit], found[limit - 1][2], read
        if walked < steps:
            break
        if read >= MAX_READ:
            return found, oldest, read
        before, chunk = oldest, max(chunk, min(4 * chunk, largest))
    return found, None, read


def _line(row: Any, account: _Account) -> StatementLine:
    (
        _,
        _,
        posting,
        sequence,
        is_debit,
        lot,
        amount,
        balance,
        total,
        counter,
        kind,
        effective_at,
        recorded_at,
        key,
        actor,
        place,
        reason,
        metadata,
        reverses,
        reversed_by,
    ) = row
    raises = bool(is_debit) == (NORMAL_SIDE[account.type] is Side.DEBIT)
    commodity, code, expires_on = account.lots[lot]
    return StatementLine(
        posting,
        sequence,
        kind,
        effective_at,
        recorded_at,
        amount if raises else -amount,
        counter,
        commodity,
        code,
        expiry(expires_on),
        balance,
        total,
        key,
        actor,
        place,
        reason,
        msgspec.json.decode(metadata) if metadata else {},
        reverses,
        reversed_by or 0,
    )


# the statements

_LEDGER: Final[BindParameter[int]] = bindparam("ledger")

_ACCOUNT = (
    select(
        select(heads.c.sequence).where(heads.c.ledger_id == _LEDGER).scalar_subquery(),
        accounts.c.account,
        accounts.c.kind,
        accounts.c.type,
        balances.c.lot,
        lots.c.commodity,
        lots.c.code,
        lots.c.expires_on,
    )
    .select_from(
        accounts.outerjoin(
            balances, (balances.c.ledger_id == _LEDGER) & (balances.c.account == accounts.c.account)
        ).outerjoin(lots, (lots.c.ledger_id == _LEDGER) & (lots.c.lot == balances.c.lot))
    )
    .where(accounts.c.ledger_id == _LEDGER, accounts.c.path == bindparam("path"))
    .order_by(balances.c.posting.desc())
)


@cache
def _page(dialect: str, is_filtered: bool) -> Select[Any]:
    """Rows of postings walked, oldest of them, a line's columns; if no line is let through, one of NULLs."""
    walked = walk(dialect).cte("walked")
    reversal = entries.alias("reversal")
    is_debit = postings.c.debit_account == bindparam("account")
    counter = case((is_debit, postings.c.credit_account), else_=postings.c.debit_account)
    lines = (
        select(
            postings.c.posting,
            postings.c.sequence,
            case((is_debit, 1), else_=0).label("is_debit"),
            postings.c.lot,
            postings.c.amount,
            case((is_debit, postings.c.debit_balance), else_=postings.c.credit_balance).label("balance"),
            case((is_debit, postings.c.debit_total), else_=postings.c.credit_total).label("total"),
            path_of(counter).label("counter"),
            entries.c.kind,
            entries.c.effective_at,
            entries.c.recorded_at,
            entries.c.key,
            entries.c.actor,
            entries.c.place,
            entries.c.reason,
            entries.c.metadata,
            entries.c.reverses,
            select(reversal.c.sequence)
            .where(
                reversal.c.ledger_id == _LEDGER,
                reversal.c.reverses == entries.c.sequence,
                reversal.c.reverses > 0,
            )
            .scalar_subquery()
            .label("reversed_by"),
        )
        .select_from(
            then(
                then(
                    walked,
                    postings,
                    (postings.c.ledger_id == _LEDGER) & (postings.c.posting == walked.c.posting),
                ),
                entries,
                (entries.c.ledger_id == _LEDGER) & (entries.c.sequence == postings.c.sequence),
            )
        )
        .order_by(walked.c.posting.desc())
        .limit(bindparam("limit", type_=BigInteger))
    )
    if is_filtered:
        kind = bindparam("kind", type_=entries.c.kind.type)
        lines = lines.where(
            (kind == "") | (entries.c.kind == kind),
            entries.c.effective_at >= bindparam("since"),
            entries.c.effective_at < bindparam("until"),
        )
    found = lines.subquery("found")
    extent = select(
        func.count(walked.c.posting).label("walked"), func.min(walked.c.posting).label("oldest")
    ).subquery()
    return (
        select(extent.c.walked, extent.c.oldest, *found.c)
        .select_from(extent.outerjoin(found, true()))
        .order_by(found.c.posting.desc())
    )
