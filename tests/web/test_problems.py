"""Every way of saying no: documented, stable, in two languages, and without a word of what went wrong
inside."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest

from pointsbank.engine.failures import CommitOutcomeUnknown, WriterError, WriterOverloaded, WriterStopped
from pointsbank.ledger.refusals import PRECEDENCE, Refusal
from pointsbank.market.model import BasketVerdict, ReturnVerdict
from pointsbank.readers.refusals import QuestionRefused
from pointsbank.web.problems import MEDIA_TYPE, PROBLEMS, ProblemError, amount_text, problem_of

from .conftest import Service, entry

DOCS = Path(__file__).parents[2] / "docs" / "errors.md"


def _subclasses(kind: type[Any]) -> set[type[Any]]:
    return set(kind.__subclasses__()).union(*(_subclasses(sub) for sub in kind.__subclasses__()))


def _code(kind: type[Any]) -> str:
    return str(kind.__struct_config__.tag)


def test_the_docs_have_one_heading_for_each_problem_in_order_of_precedence() -> None:
    headings = re.findall(r"^## (\S+)$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert headings == list(PROBLEMS)


def test_the_docs_say_what_the_service_says() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for slug, problem in PROBLEMS.items():
        section = text.split(f"\n## {slug}\n")[1].split("\n## ")[0]
        assert f"**{problem.title} / {problem.title_en}** · {problem.status}" in section
        assert ("可重试" in section) == problem.retry
        for detail in (problem.detail, problem.detail_en):
            assert re.sub(r"\{(\w+)\}", r"*\1*", detail) in section


def test_every_refusal_of_the_ledger_and_the_readers_has_its_problem() -> None:
    ours = {kind for kind in _subclasses(Refusal) if kind.__module__.startswith("pointsbank.")}
    assert {_code(kind) for kind in ours | _subclasses(QuestionRefused)} <= set(PROBLEMS)
    order = [slug for slug in PROBLEMS if slug in {_code(kind) for kind in PRECEDENCE}]
    assert order == [_code(kind) for kind in PRECEDENCE]
    for kind in ours:
        assert PROBLEMS[_code(kind)].retry == kind.retry


def test_every_verdict_of_the_market_and_every_error_of_the_writer_has_its_problem() -> None:
    verdicts = {v.replace("_", "-") for v in (*get_args(BasketVerdict), *get_args(ReturnVerdict))} - {
        "accepted"
    }
    assert verdicts <= set(PROBLEMS)
    assert {kind.code for kind in (WriterOverloaded, WriterStopped, CommitOutcomeUnknown)} <= set(PROBLEMS)


def test_every_sentence_is_whole_whatever_facts_there_are() -> None:
    for slug, problem in PROBLEMS.items():
        document = problem_of(ProblemError(slug), "id")
        assert "{" not in document.detail + document.detail_en
        assert re.search(r"[\u4e00-\u9fff]", document.detail + document.title)
        assert not re.search(r"[\u4e00-\u9fff]", problem.detail_en + problem.title_en)
        assert (
            document.detail.endswith(("。", "errors 中。", "Allow。", "？")) or "{problem}" in problem.detail
        )


@pytest.mark.parametrize(
    ("minor", "decimals", "text"),
    [(12345, 2, "123.45"), (5, 2, "0.05"), (-5, 2, "-0.05"), (0, 2, "0.00"), (7, 0, "7")],
)
def test_amounts_read_as_people_write_them(minor: int, decimals: int, text: str) -> None:
    assert amount_text(minor, decimals) == text


async def test_every_error_is_a_problem_document(small_service: Service) -> None:
    service = small_service
    key = await service.key()
    big = entry(metadata={"a": "x" * 64})
    cases = [
        (await service.get("/api/v1/nothing"), 404, "not-found"),
        (await service.client.put("/api/v1/accounts"), 405, "method-not-allowed"),
        (await service.get("/api/v1/accounts"), 401, "unauthenticated"),
        (await service.get("/api/v1/accounts?limit=0", key), 400, "invalid-request"),
        (await service.get("/api/v1/accounts/memo:x", key), 404, "no-such-account"),
        (await service.get("/api/v1/accounts/memo:x/statement?cursor=abc", key), 404, "no-such-account"),
        (await service.get("/api/v1/trial-balance?sequence=99", key), 404, "sequence-ahead"),
        (
            await service.get("/api/v1/trial-balance?sequence=0&at=2026-01-01T00:00:00Z", key),
            400,
            "question-invalid",
        ),
        (await service.get("/api/v1/trial-balance?at=yesterday", key), 400, "invalid-request"),
        (
            await service.post(
                "/api/v1/journal-entries", {**big, "movements": big["movements"] * 20_000}, key, "k"
            ),
            413,
            "payload-too-large",
        ),
        (
            await service.client.post(
                "/api/v1/journal-entries",
                content=b"{",
                headers={
                    "Authorization": f"Bearer {key}",
                    "Idempotency-Key": "k",
                    "Content-Type": "application/json",
                },
            ),
            400,
            "malformed-json",
        ),
        (
            await service.client.post(
                "/api/v1/journal-entries",
                content=b"\xff",
                headers={
                    "Authorization": f"Bearer {key}",
                    "Idempotency-Key": "k",
                    "Content-Type": "application/json",
                },
            ),
            400,
            "malformed-json",
        ),
        (
            await service.client.post(
                "/api/v1/journal-entries",
                content=b"kind=memo",
                headers={
                    "Authorization": f"Bearer {key}",
                    "Idempotency-Key": "k",
                    "Content-Type": "application/x-www-form-urlencoded",
                },
            ),
            415,
            "unsupported-media-type",
        ),
    ]
    for answer, status, slug in cases:
        assert (answer.status_code, answer.headers["content-type"]) == (status, MEDIA_TYPE), (
            slug,
            answer.text,
        )
        document = answer.json()
        assert document["type"] == f"/problems/{slug}"
        assert document["status"] == status
        assert document["request_id"] == answer.headers["x-request-id"]
    assert cases[1][0].headers["allow"]


@pytest.mark.parametrize(
    ("error", "status", "slug", "retry_after"),
    [
        (WriterOverloaded("9 drafts"), 503, "overloaded", "1"),
        (WriterStopped("stopping"), 503, "stopped", "5"),
        (CommitOutcomeUnknown("no answer"), 503, "outcome-unknown", "2"),
        (WriterError("the store failed: secret detail"), 500, "internal-error", None),
        (RuntimeError("secret detail"), 500, "internal-error", None),
    ],
)
@pytest.mark.parametrize("lane", [True, False])
async def test_what_fails_inside_is_logged_and_not_told(
    error: Exception,
    status: int,
    slug: str,
    retry_after: str | None,
    lane: bool,
    small_service: Service,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from structlog.testing import capture_logs

    service = small_service
    key = await service.key()
    if lane:
        await service.get("/api/v1/accounts", key)

    def failing(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(service.bank.ledger, "submit", failing)
    with capture_logs() as logs:
        answer = await service.post("/api/v1/journal-entries", entry(), key, "k")
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{slug}")
    assert answer.headers.get("retry-after") == retry_after
    assert "secret" not in answer.text
    assert any(line["event"] == "request.failed" for line in logs) == (status == 500)


@pytest.mark.parametrize("error", [ConnectionRefusedError("no"), TimeoutError("no")])
async def test_a_database_that_does_not_answer_is_said_to_be_unavailable(
    error: Exception, small_service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await small_service.key()
    await small_service.get("/api/v1/accounts", key)

    async def failing(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(small_service.bank.ledger.database, "read", failing)
    for path in ("/api/v1/accounts", "/api/v1/trial-balance", "/health/ready"):
        answer = await small_service.get(path, key)
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/unavailable")
        assert answer.headers["retry-after"]


async def test_a_person_gets_a_page_and_a_program_a_document(small_service: Service) -> None:
    page = await small_service.get("/nothing", Accept="text/html")
    assert page.status_code == 404
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "没有这个地址" in page.text
    document = await small_service.get("/nothing", Accept="*/*")
    assert document.headers["content-type"] == MEDIA_TYPE


async def test_the_type_of_a_problem_leads_to_its_page(small_service: Service) -> None:
    for slug, problem in PROBLEMS.items():
        page = await small_service.get(f"/problems/{slug}", Accept="text/html")
        assert page.status_code == 200
        assert problem.title in page.text
    listed = await small_service.get("/problems?lang=en", Accept="text/html")
    assert all(f'id="{slug}"' in listed.text for slug in PROBLEMS)
