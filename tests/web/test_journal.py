"""Posting over HTTP: one entry or many, once and only once, and never beyond the chart's open movements."""

from __future__ import annotations

from pathlib import Path

import pytest

from pointsbank.ledger.chart import SHIPPED
from pointsbank.web.posting import open_kinds

from .conftest import MEMO, Service, entry, running

ENTRIES = "/api/v1/journal-entries"
BULK = "/api/v1/journal-entries/bulk"


async def test_a_repeated_command_gives_the_first_answer_again(service: Service) -> None:
    key = await service.key()
    first = await service.post(ENTRIES, entry(), key, "k1")
    again = await service.post(ENTRIES, entry(), key, "k1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    posted = await service.get(first.headers["location"], key)
    assert posted.json()["postings"] == first.json()["postings"]
    assert posted.json()["leaf"] == first.json()["leaf"]
    other = await service.post(ENTRIES, entry(101), key, "k1")
    assert other.status_code == 409
    assert other.json()["type"] == "/problems/idempotency-conflict"


async def test_a_key_belongs_to_its_client(service: Service) -> None:
    one, same, other = await service.key(), await service.key(), await service.key(holder="somebody-else")
    sequences = [
        (await service.post(ENTRIES, entry(), key, "k1")).json()["sequence"] for key in (one, same, other)
    ]
    assert sequences == [2, 2, 3]


async def test_a_command_without_a_key_is_refused(small_service: Service) -> None:
    key = await small_service.key()
    answer = await small_service.post(ENTRIES, entry(), key)
    assert answer.status_code == 400
    assert answer.json()["type"] == "/problems/idempotency-key-required"


async def test_every_fault_of_a_body_is_named(small_service: Service) -> None:
    key = await small_service.key()
    body = entry(movements=[{**MEMO, "amount": 0}, {**MEMO, "amount": "1", "colour": "red"}], place=7)
    answer = await small_service.post(ENTRIES, body, key, "k1")
    assert answer.status_code == 400
    assert {error["field"] for error in answer.json()["errors"]} == {
        "movements[0].amount",
        "movements[1].amount",
        "movements[1].colour",
        "place",
    }


async def test_a_bulk_gives_each_entry_its_verdict(service: Service) -> None:
    key = await service.key()
    wrong = entry(movements=[{**MEMO, "debit": "memo:nobody"}])
    answer = await service.post(BULK, {"entries": [entry(1), wrong, entry(2)]}, key, "b1")
    assert answer.status_code == 200
    verdicts = answer.json()["verdicts"]
    assert [verdict["posted"] for verdict in verdicts] == [True, False, True]
    assert verdicts[1]["problem"]["type"] == "/problems/unknown-account"
    again = await service.post(BULK, {"entries": [entry(1), wrong, entry(2)]}, key, "b1")
    assert again.headers["idempotency-replayed"] == "true"
    assert [v.get("sequence") for v in again.json()["verdicts"]] == [v.get("sequence") for v in verdicts]


async def test_an_atomic_bulk_posts_all_or_nothing(service: Service) -> None:
    key = await service.key()
    wrong = entry(movements=[{**MEMO, "debit": "memo:nobody"}])
    refused = await service.post(BULK, {"entries": [entry(1), wrong], "atomic": True}, key, "b1")
    assert refused.status_code == 409
    assert refused.json()["facts"]["position"] == 1
    assert refused.json()["facts"]["cause"] == "unknown-account"
    [opening] = (await service.get(ENTRIES, key)).json()["entries"]
    assert opening["kind"] == "open-ledger"
    both = await service.post(BULK, {"entries": [entry(1), entry(2)], "atomic": True}, key, "b1")
    assert both.json()["posted"] == 2


async def test_an_entry_is_reversed_once_by_the_room_that_posted_it(service: Service) -> None:
    key = await service.key()
    await service.post(ENTRIES, entry(), key, "k1")
    reversal = f"{ENTRIES}/2/reversal"
    done = await service.post(reversal, {"reason": "typing-error"}, key, "r1")
    assert done.status_code == 201
    [receipt] = done.json()["receipts"]
    assert (receipt["postings"][0]["debit"], receipt["postings"][0]["credit"]) == ("memo:b", "memo:a")
    again = await service.post(reversal, {"reason": "typing-error"}, key, "r1")
    assert again.headers["idempotency-replayed"] == "true"
    twice = await service.post(reversal, {"reason": "typing-error"}, key, "r2")
    assert twice.json()["type"] == "/problems/already-reversed"
    missing = await service.post(f"{ENTRIES}/99/reversal", {"reason": "typing-error"}, key, "r3")
    assert missing.status_code == 404
    of_reversal = await service.post(f"{ENTRIES}/3/reversal", {"reason": "typing-error"}, key, "r4")
    assert of_reversal.json()["type"] == "/problems/not-reversible"


def _paths_of_every_kind() -> list[tuple[str, str]]:
    return [(kind.name, kind.pattern.replace("{}", "x")) for kind in SHIPPED.kinds.values()]


@pytest.mark.parametrize("entry_kind", sorted({m.entry for m in SHIPPED.movements.values()} | {"reversal"}))
async def test_a_key_of_every_scope_moves_no_wallet_fund_or_stock_through_the_generic_door(
    entry_kind: str, sqlite_url: str
) -> None:
    async with running(sqlite_url) as service:
        key = await service.key()
        closed = [path for name, path in _paths_of_every_kind() if name not in open_kinds(SHIPPED)]
        assert len(closed) == len(SHIPPED.kinds) - 1
        entries = []
        for _, path in _paths_of_every_kind():
            for other in closed:
                for commodity in ("POINT", "MINUTE", "CNY", "SKU:rice"):
                    if path != other:
                        for debit, credit in ((path, other), (other, path)):
                            entries.append(
                                {
                                    "kind": entry_kind,
                                    "movements": [
                                        {
                                            "debit": debit,
                                            "credit": credit,
                                            "commodity": commodity,
                                            "amount": 1,
                                            "lot": "2099-12-31/x" if commodity == "POINT" else "",
                                        }
                                    ],
                                }
                            )
        # even if somebody has opened the accounts, and also when the request asks to open them
        from pointsbank.ledger.model import Draft, OpenAccount

        opens = tuple(OpenAccount(path) for _, path in _paths_of_every_kind())
        await service.bank.ledger.submit(
            [Draft("test", "open", "test", bytes(16), 0, opens=opens)], frozenset()
        )
        answer = await service.post(BULK, {"entries": entries}, key, "b1")
        assert answer.json()["posted"] == 0
        assert {v["problem"]["type"] for v in answer.json()["verdicts"]} <= {
            "/problems/movement-not-allowed",
            "/problems/reserved-kind",
            "/problems/unknown-commodity",
        }
        for path in closed:
            opening = await service.post(ENTRIES, {**entry(), "opens": [path]}, key, f"open {path}")
            assert opening.json()["type"] == "/problems/movement-not-allowed"


@pytest.mark.parametrize(
    ("method", "path", "body", "key"),
    [
        ("POST", ENTRIES, entry(), "k1"),
        ("POST", ENTRIES, entry(movements=[{**MEMO, "credit": "memo:nobody"}]), "k2"),
        ("POST", ENTRIES, {"kind": 5}, "k3"),
        ("POST", ENTRIES, entry(), ""),
        (
            "POST",
            BULK,
            {"entries": [entry(3), entry(movements=[{**MEMO, "amount": 5, "debit": "memo:no"}])]},
            "k4",
        ),
        ("POST", BULK, {"entries": [entry(3), {**entry(), "kind": "earn"}], "atomic": True}, "k5"),
        ("POST", BULK, {"entries": []}, "k6"),
        ("GET", "/api/v1/accounts/memo:a/balance", None, ""),
        ("GET", "/api/v1/accounts/memo:nobody/balance", None, ""),
        ("GET", "/api/v1/accounts/a%00b/balance", None, ""),
    ],
)
async def test_the_fast_lane_and_the_framework_answer_alike(
    method: str, path: str, body: object, key: str, sqlite_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    import shutil

    second = tmp_path_factory.mktemp("second") / "books.db"
    shutil.copy(sqlite_url.removeprefix("sqlite:///"), second)
    shutil.copy(Path(sqlite_url.removeprefix("sqlite:///")).with_name("people.db"), second.parent)
    answers = []
    for url, fast_lane in ((sqlite_url, True), (f"sqlite:///{second}", False)):
        from pointsbank.engine.clock import FixedClock

        async with running(url, clock=FixedClock(1_795_000_000_000_000), fast_lane=fast_lane) as service:
            token = await service.key()
            await service.get("/api/v1/accounts", token)  # the key is remembered now
            for _ in range(2):
                await service.post(ENTRIES, entry(7), token, "first")
            headers = {"Authorization": f"Bearer {token}", "X-Request-Id": "the-same-id"}
            if key:
                headers["Idempotency-Key"] = key
            for _ in range(2):
                answer = await service.client.request(method, path, json=body, headers=headers)
                answers.append((answer.status_code, answer.content, dict(answer.headers)))
    assert answers[:2] == answers[2:]
