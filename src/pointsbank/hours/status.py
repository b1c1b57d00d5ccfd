"""Where an hour stands: its steps so far, the next one, and the latest date by law for it."""

from __future__ import annotations

from datetime import date
from typing import Final

import msgspec
from sqlalchemy import Connection, select

from pointsbank.activities.tables import activities, activity_sessions, attendances
from pointsbank.engine.registry import Ledger
from pointsbank.hours.debts import debts_of
from pointsbank.hours.funding import supplement_of, waiting_points
from pointsbank.hours.holding import capped_by, is_capped
from pointsbank.hours.objections import open_cases
from pointsbank.hours.tables import record_trails, service_records, unfunded_credits
from pointsbank.hours.trails import Filed, Step, filed_records
from pointsbank.hours.withheld import withheld_of
from pointsbank.intake.lines import parts_of
from pointsbank.ledger.model import lot_expiry
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.calendar import city_day, record_deadline, working_days_after
from pointsbank.policy.model import Policy
from pointsbank.readers.moments import sequence_now
from pointsbank.store.lists import is_one_of

NEXT: Final = {
    "open": "check-out",
    "closed": "submission",
    "submitted": "verification",
    "checked": "second-approval",
    "pending": "release",
    "objected": "decision",
}
"""The next step of an attendance or record in each state that has one."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where an hour stands. Minutes of merit, points in hundredths; empty texts where there is nothing to say."""

    record_id: str
    session_id: str
    activity: str
    day: str
    state: str
    minutes: int
    points: int
    """What it brings or has brought, with what was paid for it later; frozen by an objection while it stands `objected`."""
    cut_minutes: int
    """Minutes of merit that earned no points: cut by a cap, by rounding, or because the class earns none."""
    unfunded: int
    """Points that wait for the fund to have some again, in hundredths."""
    capped: int = 0
    """Points that were not credited because the person held as many as one may, in hundredths."""
    next_step: str
    due_on: str
    """The latest date by law, or by policy, for the next step."""
    available_on: str
    expires_on: str
    """The last day of its points; of points that wait, the one that they will have if they are paid before it."""
    level: int
    steps: tuple[Step, ...]


class Account(msgspec.Struct, frozen=True):
    """Every hour of a volunteer, newest first, and the points that are owed (hundredths), as of one sequence number."""

    as_of: int
    hours: list[Standing]
    owed: int


class Standings:
    """Answers a volunteer's question what became of an hour."""

    def __init__(self, ledger: Ledger, policies: PolicyBook) -> None:
        self._ledger = ledger
        self._policies = policies
        self._zone = policies.policies[-1].timezone
        self._is_capped = is_capped(policies)

    async def of_record(self, record_id: str) -> Standing | None:
        """Where one record stands."""
        found = await self._ledger.database.read(self._load, [record_id])
        return found[0] if found else None

    async def of_person(self, person_id: str, limit: int = 200) -> list[Standing]:
        """Every hour of a volunteer, newest first: what was attended and not submitted yet, and the records."""
        return await self._ledger.database.read(self._load_person, person_id, limit)

    async def account_of(self, person_id: str, limit: int = 200) -> Account:
        """The same with what is owed, from one snapshot."""
        return await self._ledger.database.read(self._account, person_id, limit)

    async def as_of(self, record_id: str) -> tuple[int, Standing | None]:
        """Where one record stands, and the sequence number on which that rests."""
        return await self._ledger.database.read(self._one, record_id)

    def _account(self, connection: Connection, person_id: str, limit: int) -> Account:
        owed = debts_of(connection, self._ledger.id, [person_id]).get(person_id, [])
        hours = self._load_person(connection, person_id, limit)
        return Account(sequence_now(connection, self._ledger.id), hours, sum(lot.balance for lot in owed))

    def _one(self, connection: Connection, record_id: str) -> tuple[int, Standing | None]:
        return sequence_now(connection, self._ledger.id), next(
            iter(self._load(connection, [record_id])), None
        )

    def _load(self, connection: Connection, ids: list[str]) -> list[Standing]:
        ledger_id = self._ledger.id
        records = filed_records(connection, ledger_id, ids)
        creditable = _creditable(connection, ledger_id, ids)
        waiting = waiting_points(connection, ledger_id, ids)
        expiries, later = _expiries_and_later(connection, ledger_id, ids)
        withheld = withheld_of(connection, ledger_id, [*ids, *map(supplement_of, later)])
        booked = [record.sequence for record in records.values() if record.sequence]
        capped = capped_by(connection, ledger_id, booked) if self._is_capped else {}
        due = open_cases(connection, ledger_id, [id_ for id_, r in records.items() if r.state == "objected"])
        return [
            self._standing(
                record,
                creditable.get(id_, 0),
                due.get(id_, ""),
                waiting.get(id_, 0),
                expiries.get(id_, ""),
                later.get(id_, 0),
                sum(withheld.get(one, (0, 0))[0] for one in (id_, supplement_of(id_))),
                capped.get(record.sequence, 0),
            )
            for id_, record in records.items()
        ]

    def _load_person(self, connection: Connection, person_id: str, limit: int) -> list[Standing]:
        trail = record_trails.c
        ids = list(
            connection.scalars(
                select(trail.record_id)
                .where(trail.ledger_id == self._ledger.id, trail.person_id == person_id)
                .order_by(trail.week.desc(), trail.record_id)
                .limit(limit)
            )
        )
        waiting = self._attended(connection, person_id, limit)
        return sorted(
            [*waiting, *self._load(connection, ids)], key=lambda s: (s.day, s.record_id), reverse=True
        )

    def _attended(self, connection: Connection, person_id: str, limit: int) -> list[Standing]:
        t, session, activity = attendances.c, activity_sessions.c, activities.c
        rows = connection.execute(
            select(t.session_id, t.state, session.starts_at, session.ends_at, activity.title)
            .select_from(
                attendances.join(
                    activity_sessions,
                    (session.ledger_id == t.ledger_id) & (session.session_id == t.session_id),
                ).join(
                    activities,
                    (activity.ledger_id == session.ledger_id) & (activity.activity_id == session.activity_id),
                )
            )
            .where(t.ledger_id == self._ledger.id, t.person_id == person_id, t.state.in_(("open", "closed")))
            .order_by(t.in_at.desc())
            .limit(limit)
        ).all()
        found = []
        for session_id, state, starts_at, ends_at, title in rows:
            day = city_day(starts_at, self._zone)
            due = record_deadline(city_day(ends_at, self._zone), self._policies.in_force(day))
            found.append(
                Standing(
                    record_id="",
                    session_id=session_id,
                    activity=title,
                    day=day.isoformat(),
                    state="attending" if state == "open" else "attended",
                    minutes=0,
                    points=0,
                    cut_minutes=0,
                    unfunded=0,
                    next_step=NEXT[state],
                    due_on=due.isoformat(),
                    available_on="",
                    expires_on="",
                    level=0,
                    steps=(),
                )
            )
        return found

    def _standing(
        self,
        record: Filed,
        creditable: int,
        case_due: str,
        unfunded: int,
        expires_on: str,
        later: int,
        withheld: int,
        capped: int,
    ) -> Standing:
        fields = parts_of(record.content)
        is_booked = record.state in ("pending", "objected", "credited")
        return Standing(
            record_id=record.record_id,
            session_id=record.session_id,
            activity=fields[3],
            day=record.day,
            state=record.state,
            minutes=record.minutes,
            points=record.points + later - withheld,
            cut_minutes=record.minutes - creditable if is_booked else 0,
            unfunded=unfunded,
            capped=capped if is_booked else 0,
            next_step=NEXT.get(record.state, ""),
            due_on=self._due(record, case_due),
            available_on=record.available_on,
            expires_on=expires_on if is_booked else "",
            level=record.level,
            steps=record.steps,
        )

    def _due(self, record: Filed, case_due: str) -> str:
        policy = self._policies.in_force(date.fromisoformat(record.day))
        match record.state:
            case "submitted" | "checked":
                return verification_due(record, policy).isoformat()
            case "pending":
                return record.available_on
            case "objected":
                return case_due
            case _:
                return ""


def verification_due(record: Filed, policy: Policy) -> date:
    """The latest date by law for the next person's word on a record that waits for one. `policy` is its day's."""
    days = policy.safeguards.decision_working_days
    if record.state == "checked":
        return working_days_after(city_day(record.steps[-1].at, policy.timezone), days, policy)
    return working_days_after(date.fromisoformat(record.submitted_on), days, policy)


def _creditable(connection: Connection, ledger_id: int, ids: list[str]) -> dict[str, int]:
    t = service_records.c
    rows = connection.execute(
        select(t.record_id, t.creditable).where(
            t.ledger_id == ledger_id, is_one_of(connection, t.record_id, ids)
        )
    )
    return {str(record_id): int(creditable) for record_id, creditable in rows}


def _expiries_and_later(
    connection: Connection, ledger_id: int, ids: list[str]
) -> tuple[dict[str, str], dict[str, int]]:
    """The last day of the points of each record, also of those that wait or were paid later; and the points paid later."""
    t, waiting = service_records.c, unfunded_credits.c
    supplements = {supplement_of(id_): id_ for id_ in ids}
    expiries = {
        str(id_): str(expires_on)
        for id_, expires_on in connection.execute(
            select(waiting.record_id, waiting.expires_on).where(
                waiting.ledger_id == ledger_id, is_one_of(connection, waiting.record_id, ids)
            )
        )
    }
    later: dict[str, int] = {}
    for id_, lot, points in connection.execute(
        select(t.record_id, t.lot, t.points).where(
            t.ledger_id == ledger_id, is_one_of(connection, t.record_id, [*ids, *supplements]), t.lot > ""
        )
    ):
        record_id = supplements.get(id_, id_)
        expiries[record_id] = lot_expiry(lot)
        if id_ in supplements:
            later[record_id] = int(points)
    return expiries, later
