"""The hot read: balances by the thousand a second. What is asked in one turn of the event loop is one query.

A query through SQLAlchemy costs some tenths of a millisecond of this process however small it is, so this
one read speaks to the driver, on a connection of its own. Accounts and lots never change once they are
there, so their numbers are remembered and a query carries integers only. One statement reads the head and
the balances: one moment.
"""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
import structlog

from pointsbank.ledger.refusals import UnknownAccount
from pointsbank.readers.balances import (
    AccountBalance,
    CommodityBalance,
    LotBalance,
    Wallet,
    commodity_balance,
    expiry,
    is_plain,
    wallet_of,
    wallet_paths,
)
from pointsbank.readers.hot_sources import source_of
from pointsbank.store.database import Database

log = structlog.get_logger()

MAX_REMEMBERED: Final = 500_000
"""Accounts remembered before the memory starts afresh: about 100 MB at most."""


class BalancesUnavailableError(Exception):
    """The database did not answer, not even on a new connection: the same question may be asked again."""

    code = "balances-unavailable"


class _Known(msgspec.Struct, frozen=True):
    number: int
    kind: str
    type: str
    floor: int | None


class HotBalances:
    """Balances now, gathered. Open it, `get` from any task of the event loop, close it."""

    def __init__(self, database: Database, ledger_id: int) -> None:
        self._source = source_of(database, ledger_id)
        self._waiting: dict[str, list[asyncio.Future[AccountBalance | UnknownAccount]]] = {}
        self._accounts: dict[str, _Known] = {}
        self._lots: dict[int, tuple[str, LotBalance]] = {}
        self._task: asyncio.Task[None] | None = None
        self._is_open = False

    async def open(self) -> None:
        """Connect. Raises BalancesUnavailableError if the database does not answer."""
        self._loop = asyncio.get_running_loop()
        try:
            await self._source.open()
        except ConnectionError as error:
            raise BalancesUnavailableError(str(error)) from error
        self._is_open = True

    async def close(self) -> None:
        """Answer what was asked, then disconnect."""
        self._is_open = False
        if self._task is not None:
            await self._task
        await self._source.close()

    def get(self, path: str) -> asyncio.Future[AccountBalance | UnknownAccount]:
        """The balance of an account now; the future may raise BalancesUnavailableError."""
        if not self._is_open:
            raise BalancesUnavailableError("the balances are closed")
        future: asyncio.Future[AccountBalance | UnknownAccount] = self._loop.create_future()
        askers = self._waiting.get(path)
        if askers is not None:
            askers.append(future)
            return future
        self._waiting[path] = [future]
        if self._task is None:  # else the task that is under way takes it along in its next query
            self._task = self._loop.create_task(self._serve())
        return future

    async def wallet(self, holder_id: str) -> Wallet | UnknownAccount:
        """A volunteer's wallet now, its accounts all of one moment. May raise BalancesUnavailableError."""
        answers = await asyncio.gather(*(self.get(path) for path in wallet_paths(holder_id)))
        return wallet_of(holder_id, {a.account: a for a in answers if isinstance(a, AccountBalance)})

    async def _serve(self) -> None:
        """Query for all that waits until nothing does."""
        while self._waiting:
            asked, self._waiting = self._waiting, {}
            try:
                answers = await self._answers(list(asked))
            except ConnectionError as error:
                log.warning("balances.unavailable", error=str(error))
                _fail(asked, BalancesUnavailableError(str(error)))
                continue
            except Exception as error:  # a bug must not leave callers waiting
                log.exception("balances.failed")
                _fail(asked, BalancesUnavailableError(type(error).__name__))
                continue
            for (_, askers), answer in zip(asked.items(), answers, strict=True):
                for future in askers:
                    if not future.done():
                        future.set_result(answer)
        self._task = None

    async def _answers(self, paths: list[str]) -> list[AccountBalance | UnknownAccount]:
        """Answers in the order of the paths, with one new connection if the old one is lost."""
        try:
            return await self._ask(paths)
        except ConnectionError as error:
            log.info("balances.reconnecting", error=str(error))
            await self._source.close()
            await self._source.open()
            return await self._ask(paths)

    async def _ask(self, paths: list[str]) -> list[AccountBalance | UnknownAccount]:
        known = self._accounts
        if all(path in known for path in paths):
            sequence, rows = await self._source.held([known[path].number for path in paths])
        else:
            plain = [path for path in paths if is_plain(path)]
            sequence, accounts, rows = await self._source.named(plain)
            if len(known) > MAX_REMEMBERED:
                known.clear()
            for number, path, kind, its_type, floor in accounts:
                known[path] = _Known(number, kind, its_type, floor)
        lots = self._lots
        strange = {lot for _, lot, _ in rows if lot not in lots}
        if strange:
            for lot, commodity, code, expires_on in await self._source.lots(list(strange)):
                lots[lot] = commodity, LotBalance(code, expiry(expires_on), 0)
        held: dict[int, list[tuple[int, int, int]]] = {}
        for row in rows:
            held.setdefault(row[0], []).append(row)
        return [
            _answer(path, known[path], sequence, held.get(known[path].number, []), lots)
            if path in known
            else UnknownAccount(path)
            for path in paths
        ]


def _answer(
    path: str,
    account: _Known,
    sequence: int,
    rows: list[tuple[int, int, int]],
    lots: dict[int, tuple[str, LotBalance]],
) -> AccountBalance:
    if len(rows) == 1:  # most accounts hold one lot
        _, lot, amount = rows[0]
        commodity, pattern = lots[lot]
        parts = (LotBalance(pattern.lot, pattern.expires_on, amount),) if amount else ()
        held: tuple[CommodityBalance, ...] = (CommodityBalance(commodity, amount, parts),)
    else:
        by_commodity: dict[str, list[LotBalance]] = {}
        for _, lot, amount in rows:
            commodity, pattern = lots[lot]
            by_commodity.setdefault(commodity, []).append(LotBalance(pattern.lot, pattern.expires_on, amount))
        held = tuple(commodity_balance(name, by_commodity[name]) for name in sorted(by_commodity))
    return AccountBalance(path, account.kind, account.type, account.floor, sequence, held)


def _fail(asked: dict[str, list[asyncio.Future[AccountBalance | UnknownAccount]]], error: Exception) -> None:
    for askers in asked.values():
        for future in askers:
            if not future.done():
                future.set_exception(error)
