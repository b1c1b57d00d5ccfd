"""No question reads more when the history grows: every look into the journal goes through a whole index key.

SQLite plans without looking at sizes, so its plan on a small book is its plan on a large one. PostgreSQL
looks at them, so the book has some thousands of postings and accounts before it is asked; that a table this
small may be cheapest to read whole is set aside, to see what remains when it is large.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import asyncpg
import msgspec
import pytest
from sqlalchemy import Connection, event
from tests.readers.books import CHART, LATE, issue, pay, post

from pointsbank.engine.registry import open_ledger
from pointsbank.readers import balances, journal, moments, overview, statements, trial_balance
from pointsbank.readers.statements import StatementFilter
from pointsbank.store.database import Database

DAY = date(2026, 11, 22)
PATH = "wallet:a"
QUESTIONS: dict[str, Callable[[Connection, int], object]] = {
    "balance": lambda c, ledger: balances.balance(c, ledger, PATH),
    "balance as of a sequence": lambda c, ledger: balances.balance(c, ledger, PATH, sequence=20),
    "balance as of a time": lambda c, ledger: balances.balance(c, ledger, PATH, recorded_at=10**18),
    "wallet": lambda c, ledger: balances.wallet(c, ledger, "a"),
    "statement": lambda c, ledger: statements.statement(c, ledger, PATH),
    "statement of a lot": lambda c, ledger: statements.statement(
        c, ledger, PATH, only=StatementFilter(lot=LATE)
    ),
    "statement of a kind": lambda c, ledger: statements.statement(
        c, ledger, PATH, only=StatementFilter(kind="pay")
    ),
    "statement of a day": lambda c, ledger: statements.statement(
        c, ledger, PATH, only=StatementFilter(first_date=DAY, last_date=DAY)
    ),
    "head": moments.head,
    "entry": lambda c, ledger: journal.entry(c, ledger, 5),
    "entries": lambda c, ledger: journal.entries_after(c, ledger, 5, 10),
    "entry by key": lambda c, ledger: journal.entry_by_key(c, ledger, "test", "1"),
    "reversals": lambda c, ledger: journal.reversals_of(c, ledger, [1, 2, 3]),
    "accounts by prefix": lambda c, ledger: overview.find_accounts(c, ledger, "wallet:"),
    "long trial balance": lambda c, ledger: trial_balance.account_lines(c, ledger, prefix="wallet:", limit=5),
}
BY_BALANCE_ROW: dict[str, Callable[[Connection, int], object]] = {
    "trial balance": trial_balance.trial_balance,
    "trial balance as of a sequence": lambda c, ledger: trial_balance.trial_balance(c, ledger, sequence=20),
    "overview": lambda c, ledger: overview.overview(c, ledger, DAY),
}
"""These read every balance row, as they say; the journal they reach by whole keys all the same."""

JOURNAL = {"postings", "entries", "batches"}
ALL = JOURNAL | {"accounts", "balances"}


def statements_of(
    connection: Connection, ledger_id: int, question: Callable[..., object]
) -> list[tuple[str, Any]]:
    """The statements that a question sends, with their arguments."""
    sent: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        sent.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    question(connection, ledger_id)
    event.remove(connection, "before_cursor_execute", note)
    return sent


def sqlite_faults(connection: Connection, statement: str, parameters: Any, tables: set[str]) -> Iterator[str]:
    aliases = dict(re.findall(r"\b(?:FROM|JOIN)\s+(\w+)\s+(?:AS\s+)?(\w+)", statement, re.IGNORECASE))
    of_alias = {alias: table for table, alias in re.findall(r"\b(\w+)\s+AS\s+(\w+)", statement)}
    of_alias |= {alias: table for table, alias in aliases.items()}
    for row in connection.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, parameters):
        found = re.match(r"(SCAN|SEARCH) (\w+)(.*)", row[3])
        if not found:
            continue
        how, name, rest = found.groups()
        table = name if name in ALL else of_alias.get(name, name)
        if table in tables and (
            how == "SCAN" or "AUTOMATIC" in rest or rest.strip().endswith("(ledger_id=?)")
        ):
            yield f"{row[3]}"


def postgres_faults(
    connection: Connection, statement: str, parameters: Any, tables: set[str]
) -> Iterator[str]:
    connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
    [[plan]] = connection.exec_driver_sql("EXPLAIN (FORMAT JSON) " + statement, parameters)
    for node in nodes(msgspec.json.decode(plan)[0]["Plan"] if isinstance(plan, str) else plan[0]["Plan"]):
        if node.get("Relation Name") in tables:
            # a bitmap is made by the nodes beneath; of several that are combined, one must be narrow
            conditions = [part["Index Cond"] for part in nodes(node) if "Index Cond" in part]
            if not any(" AND " in condition for condition in conditions):  # the ledger and one column more
                yield f"{node['Node Type']} on {node['Relation Name']}: {conditions}"


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def faults(
    connection: Connection, ledger_id: int, question: Callable[..., object], tables: set[str]
) -> list[str]:
    """Where a question would read more of these tables than a whole index key leads to."""
    judge = sqlite_faults if connection.dialect.name == "sqlite" else postgres_faults
    sent = statements_of(connection, ledger_id, question)
    assert sent
    return [
        fault for statement, parameters in sent for fault in judge(connection, statement, parameters, tables)
    ]


async def analyse(database: Database) -> None:
    connection = await asyncpg.connect(database.url)
    await connection.execute("ANALYZE")
    await connection.close()


async def test_no_question_reads_more_when_the_history_grows(database: Database) -> None:
    async with open_ledger(database, "toy", CHART) as ledger:
        await post(
            ledger,
            *(issue(str(n), "a", n, ("never/f", LATE)[n % 2]) for n in range(1, 30)),
            pay("p", "a", "b", 9),
        )
        if database.dialect == "postgresql":
            await post(ledger, *(issue(f"w{n}", f"w{n}", n) for n in range(1, 4000)))
            await analyse(database)
        found = {name: await database.read(faults, ledger.id, ask, ALL) for name, ask in QUESTIONS.items()}
        rows = {
            name: await database.read(faults, ledger.id, ask, JOURNAL) for name, ask in BY_BALANCE_ROW.items()
        }
    assert {name: wrong for name, wrong in (found | rows).items() if wrong} == {}


@pytest.mark.parametrize(
    "careless",
    [
        "SELECT * FROM postings p WHERE amount = 3",
        "SELECT count(*) FROM entries WHERE ledger_id = 1 AND place = 'x'",
    ],
)
async def test_the_judge_of_plans_finds_a_careless_statement(database: Database, careless: str) -> None:
    def ask(connection: Connection, ledger_id: int) -> None:
        connection.exec_driver_sql(careless)

    assert await database.read(faults, 1, ask, JOURNAL)
