"""A process that posts to a ledger and says what was acknowledged: started, raced and killed by tests.

Arguments: database URL, ledger, name of the process, how many drafts, how many callers at once. It opens the
ledger, prints `ready`, waits for a line, and then prints one line for each draft with an answer: the key, and
the sequence or the code of the refusal. Every tenth key is `shared-…`, the same in every process.
"""

from __future__ import annotations

import asyncio
import sys

import structlog
from tests.ledger.toy import CHART, LATE, TOY, draft, move

from pointsbank.engine.registry import open_ledger
from pointsbank.ledger.model import Draft, Receipt
from pointsbank.store.database import Database


def drafts(process: str, count: int) -> list[Draft]:
    """One point each from the shared fund into a wallet; shared keys credit the shared wallet."""
    made = []
    for n in range(count):
        key, wallet = (
            (f"shared-{n}", "wallet:shared") if n % 10 == 0 else (f"{process}-{n}", f"wallet:{process}")
        )
        made.append(
            draft("issue", key, move("mint:m", wallet, 1, LATE), opens=["mint:m", wallet], touches=("all",))
        )
    return made


async def main(url: str, ledger_name: str, process: str, count: int, callers: int) -> None:
    database = Database(url)
    async with open_ledger(database, ledger_name, CHART) as ledger:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        queue = drafts(process, count)

        async def caller(first: int) -> None:
            for made in queue[first::callers]:
                (result,) = await ledger.submit([made], TOY)
                outcome = result.sequence if isinstance(result, Receipt) else result.code
                print(made.key, outcome, flush=True)

        await asyncio.gather(*(caller(n) for n in range(callers)))
    await database.close()


if __name__ == "__main__":
    structlog.configure(  # what is printed is read by a test
        wrapper_class=structlog.make_filtering_bound_logger("error"),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])))
