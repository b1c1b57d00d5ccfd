"""What protects people and their means is read from the policy of the day: each key at two values, one after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import Connection

from pointsbank.access.people_desk import PeopleDesk
from pointsbank.access.refusals import (
    CardDayLimit,
    GuardianNotPresent,
    NotPermitted,
    OwnCodeRefused,
    RoleDays,
)
from pointsbank.access.roles import Granted, RoleIn
from pointsbank.access.visits import OpenedVisit, Visit
from pointsbank.ledger.refusals import Refusal
from pointsbank.people.acts import Act
from pointsbank.people.changes import Change
from pointsbank.people.links import Link
from pointsbank.people.model import Profile
from pointsbank.people.refusals import ClosingWaits, LinkNotAllowed, SearchLimitReached
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.model import COUNTER_OFF, CounterRules, PeopleRules
from pointsbank.policy.shipped import policies_at
from pointsbank.store.database import Database

from .bureau import DAY, HOUR, PIN, TODAY, Bureau, open_bureau

TOMORROW = date(2026, 11, 19)
SECOND = 1_000_000
GROWN = date(1980, 1, 1)
HARBIN = policies_at().policies[-1]

NARROW = PeopleRules(
    searches_hour=2, searches_day=3, most_wards=1, new_means_hours=2, minors_days=5, attended_days=10
)
WIDE = PeopleRules(
    searches_hour=4, searches_day=6, most_wards=2, new_means_hours=30, minors_days=20, attended_days=40
)


def two_days(
    people: tuple[PeopleRules, PeopleRules] = (NARROW, WIDE),
    counter: tuple[CounterRules, CounterRules] = (HARBIN.counter, HARBIN.counter),
) -> PolicyBook:
    """One policy till today, another from tomorrow on."""
    return PolicyBook(
        [
            replace(HARBIN, name="today", valid_to=TODAY, people=people[0], counter=counter[0]),
            replace(HARBIN, name="tomorrow", valid_from=TOMORROW, people=people[1], counter=counter[1]),
        ]
    )


@pytest.fixture
async def bureau(database: Database, tmp_path: Path) -> AsyncIterator[Bureau]:
    """Narrow rules today, wide ones tomorrow."""
    async with open_bureau(database, tmp_path, two_days()) as bureau:
        yield bureau


async def test_searches_are_limited_by_the_policy_of_the_day(bureau: Bureau) -> None:
    clerk = bureau.staff("op")

    async def searches() -> int:
        for number in range(10):
            if isinstance(await bureau.desk.find(clerk, "phone", "13845670123"), SearchLimitReached):
                return number
        return 10

    assert await searches() == 2
    bureau.office.clock.time += HOUR
    assert await searches() == 1, "three a day"
    bureau.office.clock.time += 2 * DAY
    assert await searches() == 4
    bureau.office.clock.time += HOUR
    assert await searches() == 2, "six a day"


async def test_a_helper_has_as_many_wards_as_the_policy_of_the_day_allows(bureau: Bureau) -> None:
    helper = await bureau.person("小刘", born=GROWN)
    first, second, third = [await bureau.person(name) for name in ("甲一", "乙二", "丙三")]

    async def linked(ward: str) -> Link | LinkNotAllowed:
        made = await bureau.desk.propose_link(bureau.staff("op"), ward, "helper", helper, "申请书")
        if not isinstance(made, Link):
            assert isinstance(made, LinkNotAllowed), made
            return made
        link = await bureau.desk.confirm_link(bureau.staff("mgr"), ward, made.id)
        assert isinstance(link, Link), link
        return link

    assert isinstance(await linked(first), Link)
    assert isinstance(await linked(second), LinkNotAllowed)
    bureau.office.clock.time += DAY
    assert isinstance(await linked(second), Link)
    assert isinstance(await linked(third), LinkNotAllowed)


async def test_a_new_means_waits_as_long_as_the_policy_of_the_day_says(bureau: Bureau) -> None:
    clock, person = bureau.office.clock, await bureau.person("李秀英")
    _, key = await bureau.terminal()
    for number, hours in (("13845670124", 2), ("13845670125", 30)):
        proposed = await bureau.desk.propose_change(bureau.staff("op"), person, "phone", number)
        assert isinstance(proposed, Change)
        changed = await bureau.desk.confirm_change(bureau.staff("mgr"), person, proposed.id)
        assert isinstance(changed, Change)
        assert changed.effective_at == clock.time + hours * HOUR
        card = await bureau.card(person)
        await bureau.leave_for_pin(person)
        assert await bureau.visits.choose_pin(key, bureau.staff("cashier"), card.token, PIN) is None
        clock.time += HOUR
        opened = await bureau.visits.open_with_card(key, bureau.staff("cashier"), card.token, PIN)
        assert isinstance(opened, OpenedVisit)
        assert opened.spends_from == clock.time + (hours - 1) * HOUR
        clock.time += DAY


async def test_a_link_waits_as_long_as_the_policy_of_the_day_says(bureau: Bureau) -> None:
    helper, ward = await bureau.person("小刘", born=GROWN), await bureau.person("甲一")
    made = await bureau.desk.propose_link(bureau.staff("op"), ward, "helper", helper, "申请书")
    assert isinstance(made, Link)
    link = await bureau.desk.confirm_link(bureau.staff("mgr"), ward, made.id)
    assert isinstance(link, Link)
    assert link.effective_at == bureau.office.clock.time + 2 * HOUR


async def test_leave_to_open_minors_profiles_ends_within_the_days_of_the_policy_of_the_day(
    bureau: Bureau,
) -> None:
    manager, office = bureau.staff("mgr"), bureau.office

    async def asked(to_day: date) -> object:
        wanted = RoleIn(bureau.staff("op").person, "minors-desk", bureau.places["S1"], to_day=to_day)
        return await office.roles.propose(manager, wanted, office.command(manager))

    assert await asked(date(2026, 11, 23)) == RoleDays()
    assert isinstance(await asked(date(2026, 11, 22)), Granted)
    office.clock.time += DAY
    assert await asked(date(2026, 12, 9)) == RoleDays()
    assert isinstance(await asked(date(2026, 12, 8)), Granted)


async def test_who_attended_here_is_looked_up_here_within_the_days_of_the_policy_of_the_day(
    bureau: Bureau,
) -> None:
    person = await bureau.person("王芳", team="T2")

    def seen(connection: Connection, ledger_id: int, who: str, day: date, days: int) -> tuple[str, ...]:
        return (bureau.places["S1"],) if (who, days >= 40) == (person, True) else ()

    desk = PeopleDesk(bureau.office.ledger, bureau.store, two_days(), seen=seen)
    assert await desk.profile(bureau.staff("op"), person) == NotPermitted("people:read")
    bureau.office.clock.time += DAY
    assert isinstance(await desk.profile(bureau.staff("op"), person), Profile)


async def test_a_day_that_no_policy_covers_is_protected_by_the_nearest_one(
    database: Database, tmp_path: Path
) -> None:
    over = PolicyBook([replace(HARBIN, valid_to=date(2026, 10, 1), people=NARROW)])
    async with open_bureau(database, tmp_path, over) as bureau:
        made = await bureau.desk.propose_change(
            bureau.staff("op"), await bureau.person("李秀英"), "phone", "13845670124"
        )
        assert isinstance(made, Change)
        done = await bureau.desk.confirm_change(bureau.staff("mgr"), made.person_id, made.id)
        assert isinstance(done, Change)
        assert done.effective_at == bureau.office.clock.time + 2 * HOUR


async def test_a_dynamic_code_lives_for_a_step_to_two_of_the_policy(
    database: Database, tmp_path: Path
) -> None:
    steps = (replace(HARBIN.counter, code_step_seconds=20), replace(HARBIN.counter, code_step_seconds=60))
    async with open_bureau(database, tmp_path, two_days(counter=steps)) as bureau:
        person, clock = await bureau.person("李秀英"), bureau.office.clock
        _, key = await bureau.terminal()
        for seconds in (20, 60):
            clock.time += -clock.time % (60 * SECOND)
            for wait, is_good in ((2 * seconds - 1, True), (2 * seconds, False)):
                code = bureau.visits.own_codes.code(person, clock.time)
                clock.time += wait * SECOND
                found = await bureau.visits.read_own_code(key, bureau.staff("cashier"), code)
                assert found == ((person, "李*英") if is_good else OwnCodeRefused()), (seconds, wait)
                clock.time -= wait * SECOND
            clock.time += DAY


async def _shown(bureau: Bureau, key: str, token: str) -> Visit:
    opened = await bureau.visits.open_with_card(key, bureau.staff("cashier"), token, PIN)
    assert isinstance(opened, OpenedVisit), opened
    found = await bureau.visits.visit(opened.token)
    assert found is not None
    return found


async def test_a_card_redeems_what_the_policy_of_the_day_allows_and_0_is_no_limit(
    database: Database, tmp_path: Path
) -> None:
    limits = (COUNTER_OFF, replace(HARBIN.counter, card_day_points=50))
    book = PolicyBook(
        [
            replace(HARBIN, name="first", valid_to=TOMORROW, counter=limits[0]),
            replace(HARBIN, name="then", valid_from=date(2026, 11, 20), counter=limits[1]),
        ]
    )
    async with open_bureau(database, tmp_path, book) as bureau:
        _, card, key = await bureau.holder()
        found = await _shown(bureau, key, card.token)
        assert await bureau.visits.may_redeem(found, 10**9) is None
        bureau.office.clock.time += DAY
        found = await _shown(bureau, key, card.token)
        assert await bureau.visits.may_redeem(found, 50_01) == CardDayLimit("POINT", 50_00, 50_00)
        assert await bureau.visits.may_redeem(found, 50_00) is None


async def test_below_which_age_a_guardian_stands_there_is_the_policys_and_0_is_none(
    database: Database, tmp_path: Path
) -> None:
    limits = (COUNTER_OFF, replace(HARBIN.counter, guardian_below_age=16))
    book = PolicyBook(
        [
            replace(HARBIN, name="first", valid_to=TOMORROW, counter=limits[0]),
            replace(HARBIN, name="then", valid_from=date(2026, 11, 20), counter=limits[1]),
        ]
    )
    async with open_bureau(database, tmp_path, book) as bureau:
        _, card, key = await bureau.holder("周小小", born=date(2010, 11, 21))
        assert await bureau.visits.may_redeem(await _shown(bureau, key, card.token), 100) is None
        bureau.office.clock.time += DAY
        found = await _shown(bureau, key, card.token)
        assert await bureau.visits.may_redeem(found, 100) == GuardianNotPresent()
        bureau.office.clock.time += DAY
        assert await bureau.visits.may_redeem(await _shown(bureau, key, card.token), 100) is None, "sixteen"


async def test_closing_with_a_donation_waits_as_long_as_the_policy_of_the_day_says(bureau: Bureau) -> None:
    person = await bureau.person("李秀英")
    settled: list[str] = []

    async def settle(person_id: str, settlement: str, key: str) -> None:
        settled.append(person_id)

    act = await bureau.desk.propose_closing(bureau.staff("op"), person, "donate")
    assert isinstance(act, Act)
    asked_at = bureau.office.clock.time
    waits = await bureau.desk.confirm_closing(bureau.staff("mgr"), person, act.id, settle)  # type: ignore[arg-type]
    assert waits == ClosingWaits(asked_at + 2 * HOUR)
    bureau.office.clock.time += 2 * HOUR
    done = await bureau.desk.confirm_closing(bureau.staff("mgr"), person, act.id, settle)  # type: ignore[arg-type]
    assert not isinstance(done, Refusal)
    assert settled == [person]
