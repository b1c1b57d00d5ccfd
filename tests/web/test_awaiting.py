"""The lists of what waits, over HTTP: bounded by place as the act itself is, masked, and as of a sequence number."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import Connection
from tests.access.office import NOON
from tests.access.test_api import Browser, kind
from tests.activities.centre import BORN, NAMES, Centre, Homes, done
from tests.activities.test_awaiting import elsewhere, submitted
from tests.people_of import enrol
from tests.web.conftest import Service, running
from tests.web.test_bounds import _administrators, _grant, _key, _staff

from pointsbank.access.pepper import make_pepper
from pointsbank.engine.clock import FixedClock
from pointsbank.engine.commands import Command
from pointsbank.places.model import Opening
from pointsbank.places.service import PlacesService
from pointsbank.places.tree import places_on

VERIFICATION, DECISION = "/api/v1/records/awaiting-verification", "/api/v1/records/awaiting-decision"
DAYS = [f"2026-11-1{n}" for n in (6, 7)]
TWO_DAYS = 2 * 86_400 * 1_000_000


@dataclass
class Town:
    """Two stations under two centres; at each a record that waits for a verifier, and one that was objected to."""

    service: Service
    centre: Centre
    ann: Browser
    bo: Browser
    places: dict[str, str]
    waiting: dict[str, str]
    objected: dict[str, str]

    async def staff(self, login: str, role: str, place: str = "") -> Browser:
        """A member of staff with one role at a place; empty is the whole city."""
        await self.fresh()
        browser = await _staff(self.ann, self.bo, login)
        await self.grant(browser, role, place)
        assert (await browser.log_in()).status_code == 201
        return browser

    async def grant(self, browser: Browser, role: str, place: str) -> None:
        await self.fresh()
        await _grant(self.ann, self.bo, browser.person, role, self.places.get(place, ""))
        browser.clock.time += 1

    async def fresh(self) -> None:
        """The administrators have shown a code this minute."""
        for browser in (self.ann, self.bo):
            assert (await browser.log_in()).status_code == 201


@pytest.fixture
async def town(database_url: str, tmp_path: Path) -> AsyncIterator[Town]:
    make_pepper(tmp_path / "pepper")
    clock = FixedClock(NOON - TWO_DAYS)
    async with running(database_url, clock=clock, pepper=str(tmp_path / "pepper")) as service:
        atlas = PlacesService(service.bank.ledger)
        opened = date(2020, 1, 1)
        for act in (
            Opening("CITY", "city", "城市", "", opened),
            *(Opening(f"C{n}", "centre", f"中心{n}", "CITY", opened) for n in (1, 2)),
            *(Opening(f"S{n}", "station", f"站{n}", f"C{n}", opened) for n in (1, 2)),
        ):
            done(await atlas.change(act, Command("t", act.code)))
        people = await enrol(service.bank.ledger, BORN, NAMES)
        centre = Centre(service.bank.ledger, service.bank.policies, clock, Homes({}), people)
        centre.at(f"{DAYS[0]} 14:00:00")
        first, second = (date.fromisoformat(DAYS[0]) + timedelta(days=n) for n in (1, 2))
        objected = {"S1": (await submitted(centre, "V1", day=first.isoformat()))["V1"]}
        centre.at(f"{first} 14:00:00")
        objected["S2"] = await elsewhere(centre, "V2", second.isoformat())
        await centre.verify(*objected.values())
        for record in objected.values():
            done(await centre.objecting.object(record, "not-present", centre.by("V3"), centre.key()))
        third = second + timedelta(days=1)
        centre.at(f"{second} 14:00:00")
        waiting = {"S1": (await submitted(centre, "V1", day=third.isoformat()))["V1"]}
        centre.at(f"{third} 14:00:00")
        waiting["S2"] = await elsewhere(centre, "V2", (third + timedelta(days=1)).isoformat())
        ann, bo = await _administrators(service)
        places = await service.bank.ask(_places)
        yield Town(service, centre, ann, bo, places, waiting, objected)
        for browser in (ann, bo):
            await browser.client.aclose()


def _places(connection: Connection, ledger_id: int) -> dict[str, str]:
    found = places_on(connection, ledger_id, ["C1", "S1", "S2"], date(2026, 11, 18))
    return {code: place.id for code, place in found.items()}


async def _records(browser: Browser, path: str, items: str) -> list[str]:
    answer = await browser.get(path)
    assert answer.status_code == 200, answer.text
    return [one["record_id"] for one in answer.json()[items]]


async def test_a_verifier_sees_what_waits_at_the_own_place_and_may_verify_just_that(town: Town) -> None:
    verifier = await town.staff("verifier", "verifier", "S1")
    answer = await verifier.get(VERIFICATION)
    told = answer.json()
    [one] = told["records"]
    assert (one["record_id"], one["station"], one["name"]) == (town.waiting["S1"], "S1", "张*明")
    assert (one["recorder"], one["may_not"], one["next_step"]) == ("person-recorder", "", "verification")
    assert told["as_of"] == (await town.service.bank.ledger.writer.store.head()).sequence
    assert told["next"] is None
    assert NAMES["V1"] not in answer.text
    for station, code in (("S2", "forbidden"), ("S1", "")):
        body = {"records": [town.waiting[station]]}
        verified = await verifier.send("POST", "/api/v1/records/verifications", body, **_key())
        assert (kind(verified)[1] if verified.status_code >= 400 else "") == code, (
            "listed is what may be verified"
        )
    assert await _records(verifier, VERIFICATION, "records") == []
    await verifier.client.aclose()


async def test_a_centre_sees_its_stations_and_the_city_sees_all(town: Town) -> None:
    manager = await town.staff("manager", "centre-manager", "C1")
    city = await town.staff("city", "verifier")
    for path, items, at in (
        (VERIFICATION, "records", town.waiting),
        (DECISION, "cases", town.objected),
    ):
        assert await _records(manager, path, items) == [at["S1"]]
        everything = await _records(city, path, items)
        assert sorted(everything) == sorted(at.values())
        first = (await city.get(f"{path}?limit=1")).json()
        rest = (await city.get(f"{path}?after={quote(first['next'])}")).json()
        assert [one["record_id"] for one in (*first[items], *rest[items])] == everything
    activity = (await city.get(VERIFICATION)).json()["records"][1]["activity_id"]
    assert await _records(city, f"{VERIFICATION}?activity={activity}", "records") == [town.waiting["S2"]]
    for browser in (manager, city):
        await browser.client.aclose()


async def test_wrong_roles_see_neither_list_and_a_machine_sees_none(town: Town) -> None:
    for role in ("station-operator", "cashier", "auditor"):
        browser = await town.staff(role, role, "" if role == "auditor" else "S1")
        for path in (VERIFICATION, DECISION):
            assert kind(await browser.get(path)) == (403, "forbidden"), role
        await browser.client.aclose()
    for path in (VERIFICATION, DECISION):
        assert kind(await town.service.get(path)) == (401, "unauthenticated")


async def test_who_had_a_hand_in_it_is_told_the_rule_and_sees_no_shorter_list(town: Town) -> None:
    deciding = await town.staff("deciding", "verifier", "S1")
    [case] = (await deciding.get(DECISION)).json()["cases"]
    standing = await town.centre.standings.of_record(town.objected["S1"])
    assert standing is not None
    assert (case["record_id"], case["kind"], case["state"], case["name"], case["due_on"], case["may_not"]) == (
        town.objected["S1"], "objection", "open", "张*明", standing.due_on, "",
    )  # fmt: skip
    own = await town.staff("objecting", "verifier", "S1")
    await town.grant(own, "station-operator", "S1")
    assert (await own.log_in()).status_code == 201
    body = {"uphold": False, "reason": "not-proved"}
    decision = f"/api/v1/records/{town.objected['S1']}/decision"
    assert (await deciding.send("POST", decision, body, **_key())).status_code == 200
    objection = f"/api/v1/records/{town.objected['S1']}/objection"
    again = await own.send("POST", objection, {"reason": "wrong-times"}, **_key())
    assert again.status_code == 201, again.text
    [case] = (await own.get(DECISION)).json()["cases"]
    assert (case["number"], case["objector"], case["may_not"]) == (2, own.person, "decider-is-objector")
    refused = await own.send("POST", decision, body, **_key())
    assert kind(refused) == (409, "four-eyes"), "the list says what the act says"
    for browser in (deciding, own):
        await browser.client.aclose()


@pytest.mark.parametrize(
    "query", ["after=x", "after=1:", "limit=0", "limit=501", "activity=%00", "after=2026-1-1:R1"]
)
async def test_a_cursor_or_limit_that_is_none_is_refused(town: Town, query: str) -> None:
    verifier = await town.staff("verifier", "verifier", "S1")
    paths = [VERIFICATION] if query.startswith("activity") else [VERIFICATION, DECISION]
    for path in paths:
        assert kind(await verifier.get(f"{path}?{query}")) == (400, "invalid-request")
    await verifier.client.aclose()
