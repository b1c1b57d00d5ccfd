"""A process that approves a raise of the fund's budget, which pays what waits, or carries on what was interrupted.

Arguments: database URL, change. It prints the record of each line that it has paid: a test kills it in between.
"""

from __future__ import annotations

import asyncio
import sys

import structlog
from tests.activities.centre import HEAD
from tests.activities.test_funds import small_fund
from tests.people_of import open_peopled
from tests.points.town import micros

from pointsbank.engine.clock import FixedClock
from pointsbank.engine.commands import Command
from pointsbank.funds.service import Budgets
from pointsbank.hours.funding import Funding, Waiting
from pointsbank.ledger.refusals import Refusal
from pointsbank.policy.book import PolicyBook
from pointsbank.store.database import Database


class Telling(Funding):
    """Says what was paid."""

    async def _pay(self, credit: Waiting, command: Command) -> int | Refusal:
        result = await super()._pay(credit, command)
        print(credit.record_id, flush=True)
        return result


async def main(url: str, change: str) -> None:
    database, book = Database(url), PolicyBook([small_fund(20)])
    async with open_peopled(database, "centre", clock=FixedClock(micros("2026-03-05 20:00:00"))) as ledger:
        budgets = Budgets(ledger, book)
        budgets._funding = Telling(ledger, book)
        command = Command("test", "approve")
        answer = await budgets.decide(change, HEAD, command, approve=True)
        assert not isinstance(answer, Refusal) or answer.retry, answer  # another process may have been first
        await budgets._funding.pay("city", command)
    await database.close()


if __name__ == "__main__":
    structlog.configure(  # what is printed is read by a test
        wrapper_class=structlog.make_filtering_bound_logger("error"),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    asyncio.run(main(sys.argv[1], sys.argv[2]))
