"""The verbs of recognition: draw up a candidate list of a year, record an honour, revoke it by a new record."""

from __future__ import annotations

from datetime import date

import msgspec
from sqlalchemy import ColumnElement, Connection, select

from pointsbank.engine.commands import Command, request_digest
from pointsbank.engine.ids import new_id
from pointsbank.engine.registry import Ledger
from pointsbank.ledger.model import RECORDED_AT, Change, Draft, Receipt, Row
from pointsbank.ledger.refusals import Refusal
from pointsbank.policy.calendar import city_day
from pointsbank.readers.moments import sequence_now
from pointsbank.recognition.barred import barred
from pointsbank.recognition.figures import best_groups, best_of_year, on_notice
from pointsbank.recognition.scheme import Scheme
from pointsbank.recognition.tables import award_candidates, award_lists, honours

RECOGNITION = frozenset(["recognition"])
KINDS = ("person", "household", "team", "village", "unit")
MOST_WANTED = 10_000
CHUNK = 1000


class Candidate(msgspec.Struct, frozen=True):
    """A line of a candidate list. Equal minutes share a rank; `tied` marks those who share the last place."""

    subject: str
    rank: int
    minutes: int
    tied: bool
    level: str = ""


class CandidateList(msgspec.Struct, frozen=True):
    """A frozen list: its figures are those of the entry `as_of` and never change."""

    id: str
    scheme: str
    year: int
    wanted: int
    as_of: int
    candidates: tuple[Candidate, ...]


class Honour(msgspec.Struct, frozen=True):
    """An honour that a decision granted. `subject` is a person's or a group's id."""

    id: str
    subject: str
    title: str
    granted_on: str
    granted_by: str
    document_no: str
    state: str
    revokes: str = ""


class YearStillOpen(Refusal, frozen=True, tag="year-still-open"):
    """The year has not ended, or records of it still stand on public notice."""

    year: int
    pending: int


class UnknownHonour(Refusal, frozen=True, tag="unknown-honour"):
    """There is no such honour, or it was revoked before."""

    id: str


class Recognition:
    """Candidate lists and honours of one ledger."""

    def __init__(self, ledger: Ledger, zone: str, bar_years: int = 0) -> None:
        """`bar_years`: for so long who was found guilty of false hours is on no list."""
        self._ledger = ledger
        self._zone = zone
        self._bar_years = bar_years

    async def freeze(
        self, scheme: Scheme, year: int, wanted: int, command: Command, *, kind: str = "person"
    ) -> CandidateList | Refusal:
        """Draw up the list of a year: the `wanted` people, or groups of a kind, with the most minutes; all of a tie.

        Refused while the year runs or a notice of it does. The same command again gives the same list.
        """
        if not 0 < wanted <= MOST_WANTED or kind not in KINDS:
            raise ValueError(f"a list takes 1 to {MOST_WANTED} candidates of {', '.join(KINDS)}")
        list_id = f"{year}-{request_digest(command.client, command.key).hex()}"
        earlier = await self._ledger.database.read(list_of, self._ledger.id, list_id)
        if earlier is not None:
            return earlier
        today = city_day(self._ledger.writer.clock.now(), self._zone)
        bar = (today, self._bar_years, self._zone)
        made = await self._ledger.database.read(
            _draw_up, self._ledger.id, list_id, scheme, year, wanted, kind, bar
        )
        if isinstance(made, YearStillOpen):
            return made
        if today <= date(year, 12, 31):
            return YearStillOpen(year, 0)
        drafts = [
            _draft(
                "freeze-list",
                Command(command.client, f"{command.key}:{start}", command.actor),
                (list_id, str(start)),
                tuple(
                    Row(
                        "award_candidates",
                        (list_id, c.subject, c.rank, c.minutes, c.level, int(c.tied)),
                        key_length=2,
                    )
                    for c in made.candidates[start : start + CHUNK]
                ),
            )
            for start in range(0, len(made.candidates), CHUNK)
        ]
        row = Row(
            "award_lists",
            (
                list_id, scheme.name, kind, year, wanted, len(made.candidates), made.as_of, command.actor,
                RECORDED_AT,
            ),
        )  # fmt: skip
        request = (list_id, scheme.name, str(year), str(wanted), kind)
        drafts.append(_draft("freeze-list", command, request, (row,)))
        results = await self._ledger.submit(drafts, RECOGNITION, atomic=True)
        refused = next((result for result in results if isinstance(result, Refusal)), None)
        if refused is not None:
            return await self._ledger.database.read(list_of, self._ledger.id, list_id) or refused
        return made

    async def record_honour(
        self, subject: str, title: str, granted_on: date, granted_by: str, document_no: str, command: Command
    ) -> Receipt | Refusal:
        """Keep an honour with the number of the decision that granted it. An honour gives no points by itself."""
        row = (
            new_id(), subject, title, granted_on.isoformat(), granted_by, document_no, "valid", "", command.actor,
            RECORDED_AT,
        )  # fmt: skip
        request = (subject, title, granted_on.isoformat(), granted_by, document_no)
        draft = _draft("record-honour", command, request, (Row("honours", row),))
        return (await self._ledger.submit([draft], RECOGNITION))[0]

    async def revoke(
        self, honour_id: str, decided_on: date, decided_by: str, document_no: str, command: Command
    ) -> Receipt | Refusal:
        """Revoke an honour by a new record that names it; both stay visible."""
        found = await self._ledger.database.read(honour, self._ledger.id, honour_id)
        if found is None or found.state == "revocation":
            return UnknownHonour(honour_id)
        row = (
            new_id(), found.subject, found.title, decided_on.isoformat(), decided_by, document_no, "revocation",
            honour_id, command.actor, RECORDED_AT,
        )  # fmt: skip
        draft = _draft(
            "revoke-honour",
            command,
            (honour_id, decided_on.isoformat(), decided_by, document_no),
            (Row("honours", row),),
            (Change("honours", (honour_id,), "valid", "revoked"),),
        )
        return (await self._ledger.submit([draft], RECOGNITION))[0]


def _draft(
    kind: str,
    command: Command,
    request: tuple[str, ...],
    rows: tuple[Row, ...],
    changes: tuple[Change, ...] = (),
) -> Draft:
    return Draft(
        kind,
        command.key,
        command.client,
        request_digest(kind, *request),
        0,
        actor=command.actor,
        rows=rows,
        changes=changes,
    )


def _draw_up(
    connection: Connection,
    ledger_id: int,
    list_id: str,
    scheme: Scheme,
    year: int,
    wanted: int,
    kind: str,
    bar: tuple[date, int, str],
) -> CandidateList | YearStillOpen:
    pending = on_notice(connection, ledger_id, year)
    if pending:
        return YearStillOpen(year, pending)
    without = barred(connection, ledger_id, *bar)
    if kind == "person":
        best = best_of_year(connection, ledger_id, year, wanted, without)
    else:
        best = best_groups(connection, ledger_id, kind, year, wanted, without)
    as_of = sequence_now(connection, ledger_id)
    return CandidateList(list_id, scheme.name, year, wanted, as_of, _ranked(scheme, best, wanted))


def _ranked(scheme: Scheme, best: list[tuple[str, int]], wanted: int) -> tuple[Candidate, ...]:
    """Ranks as in sport: equal minutes share one, the next after them is that of their number."""
    edge = best[wanted - 1][1] if len(best) > wanted else None
    ranked: list[Candidate] = []
    for place, (subject, minutes) in enumerate(best, 1):
        same = ranked[-1].rank if ranked and ranked[-1].minutes == minutes else place
        level = scheme.standing(minutes).level
        ranked.append(Candidate(subject, same, minutes, minutes == edge, level.code if level else ""))
    return tuple(ranked)


def list_of(connection: Connection, ledger_id: int, list_id: str) -> CandidateList | None:
    """A frozen list, None if there is none with this id."""
    t, c = award_lists.c, award_candidates.c
    row = connection.execute(
        select(t.scheme, t.year, t.wanted, t.as_of).where(t.ledger_id == ledger_id, t.list_id == list_id)
    ).first()
    if row is None:
        return None
    rows = connection.execute(
        select(c.subject, c.rank, c.minutes, c.tied, c.level)
        .where(c.ledger_id == ledger_id, c.list_id == list_id)
        .order_by(c.rank, c.subject)
    )
    return CandidateList(
        list_id, row.scheme, row.year, row.wanted, row.as_of,
        tuple(Candidate(subject, rank, minutes, bool(tied), level) for subject, rank, minutes, tied, level in rows),
    )  # fmt: skip


def honour(connection: Connection, ledger_id: int, honour_id: str) -> Honour | None:
    """An honour or a revocation by its id."""
    found = _honours(connection, ledger_id, honours.c.honour_id == honour_id)
    return found[0] if found else None


def honours_of(connection: Connection, ledger_id: int, subject: str) -> list[Honour]:
    """Honours and revocations of a person or group, in the order of their dates."""
    return _honours(connection, ledger_id, honours.c.subject == subject)


def _honours(connection: Connection, ledger_id: int, condition: ColumnElement[bool]) -> list[Honour]:
    t = honours.c
    rows = connection.execute(
        select(t.honour_id, t.subject, t.title, t.granted_on, t.granted_by, t.document_no, t.state, t.revokes)
        .where(t.ledger_id == ledger_id, condition)
        .order_by(t.granted_on, t.honour_id)
        .limit(1000)
    )
    return [Honour(*row) for row in rows]
