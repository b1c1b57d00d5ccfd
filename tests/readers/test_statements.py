"""A statement shows every posting of an account once, newest first, with the balance after it."""

from __future__ import annotations

from datetime import date
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.readers.books import CHART, EARLY, LATE, NEVER, TOY, Fold, Line, draft, issue, pay, post

from pointsbank.engine.registry import Ledger, open_ledger
from pointsbank.ledger.model import Movement, Receipt
from pointsbank.ledger.refusals import UnknownAccount
from pointsbank.readers.cursor import cursor_for
from pointsbank.readers.moments import day_start
from pointsbank.readers.refusals import CursorInvalid, QuestionInvalid
from pointsbank.readers.statements import NO_FILTER, StatementFilter, StatementLine, StatementPage, statement
from pointsbank.store.database import Database

_numbers = count()

step = st.one_of(
    st.tuples(
        st.just("issue"), st.sampled_from("ab"), st.sampled_from((EARLY, LATE, NEVER)), st.integers(1, 50)
    ),
    st.tuples(st.just("pay"), st.sampled_from("ab"), st.just(""), st.integers(1, 80)),
    st.tuples(st.just("receive"), st.just("s"), st.sampled_from((EARLY, LATE)), st.integers(1, 9)),
    st.tuples(st.just("use"), st.just("s"), st.just(""), st.integers(1, 9)),
    st.tuples(st.just("reverse"), st.just(""), st.just(""), st.integers(1, 20)),
)


async def page_of(
    ledger: Ledger, path: str, cursor: str = "", limit: int = 50, **only: object
) -> StatementPage:
    answer = await ledger.database.read(
        statement,
        ledger.id,
        path,
        cursor=cursor,
        limit=limit,
        only=StatementFilter(**only) if only else NO_FILTER,
    )
    assert isinstance(answer, StatementPage)
    return answer


async def whole(ledger: Ledger, path: str, limit: int = 50, **only: object) -> list[StatementLine]:
    """All pages of a statement, one after the other."""
    page = await page_of(ledger, path, limit=limit, **only)
    lines = list(page.lines)
    while page.next is not None:
        page = await page_of(ledger, path, page.next, limit, **only)
        assert len(page.lines) <= limit
        lines += page.lines
    return lines


def said(line: StatementLine) -> Line:
    return Line(
        line.posting,
        line.sequence,
        line.amount,
        line.counter_account,
        line.commodity,
        line.lot,
        line.balance,
        line.total,
    )


async def play(ledger: Ledger, steps: list[tuple[str, str, str, int]]) -> list[Receipt]:
    """Post random steps; the books refuse some of them."""
    drafts = []
    for number, (what, who, lot, amount) in enumerate(steps):
        key = str(number)
        if what == "issue":
            drafts.append(issue(key, who, amount, lot))
        elif what == "pay":
            drafts.append(pay(key, who, "ba"["ab".index(who)], amount))
        elif what == "receive":
            drafts.append(
                draft(
                    "receive",
                    key,
                    Movement("shelf:s", "mint:m", "SKU:RICE", amount, lot),
                    Movement("shelf:s", "mint:m", "SKU:OIL", amount + 1, lot),
                )
            )
        elif what == "use":
            drafts.append(draft("use", key, Movement("used:s", "shelf:s", "SKU:RICE", amount)))
        else:
            drafts.append(draft("pay", key, reverses=amount))
    return [r for r in await ledger.submit(drafts, TOY) if isinstance(r, Receipt)] if drafts else []


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(step, min_size=1, max_size=30), limit=st.integers(1, 7))
async def test_pages_put_together_are_all_postings_in_order_with_balances_equal_to_the_fold(
    database: Database, steps: list[tuple[str, str, str, int]], limit: int
) -> None:
    async with open_ledger(database, f"toy {next(_numbers)}", CHART) as ledger:
        fold = Fold()
        fold.add(await play(ledger, steps))
        for path, expected in fold.lines.items():
            assert [said(line) for line in await whole(ledger, path, limit)] == expected[::-1]
            rice = [line for line in expected[::-1] if line.commodity == "SKU:RICE"]
            assert [said(line) for line in await whole(ledger, path, limit, commodity="SKU:RICE")] == rice
            late = [line for line in expected[::-1] if line.lot == LATE]
            assert [said(line) for line in await whole(ledger, path, limit, lot=LATE)] == late
            by_kind = [line for line in await whole(ledger, path) if line.kind == "issue"]
            assert await whole(ledger, path, limit, kind="issue") == by_kind


async def test_a_line_says_what_its_entry_says_and_what_reversed_it(database: Database) -> None:
    async with open_ledger(database, "toy", CHART) as ledger:
        [first] = await post(
            ledger, issue("1", "a", 100, LATE, effective_at=day_start(date(2026, 3, 1)), hours=7)
        )
        await post(ledger, draft("issue", "2", reverses=1))
        back, line = await whole(ledger, "wallet:a")
        assert (await page_of(ledger, "wallet:a")).sequence == 2
    assert (line.kind, line.key, line.metadata, line.expires_on) == (
        "issue",
        "1",
        {"hours": 7},
        date(2028, 12, 31),
    )
    assert (line.effective_at, line.recorded_at) == (day_start(date(2026, 3, 1)), first.recorded_at)
    assert (line.reverses, line.reversed_by, line.amount) == (0, 2, 100)
    assert (back.reverses, back.reversed_by, back.amount, back.balance) == (1, 0, -100, 0)


async def test_dates_are_days_of_the_city_and_both_ends_are_included(database: Database) -> None:
    first, last = date(2026, 3, 1), date(2026, 3, 31)
    inside = [day_start(first), day_start(date(2026, 4, 1)) - 1]
    outside = [day_start(first) - 1, day_start(date(2026, 4, 1))]
    async with open_ledger(database, "toy", CHART) as ledger:
        await post(ledger, *(issue(str(t), "a", 1, effective_at=t) for t in sorted(inside + outside)))
        march = await whole(ledger, "wallet:a", first_date=first, last_date=last)
        before = await whole(ledger, "wallet:a", last_date=date(2026, 2, 28))
        ever = await whole(ledger, "wallet:a", first_date=date.min, last_date=date.max)
    assert [line.effective_at for line in march] == inside[::-1]
    assert [line.effective_at for line in before] == outside[:1]
    assert len(ever) == 4


async def test_a_filtered_page_reads_ten_thousand_rows_and_gives_a_cursor_even_if_it_is_empty(
    database: Database,
) -> None:
    async with open_ledger(database, "toy", CHART) as ledger:
        await post(
            ledger,
            issue("1", "a", 10**9),
            issue("1b", "a", 10**9, LATE),
            pay("gift", "a", "b", 5, "gift"),
            *(
                draft(
                    "pay",
                    f"bulk {n}",
                    *[Movement("wallet:a", "wallet:b", "POINT", 1, (EARLY, LATE)[n % 2])] * 900,
                )
                for n in range(12)
            ),
        )
        page = await page_of(ledger, "wallet:a", kind="gift")
        assert (page.lines, page.read) == ((), 10_000)
        assert page.next is not None
        rest = await page_of(ledger, "wallet:a", page.next, kind="gift")
        assert ([line.key for line in rest.lines], rest.next, rest.read) == (["gift"], None, 803)
        both = await whole(ledger, "wallet:a", 2, kind="issue")
        assert [line.key for line in both] == ["1b", "1"]
        plain = await page_of(ledger, "wallet:a", limit=200)
        assert (len(plain.lines), plain.read) == (200, 201)


async def test_a_page_already_seen_does_not_shift_when_more_is_posted(database: Database) -> None:
    async with open_ledger(database, "toy", CHART) as ledger:
        await post(ledger, *(issue(str(n), "a", n) for n in range(1, 6)))
        page = await page_of(ledger, "wallet:a", limit=2)
        await post(ledger, issue("new", "a", 9, NEVER))
        assert page.next is not None
        following = await page_of(ledger, "wallet:a", page.next, 2)
    assert [line.key for line in (*page.lines, *following.lines)] == ["5", "4", "3", "2"]


async def test_a_cursor_that_was_changed_or_is_of_another_account_is_refused(database: Database) -> None:
    async with open_ledger(database, "toy", CHART) as ledger:
        await post(ledger, *(issue(str(n), "ab"[n % 2], 1) for n in range(6)))
        page = await page_of(ledger, "wallet:a", limit=1)
        cursor = page.next
        assert cursor is not None
        changed = [
            cursor[:n] + ("B" if cursor[n] == "A" else "A") + cursor[n + 1 :] for n in range(len(cursor))
        ]
        odd = [
            "x",
            "积分",
            cursor + "=",
            cursor + "A",
            " " + cursor,
            cursor[:-1],
            "-" * 200,
            "\x00",
            "\ud800",
        ]
        for wrong in (*changed, *odd):
            answer = await database.read(statement, ledger.id, "wallet:a", cursor=wrong)
            assert isinstance(answer, CursorInvalid), wrong
        for other in (cursor_for(ledger.id, 99, 3), cursor_for(1, 1, 3)):
            answer = await database.read(statement, ledger.id, "wallet:a", cursor=other)
            assert isinstance(answer, CursorInvalid)
        assert isinstance(await database.read(statement, ledger.id, "wallet:b", cursor=cursor), CursorInvalid)


@pytest.mark.parametrize("limit", [0, 201, -1])
async def test_a_page_has_one_to_two_hundred_lines(database: Database, limit: int) -> None:
    assert isinstance(await database.read(statement, 1, "wallet:a", limit=limit), QuestionInvalid)


async def test_an_account_without_lines_is_empty_and_one_never_opened_is_refused(database: Database) -> None:
    async with open_ledger(database, "toy", CHART) as ledger:
        await post(ledger, issue("1", "a", 1))
        assert (await page_of(ledger, "wallet:a", commodity="SKU:RICE")).lines == ()
        assert (await page_of(ledger, "wallet:a", lot="x\x00")).lines == ()
        for path in ("wallet:nobody", "", "wallet:\x00", "wallet:\ud800", "wallet:a'--"):
            assert await database.read(statement, ledger.id, path) == UnknownAccount(path)
        odd_kind = await database.read(statement, ledger.id, "wallet:a", only=StatementFilter(kind="\x00"))
        assert isinstance(odd_kind, QuestionInvalid)
