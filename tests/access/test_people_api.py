"""People, cards and volunteers' own sessions over HTTP: commands once, two persons, cookies, and what is told when."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, insert, select
from tests.hours.unguarded import opened_as_replay, unguarded_policy
from tests.people_of import enrol, settings_for, volunteers_named
from tests.web.conftest import Service, running

from pointsbank.access.logins import pins
from pointsbank.access.pepper import make_pepper
from pointsbank.access.roles import Granted, RoleIn
from pointsbank.access.staff import Half
from pointsbank.app import open_bank
from pointsbank.engine.clock import FixedClock
from pointsbank.engine.commands import Command
from pointsbank.ledger.model import Receipt
from pointsbank.market.postings import Delivery
from pointsbank.people import code_outbox
from pointsbank.people.directory import directory_of
from pointsbank.people.master import MasterKeyError
from pointsbank.people.model import NewPerson
from pointsbank.places.stations import PLACES, opening, stations
from pointsbank.store.schema import SchemaOutOfDate
from pointsbank.web.metrics import Metrics

from .bureau import DAY, PIN
from .office import NOON
from .test_api import Browser

PHONE = "13845670123"


@dataclass
class Town:
    """A service with people, a station and three members of staff at their browsers."""

    service: Service
    browsers: dict[str, Browser] = field(default_factory=dict)
    station: str = ""
    machine: str = ""

    @property
    def clock(self) -> FixedClock:
        clock = self.service.bank.clock
        assert isinstance(clock, FixedClock)
        return clock

    def __getitem__(self, login: str) -> Browser:
        return self.browsers[login]

    async def fresh(self) -> None:
        """Everybody logs in anew: it is a day later."""
        for browser in self.browsers.values():
            assert (await browser.log_in()).status_code == 201

    async def send(
        self, login: str, method: str, path: str, body: Any = None, **headers: str
    ) -> httpx.Response:
        return await self[login].send(method, f"/api/v1{path}", body, **headers)

    async def made(self, login: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = await self.send(login, "POST", path, body)
        assert answer.status_code in (200, 201), answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def person(self, **fields: str) -> str:
        """Somebody on file through the administrator's colleague of the whole city; the id."""
        return str((await self.made("boss", "/people", {"name": "李秀英", **fields}))["person"])


@pytest.fixture
async def town(database_url: str, tmp_path: Path) -> AsyncIterator[Town]:
    make_pepper(tmp_path / "pepper")
    clock = FixedClock(NOON)
    settings = {
        "pepper": str(tmp_path / "pepper"),
        "policy": str(unguarded_policy(tmp_path)),
    }
    await opened_as_replay(database_url, clock)
    async with running(database_url, clock=clock, **settings) as service:
        town = Town(service)
        ledger = service.bank.ledger
        [done] = await ledger.submit([opening("station", "S1", "一站", "", Command("t", "S1"))], PLACES)
        assert isinstance(done, Receipt)
        town.station = (await service.bank.ask(stations, ["S1"]))["S1"].id
        town.machine = await service.key()  # from the founding on a machine source
        await _staff(town)
        yield town
        for browser in town.browsers.values():
            await browser.client.aclose()


async def _staff(town: Town) -> None:
    """Two administrators, two managers of the whole city, a cashier of the station."""
    bank = town.service.bank
    halves = await bank.staff.found(("ann", "bo"), Command("test", "founding", "test"))
    assert isinstance(halves, tuple)
    for login, half in zip(("ann", "bo"), halves, strict=True):
        town.browsers[login] = Browser(town.service, login)
        await town[login].enrol(str(half.code))
        assert (await town[login].log_in()).status_code == 201
    actors = [await bank.log_ins.actor(_token(town[login])) for login in ("ann", "bo")]  # type: ignore[union-attr]
    ann, bo = (actor for actor in actors if actor is not None)
    for number, (login, role, place) in enumerate(
        (("boss", "centre-manager", ""), ("vice", "centre-manager", ""), ("till", "cashier", town.station))
    ):
        first = await bank.staff.add(ann, login, Command("ann", f"add {number}", ann.name))
        assert isinstance(first, Half)
        second = await bank.staff.confirm_enrolment(
            bo, first.enrolment, Command("bo", f"c {number}", bo.name)
        )
        assert isinstance(second, Half)
        wanted = RoleIn(first.person, role, place)
        grant = await bank.roles.propose(ann, wanted, Command("ann", f"role {number}", ann.name))
        assert isinstance(grant, Granted)
        await bank.roles.confirm(bo, grant.grant.id, Command("bo", f"role {number}", bo.name))
        town.browsers[login] = Browser(town.service, login)
        await town[login].enrol(f"{first.code}-{second.code}")
        assert (await town[login].log_in()).status_code == 201


def _token(browser: Browser) -> str:
    return str(browser.client.cookies["pointsbank_staff"])


async def test_a_person_from_registering_to_forgetting(town: Town) -> None:
    body = {"name": "王芳", "phone": PHONE, "volunteer_number": "V9", "born": "1980-01-01"}
    key = {"Idempotency-Key": "once"}
    first = await town.send("boss", "POST", "/people", body, **key)
    again = await town.send("boss", "POST", "/people", body, **key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    other = await town.send("boss", "POST", "/people", {"name": "别人"}, **key)
    assert other.json()["type"] == "/problems/idempotency-conflict"
    person = first.json()["person"]
    assert PHONE not in first.text
    found = await town.made("boss", "/people/searches", {"by": "phone", "number": PHONE})
    assert [one["person"] for one in found["people"]] == [person]
    profile = await town.made("boss", f"/people/{person}/profile", {})
    assert (profile["name"], profile["phone"]) == ("王*", "138****0123")
    shown = await town.made("boss", f"/people/{person}/unmasking", {"field": "name", "reason": "核对"})
    assert shown["value"] == "王芳"
    given = await town.made("boss", f"/people/{person}/consents", {"purpose": "photos", "wording": "2026-1"})
    ended = await town.send("boss", "DELETE", f"/people/{person}/consents/{given['id']}")
    assert ended.status_code == 200
    listed = (await town["boss"].get(f"/api/v1/people/{person}/consents")).json()["consents"]
    assert [one["withdrawn_at"] is None for one in listed] == [False]
    exported = await town.send("boss", "POST", f"/people/{person}/export", {"reason": "本人申请"})
    assert (
        exported.json()["volunteer_number"] == "V9"
        if "volunteer_number" in exported.json()
        else "V9" in exported.text
    )
    closed = await town.made("boss", f"/people/{person}/closing", {"settlement": "nothing"})
    assert closed["step"] == "done"
    gone = await town.send("boss", "POST", f"/people/{person}/profile", {})
    assert gone.json()["type"] == "/problems/unknown-person"


async def test_a_cashier_reads_nobodys_profile_and_no_key_unmasks(town: Town) -> None:
    person = await town.person()
    for path, body in (
        (f"/people/{person}/profile", {}),
        (f"/people/{person}/unmasking", {"field": "name", "reason": "x"}),
        (f"/people/{person}/changes", {"kind": "phone", "value": PHONE}),
        (f"/people/{person}/acts", {"kind": "card"}),
    ):
        refused = await town.send("till", "POST", path, body)
        assert (refused.status_code, refused.json()["type"]) == (403, "/problems/forbidden"), path


async def test_what_takes_two_is_refused_to_the_one_who_proposed_it_over_http(town: Town) -> None:
    person = await town.person(phone=PHONE)
    changed = await town.made("boss", f"/people/{person}/changes", {"kind": "phone", "value": "13900001111"})
    confirming = f"/people/{person}/changes/{changed['id']}/confirmation"
    alone = await town.send("boss", "POST", confirming)
    assert alone.json()["type"] == "/problems/two-persons-needed"
    done = await town.made("vice", confirming)
    assert (done["state"], done["effective_at"] is None) == ("confirmed", False)
    act = await town.made("boss", f"/people/{person}/acts", {"kind": "card"})
    waiting = (await town["vice"].get(f"/api/v1/people/{person}/acts")).json()["acts"]
    assert [one["id"] for one in waiting] == [act["id"]]
    confirming = f"/people/{person}/acts/{act['id']}/confirmation"
    assert (await town.send("boss", "POST", confirming)).json()["type"] == "/problems/two-persons-needed"
    first = await town.send("vice", "POST", confirming, **{"Idempotency-Key": "card"})
    again = await town.send("vice", "POST", confirming, **{"Idempotency-Key": "card"})
    assert first.json()["token"].startswith("PBC")
    assert again.json() == {**first.json(), "token": None, "number": None}, "a card is shown once"


async def test_searches_and_closings_say_when_to_come_back(town: Town) -> None:
    for number in range(30):
        asked = {"by": "phone", "number": f"139{number:08}"}
        await town.made("boss", "/people/searches", asked)
    refused = await town.send("boss", "POST", "/people/searches", {"by": "phone", "number": PHONE})
    assert refused.status_code == 429
    assert parsedate_to_datetime(refused.headers["retry-after"]).timestamp() > NOON // 1_000_000
    person = await town.person()
    act = await town.made("boss", f"/people/{person}/closing", {"settlement": "donate"})
    assert act["step"] == "proposed"
    waits = await town.send("vice", "POST", f"/people/{person}/closing/{act['act']}/confirmation")
    assert waits.json()["type"] == "/problems/closing-waits"
    until = int(parsedate_to_datetime(waits.headers["retry-after"]).timestamp()) * 1_000_000
    assert 0 <= until - town.clock.time - DAY <= 2_000_000
    off = await town.send("boss", "DELETE", f"/people/{person}/closing")
    assert off.status_code == 200


async def _card(town: Town, person: str) -> tuple[str, str]:
    """A card and the key of a terminal of the station."""
    act = await town.made("boss", f"/people/{person}/acts", {"kind": "card"})
    card = await town.made("vice", f"/people/{person}/acts/{act['id']}/confirmation")
    made = await town.made("ann", "/terminals", {"place": town.station, "label": "一号"})
    confirmed = await town.made("bo", f"/terminals/{made['id']}/confirmation")
    device = await town.service.client.post("/api/v1/terminals/enrolment", json={"code": confirmed["code"]})
    assert device.status_code == 201, device.text
    return card["token"], device.json()["key"]


async def test_card_and_pin_at_the_terminal_from_the_choice_to_the_goods(town: Town) -> None:
    bank = town.service.bank
    person = await town.person(volunteer_number="V0001", born="1980-01-01")
    await enrol(bank.ledger, {"V0001": date(1980, 1, 1)})
    token, key = await _card(town, person)
    at = {"X-Terminal-Key": key}
    leave = await town.made("boss", f"/people/{person}/acts", {"kind": "pin-reset"})
    await town.made("vice", f"/people/{person}/acts/{leave['id']}/confirmation")
    chosen = await town.send("till", "POST", "/visits/pin", {"card": token, "pin": PIN}, **at)
    assert chosen.status_code == 201, chosen.text
    wrong = await town.send("till", "POST", "/visits", {"card": token, "pin": "000000"}, **at)
    assert wrong.json()["type"] == "/problems/pin-refused"
    nowhere = await town.send("till", "POST", "/visits", {"card": token, "pin": PIN})
    assert nowhere.json()["type"] == "/problems/unknown-terminal"
    opened = await town.send("till", "POST", "/visits", {"card": token, "pin": PIN}, **at)
    assert opened.status_code == 201, opened.text
    assert (opened.json()["name"], opened.json()["spends_from"] is None) == ("李*英", False)
    cookie = opened.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "max-age=120" in cookie
    own = {**at, "X-CSRF-Token": opened.json()["csrf"]}
    client = town["till"].client
    assert (await client.get("/api/v1/me", headers=at)).json()["name"] == "李*英"
    assert (await client.get("/api/v1/me")).json()["type"] == "/problems/unknown-terminal", (
        "it left the terminal"
    )
    for path in ("/api/v1/me/data", "/api/v1/me/code", "/api/v1/me/consents"):
        assert (await client.get(path, headers=at)).status_code == 403, path
    body = {"lines": [{"sku": min(bank.policies.policies[-1].goods), "quantity": 1}]}
    early = await client.post("/api/v1/me/baskets", json=body, headers={**own, "Idempotency-Key": "b1"})
    assert early.json()["type"] == "/problems/card-not-yet"
    assert "retry-after" in early.headers
    town.clock.time += DAY
    await town.fresh()
    assert (await client.get("/api/v1/me", headers=at)).status_code == 401, "two minutes are over"
    opened = await town.send("till", "POST", "/visits", {"card": token, "pin": PIN}, **at)
    own = {**at, "X-CSRF-Token": opened.json()["csrf"]}
    bare = await client.post("/api/v1/me/baskets", json=body, headers={**at, "Idempotency-Key": "b2"})
    assert bare.json()["type"] == "/problems/form-expired"
    poor = await client.post("/api/v1/me/baskets", json=body, headers={**own, "Idempotency-Key": "b3"})
    assert poor.json()["type"] in ("/problems/out-of-stock", "/problems/insufficient-points"), poor.text


async def _with_points(town: Town) -> tuple[str, str]:
    """A volunteer on file with points to spend, and goods at the station: person and sku."""
    bank, goods = town.service.bank, town.service.bank.policies.policies[-1].goods
    sku = min(
        (s for s in goods if goods[s].price and goods[s].monthly_limit is None), key=lambda s: goods[s].price
    )
    born = dict.fromkeys(("V0001", "V0002"), date(1980, 1, 1))
    person = (await enrol(bank.ledger, born, {"V0001": "李秀英"}))["V0001"].id
    shop = (await bank.ask(stations, ["S1"]))["S1"]
    [received] = await bank.market.receive(
        [(Delivery("D1", shop, "donor-1", ((sku, 50),)), Command("t", "D1"))]
    )
    assert isinstance(received, Receipt)
    day = "2026-11-17"
    record = {
        "record_id": "R1", "volunteer": "V0001", "activity": "A1", "activity_name": "社区清洁",
        "category": next(iter(bank.policies.policies[-1].categories)),
        "station": "S1", "session_start": f"{day} 08:00", "session_end": f"{day} 12:00",
        "check_in": f"{day} 08:00", "check_out": f"{day} 12:00", "hour_class": "信用", "recorded_by": "V0002",
        "recorded_at": f"{day} 17:00",
    }  # fmt: skip
    answer = await town.service.post("/api/v1/hours", {"records": [record]}, town.machine, "earn")
    assert answer.json()["verdicts"][0]["verdict"] == "accepted", answer.text
    async for _ in bank.hours.release(date(2027, 1, 1)):
        pass
    return person, sku


async def test_v4_a_card_redeems_goods_once_and_within_the_days_limit(town: Town) -> None:
    person, sku = await _with_points(town)
    door = town.service.bank.visits
    assert door is not None
    token, key = await _card(town, person)
    at = {"X-Terminal-Key": key}
    leave = await town.made("boss", f"/people/{person}/acts", {"kind": "pin-reset"})
    await town.made("vice", f"/people/{person}/acts/{leave['id']}/confirmation")
    await town.send("till", "POST", "/visits/pin", {"card": token, "pin": PIN}, **at)
    town.clock.time += DAY
    await town.fresh()
    opened = (await town.send("till", "POST", "/visits", {"card": token, "pin": PIN}, **at)).json()
    assert opened["available"] > 0
    own = {**at, "X-CSRF-Token": opened["csrf"], "Idempotency-Key": "b1"}
    client, body = town["till"].client, {"lines": [{"sku": sku, "quantity": 1}]}
    sold = await client.post("/api/v1/me/baskets", json=body, headers=own)
    assert sold.status_code == 201, sold.text
    again = await client.post("/api/v1/me/baskets", json=body, headers=own)
    assert again.json() == sold.json()
    assert again.headers["idempotency-replayed"] == "true"
    left = (await client.get("/api/v1/me/wallet", headers=at)).json()["available"]
    price = town.service.bank.policies.policies[-1].goods[sku].price
    assert left == opened["available"] - price
    most = 300 * 100 // price
    over = {**own, "Idempotency-Key": "b2"}
    much = await client.post(
        "/api/v1/me/baskets", json={"lines": [{"sku": sku, "quantity": most}]}, headers=over
    )
    assert much.json()["type"] == "/problems/card-day-limit", much.text
    assert "300.00" in much.json()["detail"]
    assert (await client.get("/api/v1/me/records", headers=at)).status_code == 403, "by phone only"
    code = door.own_codes.code(person, town.clock.time)
    shown = {"code": code, "lines": [{"sku": sku, "quantity": 1}]}
    for _ in range(2):
        by_code = await town.send("till", "POST", "/visits/baskets", shown, **at, **{"Idempotency-Key": "c1"})
        assert by_code.status_code == 201, by_code.text
    assert by_code.headers["idempotency-replayed"] == "true", "a lost answer needs no second code"
    photograph = await town.send("till", "POST", "/visits/baskets", shown, **at)
    assert photograph.json()["type"] == "/problems/own-code-refused"
    await town["till"].send("DELETE", "/api/v1/sessions/current")
    gone = await client.get("/api/v1/me/wallet", headers=at)
    assert gone.status_code == 401, "nobody of the staff is logged in there any more"


async def test_a_volunteer_logs_in_with_the_code_that_the_phone_got(town: Town) -> None:
    person = await town.person(phone=PHONE, born="1980-01-01")
    transport = httpx.ASGITransport(town.service.app, raise_app_exceptions=False, client=("192.0.2.8", 5))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as phone:
        asked = await phone.post("/api/v1/me/codes", json={"phone": PHONE})
        assert asked.status_code == 201
        assert PHONE not in asked.text
        desk = town.service.bank.people
        assert desk is not None
        [message] = await code_outbox.take(desk.store)
        body = {"phone": PHONE, "code": message.code}
        stranger = await town.service.client.post("/api/v1/me/sessions", json=body)
        assert stranger.json()["type"] == "/problems/phone-code-refused", "another browser asked"
        opened = await phone.post("/api/v1/me/sessions", json=body)
        assert opened.status_code == 201, opened.text
        assert (await phone.get("/api/v1/me")).json()["person"] == person
        assert (await phone.get("/api/v1/me/wallet")).json()["type"] == "/problems/no-such-account"
        assert (await phone.get("/api/v1/me/code")).json()["code"].startswith("jf1.")
        assert (await phone.get("/api/v1/me/data")).status_code == 200
        csrf = {"X-CSRF-Token": opened.json()["csrf"], "Idempotency-Key": "k"}
        none = await phone.post("/api/v1/me/card-freeze", headers=csrf)
        assert none.json()["type"] == "/problems/unknown-card"
        body = {"lines": [{"sku": "G001", "quantity": 1}]}
        goods = await phone.post("/api/v1/me/baskets", json=body, headers=csrf)
        assert goods.status_code == 403, "goods are redeemed at the terminal"
        hours = (await phone.get("/api/v1/me/records")).json()
        assert (hours["hours"], hours["owed"]) == ([], 0)
        nothing = await phone.get("/api/v1/me/statement")
        assert nothing.json()["type"] == "/problems/no-such-account"
        stars = (await phone.get("/api/v1/me/recognition")).json()
        assert {one["minutes"] for one in stars["standings"]} == {0}
        objecting = "/api/v1/me/records/R1/objection"
        other = await phone.post(objecting, json={"reason": "not-there"}, headers=csrf)
        assert other.json()["type"] == "/problems/unknown-record", "of somebody else, or of nobody"
        [one] = (await phone.get("/api/v1/me/sessions")).json()["sessions"]
        assert one["is_current"]
        for path in ("/api/v1/accounts", "/api/v1/staff", "/api/v1/sessions"):
            assert (await phone.get(path)).status_code == 401, "it is no session of staff"
        ended = await phone.delete(f"/api/v1/me/sessions/{one['id']}", headers=csrf)
        assert ended.status_code == 204
        assert (await phone.get("/api/v1/me")).status_code == 401


async def test_codes_that_are_asked_for_too_often_say_when_to_come_back(town: Town) -> None:
    client = town.service.client
    for _ in range(5):
        assert (await client.post("/api/v1/me/codes", json={"phone": PHONE})).status_code == 201
    refused = await client.post("/api/v1/me/codes", json={"phone": PHONE})
    assert (refused.status_code, refused.json()["type"]) == (429, "/problems/too-many-attempts")
    assert 0 < int(refused.headers["retry-after"]) <= 3601


async def test_v2_freezing_ends_the_session_of_the_card_at_once(town: Town) -> None:
    person = await town.person(phone=PHONE)
    act = await town.made("boss", f"/people/{person}/acts", {"kind": "card"})
    card = await town.made("vice", f"/people/{person}/acts/{act['id']}/confirmation")
    frozen = await town.made("till", "/cards/freeze", {"number": card["number"]})
    assert frozen["person"] == person
    listed = (await town["boss"].get(f"/api/v1/people/{person}/cards")).json()["cards"]
    assert [one["state"] for one in listed] == ["frozen"]
    missing = await town.send("till", "POST", "/cards/freeze", {"number": "123456789012"})
    assert missing.json()["type"] == "/problems/unknown-card"


async def test_the_key_of_rotating_codes_is_the_same_in_every_process_and_after_a_restart(
    database_url: str, tmp_path: Path
) -> None:
    from pointsbank.web.api.desks import desks_of

    make_pepper(tmp_path / "pepper")
    codes = []
    for _ in range(2):
        async with running(database_url, clock=FixedClock(NOON), pepper=str(tmp_path / "pepper")) as service:
            codes.append(desks_of(service.bank).attendance.own_code("p"))
    assert codes[0] == codes[1]


async def test_without_its_people_no_service_begins_and_without_the_secret_the_doors_say_so(
    database_url: str, tmp_path: Path
) -> None:
    for missing, error in (
        ({"master_key": ""}, MasterKeyError),
        ({"people": f"sqlite:///{tmp_path / 'nobody.db'}"}, SchemaOutOfDate),
    ):
        with pytest.raises(error):
            async with open_bank(settings_for(database_url, **missing), Metrics()):
                pytest.fail("it began")
    async with running(database_url) as service:
        codes = await service.client.post("/api/v1/me/codes", json={"phone": PHONE})
        assert (codes.status_code, codes.json()["type"]) == (503, "/problems/log-in-closed")


async def test_h14_a_merge_and_its_undoing_over_http_take_two_members_of_staff_each(town: Town) -> None:
    old, into = await _registered_twice(town)
    for login, proposal in (("till", "forbidden"), ("ann", "forbidden")):
        refused = await town.send(login, "POST", f"/people/{old}/merges", {"into": into})
        assert refused.json()["type"] == f"/problems/{proposal}", login
    same = await town.send("boss", "POST", f"/people/{old}/merges", {"into": old})
    assert same.json()["type"] == "/problems/link-not-allowed"
    for path, body, state, kind in (
        ("merges", {"into": into}, "merged", "merge"),
        ("merges/undoing", None, "active", "unmerge"),
    ):
        key = {"Idempotency-Key": kind}
        first = await town.send("boss", "POST", f"/people/{old}/{path}", body, **key)
        again = await town.send("boss", "POST", f"/people/{old}/{path}", body, **key)
        assert (first.status_code, first.json()["kind"], first.json()["state"]) == (201, kind, "proposed")
        assert again.json() == first.json()
        confirming = f"/people/{old}/merges/{first.json()['id']}/confirmation"
        alone = await town.send("boss", "POST", confirming)
        assert alone.json()["type"] == "/problems/two-persons-needed"
        confirmed = await town.made("vice", confirming)
        assert (confirmed["state"], confirmed["effective_at"] is None) == ("confirmed", False)
        assert await town.made("vice", confirming) == confirmed, "the same again changes nothing"
        assert await town.service.bank.people.registry.state(old) == state
    missing = await town.send("vice", "POST", f"/people/{old}/merges/none/confirmation")
    assert missing.status_code in (400, 404, 409, 422), missing.text


async def test_closing_forgets_pins_under_merged_ids_too(town: Town) -> None:
    old, into = await _registered_twice(town)
    proposed = await town.made("boss", f"/people/{old}/merges", {"into": into})
    await town.made("vice", f"/people/{old}/merges/{proposed['id']}/confirmation")
    bank = town.service.bank

    def keep(connection: Connection) -> None:
        for person in (old, into):
            row = {"ledger_id": bank.ledger.id, "person_id": person, "pin": "p", "changed_at": 1}
            connection.execute(insert(pins).values(**row))

    await bank.logins.run(keep)
    closed = await town.made("boss", f"/people/{into}/closing", {"settlement": "nothing"})
    assert closed["step"] == "done"
    assert await bank.logins.run(lambda c: c.execute(select(pins.c.person_id)).all()) == []


async def _registered_twice(town: Town) -> tuple[str, str]:
    """Two registrations of one volunteer; their ids."""
    ledger = town.service.bank.ledger
    numbers = ("V71", "V72")
    given = [NewPerson(name="张小明", volunteer_number=one, born=date(1990, 1, 1)) for one in numbers]
    await directory_of(ledger).enrol(ledger, given, "test", "test")
    known = await volunteers_named(ledger, *numbers)
    return known["V71"].id, known["V72"].id
