"""The API's document is true whoever asks: generated requests by every subject of the table of rights.

One town for all of them. Each operation is asked by each caller about things that exist; whom the door lets in also
sends generated requests, right ones and wrong ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import quote

import httpx
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.web.callers import NO_CALLERS, Caller, everybody
from tests.web.test_bounds import AT, Land, Things, land  # noqa: F401
from tests.web.test_openapi import OPERATIONS

from pointsbank.access.rights import rights
from pointsbank.web.problems import MEDIA_TYPE

COUNT = Counter()
LAST = ("DELETE /api/v1/me/session", "DELETE /api/v1/people/{person_id}/closing", "POST /api/v1/me/ward")
"""What ends a session, or what a session is for: asked when everybody has asked everything else."""

SHUT = frozenset({401, 403})
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


async def test_the_document_is_true_for_every_subject_of_the_table(land: Land) -> None:  # noqa: F811
    callers = await everybody(land)
    # what the engines differ in lies behind the door: there one who is let in is enough
    is_second_engine = land.service.bank.settings.database.startswith("postgresql")
    assert {caller.subject for caller in callers} | set(NO_CALLERS) == set(rights().subjects)
    found: set[str] = set()
    answers: dict[str, set[int]] = {caller.subject: set() for caller in callers}
    refusals: set[tuple[str, int, str]] = set()
    transport = httpx.ASGITransport(land.service.app, raise_app_exceptions=False, client=("192.0.2.1", 5))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        for number in sorted(range(len(OPERATIONS)), key=lambda number: OPERATIONS[number].label in LAST):
            operation = OPERATIONS[number]
            if operation.label == LAST[0]:
                for caller in callers:
                    probe = await client.get(caller.probe, headers=_headers(caller))
                    assert probe.status_code == 200, (caller.subject, probe.text)
            cases = _cases(number)
            asked = [(cases[0], _known(operation, cases[0], land.here))]
            asked += [(case, _wire(case)) for case in cases]
            for caller in callers:
                for case, request in asked:
                    answer = await client.send(_from(caller, request))
                    answers[caller.subject].add(answer.status_code)
                    refusal = (operation.label, answer.status_code, _kind(answer))
                    if refusal not in refusals:  # the same refusal is not held against the document again
                        found |= {f"{caller.subject}: {wrong}" for wrong in _wrong(case, answer)}
                    refusals |= {refusal} if refusal[2] else set()
                    if answer.status_code in SHUT:
                        break  # the door is shut for this caller, whatever the request says
                else:
                    if is_second_engine:
                        break
    assert found == set()
    for caller in callers if not is_second_engine else ():
        assert 200 in answers[caller.subject], caller.subject
        assert answers[caller.subject] & SHUT, caller.subject


@cache
def _cases(number: int) -> list[Case]:
    """A right and a wrong request of an operation, the same in every run."""
    operation = OPERATIONS[number]
    has_input = operation.definition.raw.get("parameters") or operation.body
    modes = GenerationMode if has_input else [GenerationMode.POSITIVE]
    return [_one(operation.as_strategy(generation_mode=mode)) for mode in modes]


def _one(cases: SearchStrategy[Case]) -> Case:
    made: list[Case] = []

    @given(case=cases)
    @settings(
        max_examples=2,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def collect(case: Case) -> None:
        made.append(case)

    collect()
    return made[-1]  # the first is the least that there is


def _wire(case: Case) -> httpx.Request:
    """The generated request as it goes over the wire."""
    prepared = requests.Request(**case.as_transport_kwargs(base_url="http://testserver")).prepare()
    return httpx.Request(
        str(prepared.method), str(prepared.url), headers=dict(prepared.headers), content=prepared.body or b""
    )


def _known(operation: Any, case: Case, things: Things) -> httpx.Request:
    """A request about things that exist, with what else the operation needs."""
    headers = {"Idempotency-Key": f"known {operation.label}"}
    if operation.label in AT:
        path, body = AT[operation.label](things)
    else:
        ids = {
            name: quote(str(_ids(things).get(name, value)), safe="")
            for name, value in (case.path_parameters or {}).items()
        }
        path, body = operation.path.format(**ids), case.body
        if isinstance(body, dict):
            body = {name: _ids(things).get(name, value) for name, value in body.items()}
        elif not isinstance(body, list):
            body = None
    return httpx.Request(operation.method.upper(), f"http://testserver{path}", json=body, headers=headers)


def _ids(things: Things) -> dict[str, Any]:
    """What the document's parameters and fields name, of things that exist."""
    return {
        "person_id": things.resident, "person": things.person, "place": things.place, "code": things.station,
        "station": things.station, "record_id": things.record, "records": [things.record],
        "activity_id": things.activity, "activity": things.activity, "session": things.session,
        "sheet_id": things.sheet, "sequence": things.sequence, "reference": things.receipt,
        "receipt": things.receipt, "number": "V1", "subject": things.place, "volunteer": "V1",
        "path": f"volunteer:{things.person}:available", "terminal_id": things.terminal, "grant_id": things.grant,
        "sku": things.sku,
    }  # fmt: skip


def _from(caller: Caller, request: httpx.Request) -> httpx.Request:
    """The request with what its sender shows at the door."""
    shown = httpx.Headers(_headers(caller))
    said = {
        n: v for n, v in request.headers.items() if n not in ("authorization", "cookie") and n not in shown
    }
    headers = {**said, **shown}
    return httpx.Request(request.method, request.url, headers=headers, content=request.content)


def _headers(caller: Caller) -> dict[str, str]:
    cookies = "; ".join(f"{name}={value}" for name, value in caller.cookies.items())
    return {**caller.headers, **({"Cookie": cookies} if cookies else {})}


def _kind(answer: httpx.Response) -> str:
    """The type of a problem, empty of any other answer."""
    is_problem = answer.headers.get("content-type", "").startswith(MEDIA_TYPE)
    return str(answer.json()["type"]) if is_problem else ""


def _wrong(case: Case, answer: httpx.Response) -> Iterator[str]:
    """What the document does not say of this answer."""
    try:
        case.validate_response(answer, checks=CHECKS)
    except FailureGroup as failures:
        for failure in failures.exceptions:
            yield f"{case.operation.label} {answer.status_code}: {failure.title}: {failure.message}"
