"""A city's cap and least redemption at the doors of the API: a refusal of its own, and how many points were cut."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from tests.hours.unguarded import opened_as_replay, unguarded_policy
from tests.people_of import enrol
from tests.web.conftest import running
from tests.web.test_rooms import NOW, record

from pointsbank.engine.clock import FixedClock
from pointsbank.engine.commands import Command
from pointsbank.ledger.model import Receipt
from pointsbank.market.postings import Delivery
from pointsbank.places.stations import PLACES, opening, stations

SOAP, TOOTHPASTE = "G001", "G002"
"""40 and 60 points."""


async def test_a_small_basket_is_refused_by_its_own_name_and_a_standing_says_what_the_cap_cut(
    database_url: str, tmp_path: Path
) -> None:
    path = unguarded_policy(tmp_path)
    text = path.read_text("utf-8").replace("min_redeem_points = 0", "min_redeem_points = 50")
    path.write_text(text.replace("balance_cap_points = 0", "balance_cap_points = 70"), "utf-8")
    await opened_as_replay(database_url)
    async with running(database_url, clock=FixedClock(NOW), policy=str(path)) as service:
        bank, key = service.bank, await service.key()
        await enrol(bank.ledger, dict.fromkeys(("V0001", "V0002"), date(1980, 1, 1)))
        await bank.ledger.submit([opening("station", "S0001", "", "", Command("t", "S0001"))], PLACES)
        shop = (await bank.ask(stations, ["S0001"]))["S0001"]
        goods = ((SOAP, 5), (TOOTHPASTE, 5))
        [received] = await bank.market.receive([(Delivery("D1", shop, "donor-1", goods), Command("t", "D1"))])
        assert isinstance(received, Receipt)

        earlier = {
            name: record(service, 0)[name].replace("11-19", "11-18")
            for name in ("session_start", "session_end", "check_in", "check_out", "recorded_at")
        }
        body = {"records": [record(service, 1), record(service, 2, **earlier)]}
        told = (await service.post("/api/v1/hours", body, key, "earn")).json()["verdicts"]
        assert [(v["verdict"], v["points"]) for v in told] == [("accepted", 4800), ("accepted", 2200)]
        shown = [(await service.get(f"/api/v1/records/R{n}/standing", key)).json() for n in (1, 2)]
        assert [(s["minutes"], s["points"], s["capped"]) for s in shown] == [
            (480, 4800, 0), (480, 2200, 2600),
        ], shown  # fmt: skip

        async for _ in bank.hours.release(date(2027, 1, 1)):
            pass
        for sku, name, status, kind in (
            (SOAP, "b1", 409, "/problems/below-minimum"),
            (TOOTHPASTE, "b1", 201, None),
        ):
            wanted = {"terminal": "T01", "station": "S0001", "volunteer": "V0001"}
            basket = {**wanted, "lines": [{"sku": sku, "quantity": 1}]}
            answer = await service.post("/api/v1/market/baskets", basket, key, name)
            assert (answer.status_code, answer.json().get("type")) == (status, kind), answer.text
