"""No number and no name of anybody stands in an address: addresses are kept by browsers, proxies and logs."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from pointsbank.access.rights import rights

from .conftest import Service

PERSONAL = {
    "q", "number", "volunteer", "volunteer_number", "phone", "id_number", "card", "card_number", "pin", "name",
}  # fmt: skip
"""What a parameter is called that would carry such a thing."""


def test_no_door_has_a_number_or_a_name_in_its_path() -> None:
    for action in rights().actions.values():
        for door in action.doors:
            if not door.startswith(("cli ", "GET /static/")):
                assert not set(re.findall(r"{(\w+)}", door)) & PERSONAL, door


async def test_no_question_asks_for_a_number_or_a_name_in_the_address(small_service: Service) -> None:
    answer = await small_service.get("/api/openapi.json")
    assert answer.status_code == 200
    paths: dict[str, Any] = msgspec.json.decode(answer.content)["paths"]
    asked = {
        (path, one["name"])
        for path, methods in paths.items()
        for operation in methods.values()
        for one in operation.get("parameters", ())
        if one["in"] in ("path", "query")
    }
    assert len(asked) > 50
    assert not [(path, name) for path, name in asked if name in PERSONAL]
