"""API keys over HTTP: make, list, revoke. A key's text is shown once."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import Response, Router, delete, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import Meta

from pointsbank.access.model import NEVER, ApiKey, Scope
from pointsbank.engine.commands import Command
from pointsbank.ledger.refusals import Refusal
from pointsbank.web.api.answers import answered, replayed
from pointsbank.web.api.describe import READING, WRITING, IdempotencyKey, Limit, operation, problems
from pointsbank.web.api.shapes import micros, when
from pointsbank.web.bank import Bank
from pointsbank.web.guard import actor_in, needs, person
from pointsbank.web.problems import FieldError, ProblemError, refused
from pointsbank.web.validation import BankRequest

PERSONAL = ("form-expired", "step-up-required", "stale-read")
"""What a logged-in person may be answered besides."""

KeyId = Annotated[str, PathParameter(min_length=1, max_length=32, pattern="^[0-9A-Za-z]+$")]


class KeyIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key to make. `client` is who it speaks for: idempotency keys belong to it, so a key can be
    replaced."""

    client: Annotated[str, Meta(min_length=1, max_length=64, pattern="^[a-z0-9][a-z0-9._-]*$")]
    label: Annotated[str, Meta(max_length=100, pattern="^[^\\u0000-\\u001f\\u007f\\ud800-\\udfff]*$")]
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=20)]
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None


class KeyOut(msgspec.Struct, frozen=True):
    """A key on file, without its secret. `expires_at` is null for never.

    `owner` is person, machine, or operator for a key made before the ledger had staff. A `proposed` key opens nothing
    until a second person has confirmed it.
    """

    id: str
    client: str
    label: str
    scopes: list[str]
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    state: str
    owner: str
    person: str
    confirmed_by: str


class IssuedKeyOut(msgspec.Struct, frozen=True):
    """A key that was made. `token` is its text, this once; null when the command is repeated."""

    key: KeyOut
    token: str | None


class KeyPage(msgspec.Struct, frozen=True):
    """Keys in the order of their ids; `next` is the `after` of the next page, null at the end."""

    keys: list[KeyOut]
    next: str | None


@get(
    "/",
    opt=needs("keys:manage"),
    responses=problems(*READING),
    **operation("API keys on file.", "列出 API 密钥"),
)
async def list_keys(
    bank: NamedDependency[Bank],
    after: Annotated[str, QueryParameter(max_length=32, pattern="^[0-9A-Za-z]*$")] = "",
    limit: Limit = 100,
) -> Response[KeyPage]:
    keys = await bank.keys.list(after=after, limit=limit)
    return answered(KeyPage([key_out(key) for key in keys], keys[-1].id if len(keys) == limit else None))


@post(
    "/",
    opt=needs("keys:manage"),
    responses=problems(*WRITING, *PERSONAL, "expired-already", "idempotency-conflict", "document-exists"),
    **operation(
        "Make an API key; its text is in this answer and nowhere else.", "新建 API 密钥（只显示这一次）"
    ),
)
async def issue_key(
    bank: NamedDependency[Bank], request: BankRequest, data: JSONBody[KeyIn], idempotency_key: IdempotencyKey
) -> Response[IssuedKeyOut]:
    actor = actor_in(request)
    beyond = [] if actor.person else sorted(set(data.scopes) - actor.scopes)
    if beyond:
        # No source hands out what it does not have; for a person the table of rights bounds a machine's key.
        raise ProblemError("forbidden", scope=", ".join(beyond))
    expires_at = NEVER if data.expires_at is None else micros(data.expires_at)
    if data.expires_at is not None and not 0 < expires_at < 2**53:
        fault = FieldError("body", "expires_at", "Expected a time after 1970 and before the year 2255")
        raise ProblemError("invalid-request", errors=[fault], count=1)
    command = Command(actor.client, idempotency_key, actor.name)
    issued = await bank.keys.issue(
        data.client, data.label, set(data.scopes), expires_at, command, actor=actor
    )
    if isinstance(issued, Refusal):
        raise refused(issued)
    return answered(IssuedKeyOut(key_out(issued.key), issued.token), 201, replayed(issued.token is None))


@delete(
    "/{key_id:str}",
    opt=needs("keys:manage"),
    status_code=200,
    responses=problems(
        *READING,
        *PERSONAL,
        "idempotency-key-required",
        "idempotency-conflict",
        "state-changed",
        "unknown-api-key",
        "overloaded",
        "outcome-unknown",
        "stopped",
    ),
    **operation("Revoke an API key, from now on.", "吊销 API 密钥，立即生效"),
)
async def revoke_key(
    bank: NamedDependency[Bank], request: BankRequest, key_id: KeyId, idempotency_key: IdempotencyKey
) -> Response[KeyOut]:
    actor = actor_in(request)
    result = await bank.keys.revoke(key_id, Command(actor.client, idempotency_key, actor.name), actor=actor)
    if isinstance(result, Refusal):
        raise refused(result)
    key = await bank.keys.find(key_id)
    assert key is not None
    return answered(key_out(key), headers=replayed(result.replayed))


@post(
    "/{key_id:str}/confirmation",
    opt=person("keys:confirm", bounded=True),
    status_code=200,
    responses=problems(
        *WRITING,
        *PERSONAL,
        "idempotency-conflict",
        "state-changed",
        "unknown-api-key",
        "own-role",
        "second-person-needed",
    ),
    **operation("Confirm a key that another person has made.", "确认他人新建的 API 密钥"),
)
async def confirm_key(
    bank: NamedDependency[Bank], request: BankRequest, key_id: KeyId, idempotency_key: IdempotencyKey
) -> Response[KeyOut]:
    actor = actor_in(request)
    command = Command(actor.client, idempotency_key, actor.name)
    confirmed = await bank.keys.confirm(actor, key_id, command)
    if isinstance(confirmed, Refusal):
        raise refused(confirmed)
    return answered(key_out(confirmed))


def key_out(key: ApiKey) -> KeyOut:
    """A key as the API shows it."""
    expires_at = None if key.expires_at == NEVER else when(key.expires_at)
    return KeyOut(
        key.id,
        key.client,
        key.label,
        sorted(key.scopes),
        when(key.created_at),
        key.created_by,
        expires_at,
        key.state,
        key.owner,
        key.person,
        key.confirmed_by,
    )


router = Router(
    "/api-keys", route_handlers=[list_keys, issue_key, revoke_key, confirm_key], tags=["access 访问"]
)
