"""Laws of `decide`, whatever the drafts: conservation, floors, replays, refusals that leave no trace."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ledger.toy import EARLY, LATE, NEVER, TOY, Desk, draft, move, photograph

from pointsbank.ledger.books import Accepted, Replayed, Savepoint
from pointsbank.ledger.decide import Verdict
from pointsbank.ledger.model import Change, Draft, Movement, OpenAccount, Receipt, Row

BUDGET = -500
WALLETS = ("wallet:a", "wallet:b", "wallet:c")
PATHS = ("mint:m", "fund:f", *WALLETS, "till:t")
LOTS = ("", EARLY, LATE, NEVER)
EXTREMES = (0, -1, 10**15, 10**15 - 100, 10**15 + 1)


def _movement(kind: int, sides: int, size: int, lot: int) -> Movement:
    """One movement out of four bytes: mostly one that the chart has."""
    one, other, name = WALLETS[sides % 3], WALLETS[sides // 3 % 3], LOTS[lot % 4]
    amount = EXTREMES[size % 5] if size > 248 else 1 + size % 100
    if kind < 3:
        return move("mint:m", one, amount, name or LATE)
    if kind == 3:
        return move("fund:f", one, amount, name)
    if kind == 4:
        return move("mint:m", one, amount, commodity="MINUTE")
    if kind == 5:
        return move(PATHS[sides % 6], PATHS[sides // 6 % 6], amount, name)
    return move(one, other, amount, name if lot > 200 else "")


def _draft(position: int, raw: bytes) -> Draft:
    """A draft out of ten bytes, so that a failing batch shrinks to few and small ones."""
    what, sides, size, lot, key, subject, version, note, reverses, extra = raw
    kind = what % 10
    movements = [_movement(kind, sides, size, lot)]
    if what > 180:
        movements.append(_movement(kind, sides // 2, size // 2, lot // 2))
    if reverses > 230:
        movements = []
    return draft(
        "issue" if kind < 5 else "pay", f"key {key % 8 if key > 230 else position + 10}", *movements,
        request=bytes([int(extra > 250)]) * 16,
        reverses=1 + reverses % 8 if reverses > 235 else 0,
        reads=((("x", "y")[subject % 2], version % 3),) if subject > 230 else (),
        touches=(("x", "y")[subject % 2],) if subject % 5 == 0 else (),
        counters=("c",) if extra % 3 == 0 and (movements or reverses > 235) else (),
        rows=(Row("notes", (note % 20,)),) if note % 7 == 0 else (),
        changes=(Change("notes", (note % 20,), "", "x"),) if note > 250 else (),
    )  # fmt: skip


batches = st.lists(st.binary(min_size=10, max_size=10), max_size=30).map(
    lambda raw: [_draft(position, each) for position, each in enumerate(raw)]
)


def opened() -> Desk:
    desk = Desk()
    opens = tuple(OpenAccount(p, BUDGET if p == "fund:f" else None) for p in PATHS)
    desk.accept(draft("open", "open", opens=opens))
    return desk


@settings(max_examples=200, deadline=None)
@given(batches)
def test_what_one_side_gives_the_other_gets_in_every_lot(batch: list[Draft]) -> None:
    desk = opened()
    for each in batch:
        desk.post(each)
    sums: Counter[int] = Counter()
    for account in desk.books.accounts.values():
        assert account is not None
        sign = -1 if account.is_credit_normal else 1
        for lot, balance in account.balances.items():
            sums[lot] += sign * balance
        totals: Counter[str] = Counter()
        for lot, balance in account.balances.items():
            totals[desk.books.lots_by_number[lot].commodity] += balance
        assert dict(totals) == {c: total for c, total in account.totals.items() if c in totals}
    assert not any(sums.values())


@settings(max_examples=200, deadline=None)
@given(batches)
def test_no_balance_is_under_its_floor_at_any_posting(batch: list[Draft]) -> None:
    desk = opened()
    for each in batch:
        outcome = desk.post(each)
        for p in outcome.postings if isinstance(outcome, Receipt) else ():
            sides = ((p.debit, p.debit_balance, p.debit_total), (p.credit, p.credit_balance, p.credit_total))
            for path, balance, total in sides:
                assert path == "mint:m" or (total >= BUDGET if path == "fund:f" else balance >= 0)


@settings(max_examples=200, deadline=None)
@given(batches)
def test_deciding_changes_nothing_and_twice_is_the_same(batch: list[Draft]) -> None:
    desk = opened()
    for each in batch:
        desk.know(each)
        before = photograph(desk.books)
        first, second = desk.judge(each), desk.judge(each)
        assert _plain(first) == _plain(second)
        assert photograph(desk.books) == before
        desk.post(each)


@settings(max_examples=200, deadline=None)
@given(batches)
def test_a_refused_draft_changes_nothing_for_its_neighbours(batch: list[Draft]) -> None:
    mixed, pure = opened(), opened()
    for each in batch:
        outcome = mixed.post(each)
        if isinstance(outcome, Receipt):
            assert pure.post(each) == outcome
    for desk in (mixed, pure):
        desk.books.entries.clear()  # entries are looked up for who wants to reverse them, refused or not
    assert photograph(mixed.books) == photograph(pure.books)


@settings(max_examples=200, deadline=None)
@given(batches)
def test_a_batch_posted_again_is_replayed_and_changes_nothing(batch: list[Draft]) -> None:
    desk = opened()
    accepted = [each for each in batch if isinstance(desk.post(each), Receipt)]
    before = photograph(desk.books)
    for each in accepted:
        verdict = desk.post(each)
        assert isinstance(verdict, Replayed)
        assert verdict.use.request == each.request
    assert photograph(desk.books) == before


@settings(max_examples=200, deadline=None)
@given(batches, batches)
def test_a_group_that_is_taken_back_leaves_no_trace(before: list[Draft], group: list[Draft]) -> None:
    desk = opened()
    for each in before:
        desk.post(each)
    for each in group:
        desk.know(each)
    picture, journal = photograph(desk.books), dict(desk.journal)
    savepoint = Savepoint(desk.books, group)
    for each in group:
        desk.post(each)
    savepoint.restore()
    assert photograph(desk.books) == picture
    desk.journal = journal
    follower = draft("pay", "after", Movement("wallet:a", "wallet:b", "POINT", 1))
    assert _plain(desk.judge(follower)) == _plain(desk.judge(follower))


@settings(max_examples=200, deadline=None)
@given(batches)
def test_versions_sequences_and_posting_numbers_count_without_gaps(batch: list[Draft]) -> None:
    desk = opened()
    versions: Counter[str] = Counter()
    sequence = posting = 0
    for each in batch:
        outcome = desk.post(each)
        if not isinstance(outcome, Receipt) or not outcome.sequence:
            continue
        sequence += 1
        assert outcome.sequence == sequence
        for p in outcome.postings:
            posting += 1
            versions.update((p.debit, p.credit))
            assert (p.number, p.debit_version, p.credit_version) == (
                posting,
                versions[p.debit],
                versions[p.credit],
            )


def _plain(verdict: Verdict) -> object:
    """A verdict in values that compare by what they say."""
    if not isinstance(verdict, Accepted):
        return verdict
    return (
        verdict.sequence, verdict.recorded_at, verdict.key_digest, verdict.metadata, verdict.documents,
        verdict.numbers, verdict.reverses,
        [a.path for a in verdict.new_accounts], [x.code for x in verdict.new_lots],
        [
            (e.number, e.debit.path, e.credit.path, e.lot.code, e.amount, e.debit_version, e.credit_version,
             e.debit_balance, e.credit_balance, e.debit_total, e.credit_total)
            for e in verdict.effects
        ],
    )  # fmt: skip


def test_the_drafts_of_these_laws_are_accepted_and_refused_alike() -> None:
    """A law that is tested on refusals alone proves nothing."""
    seen: Counter[str] = Counter()

    @settings(max_examples=60, deadline=None, database=None, derandomize=True)
    @given(batches)
    def run(batch: list[Draft]) -> None:
        desk = opened()
        for each in batch:
            seen[type(desk.post(each, TOY)).__name__] += 1

    run()
    assert seen["Receipt"] > sum(seen.values()) // 4, seen
    assert len(seen) > 6, seen
