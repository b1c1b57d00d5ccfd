"""The trial balance agrees, names its moment, and shows a damaged balance row."""

from __future__ import annotations

from sqlalchemy import text
from tests.readers.books import CHART, EARLY, LATE, draft, issue, pay, post

from pointsbank.engine.registry import open_ledger
from pointsbank.ledger.model import Movement
from pointsbank.readers.refusals import QuestionInvalid, SequenceAhead
from pointsbank.readers.trial_balance import (
    AccountLine,
    AccountLines,
    TrialBalance,
    TrialLine,
    TrialTotal,
    account_lines,
    trial_balance,
)
from pointsbank.store.database import Database
from pointsbank.store.sqlite import connect

RICE = "SKU:RICE"


async def test_columns_agree_now_and_as_of_every_entry(database: Database) -> None:
    async with open_ledger(database, "toy", CHART) as ledger:
        await post(
            ledger,
            issue("1", "a", 100),
            issue("2", "b", 5, LATE),
            pay("3", "a", "b", 30),
            draft("receive", "4", Movement("shelf:s", "mint:m", RICE, 8, EARLY)),
            draft("use", "5", Movement("used:s", "shelf:s", RICE, 3)),
        )
        now = await database.read(trial_balance, ledger.id)
        assert isinstance(now, TrialBalance)
        assert now == await database.read(trial_balance, ledger.id, sequence=5)
        early = await database.read(trial_balance, ledger.id, sequence=1)
        nothing = await database.read(trial_balance, ledger.id, sequence=0)
        assert await database.read(trial_balance, ledger.id, sequence=6) == SequenceAhead(6, 5)
    assert (now.sequence, now.agrees) == (5, True)
    assert now.lines == (
        TrialLine("mint", "equity", "POINT", 105, 0),
        TrialLine("mint", "equity", RICE, 0, 8),
        TrialLine("shelf", "asset", RICE, 5, 0),
        TrialLine("used", "expense", RICE, 3, 0),
        TrialLine("wallet", "liability", "POINT", 0, 105),
    )
    assert now.totals == (TrialTotal("POINT", 105, 105), TrialTotal(RICE, 8, 8))
    assert isinstance(early, TrialBalance)
    assert early.totals == (TrialTotal("POINT", 100, 100),)
    assert nothing == TrialBalance(0, (), ())


async def test_a_damaged_balance_row_shows(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    async with open_ledger(database, "toy", CHART) as ledger:
        await post(ledger, issue("1", "a", 100))
        connection = connect(database.path)
        connection.execute("UPDATE balances SET balance = balance + 1 WHERE balance > 0")
        connection.close()
        answer = await database.read(trial_balance, ledger.id)
    await database.close()
    assert isinstance(answer, TrialBalance)
    assert not answer.agrees
    assert answer.totals == (TrialTotal("POINT", 100, 101),)


async def test_pages_of_accounts_put_together_are_all_accounts_in_the_order_of_their_paths(
    database: Database,
) -> None:
    async with open_ledger(database, "toy", CHART) as ledger:
        wallets = [f"w{n:02}" for n in range(12)]
        await post(
            ledger, *(issue(w, w, n + 1) for n, w in enumerate(wallets)), issue("late", "w03", 7, LATE)
        )
        lines: list[AccountLine] = []
        after = ""
        while True:
            page = await database.read(account_lines, ledger.id, after=after, limit=5)
            assert isinstance(page, AccountLines)
            lines += page.lines
            if page.next is None:
                break
            after = page.next
        prefixed = await database.read(account_lines, ledger.id, prefix="wallet:w1", limit=1)
        assert isinstance(await database.read(account_lines, ledger.id, limit=501), QuestionInvalid)
        assert isinstance(await database.read(account_lines, ledger.id, after="\x00"), QuestionInvalid)
        paths = await database.read(lambda c: list(c.execute(text("SELECT path FROM accounts")).scalars()))
        assert [line.account for line in lines] == sorted(paths)
    assert lines[0] == AccountLine("mint:m", "mint", "equity", "POINT", 85, 0)
    assert lines[4] == AccountLine("wallet:w03", "wallet", "liability", "POINT", 0, 11)
    assert sum(line.debit for line in lines) == sum(line.credit for line in lines)
    assert isinstance(prefixed, AccountLines)
    assert ([line.account for line in prefixed.lines], prefixed.next) == (["wallet:w10"], "wallet:w10")
