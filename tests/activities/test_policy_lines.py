"""Each safeguard of the policy: with it the live rule bites, without it the rule of a data set stands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace
from tests.activities.centre import (
    GUARDED,
    JUDGE,
    RECORDER,
    TERMINAL,
    Centre,
    done,
    guarded,
    open_centre,
)
from tests.activities.test_clawback import stock, with_shop
from tests.points.town import micros, policy

from pointsbank.activities.attendance import Shown
from pointsbank.activities.model import ActivityPlan, SessionPlan
from pointsbank.activities.ports import By
from pointsbank.activities.refusals import SignUpRefused
from pointsbank.engine.commands import Command
from pointsbank.hours.sampling import Sampling
from pointsbank.hours.service import HoursService
from pointsbank.hours.submission import LineOutcome
from pointsbank.ledger.refusals import Refusal
from pointsbank.market.model import Basket, BasketLine
from pointsbank.market.service import MarketService
from pointsbank.policy.model import NO_LIMITS, SAFEGUARDS_OFF, Limits, Safeguards
from pointsbank.store.database import Database

DAY = "2026-03-02"


async def approval(centre: Centre) -> str:
    plan = ActivityPlan(
        title="x", category="ENV", station="S1",
        starts_at=micros(f"{DAY} 09:00:00"), ends_at=micros(f"{DAY} 11:00:00"),
    )  # fmt: skip
    activity = done(await centre.activities.propose(plan, RECORDER, centre.key()))
    times = SessionPlan(starts_at=plan.starts_at, ends_at=plan.ends_at, capacity=1)
    return _told(await centre.activities.open_session(activity, times, RECORDER, centre.key()))


async def signing_up(centre: Centre) -> str:
    session = await centre.session(DAY)
    centre.at(f"{DAY} 09:00:00")
    return _told(
        await centre.attendance.check_in(session, centre.id("V1"), Shown("card"), TERMINAL, centre.key())
    )


async def training(centre: Centre) -> str:
    session = await centre.session(DAY, training="first-aid")
    return _told(await centre.activities.sign_up(session, centre.id("V1"), RECORDER, centre.key()))


async def insurance(centre: Centre) -> str:
    session = await centre.session(DAY, insured=True)
    return _told(await centre.activities.sign_up(session, centre.id("V1"), RECORDER, centre.key()))


async def companion(centre: Centre) -> str:
    session = await centre.session(DAY)
    return _told(await centre.activities.sign_up(session, centre.id("CHILD"), RECORDER, centre.key()))


async def consent(centre: Centre) -> str:
    session = await centre.session(DAY)
    return _told(await centre.activities.sign_up(session, centre.id("TEEN"), RECORDER, centre.key()))


async def household(centre: Centre) -> str:
    session = await centre.attended(["V1"], DAY)
    centre.homes.homes |= {centre.id("V1"): "home", RECORDER.person: "home"}
    return (await centre.submit(session))["V1"].verdict


async def each_other(centre: Centre) -> str:
    first = await centre.attended(["V1"], DAY)
    await centre.submit(first, centre.by("V2"))
    second = await centre.attended(["V2"], "2026-03-03")
    return (await centre.submit(second, centre.by("V1")))["V2"].verdict


async def batch(centre: Centre) -> str:
    session = await centre.attended(["V1", "V2"], DAY)
    return _told(await centre.submitting.submit(session, RECORDER, centre.key()))


async def second_level(centre: Centre) -> str:
    record = (await centre.submit(await centre.attended(["V1"], DAY)))["V1"].record_id
    return (await centre.verify(record))[0].state


async def late(centre: Centre) -> str:
    session = await centre.attended(["V1"], DAY)
    centre.at("2026-04-01 08:00:00")
    return (await centre.submit(session, reason="illness"))["V1"].verdict


async def sheet(centre: Centre) -> str:
    activity = await centre.activity(DAY, first="08:00", last="12:00")
    centre.at(f"{DAY} 13:00:00")
    [told] = await _sheet(centre, activity, f"{DAY} 12:30")
    return told.verdict


async def whose_clock(centre: Centre) -> str:
    """A paper that says it was written in time, brought in a month later."""
    activity = await centre.activity(DAY, first="08:00", last="12:00")
    centre.at("2026-04-20 13:00:00")
    [told] = await _sheet(centre, activity, f"{DAY} 12:30")
    return told.verdict


async def class_of_sheet(centre: Centre) -> str:
    activity = await centre.activity(DAY, first="08:00", last="12:00")
    centre.at(f"{DAY} 13:00:00")
    await _sheet(centre, activity, f"{DAY} 12:30")
    return str((await centre.verify("SHEET"))[0].points)


async def _sheet(centre: Centre, activity: str, recorded_at: str) -> Any:
    line = ("SHEET", "V1", activity, "清雪", "ENV", "S1", f"{DAY} 08:00", f"{DAY} 12:00", f"{DAY} 08:00",
            f"{DAY} 12:00", "信用", "V2", recorded_at)  # fmt: skip
    hours = HoursService(centre.ledger, centre.policies, households=centre.homes)
    return await hours.submit("file", [(1, line)], Command("test", "sheet"), by=By("k", "person-k"))


def _told(answer: object) -> str:
    if isinstance(answer, SignUpRefused):
        return answer.rule
    if isinstance(answer, Refusal):
        return answer.code
    if isinstance(answer, list):
        return ",".join(sorted({line.verdict for line in answer if isinstance(line, LineOutcome)}))
    return "done"


async def sample(centre: Centre) -> str:
    """How many of a closed batch of one record are looked at again."""
    await centre.submit(await centre.attended(["V1"], "2026-03-02"))
    centre.at("2026-03-03 08:00:00")
    sampling = Sampling(centre.ledger, centre.policies, centre.homes)
    drawn = done(await sampling.draw(RECORDER.person, date(2026, 3, 2), JUDGE, centre.key()))
    return str(len(drawn.chosen))


LINES: list[tuple[str, dict[str, Any], Callable[[Centre], Awaitable[str]], str, str]] = [
    ("activity_approval", {"activity_approval": False}, approval, "activity-not-approved", "done"),
    ("sign_up", {"sign_up": False}, signing_up, "check-in-refused", "done"),
    ("training", {"training": False}, training, "training-missing", "done"),
    ("insurance", {"insurance": False}, insurance, "insurance-missing", "done"),
    ("companion", {"companion_below_age": 0, "consent_below_age": 0}, companion, "companion-missing", "done"),
    ("consent", {"consent_below_age": 0}, consent, "consent-missing", "done"),
    ("household", {"household": False}, household, "same_household", "submitted"),
    ("reciprocal_days", {"reciprocal_days": 0}, each_other, "reciprocal", "submitted"),
    ("batch_lines", {"batch_lines": 0}, batch, "too-many-lines", "submitted"),
    ("lines_per_hour", {"lines_per_hour": 0}, batch, "too-many-lines", "submitted"),
    ("second_level_line", {"second_level_line_minutes": 0}, second_level, "checked", "pending"),
    ("second_level_sum", {"second_level_sum_minutes": 0}, second_level, "checked", "pending"),
    ("late_approval", {"late_approval": False}, late, "submitted", "recorded_late"),
    ("separate_verification", {"separate_verification": False}, sheet, "submitted", "accepted"),
    ("recording_evidence", {"recording_evidence": "stated"}, whose_clock, "late_needs_reason", "submitted"),
    ("sample_percent", {"sample_percent": 0}, sample, "1", "0"),
    ("class_by_way", {"class_by_way": False}, class_of_sheet, "0", "4000"),
]

TIGHT = {
    "batch_lines": {"batch_lines": 1},
    "lines_per_hour": {"lines_per_hour": 1},
    "second_level_line": {"second_level_line_minutes": 120},
    "second_level_sum": {"second_level_sum_minutes": 120},
}
"""Where the test's day is too small for the limits of the centre."""


@pytest.mark.parametrize(("name", "off", "story", "bites", "free"), LINES, ids=[line[0] for line in LINES])
async def test_each_safeguard_bites_when_it_is_on_and_not_when_it_is_off(
    name: str,
    off: dict[str, Any],
    story: Callable[[Centre], Awaitable[str]],
    bites: str,
    free: str,
    database: Database,
) -> None:
    on = replace(GUARDED, **TIGHT.get(name, {}))
    for guard, told in ((on, bites), (replace(on, **off), free)):
        ledger = "on" if guard is on else "off"
        async with open_centre(database, guarded(guard=guard), name=ledger) as centre:
            assert await story(centre) == told


async def beyond_the_cap(centre: Centre) -> str:
    """Points of a record of 20 points, and those of them that are cut."""
    record = (await centre.submit(await centre.attended(["V1"], DAY)))["V1"].record_id
    [outcome] = await centre.verify(record)
    assert await centre.merit("V1") == 120
    return f"{outcome.points} {outcome.capped}"


async def small_basket(centre: Centre) -> str:
    """A pen at five points, by somebody who has twenty."""
    await centre.credited("V1", DAY)
    await stock(centre, 1)
    now = f"{DAY} 12:00:00"
    pen = Basket("B1", now, "T1", "S1", "V1", (BasketLine("PEN", "1"),))
    sale = await MarketService(centre.ledger, centre.policies).sell(pen, centre.key("sell"))
    return sale.judgement.verdict


LIMITS: list[tuple[Limits, Callable[[Centre], Awaitable[str]], str, str]] = [
    (Limits(balance_cap_points=15), beyond_the_cap, "1500 500", "2000 0"),
    (Limits(min_redeem_points=6), small_basket, "below_minimum", "accepted"),
]


@pytest.mark.parametrize(
    ("on", "story", "bites", "free"), LIMITS, ids=["balance_cap_points", "min_redeem_points"]
)
async def test_each_limit_bites_when_it_is_on_and_not_with_the_value_of_a_data_set(
    on: Limits, story: Callable[[Centre], Awaitable[str]], bites: str, free: str, database: Database
) -> None:
    for limits, told in ((on, bites), (NO_LIMITS, free)):
        ledger = "on" if limits is on else "off"
        rules = replace(with_shop(notice_days=0), limits=limits)
        async with open_centre(database, rules, name=ledger) as centre:
            assert await story(centre) == told
            await centre.holds()


def test_every_limit_has_a_line_here_and_is_off_for_a_data_set() -> None:
    covered = {key for on, *_ in LIMITS for key in Limits.__struct_fields__ if getattr(on, key)}
    assert covered == set(Limits.__struct_fields__)
    assert not any(getattr(NO_LIMITS, key) for key in covered)
    assert policy().limits == NO_LIMITS  # what the adapter of a policy.json sets


def test_every_safeguard_has_a_line_here() -> None:
    covered = {key for _, off, *_ in LINES for key in off}
    elsewhere = {"long_line_minutes", "long_line_notice_days", "decision_working_days"}
    assert covered | elsewhere == set(Safeguards.__struct_fields__)
    assert all(not getattr(SAFEGUARDS_OFF, key) or key == "recording_evidence" for key in covered)
