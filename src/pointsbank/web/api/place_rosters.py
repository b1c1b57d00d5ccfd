"""A roster of places over HTTP: lines as a sheet has them, judged in their order, each with its verdict."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Annotated, Final

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta

from pointsbank.engine.commands import Command
from pointsbank.intake.forms import normalise
from pointsbank.intake.sheets import SheetLine
from pointsbank.ledger.model import Draft
from pointsbank.ledger.refusals import Refusal
from pointsbank.places.model import MAX_DEPTH
from pointsbank.rosters.report import WORDS
from pointsbank.rosters.service import ACCEPTED, ROOMS, PlacesRoster, RosterRefused, RosterService
from pointsbank.web.api.answers import answered, replayed
from pointsbank.web.api.describe import WRITING, IdempotencyKey, operation, problems
from pointsbank.web.api.place_shapes import GUARDED, TEXT
from pointsbank.web.bank import Bank
from pointsbank.web.bounds import Act, require_each
from pointsbank.web.guard import actor_in, needs
from pointsbank.web.posting import request_of
from pointsbank.web.problems import ProblemError, facts_of, refused
from pointsbank.web.validation import BankRequest

MAX_LINES: Final = 10_000
BODY_BYTES: Final = 16 * 1024 * 1024

Field = Annotated[str, Meta(max_length=200, pattern=TEXT)]


class RosterLineIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line as a sheet has it: `action` is open (also if empty), rename, move, close or merge."""

    code: Field
    kind: Field = ""
    name: Field = ""
    parent: Field = ""
    from_day: Field = ""
    action: Field = ""
    sector: Field = ""
    into: Field = ""


class RosterIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Lines, judged in the order in which they stand; with `dry_run` nothing is changed."""

    lines: Annotated[tuple[RosterLineIn, ...], Meta(min_length=1, max_length=MAX_LINES)]
    dry_run: bool = False


class RosterVerdict(msgspec.Struct, frozen=True):
    """What became of a line, in a code and in words."""

    position: int
    code: str
    verdict: str
    verdict_zh: str
    verdict_en: str


class RosterOut(msgspec.Struct, frozen=True):
    """Verdicts in the order of the lines."""

    accepted: int
    verdicts: list[RosterVerdict]


@post(
    "/bulk",
    opt=needs("places:manage", bounded=True),
    status_code=200,
    request_max_body_size=BODY_BYTES,
    responses=problems(*WRITING, *GUARDED),
    **operation(
        "Open and change many places; each line keeps its verdict. Repeated under its key it goes on where it stopped.",
        "批量登记地点与组织，逐行给出判定",
    ),
)
async def submit_roster(
    bank: NamedDependency[Bank],
    request: BankRequest,
    data: JSONBody[RosterIn],
    idempotency_key: IdempotencyKey,
) -> Response[RosterOut]:
    actor = actor_in(request)
    await require_each(bank, actor, "places:manage", _acts(data.lines))
    service = RosterService(bank.ledger, PlacesRoster(bank.ledger))
    source = "api:" + sha256(f"{actor.client}\0{idempotency_key}".encode()).hexdigest()[:32]
    lines = [
        SheetLine(position, tuple(map(normalise, msgspec.structs.astuple(line))))
        for position, line in enumerate(data.lines)
    ]
    if data.dry_run:
        return answered(_told(data, await service.preview(f"{source}:dry-run", lines)))
    # The key is taken by a draft of its own first: a roster may span several commits, so a repetition goes on where
    # it stopped, and another request under the same key is a conflict.
    digest = request_of("POST", request.scope["path"], data)
    claim = Draft("submit-roster", idempotency_key, actor.client, digest, bank.clock.now(), actor=actor.name)
    claimed = (await bank.ledger.submit([claim], ROOMS))[0]
    if isinstance(claimed, Refusal):
        raise refused(claimed)
    try:
        verdicts = await service.submit(source, lines, Command(actor.client, idempotency_key, actor.name))
    except RosterRefused as error:
        facts = facts_of(error.refusal)
        raise ProblemError(error.refusal.code, **facts, position=error.line) from error
    return answered(_told(data, verdicts), headers=replayed(claimed.replayed))


def _acts(lines: Iterable[RosterLineIn]) -> list[Act]:
    """Where each line acts: a new place under its parent, or under that place above it which is there before."""
    opened: dict[str, str] = {}
    acts: list[Act] = []
    for line in lines:
        touched = [line.parent, line.into] if line.action.strip() else [line.parent]
        if line.action.strip() in ("", "open"):
            opened[line.code] = line.parent
        else:
            touched = [line.code, *filter(None, touched)]
        acts += [Act(_before(opened, code)) for code in touched]
    return acts


def _before(opened: dict[str, str], code: str) -> str:
    """The place with this code, or if this roster opens it, the one above that does not come with the roster."""
    for _ in range(MAX_DEPTH):
        if code not in opened:
            break
        code = opened[code]
    return code


def _told(data: RosterIn, verdicts: list[str]) -> RosterOut:
    told = [
        RosterVerdict(position, line.code, verdict, WORDS[verdict][1], WORDS[verdict][2])
        for position, (line, verdict) in enumerate(zip(data.lines, verdicts, strict=True))
    ]
    return RosterOut(verdicts.count(ACCEPTED), told)
