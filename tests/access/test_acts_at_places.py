"""A role of some places acts there and nowhere else, and never for the one who holds it."""

from __future__ import annotations

from itertools import count

import httpx
from tests.people_of import volunteers_named
from tests.web.conftest import Service, service
from tests.web.test_rooms import basket, town, with_points

from pointsbank.access.model import NEVER, Actor
from pointsbank.access.roles import Granted, RoleIn
from pointsbank.access.service import IssuedKey
from pointsbank.access.staff import Half
from pointsbank.engine.commands import Command
from pointsbank.places.stations import PLACES, opening, stations

__all__ = ["service", "town"]

NUMBERS = count()


def command(by: Actor) -> Command:
    return Command(by.client, f"command {next(NUMBERS)}", by.name)


async def cashier(service: Service, station: str, person: str = "") -> str:
    """The text of a key of a cashier of a station, given by two administrators."""
    bank = service.bank
    if not await bank.staff.is_founded():
        await bank.staff.found(("ann", "bo"), Command("t", "founding", "t"))
    people = {account.login: account.person for account in await bank.staff.accounts()}
    ann, bo = (
        Actor("s", f"person:{people[login]}", frozenset(), people[login], "staff", (), "s", True)
        for login in ("ann", "bo")
    )
    place = (await bank.ask(stations, [station]))[station]
    added = await bank.staff.add(ann, f"cashier-{next(NUMBERS)}", command(ann), person)
    assert isinstance(added, Half), added
    proposed = await bank.roles.propose(ann, RoleIn(added.person, "cashier", place.id), command(ann))
    assert isinstance(proposed, Granted), proposed
    await bank.roles.confirm(bo, proposed.grant.id, command(bo))
    own = Actor("s", f"person:{added.person}", frozenset(), added.person, "staff", (), "s", True)
    scopes = ["market:sell", "market:return", "market:read"]
    issued = await bank.keys.issue("till", "", scopes, NEVER, command(own), actor=own, owner="person")
    assert isinstance(issued, IssuedKey), issued
    await bank.keys.confirm(bo, issued.key.id, command(bo))
    return str(issued.token)


def kind(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")


async def test_a_cashier_sells_and_takes_back_at_the_own_shop_alone(town: Service) -> None:
    await with_points(town, await town.key())
    await town.bank.ledger.submit([opening("station", "S0002", "", "", Command("t", "S2"))], PLACES)
    here, elsewhere = await cashier(town, "S0001"), await cashier(town, "S0002")
    address = "/api/v1/market/baskets"
    assert kind(await town.post(address, basket(town), elsewhere, "b0")) == (403, "forbidden")
    sold = await town.post(address, basket(town), here, "b1")
    assert sold.status_code == 201, sold.text
    slip = sold.json()
    assert (await town.get(sold.headers["location"], here)).status_code == 200
    assert kind(await town.get(sold.headers["location"], elsewhere)) == (403, "forbidden")
    assert kind(await town.get(f"{address}/none", elsewhere)) == (403, "forbidden"), "not even that it is not"
    back = {"receipt": slip["reference"], "sku": slip["lines"][0]["sku"], "quantity": 1}
    assert kind(await town.post("/api/v1/market/returns", back, elsewhere, "r0")) == (403, "forbidden")
    taken = await town.post("/api/v1/market/returns", back, here, "r1")
    assert taken.status_code == 201, taken.text
    assert (await town.get(taken.headers["location"], here)).status_code == 200
    assert kind(await town.get(taken.headers["location"], elsewhere)) == (403, "forbidden")
    unknown = basket(town, station="S9999")
    assert kind(await town.post(address, unknown, here, "b2")) == (403, "forbidden")


async def test_a_cashier_does_not_serve_oneself(town: Service) -> None:
    await with_points(town, await town.key())
    volunteer = (await volunteers_named(town.bank.ledger, "V0001"))["V0001"]
    own, other = await cashier(town, "S0001", volunteer.id), await cashier(town, "S0001")
    address = "/api/v1/market/baskets"
    assert kind(await town.post(address, basket(town), own, "b1")) == (403, "forbidden")
    sold = await town.post(address, basket(town), other, "b2")
    assert sold.status_code == 201, sold.text
    back = {"receipt": sold.json()["reference"], "sku": sold.json()["lines"][0]["sku"], "quantity": 1}
    assert kind(await town.post("/api/v1/market/returns", back, own, "r1")) == (403, "forbidden")


async def test_on_a_live_ledger_no_member_of_staff_redeems_on_a_typed_number(service: Service) -> None:
    """A cashier who knows a number could spend its points otherwise: the holder shows a card and PIN, or a code."""
    await service.bank.ledger.submit([opening("station", "S0001", "", "", Command("t", "S1"))], PLACES)
    key = await cashier(service, "S0001")
    body = {
        "terminal": "T1",
        "station": "S0001",
        "volunteer": "V0001",
        "lines": [{"sku": "G001", "quantity": 1}],
    }
    answer = await service.post("/api/v1/market/baskets", body, key, "b1")
    assert kind(answer) == (403, "holder-not-present")
