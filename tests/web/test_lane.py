"""The fast lane answers a till and a terminal as the framework does, and leaves alone what is not in order."""

from __future__ import annotations

import re
import shutil
import time
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.people_of import enrol
from tests.web.conftest import Service, running

from pointsbank.bench.service_day import MINUTE, prepare_session
from pointsbank.engine.clock import FixedClock
from pointsbank.engine.commands import Command
from pointsbank.engine.registry import open_ledger
from pointsbank.hours.postings import HOURS
from pointsbank.ledger.model import Attachment, Draft, Movement, Receipt, lot_name
from pointsbank.market.postings import Delivery
from pointsbank.people.directory import directory_of
from pointsbank.places.stations import PLACES, opening, stations
from pointsbank.points.lots import Fund
from pointsbank.store.database import Database

BASKETS = "/api/v1/market/baskets"
SESSIONS = "/api/v1/activity-sessions"
SOAP = "G001"

Asked = tuple[str, Any, str]


def basket(volunteer: str = "V1", pieces: int = 1, **more: Any) -> dict[str, Any]:
    wanted = {"terminal": "T1", "station": "B000", "volunteer": volunteer}
    return {**wanted, "lines": [{"sku": SOAP, "quantity": pieces}], **more}


def requests_to(session: str, people: list[str]) -> list[Asked]:
    """What a till and a terminal may send, good and bad: path, body, key."""
    door, come = f"{SESSIONS}/{session}", {"person": people[0], "way": "card"}
    return [
        (BASKETS, basket(), "sold"),
        (BASKETS, basket(), "sold"),  # again
        (BASKETS, basket(pieces=2), "sold"),  # the key is another basket's
        (BASKETS, basket("v1"), "as it is typed"),
        (BASKETS, basket("V9"), "nobody"),
        (BASKETS, basket(station="B999"), "nowhere"),
        (BASKETS, basket(lines=[{"sku": "none", "quantity": 1}]), "nothing"),
        (BASKETS, basket(pieces=9), "too many"),
        (BASKETS, basket(pieces=0), "malformed"),
        (BASKETS, basket(price=0), "a field more"),
        (BASKETS, b"[", "no JSON"),
        (f"{door}/check-ins", come, "in"),
        (f"{door}/check-ins", come, "in"),
        (f"{door}/check-ins", come, "in twice"),
        (f"{door}/check-ins", {**come, "person": "somebody"}, "a stranger"),
        (f"{door}/check-ins", {**come, "way": "own-code", "code": "1"}, "a wrong code"),
        (f"{door}/check-ins", {**come, "stated_at": "1970-01-01T00:00:00Z"}, "long ago"),
        (f"{SESSIONS}/none/check-ins", come, "no session"),
        (f"{SESSIONS}/%41/check-ins", come, "no id"),
        (f"{door}/check-outs", {**come, "person": people[1]}, "not there"),
        (f"{door}/check-outs", come, "out"),
        (f"{door}/check-outs", come, "out"),
        (f"{door}/check-outs", come, ""),
    ]


async def stocked(service: Service) -> None:
    """Soap on the shelf, and somebody with points."""
    bank = service.bank
    await enrol(bank.ledger, {"V1": date(1980, 1, 1)})
    shop = (await bank.ask(stations, ["B000"]))["B000"]
    [received] = await bank.market.receive([(Delivery("D1", shop, "d", ((SOAP, 9),)), Command("t", "D1"))])
    assert isinstance(received, Receipt)
    person = (await directory_of(bank.ledger).by_number(["V1"]))["V1"]
    fund = bank.policies.policies[-1].fund.code
    gift = Movement(Fund(fund).issued, person.wallet, "POINT", 1_000_000, lot_name("2099-12-31", fund))
    record = Attachment("service-record", "r", bytes(32))
    drafts = [Draft("earn", "e", "t", bytes(16), 0, (gift,), documents=(record,))]
    [earned] = await bank.ledger.submit(drafts, HOURS)
    assert isinstance(earned, Receipt)


@pytest.mark.parametrize("scopes", [("market:sell", "market:read", "attendance:record"), ("ledger:read",)])
async def test_a_till_and_a_terminal_hear_the_same_in_the_lane_and_beside_it(
    scopes: tuple[str, ...], sqlite_url: str, tmp_path: Path
) -> None:
    clock = FixedClock(begins := time.time_ns() // 1000 + 10 * MINUTE)
    database = Database(sqlite_url)
    async with open_ledger(database) as ledger:
        await ledger.submit([opening("station", "B000", "站", "", Command("t", "B000"))], PLACES)
    prepared = await prepare_session(database, 2)
    await database.close()
    async with running(sqlite_url, clock=clock) as service:
        await stocked(service)
        token = await service.key(*scopes)
    file, copy = Path(sqlite_url.removeprefix("sqlite:///")), tmp_path / "copy" / "books.db"
    copy.parent.mkdir()
    shutil.copy(file, copy)
    shutil.copy(file.with_name("people.db"), copy.parent)
    told = []
    for url, fast_lane in ((sqlite_url, True), (f"sqlite:///{copy}", False)):
        async with running(url, clock=clock, fast_lane=fast_lane) as service:
            await service.get("/api/v1/accounts", token)  # the key is remembered now
            answers = []
            clock.time = begins
            for path, body, key in requests_to(prepared.session, prepared.people):
                clock.time += 1_000_000
                headers = {"Authorization": f"Bearer {token}", "X-Request-Id": "the-same-id"}
                headers |= {"Idempotency-Key": key} if key else {}
                headers |= {"Content-Type": "application/json"}
                content = {"content": body} if isinstance(body, bytes) else {"json": body}
                answer = await service.client.post(path, headers=headers, **content)
                seen = re.sub(
                    r"[0-9a-f]{8}-[0-9a-f-]{27}", "an-id", str(sorted(answer.headers.items())) + answer.text
                )
                answers.append((key, answer.status_code, seen))
            told.append(answers)
            if "market:sell" in scopes:
                slip = (await service.post(BASKETS, basket(), token, "read back")).json()
                read = (await service.get(f"{BASKETS}/{slip['reference']}", token)).json()
                assert {**read, "volunteer": "V1"} == {**slip, "volunteer": "V1"}
    assert told[0] == told[1]
    good = {key for key, status, _ in told[0] if status == 201}
    assert good == ({"sold", "as it is typed", "in", "out"} if "market:sell" in scopes else set())


@pytest.mark.parametrize(
    ("declared", "is_sold"),
    [(None, True), (b"0" * 5000, False), ("more", False)],
    ids=["whole", "a number without end", "cut off"],
)
async def test_what_was_cut_off_or_has_no_length_to_speak_of_is_not_taken_in_the_lane(
    declared: bytes | str | None, is_sold: bool, sqlite_url: str
) -> None:
    """A body that reads well and is shorter than was said: whoever sent it went away, and sold nothing."""
    database = Database(sqlite_url)
    async with open_ledger(database) as ledger:
        await ledger.submit([opening("station", "B000", "站", "", Command("t", "B000"))], PLACES)
    await database.close()
    async with running(sqlite_url) as service:
        await stocked(service)
        token = await service.key("market:sell", "ledger:read")
        await service.get("/api/v1/accounts", token)  # the key is remembered now
        body = msgspec.json.encode(basket())
        length = b"%d" % len(body) if declared is None else declared
        length = b"%d" % (len(body) + 9) if isinstance(length, str) else length
        asked: list[Any] = [
            {"type": "http.request", "body": body, "more_body": declared == "more"},
            {"type": "http.disconnect"},
        ]
        answers: list[Any] = []

        async def receive() -> Any:
            return asked.pop(0) if len(asked) > 1 else asked[0]

        async def send(message: Any) -> None:
            answers.append(message)

        sent = {
            b"authorization": f"Bearer {token}".encode(), b"content-type": b"application/json",
            b"content-length": length, b"idempotency-key": b"k", b"host": b"testserver",
        }  # fmt: skip
        scope: Any = {
            "type": "http", "method": "POST", "path": BASKETS, "raw_path": BASKETS.encode(), "query_string": b"",
            "headers": list(sent.items()), "client": ("127.0.0.1", 5), "server": ("testserver", 80), "scheme": "http",
            "http_version": "1.1", "asgi": {"version": "3.0"}, "root_path": "", "extensions": {}, "state": {},
        }  # fmt: skip
        with suppress(Exception):  # the framework may throw at one who is gone
            await service.app(scope, receive, send)
        statuses = [one["status"] for one in answers if one["type"] == "http.response.start"]
        assert (201 in statuses) == is_sold, statuses
        if declared != "more":
            assert 500 not in statuses
            assert statuses
