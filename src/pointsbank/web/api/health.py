"""How the service is: alive, ready, its figures, and what `verify` said last."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Literal

import msgspec
import structlog
from litestar import Response, Router, get
from litestar.di import NamedDependency
from sqlalchemy import Connection

from pointsbank.access.verifications import Verification, latest_verification
from pointsbank.readers.moments import head
from pointsbank.web.api.answers import NO_STORE, answered
from pointsbank.web.api.describe import READING, operation, problems
from pointsbank.web.api.shapes import when
from pointsbank.web.bank import Bank
from pointsbank.web.guard import PUBLIC, needs
from pointsbank.web.metrics import MEDIA_TYPE
from pointsbank.web.problems import ProblemError

log = structlog.get_logger("pointsbank.health")

PATIENCE_SECONDS = 2.0


class Live(msgspec.Struct, frozen=True):
    """The process answers."""

    status: Literal["live"]


class Ready(msgspec.Struct, frozen=True):
    """The writer takes drafts and the books can be read; they stand at `sequence`."""

    status: Literal["ready"]
    sequence: int
    queued: int


class VerificationOut(msgspec.Struct, frozen=True):
    """The newest run of `verify`: `holds` if all invariants did, up to entry `to_sequence`."""

    holds: bool
    findings: int
    finished_at: datetime
    from_sequence: int
    to_sequence: int
    entries: int
    behind: int
    """entries posted since"""


@get("/live", opt=PUBLIC, **operation("Whether the process answers.", "进程是否在运行"))
async def live() -> Response[Live]:
    return answered(Live("live"))


@get(
    "/ready",
    opt=PUBLIC,
    responses=problems("stopped", "unavailable"),
    **operation("Whether the service can post and read.", "是否可以记账和查询"),
)
async def ready(bank: NamedDependency[Bank]) -> Response[Ready]:
    writer = bank.ledger.writer
    if not writer.is_running:
        raise ProblemError("stopped")
    try:
        sequence = await asyncio.wait_for(bank.ask(_sequence), PATIENCE_SECONDS)
    except Exception as error:
        log.warning("health.not_ready", error=type(error).__name__)
        raise ProblemError("unavailable") from error
    return answered(Ready("ready", sequence, writer.queued))


@get(
    "/verification",
    opt=needs("ledger:read"),
    responses=problems(*READING, "not-found"),
    **operation("What `verify` found last.", "最近一次核验的结果"),
)
async def get_verification(bank: NamedDependency[Bank]) -> Response[VerificationOut]:
    found: tuple[Verification, int] | None = await bank.ask(_verification)
    if found is None:
        raise ProblemError("not-found")
    run, newest = found
    return answered(
        VerificationOut(
            run.holds,
            run.findings,
            when(run.finished_at),
            run.from_sequence,
            run.to_sequence,
            run.entries,
            max(0, newest - run.to_sequence),
        )
    )


@get(
    "/metrics",
    opt=needs("metrics:read"),
    media_type="text/plain",
    responses=problems(*READING),
    tags=["health 运行"],
    **operation("Figures in the text format of Prometheus.", "Prometheus 指标"),
)
async def get_metrics(bank: NamedDependency[Bank]) -> Response[str]:
    return Response(bank.metrics.text().decode(), headers=NO_STORE, media_type=MEDIA_TYPE)


def _sequence(connection: Connection, ledger_id: int) -> int:
    now = head(connection, ledger_id)
    return now.sequence if now else 0


def _verification(connection: Connection, ledger_id: int) -> tuple[Verification, int] | None:
    run = latest_verification(connection, ledger_id)
    return None if run is None else (run, _sequence(connection, ledger_id))


health = Router("/health", route_handlers=[live, ready], tags=["health 运行"])
verification = Router("/", route_handlers=[get_verification], tags=["verify 核验"])
