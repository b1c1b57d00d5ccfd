"""A process that submits sessions of the centre and says what became of each line: started and raced by a test.

Arguments: database URL, name of the process, then the sessions. It prints `ready`, waits for a line, submits all
sessions at once, and prints one line for each: session, verdict.
"""

from __future__ import annotations

import asyncio
import sys

import structlog
from tests.activities.centre import Homes, guarded
from tests.people_of import open_peopled
from tests.points.town import micros

from pointsbank.activities.ports import By
from pointsbank.engine.clock import FixedClock
from pointsbank.engine.commands import Command
from pointsbank.hours.submission import Submitting
from pointsbank.ledger.refusals import Refusal
from pointsbank.policy.book import PolicyBook
from pointsbank.store.database import Database


async def main(url: str, name: str, sessions: list[str]) -> None:
    database = Database(url)
    clock = FixedClock(micros("2026-03-05 20:00:00"))
    async with open_peopled(database, "centre", clock=clock) as ledger:
        services = [Submitting(ledger, PolicyBook([guarded()]), Homes({})) for _ in range(4)]
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)

        async def one(number: int, session: str) -> None:
            by = By(f"account-{name}", f"person-{name}-{number % 7}")
            outcome = await services[number % 4].submit(session, by, Command(name, f"{name}-{number}"))
            assert not isinstance(outcome, Refusal), outcome
            print(session, outcome[0].verdict, flush=True)

        await asyncio.gather(*(one(number, session) for number, session in enumerate(sessions)))
    await database.close()


if __name__ == "__main__":
    structlog.configure(  # what is printed is read by a test
        wrapper_class=structlog.make_filtering_bound_logger("error"),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
