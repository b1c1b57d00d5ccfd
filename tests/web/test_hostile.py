"""What no honest client sends: answers are refusals, never failures of the service."""

from __future__ import annotations

import pytest

from .conftest import Service, entry, running
from .test_pages import hidden

ENTRIES = "/api/v1/journal-entries"


@pytest.mark.parametrize("fast_lane", [True, False])
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 20_000 + b"]" * 20_000,
        b'{"a":' * 9_000 + b"1" + b"}" * 9_000,
        b'{"kind":"memo","movements":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        b'{"unknown":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    ],
)
async def test_json_nested_too_deeply_is_malformed(sqlite_url: str, body: bytes, fast_lane: bool) -> None:
    async with running(sqlite_url, fast_lane=fast_lane) as service:
        headers = {"Authorization": f"Bearer {await service.key()}", "Content-Type": "application/json"}
        await service.client.get(ENTRIES, headers=headers)  # from now on the key is remembered
        answer = await service.client.post(
            ENTRIES, content=body, headers={**headers, "Idempotency-Key": "deep"}
        )
        assert (answer.status_code, answer.json()["type"]) == (400, "/problems/malformed-json")


@pytest.mark.parametrize("fast_lane", [True, False])
async def test_of_a_header_sent_twice_the_first_counts_in_the_lane_and_beside_it(
    sqlite_url: str, fast_lane: bool
) -> None:
    async with running(sqlite_url, fast_lane=fast_lane) as service:
        key = await service.key()
        await service.get(ENTRIES, key)
        headers = [
            ("Authorization", f"Bearer {key}"),
            ("Idempotency-Key", "one"),
            ("Idempotency-Key", "two"),
        ]
        answer = await service.client.post(ENTRIES, json=entry(), headers=headers)
        assert (answer.status_code, answer.json().get("key")) == (201, "one")


@pytest.mark.parametrize("form", ["é", "\N{REPLACEMENT CHARACTER}", "\0"])
async def test_a_form_with_strange_letters_is_refused_like_any_other_that_is_not_ours(
    small_service: Service, form: str
) -> None:
    service = small_service
    page = await service.get("/sign-in")
    assert hidden(page.text, "form")
    for address in ("/sign-in", "/sign-out"):
        answer = await service.client.post(
            address, data={"form": form, "key": "x"}, headers={"Cookie": "pointsbank_session=x"}
        )
        assert answer.status_code == 403, address
    answer = await service.client.post("/sign-in", data={"form": form, "key": "x"})
    assert answer.status_code == 403
