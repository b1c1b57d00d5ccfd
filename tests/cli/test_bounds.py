"""Verbs act at the places of a role and nowhere else, as the routes do."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection
from tests.access.test_cli import Shell, half_in, id_in
from tests.hours.unguarded import opened_as_replay, unguarded_policy
from tests.people_of import enrol, open_peopled
from tests.points.town import record

from pointsbank.activities.model import ActivityPlan
from pointsbank.activities.ports import By, PlaceCodes
from pointsbank.activities.service import ActivityService
from pointsbank.engine.clock import SystemClock
from pointsbank.engine.commands import Command
from pointsbank.engine.registry import CITY_LEDGER
from pointsbank.hours.risks import risks
from pointsbank.hours.service import HoursService
from pointsbank.ledger.model import Receipt
from pointsbank.people.directory import directory_of
from pointsbank.places.model import Joining, Opening
from pointsbank.places.service import PlacesService
from pointsbank.places.tree import places_on
from pointsbank.policy.shipped import policies_at
from pointsbank.store.database import Database
from pointsbank.store.port import ledger_id_of

FIRST = date(2020, 1, 1)
HOUR = 3_600_000_000


@pytest.fixture
def shell(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POINTSBANK_PEPPER", str(tmp_path / "secret" / "pepper"))
        yield Shell(database_url, monkeypatch)


async def build(url: str, policy: Path) -> dict[str, Any]:
    """Two centres with a station, an activity that waits for approval, and a record at each."""
    database = Database(url)
    made: dict[str, Any] = {}
    book = policies_at(str(policy))
    await opened_as_replay(url)
    async with open_peopled(database) as ledger:
        atlas, hours = PlacesService(ledger), HoursService(ledger, book)
        await hours.open_accounts()
        await enrol(ledger, {"V1": date(1990, 1, 1)})
        for act in (
            Opening("CITY", "city", "城市", "", FIRST),
            *(Opening(f"C{n}", "centre", f"中心{n}", "CITY", FIRST) for n in (1, 2)),
            *(Opening(f"S{n}", "station", f"站{n}", f"C{n}", FIRST) for n in (1, 2)),
        ):
            opened = await atlas.change(act, Command("t", act.code))
            assert isinstance(opened, Receipt), opened
        service = ActivityService(ledger, policies_at(), PlaceCodes(ledger))
        starts = (SystemClock().now() // HOUR + 48) * HOUR
        for n in (1, 2):
            plan = ActivityPlan(
                title="清雪", category="ENV", station=f"S{n}", starts_at=starts, ends_at=starts + HOUR
            )
            activity = await service.propose(plan, By("t", "planner"), Command("t", f"a{n}"))
            assert isinstance(activity, str), activity
            fields = list(record(f"R{n}", "V1", f"2026-02-0{n}"))
            fields[4], fields[5] = next(iter(book.policies[-1].categories)), f"S{n}"
            [verdict] = await hours.submit(f"f{n}", [(1, tuple(fields))], Command("t", f"f{n}"))
            assert verdict.verdict == "accepted", verdict
            made |= {f"activity {n}": activity, f"sequence {n}": verdict.sequence}
        made["place"] = await database.read(_place, ledger.id)
    await database.close()
    return made


def _place(connection: Connection, ledger_id: int) -> str:
    return places_on(connection, ledger_id, ["C1"], date(2026, 1, 1))["C1"].id


def _manager(shell: Shell, place: str) -> str:
    """Cy, who manages a centre and verifies there; the person's id."""
    added = shell.acting("ann", "staff", "add", "cy")
    first = half_in(added)
    enrolment, person = re.findall(r"enrolment (\S+)   人员 / person (\S+)", added.output)[0]
    shell.enrol("cy", f"{first}-{half_in(shell.acting('bo', 'staff', 'confirm-enrolment', enrolment))}")
    for role in ("centre-manager", "verifier"):
        grant = shell.acting("ann", "staff", "grant", person, role, "--place", place)
        shell.acting("bo", "staff", "confirm", id_in(grant))
    return str(person)


def test_a_manager_decides_renames_and_reverses_below_the_own_centre_alone(
    shell: Shell, tmp_path: Path
) -> None:
    made = asyncio.run(build(shell.url, unguarded_policy(tmp_path)))
    shell.found()
    _manager(shell, made["place"])
    for verb, may in (
        (("activities", "decide", "{activity}", "--approve"), 0),
        (("places", "rename", "S{n}", "新站"), 0),
        (("activities", "verify", "R{n}"), 0),
        (("reverse", "{sequence}", "--reason", "mistake"), 0),
    ):
        for n, code in ((2, 1), (1, may)):
            facts = {"n": n, "activity": made[f"activity {n}"], "sequence": made[f"sequence {n}"]}
            told = shell.acting("cy", *(word.format(**facts) for word in verb))
            assert told.exit_code == code, (verb, n, told.output)
            assert ("没有权限" in told.output) == (n == 2), told.output
    elsewhere = shell.acting("cy", "places", "move", "S1", "--under", "C2")
    assert "没有权限" in elsewhere.output, "the place to which it moves is touched, too"


def test_h7_who_is_refused_at_a_verb_for_hours_of_the_own_household_stands_on_the_auditors_list(
    shell: Shell, tmp_path: Path
) -> None:
    made = asyncio.run(build(shell.url, unguarded_policy(tmp_path)))
    shell.found()
    person = _manager(shell, made["place"])
    other = asyncio.run(_one_household(shell.url, person))
    verb = ("activities", "rule", "R1", "--uphold", "--reason", "confirmed")
    for _ in range(2):
        refused = shell.acting("cy", *verb)
        assert refused.exit_code == 1
        assert "没有权限" in refused.output
    elsewhere = shell.acting("cy", "activities", "rule", "R2", "--uphold", "--reason", "confirmed")
    assert "没有权限" in elsewhere.output, "another centre: refused for the household first"
    assert asyncio.run(_refused(shell.url)) == [
        ("refused-four-eyes", "same-household", tuple(sorted((person, other))), 3)
    ]


async def _one_household(url: str, person: str) -> str:
    """A member of staff lives with V1, whose id it gives."""
    database = Database(url)
    async with open_peopled(database) as ledger:
        atlas = PlacesService(ledger)
        found = await directory_of(ledger).by_number(["V1"])
        done = [await atlas.change(Opening("H1", "household", "一户", "S1", FIRST), Command("t", "H1"))]
        done += [
            await atlas.change_membership(Joining("H1", one, FIRST), Command("t", one), by_two=True)
            for one in (person, found["V1"].id)
        ]
        assert all(isinstance(one, Receipt) for one in done), done
    await database.close()
    return found["V1"].id


async def _refused(url: str) -> list[tuple[str, str, tuple[str, ...], int]]:
    database = Database(url)
    found = await database.read(risks, ledger_id_of(CITY_LEDGER), "Asia/Shanghai", "2020-01-01", 0)
    await database.close()
    return [(r.kind, r.rule, tuple(sorted(r.people)), r.times) for r in found if r.rule]
