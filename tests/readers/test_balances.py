"""Balances, now or as of any moment, equal the sum of the postings up to it and name their sequence."""

from __future__ import annotations

from datetime import date
from hashlib import md5
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.readers.books import CHART, EARLY, LATE, NEVER, Fold, issue, pay, post
from tests.readers.test_statements import play, step

from pointsbank.engine.clock import FixedClock
from pointsbank.engine.registry import open_ledger
from pointsbank.ledger.model import Attachment, Draft, Movement, OpenAccount, Receipt
from pointsbank.ledger.refusals import UnknownAccount
from pointsbank.readers.balances import AccountBalance, Wallet, balance, wallet
from pointsbank.readers.moments import head, sequence_at
from pointsbank.readers.refusals import QuestionInvalid, SequenceAhead
from pointsbank.readers.trial_balance import TrialBalance, trial_balance
from pointsbank.store.database import Database

_numbers = count()


def held(answer: object) -> dict[tuple[str, str], int]:
    assert isinstance(answer, AccountBalance)
    for part in answer.commodities:
        assert part.total == sum(lot.balance for lot in part.lots)
    return {(c.commodity, lot.lot): lot.balance for c in answer.commodities for lot in c.lots}


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(step, min_size=1, max_size=15))
async def test_a_balance_as_of_any_sequence_is_the_fold_of_the_postings_up_to_it(
    database: Database, steps: list[tuple[str, str, str, int]]
) -> None:
    async with open_ledger(database, f"toy {next(_numbers)}", CHART) as ledger:
        receipts = await play(ledger, steps)
        folds = [Fold()]
        for receipt in receipts:
            folds.append(folds[-1].copy())
            folds[-1].add([receipt])
        paths = {path for path, _, _ in folds[-1].balances}
        for sequence, fold in enumerate(folds):
            for path in paths:
                answer = await database.read(balance, ledger.id, path, sequence=sequence)
                assert held(answer) == fold.of(path)
                assert isinstance(answer, AccountBalance)
                assert answer.sequence == sequence
            then = await database.read(trial_balance, ledger.id, sequence=sequence)
            assert isinstance(then, TrialBalance)
            assert then.agrees
        for path in paths:
            assert held(await database.read(balance, ledger.id, path)) == folds[-1].of(path)


async def test_a_time_means_the_greatest_sequence_recorded_at_or_before_it(database: Database) -> None:
    clock = FixedClock(1_000)
    async with open_ledger(database, "toy", CHART, clock=clock) as ledger:
        await post(ledger, issue("1", "a", 100), issue("2", "a", 10))
        clock.time = 2_000
        await post(ledger, issue("3", "a", 1))
        await post(ledger, issue("4", "a", 1000))  # another commit in the same microsecond
        clock.time = 1_500  # a clock set back: the books never run backwards
        await post(ledger, issue("5", "a", 5))
        found = {
            time: await database.read(sequence_at, ledger.id, time)
            for time in (-1, 999, 1_000, 1_999, 2_000, 9_999, 10**30, -(10**30))
        }
        assert found == {-1: 0, 999: 0, 1_000: 2, 1_999: 2, 2_000: 5, 9_999: 5, 10**30: 5, -(10**30): 0}
        answer = await database.read(balance, ledger.id, "wallet:a", recorded_at=1_999)
        assert isinstance(answer, AccountBalance)
        assert (answer.sequence, answer.total("POINT")) == (2, 110)
        before = await database.read(balance, ledger.id, "wallet:a", recorded_at=0)
        assert isinstance(before, AccountBalance)
        assert (before.sequence, before.total("POINT"), before.commodities) == (0, 0, ())


async def test_a_balance_lists_lots_first_expiring_first_and_leaves_out_empty_ones(
    database: Database,
) -> None:
    async with open_ledger(database, "toy", CHART) as ledger:
        await post(ledger, issue("1", "a", 5, NEVER), issue("2", "a", 7, LATE), issue("3", "a", 9, EARLY))
        await post(ledger, pay("4", "a", "b", 9))
        answer = await database.read(balance, ledger.id, "wallet:a")
        narrow = await database.read(balance, ledger.id, "wallet:a", commodity="POINT", lot=NEVER)
        none = await database.read(balance, ledger.id, "wallet:a", commodity="SKU:RICE")
    assert isinstance(answer, AccountBalance)
    [points] = answer.commodities
    assert (answer.kind, answer.type, answer.floor, answer.sequence) == ("wallet", "liability", 0, 4)
    assert points.total == 12
    assert [(lot.lot, lot.expires_on, lot.balance) for lot in points.lots] == [
        (LATE, date(2028, 12, 31), 7),
        (NEVER, None, 5),
    ]
    assert held(narrow) == {("POINT", NEVER): 5}
    assert held(none) == {}


async def test_questions_that_cannot_be_answered_are_refused_as_values(database: Database) -> None:
    async with open_ledger(database, "toy", CHART) as ledger:
        await post(ledger, issue("1", "a", 5))
        ask = database.read
        assert await ask(balance, ledger.id, "wallet:x") == UnknownAccount("wallet:x")
        assert await ask(balance, ledger.id, "wallet:x", sequence=1) == UnknownAccount("wallet:x")
        assert await ask(balance, ledger.id, "wallet:\x00") == UnknownAccount("wallet:\x00")
        assert await ask(balance, ledger.id, "wallet:a", sequence=2) == SequenceAhead(2, 1)
        assert await ask(balance, ledger.id, "wallet:a", sequence=2**80) == SequenceAhead(2**80, 1)
        assert isinstance(await ask(balance, ledger.id, "wallet:a", sequence=-1), QuestionInvalid)
        assert isinstance(
            await ask(balance, ledger.id, "wallet:a", sequence=1, recorded_at=1), QuestionInvalid
        )
        assert await ask(balance, 7, "wallet:a") == UnknownAccount("wallet:a")
        assert await ask(head, 7) is None


V = "0198c3a1-7e42-7b11-9d2f-5a60b3c7e901"


def earn(key: str, points: int, lot: str, account: str = "available", minutes: int = 60) -> Draft:
    return Draft(
        "earn",
        key,
        "test",
        md5(key.encode()).digest(),
        0,
        (
            Movement("category:ENV:given", f"volunteer:{V}:merit", "MINUTE", minutes),
            Movement("fund:2026:issued", f"volunteer:{V}:{account}", "POINT", points, lot),
        ),
        documents=(Attachment("service-record", key, bytes(32)),),
        opens=(
            OpenAccount("fund:2026:issued"),
            OpenAccount("category:ENV:given"),
            OpenAccount(f"volunteer:{V}:merit"),
            OpenAccount(f"volunteer:{V}:{account}"),
        ),
    )


async def test_a_wallet_tells_available_pending_and_what_expires_next(database: Database) -> None:
    async with open_ledger(database) as ledger:
        results = await ledger.submit(
            [
                earn("1", 300, "2027-12-31/city"),
                earn("2", 40, "2027-12-31/donor"),
                earn("3", 5, "2028-12-31/city"),
                earn("4", 7, "2026-12-31/city", "pending"),
                earn("5", 1, "never/city"),
            ],
            frozenset(["hours"]),
        )
        assert all(isinstance(r, Receipt) for r in results), results
        answer = await database.read(wallet, ledger.id, V)
        assert await database.read(wallet, ledger.id, "nobody") == UnknownAccount(
            "volunteer:nobody:available"
        )
    assert isinstance(answer, Wallet)
    assert (answer.available, answer.pending, answer.held, answer.merit_minutes) == (346, 7, 0, 300)
    assert (answer.expiring_on, answer.expiring, answer.sequence) == (date(2027, 12, 31), 340, 5)
    assert [lot.balance for lot in answer.lots] == [300, 40, 5, 1]


async def test_points_that_never_expire_have_no_next_day(database: Database) -> None:
    async with open_ledger(database) as ledger:
        await ledger.submit([earn("1", 300, "never/city")], frozenset(["hours"]))
        answer = await database.read(wallet, ledger.id, V)
    assert isinstance(answer, Wallet)
    assert (answer.available, answer.expiring_on, answer.expiring) == (300, None, 0)
