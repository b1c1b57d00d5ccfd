"""The demo city holds what it promises, on both engines, however often its loading is broken off."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Any

import pytest
from sqlalchemy import Connection, func, select
from tests.people_of import store_of

from pointsbank.access.logins import LoginStore, pins
from pointsbank.access.service import KeyRing
from pointsbank.demo import DemoRefused, DemoSummary, demo_credentials, load_demo
from pointsbank.demo.places import all_places, shop_codes, station_codes
from pointsbank.demo.plan import Plan
from pointsbank.engine.clock import FixedClock, SystemClock
from pointsbank.engine.commands import Command
from pointsbank.engine.registry import CITY_LEDGER, open_ledger
from pointsbank.hours.tables import service_records
from pointsbank.ledger.model import Receipt
from pointsbank.market.tables import receipt_lines, receipts, returns
from pointsbank.people.tables import volunteers
from pointsbank.people.volunteers import PEOPLE, registration
from pointsbank.places.stations import PLACES, opening
from pointsbank.points.service import expire
from pointsbank.policy.calendar import city_day, local_second, shanghai_to_utc_micros
from pointsbank.store.database import Database
from pointsbank.store.port import ledger_id_of
from pointsbank.store.profile import OPENING
from pointsbank.store.tables import accounts, balances, entries, lots, postings

LEDGER = ledger_id_of(CITY_LEDGER)
SIZES: dict[str, Any] = {"volunteers": 300, "records": 900, "baskets": 150, "shops": 20, "seed": 7}
COUNTS = {"centre": 18, "sub-centre": 303, "station": 2930, "team": 4107}


def noon(day: str = "2026-11-22") -> FixedClock:
    second = local_second(f"{day} 12:30:00")
    assert second is not None
    return FixedClock(shanghai_to_utc_micros(second))


async def load(database: Database, **more: Any) -> DemoSummary:
    """Load the demo with the people store that lies beside the books."""
    return await load_demo(database, store_of(database.url, LEDGER), **more)


class BrokenOff(Exception):
    """What stands for a kill."""


async def load_broken_off_after(database: Database, calls: int) -> bool:
    """Load until progress was reported so often; whether that happened before the end."""
    left = calls

    def on_progress(what: str, done: int, total: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise BrokenOff

    try:
        await load(database, clock=noon(), on_progress=on_progress, **SIZES)
    except BrokenOff:
        return True
    return False


async def test_the_city_holds_exactly_what_it_promises_and_a_second_call_changes_nothing(
    database: Database,
) -> None:
    first = await load(database, clock=noon(), **SIZES)
    assert not first.already_loaded
    assert first.places == COUNTS
    assert (first.volunteers, first.records, first.plan.shops) == (300, 900, 20)
    assert 130 <= first.baskets["sold"] <= 150
    assert first.verdicts["accepted"] > 800
    assert first.points_available > 0
    assert first.points_pending > 0
    assert first.on_notice > 0
    assert len(first.credentials) == 4
    before = await database.read(everything)

    second = await load(database, clock=noon("2026-12-24"), volunteers=1_000_000)
    assert second.already_loaded
    assert second.plan == first.plan
    assert not second.credentials
    assert await database.read(everything) == before

    assert await database.read(broken_balances) == []
    assert await database.read(broken_totals) == []
    await tables_agree_with_the_books(database, first)
    await history_lies_in_the_quarter(database)
    await keys_open_and_are_renewed(database, first)
    await nobody_has_a_pin(database)


async def nobody_has_a_pin(database: Database) -> None:
    """Ruling 9: no card of an invented person opens anything; what is printed are keys."""
    store = LoginStore(database)
    await store.open()
    try:
        assert await store.run(lambda c: c.execute(select(pins.c.person_id)).all()) == []
    finally:
        await store.close()


async def tables_agree_with_the_books(database: Database, summary: DemoSummary) -> None:
    """Merit is that of the accepted records; points are what was earned, less what was spent."""
    merit, earned = await database.read(of_accepted_records)
    spent, back = await database.read(spent_and_brought_back)
    assert summary.merit_minutes == merit
    assert summary.points_available + summary.points_pending == earned - spent + back


async def history_lies_in_the_quarter(database: Database) -> None:
    days = await database.read(days_of_entries)
    first, last = min(days), max(days)
    assert (first, last) == (date(2026, 8, 23), date(2026, 11, 22))
    assert len(days) > 60, "records are typed in on nearly every day"
    assert days[last] > 0, "today has movements"


async def keys_open_and_are_renewed(database: Database, summary: DemoSummary) -> None:
    [till] = [credential for credential in summary.credentials if credential.role == "till"]
    clock = SystemClock()
    async with open_ledger(database) as ledger:
        renewed = await demo_credentials(ledger, clock)
        ring = KeyRing(ledger, clock)
        assert await ring.recognise(till.token) is None
        keys = {credential.role: await ring.recognise(credential.token) for credential in renewed}
    scopes = {role: key.scopes for role, key in keys.items() if key is not None}
    assert scopes["till"] == {"market:sell", "market:return", "market:read"}
    assert not {scope for scope in scopes["auditor"] if not scope.endswith(":read")}
    assert len(scopes["admin"]) > len(scopes["station"]) > 1


async def test_a_city_that_was_broken_off_often_ends_as_one_that_was_not(
    database: Database, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "pointsbank.demo.load.CHUNK", 7
    )  # so that a week's baskets are sold in several commits
    calls = 0
    while await load_broken_off_after(database, calls):
        calls = calls * 3 + 5
    assert calls > 40, "the loading was broken off in its places, its people, its hours and its shops"
    resumed = await load(database, clock=noon(), **SIZES)
    assert resumed.already_loaded
    assert resumed.places == COUNTS
    assert (resumed.volunteers, resumed.records) == (300, 900)
    assert await database.read(broken_balances) == []
    assert await database.read(broken_totals) == []
    if database.dialect == "sqlite":
        await equals_a_city_loaded_in_one_go(resumed, tmp_path / "whole.db")


async def equals_a_city_loaded_in_one_go(resumed: DemoSummary, path: Any) -> None:
    from pointsbank.store.schema import upgrade

    other = Database(str(path))
    await upgrade(other)
    await store_of(other.url, LEDGER).upgrade()
    whole = await load(other, clock=noon(), **SIZES)
    await other.close()
    for field in (
        "verdicts",
        "baskets",
        "returns",
        "entries",
        "points_available",
        "points_pending",
        "merit_minutes",
    ):
        assert getattr(resumed, field) == getattr(whole, field), field


async def test_a_demo_city_goes_into_empty_books_only(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    async with open_ledger(database) as ledger:
        [opened] = await ledger.submit([opening("centre", "C1", "某区", "", Command("city", "open"))], PLACES)
        [person] = await ledger.submit([registration("person-1", Command("city", "join"))], PEOPLE)
        assert isinstance(opened, Receipt)
        assert isinstance(person, Receipt)
    with pytest.raises(DemoRefused):
        await load(database, **SIZES)
    async with open_ledger(database) as ledger:
        assert [taken async for taken in expire(ledger, date(2030, 1, 1), "Asia/Shanghai")] == []
    await database.close()


async def test_just_after_midnight_nothing_lies_in_the_future(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    clock = FixedClock(noon().time - (12 * 3600 + 30 * 60 - 40) * 1_000_000)
    await load(database, clock=clock, **SIZES)
    assert await database.read(latest_moments) <= clock.now()
    await database.close()


def test_the_city_has_the_counts_of_its_report_and_every_place_a_parent() -> None:
    places = list(all_places())
    assert Counter(place.kind for place in places) == COUNTS
    known = {""}
    for place in places:
        assert place.parent in known
        assert place.code not in known
        known.add(place.code)
    for kind in COUNTS:
        names = [place.name for place in places if place.kind == kind]
        assert len(set(names)) == len(names), kind
    assert station_codes() == [place.code for place in places if place.kind == "station"]
    assert len(set(shop_codes(200))) == 200


def test_most_serve_little_and_few_serve_much() -> None:
    plan = Plan(20_000, 100_000, 15_000, 200, 1, date(2026, 11, 22))
    dice = plan.dice("tail")
    times = Counter(plan.pick(dice.random()) for _ in range(100_000))
    numbers = sorted(times.values(), reverse=True)
    assert 60 < numbers[0] < 400
    assert 10_000 < len(numbers) < 13_000, "a third never serves in a quarter"
    above = {n: sum(1 for times in numbers if times >= n) for n in (15, 30, 60)}
    assert 2.8 < above[15] / above[30] < 6, "twice the hours, a quarter of the people"
    assert 2.8 < above[30] / above[60] < 9


def test_a_plan_is_read_back_from_the_step_that_keeps_it() -> None:
    plan = Plan(300, 1500, 225, 20, 7, date(2026, 11, 22))
    assert Plan.read(plan.text) == plan
    assert Plan.read("week 2026-08-23") is None
    assert sum(len(plan.records_of(at)) for at in range(92)) == 1500
    assert sum(len(plan.baskets_of(at)) for at in range(92)) == 225
    assert [day for week in plan.weeks for day in week] == list(range(92))


# what the tests ask of the database


def everything(connection: Connection) -> dict[str, int]:
    tables = (
        accounts,
        balances,
        entries,
        lots,
        postings,
        service_records,
        receipts,
        receipt_lines,
        returns,
        volunteers,
    )
    return {
        table.name: connection.execute(select(func.count()).where(table.c.ledger_id == LEDGER)).scalar_one()
        for table in tables
    }


def broken_balances(connection: Connection) -> list[Any]:
    """Balances that are not the sum of the postings on their account and lot."""
    found: Counter[tuple[int, int]] = Counter()
    normal_credit = {
        row.account: row.type in ("liability", "equity", "income")
        for row in connection.execute(select(accounts).where(accounts.c.ledger_id == LEDGER))
    }
    for row in connection.execute(select(postings).where(postings.c.ledger_id == LEDGER)):
        found[row.debit_account, row.lot] += -row.amount if normal_credit[row.debit_account] else row.amount
        found[row.credit_account, row.lot] += row.amount if normal_credit[row.credit_account] else -row.amount
    held = {
        (row.account, row.lot): row.balance
        for row in connection.execute(select(balances).where(balances.c.ledger_id == LEDGER))
    }
    return [key for key in found.keys() | held.keys() if found[key] != held.get(key)]


def broken_totals(connection: Connection) -> list[Any]:
    """Accounts of people and shops that hold less than nothing."""
    rows = connection.execute(
        select(accounts.c.path, balances.c.balance)
        .join_from(
            balances,
            accounts,
            (accounts.c.ledger_id == balances.c.ledger_id) & (accounts.c.account == balances.c.account),
        )
        .where(balances.c.ledger_id == LEDGER, accounts.c.floor == 0, balances.c.balance < 0)
    )
    return [tuple(row) for row in rows]


def of_accepted_records(connection: Connection) -> tuple[int, int]:
    t = service_records.c
    row = connection.execute(
        select(func.sum(t.minutes), func.sum(t.points)).where(
            t.ledger_id == LEDGER, t.state.in_(("pending", "credited"))
        )
    ).one()
    return int(row[0]), int(row[1])


def spent_and_brought_back(connection: Connection) -> tuple[int, int]:
    spent = connection.execute(
        select(func.sum(receipts.c.price)).where(receipts.c.ledger_id == LEDGER, receipts.c.state == "sold")
    ).scalar_one()
    back = connection.execute(
        select(func.sum(returns.c.points)).where(returns.c.ledger_id == LEDGER, returns.c.state == "taken")
    ).scalar_one()
    return int(spent or 0), int(back or 0)


def days_of_entries(connection: Connection) -> Counter[date]:
    rows = connection.execute(
        select(entries.c.recorded_at).where(entries.c.ledger_id == LEDGER, entries.c.kind != OPENING)
    ).scalars()
    return Counter(city_day(moment, "Asia/Shanghai") for moment in rows)


def latest_moments(connection: Connection) -> int:
    recorded, effective = connection.execute(
        select(func.max(entries.c.recorded_at), func.max(entries.c.effective_at)).where(
            entries.c.ledger_id == LEDGER
        )
    ).one()
    return int(max(recorded, effective))
