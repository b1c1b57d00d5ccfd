"""Ruling 7 where a wallet is asked for by number: who asks too often is told so, and all that is seen is logged."""

from __future__ import annotations

from datetime import date

from tests.people_of import enrol

from pointsbank.access.model import parse_token

from . import test_people_api
from .test_people_api import PHONE, Town

town = test_people_api.town

WALLET = "/api/v1/volunteers/wallet"


async def test_a_wallet_by_number_counts_as_a_search_of_a_person(town: Town) -> None:
    asked = {"number": "V23019"}
    for _ in range(30):
        missed = await town.send("boss", "POST", "/volunteers/wallet", asked)
        assert missed.json()["type"] == "/problems/unknown-volunteer", missed.text
        assert "V23019" not in missed.text
    refused = await town.send("boss", "POST", "/volunteers/wallet", asked)
    assert (refused.status_code, refused.json()["type"]) == (429, "/problems/search-limit")
    found = await town.send("boss", "POST", "/people/searches", {"by": "phone", "number": PHONE})
    assert found.status_code == 429, "one limit for every search"


async def test_ruling_7_misses_of_a_machines_key_count_and_all_it_sees_is_logged(town: Town) -> None:
    asked, path = {"number": "V23019"}, "/api/v1/volunteers/wallet"
    for _ in range(30):
        missed = await town.service.post(path, asked, town.machine)
        assert missed.json()["type"] == "/problems/unknown-volunteer", missed.text
    refused = await town.service.post(path, asked, town.machine)
    assert (refused.status_code, refused.json()["type"]) == (429, "/problems/search-limit")
    other = await town.send("boss", "POST", "/volunteers/wallet", asked)
    assert other.json()["type"] == "/problems/unknown-volunteer", "a limit is one searcher's"
    key_id, _ = parse_token(town.machine) or ("", "")
    registry = town.service.bank.people.registry
    lines = await registry.seen_by(key_id)
    assert [(line.action, line.person_id) for line in lines] == [("find", "")] * 30, "misses too"
    assert {flag.kind for flag in await registry.risk_flags() if flag.actor == key_id} >= {"search-limit"}


async def test_ruling_7_whom_a_till_finds_is_a_visit_so_a_queue_passes(town: Town) -> None:
    people = await enrol(town.service.bank.ledger, {"V23021": date(1980, 5, 1)})
    for _ in range(40):
        found = await town.service.post(WALLET, {"number": "V23021"}, town.machine)
        assert found.status_code == 200, found.text
    key_id, _ = parse_token(town.machine) or ("", "")
    lines = await town.service.bank.people.registry.seen_by(key_id)
    assert [(line.action, line.person_id) for line in lines] == [("visit", people["V23021"].id)] * 40
