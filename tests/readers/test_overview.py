"""The overview adds up what the bank holds, and what the city's day has moved."""

from __future__ import annotations

from datetime import date
from hashlib import md5

from tests.readers.books import CHART, issue, post

from pointsbank.engine.clock import FixedClock
from pointsbank.engine.registry import Ledger, open_ledger
from pointsbank.ledger.model import Attachment, Commodity, Draft, Movement, OpenAccount, Receipt
from pointsbank.readers.moments import day_start
from pointsbank.readers.overview import FoundAccount, Overviews, find_accounts, overview
from pointsbank.store.database import Database

ROOMS = frozenset(("hours", "points", "market"))
DAY = date(2026, 11, 22)
LOT = "2027-12-31/city"
DOCUMENTS = {
    "earn": "service-record",
    "release": "service-record",
    "basket": "receipt",
    "return": "return",
    "receive": "delivery",
}


def entry(kind: str, key: str, *movements: Movement) -> Draft:
    paths = sorted({path for m in movements for path in (m.debit, m.credit)})
    carried = DOCUMENTS.get(kind)
    return Draft(
        kind,
        key,
        "test",
        md5(key.encode()).digest(),
        0,
        movements,
        documents=(Attachment(carried, key, bytes(32)),) if carried else (),
        commodities=(Commodity("SKU:G1", 0, has_lots=True),),
        opens=tuple(OpenAccount(path) for path in paths),
    )


def earn(key: str, who: str, points: int, account: str = "available") -> Draft:
    return entry(
        "earn",
        key,
        Movement("category:ENV:given", f"volunteer:{who}:merit", "MINUTE", 60),
        Movement("fund:F:issued", f"volunteer:{who}:{account}", "POINT", points, LOT),
    )


def basket(key: str, who: str, points: int, pieces: int) -> Draft:
    return entry(
        "basket",
        key,
        Movement(f"volunteer:{who}:available", "station:S1:redeemed", "POINT", points),
        Movement("station:S1:handed-out", "station:S1:stock", "SKU:G1", pieces),
    )


async def submit(ledger: Ledger, *drafts: Draft) -> None:
    results = await ledger.submit(drafts, ROOMS)
    assert all(isinstance(r, Receipt) for r in results), results


async def test_the_overview_tells_what_stands_now_and_what_today_has_moved(database: Database) -> None:
    clock = FixedClock(day_start(DAY) - 1)  # the last microsecond of yesterday in the city
    async with open_ledger(database, clock=clock) as ledger:
        await submit(
            ledger,
            entry(
                "receive", "1", Movement("station:S1:stock", "donor:D:given", "SKU:G1", 20, "2027-01-31/D")
            ),
            earn("2", "V1", 1000),
            earn("3", "V2", 400, "pending"),
            basket("4", "V1", 300, 2),
        )
        clock.time = day_start(DAY)
        quiet = await database.read(overview, ledger.id, DAY)
        await submit(
            ledger,
            earn("5", "V3", 70),
            basket("6", "V1", 100, 1),
            entry(
                "return",
                "7",
                Movement("station:S1:redeemed", "volunteer:V1:available", "POINT", 40, LOT),
                Movement("station:S1:stock", "station:S1:handed-out", "SKU:G1", 1, "2027-01-31/D"),
            ),
            entry("expire", "8", Movement("volunteer:V3:available", "fund:F:expired", "POINT", 5, LOT)),
        )
        now = await database.read(overview, ledger.id, DAY)
        tomorrow = await database.read(overview, ledger.id, date(2026, 11, 23))
    assert (quiet.today.entries, quiet.today.points_credited, quiet.today.points_spent) == (0, 0, 0)
    assert (now.sequence, now.recorded_at, now.accounts, now.postings) == (8, day_start(DAY), 13, 14)
    assert (now.points_available, now.points_pending, now.points_held) == (1000 - 300 - 100 + 40 + 65, 400, 0)
    assert now.points_outstanding == now.points_available + 400
    assert (now.merit_minutes, now.goods_pieces) == (180, 18)
    today = now.today
    assert (today.day, today.entries, today.points_credited, today.points_spent, today.points_expired) == (
        DAY,
        4,
        70,
        60,
        5,
    )
    assert tomorrow.today.entries == 0


async def test_an_empty_or_absent_ledger_has_an_empty_overview(database: Database) -> None:
    async with open_ledger(database) as ledger:
        answer = await database.read(overview, ledger.id, DAY)
        absent = await database.read(overview, 5, DAY)
    assert (answer.sequence, answer.points_outstanding, answer.today.entries) == (0, 0, 0)
    assert absent == answer


async def test_the_overview_for_many_is_worked_out_once(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    day = [DAY]
    async with open_ledger(database) as ledger:
        overviews = Overviews(database, ledger.id, lambda: day[0], seconds=1000)
        first = await overviews.get()
        await submit(ledger, earn("1", "V1", 5))
        assert await overviews.get() is first
        day[0] = date(2026, 11, 23)
        assert (await overviews.get()).sequence == 1
    await database.close()


async def test_accounts_are_found_by_the_beginning_of_a_path_or_of_an_id(database: Database) -> None:
    async with open_ledger(database) as ledger:
        await submit(ledger, earn("1", "V1", 5), earn("2", "V12", 7), earn("3", "v1", 9))

        async def found(words: str, limit: int = 20) -> list[str]:
            return [a.account for a in await database.read(find_accounts, ledger.id, words, limit=limit)]

        assert await found("volunteer:V1:") == ["volunteer:V1:available", "volunteer:V1:merit"]
        assert await found(" V12 ") == ["volunteer:V12:available", "volunteer:V12:merit"]
        assert await found("V1", 3) == [
            "volunteer:V12:available",
            "volunteer:V12:merit",
            "volunteer:V1:available",
        ]
        assert await found("fund") == ["fund:F:issued"]
        for nothing in ("", "  ", "%", "_", "V1%", "张三", "\x00", "a b", "volunteer:V1~"):
            assert await found(nothing) == []
        [fund] = await database.read(find_accounts, ledger.id, "F")
    assert fund == FoundAccount("fund:F:issued", "fund-issued", "equity", {"POINT": -21})


async def test_each_ledger_has_its_own_overview(database: Database) -> None:
    async with open_ledger(database, "toy", CHART) as toy:
        await post(toy, issue("1", "a", 5))
    async with open_ledger(database) as ledger:
        assert (await database.read(overview, ledger.id, DAY)).accounts == 0
