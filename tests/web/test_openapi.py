"""The API's document is true: what the service answers to generated requests is what the document says."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.people_of import settings_for

from pointsbank.access.model import NEVER, SCOPES
from pointsbank.access.pepper import make_pepper
from pointsbank.access.service import IssuedKey, KeyDesk, KeyRing
from pointsbank.app import create_app
from pointsbank.engine.clock import SystemClock
from pointsbank.engine.commands import Command
from pointsbank.engine.registry import open_ledger
from pointsbank.ledger.refusals import PRECEDENCE
from pointsbank.people.master import master_keys
from pointsbank.people.store import people_store
from pointsbank.record_sheets.signing import make_key
from pointsbank.settings import Settings
from pointsbank.store.database import Database
from pointsbank.web.problems import MEDIA_TYPE, PROBLEMS

from .conftest import entry

NO_COMMANDS = {
    ("post", "/api/v1/sessions"),
    ("post", "/api/v1/sessions/step-up"),
    ("post", "/api/v1/sessions/password"),
    ("delete", "/api/v1/sessions/{session_id}"),
    ("post", "/api/v1/staff/credentials"),
    ("post", "/api/v1/record-sheets/public"),
    ("post", "/api/v1/record-sheets/public/name"),
    ("post", "/api/v1/terminals/enrolment"),
    ("post", "/api/v1/visits"),
    ("post", "/api/v1/visits/pin"),
    ("post", "/api/v1/visits/code"),
    ("post", "/api/v1/me/codes"),
    ("post", "/api/v1/me/sessions"),
    ("post", "/api/v1/me/ward"),
    ("post", "/api/v1/oidc/requests"),
    ("post", "/api/v1/oidc/sessions"),
    ("post", "/api/v1/oidc/link"),
    ("delete", "/api/v1/oidc/link"),
    ("delete", "/api/v1/me/session"),
    ("delete", "/api/v1/me/sessions/{session_id}"),
    # questions whose words are personal: they stand in the body, and each is written down
    ("post", "/api/v1/people/searches"),
    ("post", "/api/v1/people/{person_id}/profile"),
    ("post", "/api/v1/people/{person_id}/unmasking"),
    ("post", "/api/v1/people/{person_id}/export"),
    ("post", "/api/v1/people/{person_id}/passbook"),
    ("post", "/api/v1/volunteers/wallet"),
    ("post", "/api/v1/record-sheets/{sheet_id}/pdf"),
}
"""Doors and questions, not commands: a repeated log-in is a new one, and so is a look at somebody."""


async def _issue_key(url: str) -> str:
    database = Database(url)
    clock = SystemClock()
    async with open_ledger(database) as ledger:
        desk = KeyDesk(ledger, KeyRing(ledger, clock))
        issued = await desk.issue("fuzzer", "", SCOPES, NEVER, Command("test", "the key"))
    await database.close()
    assert isinstance(issued, IssuedKey)
    assert issued.token is not None
    return issued.token


async def _make_people(settings: Settings) -> None:
    people = people_store(settings, 1, master_keys(settings))
    await people.upgrade()
    await people.close()


@pytest.fixture(scope="module")
def served(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Address of a real server, and a key of every scope."""
    path = tmp_path_factory.mktemp("served") / "books.db"
    shutil.copy(sqlite_template, path)
    shutil.copy(sqlite_template.with_name("people.db"), path.parent)
    make_pepper(path.with_name(path.name + ".pepper"))
    url = f"sqlite:///{path}"
    key = asyncio.run(_issue_key(url))
    made = settings_for(url, access_log=False)
    make_key(path.with_name(path.name + ".sheet-key"))
    app = create_app(made)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="on", access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 30
    while not server.started and thread.is_alive() and time.monotonic() < until:
        thread.join(0.02)
    assert server.started
    address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "before"}
    httpx.post(f"{address}/api/v1/journal-entries", json=entry(), headers=headers).raise_for_status()
    yield address, key
    server.should_exit = True
    thread.join(30)


DOCUMENT: dict[str, Any] = msgspec.json.decode(
    msgspec.json.encode(create_app(Settings()).openapi_schema.to_schema(), enc_hook=str)
)
OPERATIONS = [found.ok() for found in schemathesis.openapi.from_dict(DOCUMENT).get_all_operations()]


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_the_service_answers_as_its_document_says(
    operation: Any, mode: GenerationMode, served: tuple[str, str]
) -> None:
    address, key = served
    if mode is GenerationMode.NEGATIVE and not (operation.definition.raw.get("parameters") or operation.body):
        return  # there is nothing that could be wrong

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=4,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def holds(case: Case) -> None:
        answer = case.call(base_url=address, headers={"Authorization": f"Bearer {key}"})
        case.validate_response(
            answer,
            checks=[
                not_a_server_error,
                status_code_conformance,
                content_type_conformance,
                response_schema_conformance,
            ],
        )

    holds()


@pytest.fixture(scope="module")
def document(served: tuple[str, str]) -> dict[str, Any]:
    """The document as the service gives it out."""
    answer = httpx.get(f"{served[0]}/api/openapi.json")
    assert answer.json() == DOCUMENT
    return DOCUMENT


def test_the_document_is_openapi_3_1_and_describes_every_operation(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert set(document["components"]["securitySchemes"]) == {"apiKey", "staffSession", "ownSession"}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert operation["summary"], (method, path)
            assert operation["description"], (method, path)
            if method in ("post", "put", "patch", "delete") and (method, path) not in NO_COMMANDS:
                keys = [p for p in operation["parameters"] if p["name"] == "Idempotency-Key"]
                assert keys, f"{method} {path} is a command"
                assert keys[0]["required"]
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    assert list(answer["content"]) == [MEDIA_TYPE], (method, path, status)


def test_the_document_lists_every_refusal_where_entries_are_posted(document: dict[str, Any]) -> None:
    answers = document["paths"]["/api/v1/journal-entries"]["post"]["responses"]
    listed = {slug for answer in answers.values() for slug in answer["description"].split("; ")}
    refusals = {str(kind.__struct_config__.tag) for kind in PRECEDENCE} - {"group-refused"}
    assert refusals <= listed
    assert {slug for slug in listed if "-" in slug} <= set(PROBLEMS)


def test_the_document_names_no_other_host(document: dict[str, Any]) -> None:
    assert [server["url"] for server in document["servers"]] == ["/"]
