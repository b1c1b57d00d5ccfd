"""Recognition over HTTP: schemes, standings, the frozen list of a year, honours, totals of groups; on both engines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest
from tests.hours.unguarded import opened_as_replay, unguarded_policy
from tests.people_of import enrol, volunteers_named
from tests.web.conftest import Service, running
from tests.web.test_rooms import NOW, _category

from pointsbank.engine.clock import FixedClock
from pointsbank.engine.commands import Command
from pointsbank.ledger.model import Receipt
from pointsbank.places.model import Joining, Opening
from pointsbank.places.service import PlacesService

ADDRESS = "/api/v1/recognition"
FIRST = date(2024, 1, 1)


@pytest.fixture
async def service(database_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    """Two volunteers with hours in 2025; the first is in a team."""
    policy = str(unguarded_policy(tmp_path))
    await opened_as_replay(database_url)
    async with running(database_url, clock=FixedClock(NOW), policy=policy) as service:
        bank, atlas = service.bank, PlacesService(service.bank.ledger)
        for act in (
            Opening("CITY", "city", "城市", "", FIRST),
            Opening("S1", "centre", "中心", "CITY", FIRST),
            Opening("ST", "station", "站", "S1", FIRST),
            Opening("CORPS", "corps", "总队", "CITY", FIRST),
            Opening("TEAM", "team", "一队", "CORPS", FIRST),
        ):
            opened = await atlas.change(act, Command("t", act.code))
            assert isinstance(opened, Receipt), opened
        await enrol(bank.ledger, dict.fromkeys(("V1", "V2"), date(1990, 1, 1)))
        person = (await volunteers_named(bank.ledger, "V1"))["V1"].id
        joined = await atlas.change_membership(Joining("TEAM", person, FIRST), Command("t", "join"))
        assert isinstance(joined, Receipt), joined
        for number, volunteer, day in (
            (1, "V1", "2025-03-05"),
            (2, "V1", "2025-03-06"),
            (3, "V2", "2025-03-05"),
        ):
            times = (f"{day} 08:00", f"{day} 12:00") * 2
            fields = (
                f"R{number}",
                volunteer,
                "A1",
                "清雪",
                _category(service),
                "ST",
                *times,
                "信用",
                "OP",
                f"{day} 13:00",
            )
            [verdict] = await bank.hours.submit(f"f{number}", [(1, fields)], Command("t", f"R{number}"))
            assert verdict.verdict == "accepted", verdict
        async for _ in bank.hours.release(date(2027, 1, 1)):
            pass
        yield service


async def _person(service: Service, number: str) -> str:
    return (await volunteers_named(service.bank.ledger, number))[number].id


async def test_schemes_and_where_somebody_stands_in_them(service: Service) -> None:
    key, person = await service.key(), await _person(service, "V1")
    schemes = (await service.get(f"{ADDRESS}/schemes", key)).json()["schemes"]
    assert {scheme["basis"] for scheme in schemes} == {"lifetime", "year"}
    told = (await service.get(f"{ADDRESS}/standings/{person}", key)).json()
    minutes = {line["scheme"]: line["minutes"] for line in told["standings"]}
    assert minutes == {"national-stars": 480, "heilongjiang-year": 0}
    assert told["honours"] == []


async def test_the_list_of_a_year_is_frozen_once_and_read_a_page_at_a_time(service: Service) -> None:
    key = await service.key()
    body = {"scheme": "heilongjiang-year", "year": 2025, "size": 2}
    made = await service.post(f"{ADDRESS}/lists", body, key, "k1")
    assert made.status_code == 201, made.text
    listed = made.json()
    assert [(c["rank"], c["minutes"]) for c in listed["candidates"]] == [(1, 480), (2, 240)]
    assert (await service.post(f"{ADDRESS}/lists", body, key, "k1")).json() == listed
    page = (await service.get(f"{made.headers['location']}?limit=1", key)).json()
    assert (len(page["candidates"]), page["next"], page["found"]) == (1, 1, 2)
    rest = (await service.get(f"{made.headers['location']}?limit=1&after=1", key)).json()
    assert (rest["candidates"][0]["rank"], rest["next"]) == (2, None)
    open_year = await service.post(f"{ADDRESS}/lists", body | {"year": 2026}, key, "k2")
    assert open_year.json()["type"] == "/problems/year-still-open"
    nowhere = await service.post(f"{ADDRESS}/lists", body | {"scheme": "no-such"}, key, "k3")
    assert nowhere.json()["type"] == "/problems/unknown-scheme"


async def test_an_honour_is_kept_and_revoked_by_a_decision(service: Service) -> None:
    key, person = await service.key(), await _person(service, "V1")
    body = {
        "subject": person,
        "title": "优秀志愿者",
        "granted_on": "2026-03-05",
        "granted_by": "市文明办",
        "document_no": "哈文明办发〔2026〕1号",
    }
    kept = await service.post(f"{ADDRESS}/honours", body, key, "h1")
    assert kept.status_code == 201, kept.text
    [honour] = kept.json()["honours"]
    decision = {"decided_on": "2026-04-01", "decided_by": "市文明办", "document_no": "9号"}
    address = f"{ADDRESS}/honours/{honour['id']}/revocation"
    assert (await service.post(address, decision, key, "r1")).status_code == 200
    listed = (await service.get(f"{ADDRESS}/honours/of/{person}", key)).json()["honours"]
    assert [one["state"] for one in listed] == ["revoked", "revocation"]
    twice = await service.post(address, decision, key, "r2")
    assert twice.json()["type"] == "/problems/state-changed"


async def test_totals_of_groups_count_members_on_the_date_of_service(service: Service) -> None:
    key = await service.key()
    head = (await service.bank.ledger.writer.store.head()).sequence
    assert (await service.get(f"{ADDRESS}/groups/TEAM?year=2025", key)).json() == {
        "as_of": head,
        "code": "TEAM",
        "name": "一队",
        "year": 2025,
        "minutes": 480,
        "people": 1,
    }
    best = (await service.get(f"{ADDRESS}/groups?kind=team&year=2025", key)).json()
    assert best == {"as_of": head, "groups": [{"code": "TEAM", "name": "一队", "minutes": 480}]}
    assert (await service.get(f"{ADDRESS}/groups/TEAM?year=2024", key)).json()["minutes"] == 0
    assert (await service.get(f"{ADDRESS}/groups/NONE?year=2025", key)).status_code == 404


async def test_who_may_only_read_decides_nothing(service: Service) -> None:
    reader = await service.key("recognition:read")
    body = {"scheme": "heilongjiang-year", "year": 2025}
    refused = await service.post(f"{ADDRESS}/lists", body, reader, "k1")
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/forbidden")
