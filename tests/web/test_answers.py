"""What every answer carries: request id, security headers, ETag; and what the log says of it."""

from __future__ import annotations

import json

from structlog.testing import capture_logs

from pointsbank.web.frontdoor import SECURITY_HEADERS

from .conftest import Service, entry, running

ENTRIES = "/api/v1/journal-entries"


async def test_an_unchanged_answer_is_not_sent_again(service: Service) -> None:
    key = await service.key()
    await service.post(ENTRIES, entry(), key, "k1")
    for path in (
        "/api/v1/accounts/memo:a/balance",
        "/api/v1/accounts/memo:a/statement",
        "/api/v1/trial-balance",
    ):
        first = await service.get(path, key)
        assert first.headers["etag"] == '"2"'
        same = await service.get(path, key, If_None_Match=f'"0", W/{first.headers["etag"]}')
        assert (same.status_code, same.content) == (304, b"")
    await service.post(ENTRIES, entry(), key, "k2")
    moved = await service.get("/api/v1/accounts/memo:a/balance", key, If_None_Match='"2"')
    assert moved.status_code == 200
    assert moved.json()["commodities"][0]["total"] == 200


async def test_balances_and_the_trial_balance_are_shown_as_of_an_entry_or_a_time(service: Service) -> None:
    key = await service.key()
    first = await service.post(ENTRIES, entry(100), key, "k1")
    await service.post(ENTRIES, entry(30), key, "k2")
    then = first.json()["recorded_at"]
    for question in ("sequence=2", f"at={then}", f"at={then.replace('Z', '%2B00:00')}"):
        held = (await service.get(f"/api/v1/accounts/memo:a/balance?{question}", key)).json()
        assert (held["sequence"], held["commodities"][0]["total"]) == (2, 100)
        books = (await service.get(f"/api/v1/trial-balance?{question}", key)).json()
        assert books["sequence"] == 2
        assert all(total["debit"] == total["credit"] for total in books["totals"])
    assert (await service.get("/api/v1/accounts/memo:b/balance", key)).json()["commodities"][0][
        "total"
    ] == -130


async def test_a_statement_is_read_page_by_page(service: Service) -> None:
    key = await service.key()
    for n in range(5):
        await service.post(ENTRIES, entry(n + 1), key, f"k{n}")
    cursor, totals = "", []
    while True:
        page = (await service.get(f"/api/v1/accounts/memo:a/statement?limit=2&cursor={cursor}", key)).json()
        totals += [line["total"] for line in page["lines"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert totals == [15, 10, 6, 3, 1]
    after, sequences = 0, []
    while after is not None:
        page = (await service.get(f"{ENTRIES}?limit=2&after={after}", key)).json()
        sequences += [found["sequence"] for found in page["entries"]]
        after = page["next"]
    assert sequences == [1, 2, 3, 4, 5, 6]


async def test_accounts_are_listed_by_prefix_and_kind(service: Service) -> None:
    key = await service.key()
    await service.post(ENTRIES, entry(), key, "k1")
    one = (await service.get("/api/v1/accounts?prefix=memo:&limit=1", key)).json()
    assert [account["path"] for account in one["accounts"]] == ["memo:a"]
    rest = (await service.get(f"/api/v1/accounts?prefix=memo:&after={one['next']}", key)).json()
    assert [account["path"] for account in rest["accounts"]] == ["memo:b"]
    funds = (await service.get("/api/v1/accounts?kind=fund-issued", key)).json()
    assert {account["normal_side"] for account in funds["accounts"]} == {"credit"}
    memo = (await service.get("/api/v1/accounts/memo:a", key)).json()
    assert memo == {"path": "memo:a", "kind": "memo", "type": "asset", "normal_side": "debit", "floor": None}


async def test_every_answer_carries_the_headers_that_protect(small_service: Service) -> None:
    for path in ("/", "/nothing", "/api/v1/accounts", "/health/live", "/sign-in"):
        answer = await small_service.get(path, Accept="text/html")
        for name, value in SECURITY_HEADERS:
            assert answer.headers[name.decode()] == value.decode()
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "strict-transport-security" not in answer.headers


async def test_over_https_browsers_are_told_to_stay_there(sqlite_url: str) -> None:
    async with running(sqlite_url, secure_cookies=True) as service:
        answer = await service.get("/sign-in")
        assert "max-age" in answer.headers["strict-transport-security"]
        assert "Secure" in answer.headers["set-cookie"]


async def test_a_request_id_is_taken_over_if_it_is_well_formed(small_service: Service) -> None:
    mine = await small_service.get("/health/live", X_Request_Id="till-0421.000017")
    assert mine.headers["x-request-id"] == "till-0421.000017"
    for bad in ("short", "with blank in it", "x" * 65, "<script>alert"):
        answer = await small_service.get("/health/live", X_Request_Id=bad)
        assert len(answer.headers["x-request-id"]) == 16


async def test_the_log_names_the_request_and_no_secret(sqlite_url: str) -> None:
    async with running(sqlite_url) as service:
        service.app.asgi_handler._logs = True  # type: ignore[attr-defined]
        key = await service.key()
        with capture_logs() as logs:
            await service.get(
                "/api/v1/accounts?prefix=secret-prefix", key, X_Request_Id="request-0001", Cookie="a=secret-c"
            )
            await service.post(ENTRIES, entry(place="secret-place"), key, "secret-key")
            await service.post(ENTRIES, entry(place="secret-place"), key, "secret-key")
    text = json.dumps(logs)
    assert "secret" not in text
    assert key not in text
    [listing, posting, _] = logs
    assert listing["route"] == "/api/v1/accounts"
    assert (listing["status"], listing["request_id"]) == (200, "request-0001")
    assert listing["key"] == key.split("_")[1]
    assert (posting["method"], posting["route"], posting["status"]) == ("POST", ENTRIES, 201)


async def test_health_metrics_and_verification(small_service: Service) -> None:
    service = small_service
    key = await service.key()
    assert (await service.get("/health/live")).json() == {"status": "live"}
    assert (await service.get("/health/ready")).json() == {"status": "ready", "sequence": 1, "queued": 0}
    assert (await service.get("/api/v1/verification", key)).status_code == 404
    from pointsbank.access.verifications import Verification, record_verification

    await service.post(ENTRIES, entry(), key, "k1")
    await record_verification(service.bank.ledger, Verification(1_795_000_000_000_000, 1, 2, 2, 0, 12))
    await service.post(ENTRIES, entry(), key, "k2")
    told = (await service.get("/api/v1/verification", key)).json()
    assert (told["holds"], told["to_sequence"], told["behind"]) == (True, 2, 1)
    metrics = await service.get("/metrics", key)
    assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert (
        'pointsbank_http_requests_total{method="GET",route="/health/live",status="200"} 1.0' in metrics.text
    )
    assert "pointsbank_writer_batches" in metrics.text


async def test_a_service_whose_writer_has_stopped_is_not_ready(small_service: Service) -> None:
    await small_service.bank.ledger.writer.stop()
    answer = await small_service.get("/health/ready")
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/stopped")
    assert answer.headers["retry-after"]
