"""The verbs of attendance: check in and out by code, card or paper. The way in decides the class of hours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

import msgspec

from pointsbank.activities.arrivals import Arrivals, Came
from pointsbank.activities.attempts import Attempt, Attempts
from pointsbank.activities.codes import RotatingCodes
from pointsbank.activities.model import (
    HONOUR,
    MEETING_MICROS,
    Activity,
    Attendance,
    DeviceEvent,
    Session,
    Way,
    class_of,
)
from pointsbank.activities.ports import By
from pointsbank.activities.reading import attendance_of, session_of, volunteers_by_id
from pointsbank.activities.refusals import CheckInRefused, FourEyes, UnknownActivity
from pointsbank.activities.service import ACTIVITIES
from pointsbank.engine.commands import Command, request_digest
from pointsbank.engine.registry import Ledger
from pointsbank.ledger.model import Change, Draft, Receipt, Row
from pointsbank.ledger.refusals import DocumentExists, Refusal, StateChanged
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.calendar import city_day

WRITTEN_REASONS: Final = (
    "forgot-check-in",
    "forgot-check-out",
    "came-unregistered",
    "no-device",
    "paper-sheet",
)
"""Why somebody's times are typed in."""

_STALE_DAYS: Final = 31
"""A terminal that was cut off for longer has a clock that nobody should believe."""


class Shown(msgspec.Struct, frozen=True):
    """How somebody shows that they are there: the way, the code that was read, what the device's clock said."""

    way: Way
    code: str = ""
    stated_at: int = 0


class AttendanceService:
    """Notes who came and who went. Nobody checks anybody in by merely saying so: that is honour class."""

    def __init__(self, ledger: Ledger, policies: PolicyBook, codes: RotatingCodes) -> None:
        self._ledger = ledger
        self._policies = policies
        self._codes = codes
        self._arrivals = Arrivals(ledger)
        self._attempts = Attempts(ledger, policies.policies[-1].timezone)

    async def session_code(self, session_id: str) -> str | Refusal:
        """The code to show on the wall now; given from an hour before the session until an hour after it."""
        found = await self._session(session_id)
        if found is None:
            return UnknownActivity(session_id)
        refusal = self._outside(found[0], self._now())
        return refusal or self._codes.code("s", session_id, self._now())

    def own_code(self, person_id: str) -> str:
        """The volunteer's own code now."""
        return self._codes.code("v", person_id, self._now())

    async def check_in(
        self, session_id: str, person_id: str, shown: Shown, by: By, command: Command
    ) -> Receipt | Refusal:
        """Somebody comes to a session."""
        return await self._meet(session_id, person_id, shown, by, command, self._now(), is_in=True)

    async def check_out(
        self, session_id: str, person_id: str, shown: Shown, by: By, command: Command
    ) -> Receipt | Refusal:
        """Somebody leaves. Who forgets it gets no end for nothing: a recorder writes it down, as honour class."""
        return await self._meet(session_id, person_id, shown, by, command, self._now(), is_in=False)

    async def _meet(
        self, session_id: str, person_id: str, shown: Shown, by: By, command: Command, at: int, *, is_in: bool
    ) -> Receipt | Refusal:
        found = await self._arrivals.of(session_id, person_id)
        if found is None:
            return UnknownActivity(session_id)
        session, came = found.session, found.came
        asked = ("in" if is_in else "out", session_id, person_id, shown.way)
        refusal = self._outside(session, at) or self._unproved(session_id, person_id, shown, by)
        if refusal is None and is_in and came is None:
            refusal = await self._not_expected(session, person_id, found.signed)
        if refusal is None and not is_in:
            refusal = _cannot_leave(came, at)
        if refusal is not None:
            return await self._repeated(command, asked, by) or refusal
        draft = (
            self._arrival(session, person_id, shown, by, command, at, asked)
            if is_in
            else self._departure(session, person_id, came, shown, by, command, at, asked)
        )
        return await self._post(draft)

    def _unproved(self, session_id: str, person_id: str, shown: Shown, by: By) -> Refusal | None:
        """Whether nothing proves that the person stands here."""
        now = self._now()
        match shown.way:
            case "session-code":  # read with one's own telephone: nobody reads it for somebody else
                good = by.person == person_id and self._codes.holder("s", shown.code, now) == session_id
            case "own-code":
                good = by.person != person_id and self._codes.holder("v", shown.code, now) == person_id
            case (
                "card" | "device"
            ):  # a terminal has read the card; its keeper checks nobody in who is himself
                good = bool(by.device) and by.person != person_id
            case _:
                good = False
        return None if good else CheckInRefused("code-invalid")

    async def _not_expected(self, session: Session, person_id: str, signed: str | None) -> Refusal | None:
        policy = self._policies.in_force(self._day(session.starts_at))
        if policy.safeguards.sign_up:
            return None if signed == "signed" else CheckInRefused("not-signed-up")
        known = await self._ledger.database.read(volunteers_by_id, self._ledger.id, [person_id])
        return None if known else CheckInRefused("unknown-volunteer")

    def _arrival(
        self,
        session: Session,
        person_id: str,
        shown: Shown,
        by: By,
        command: Command,
        at: int,
        asked: tuple[str, ...],
    ) -> Draft:
        row = Row(
            "attendances",
            (
                session.session_id,
                person_id,
                at,
                shown.way,
                by.name,
                by.device,
                shown.stated_at,
                0,
                "",
                "",
                "",
                0,
                class_of(shown.way, shown.way),
                "",
                0,
                "open",
            ),
            key_length=2,
        )
        return self._draft("check-in", by, command, asked, rows=(row,))

    def _departure(
        self,
        session: Session,
        person_id: str,
        came: Came | None,
        shown: Shown,
        by: By,
        command: Command,
        at: int,
        asked: tuple[str, ...],
    ) -> Draft:
        assert came is not None
        change = Change(
            "attendances",
            (session.session_id, person_id),
            "open",
            "closed",
            (
                ("out_at", at),
                ("out_way", shown.way),
                ("out_by", by.name),
                ("out_device", by.device),
                ("out_stated_at", shown.stated_at),
                ("hour_class", class_of(came.in_way, shown.way)),
            ),
        )
        return self._draft("check-out", by, command, asked, changes=(change,))

    async def write_down(
        self, session_id: str, person_id: str, in_at: int, out_at: int, reason: str, by: By, command: Command
    ) -> Receipt | Refusal:
        """Type in when somebody came and left, from a paper sheet or because a check was forgotten: honour class.

        A check-in that was measured stays as it was. Times are microseconds UTC, within the session.
        """
        found = await self._session(session_id)
        if found is None:
            return UnknownActivity(session_id)
        session, _ = found
        came = (await self._attendance(session_id, [person_id])).get(person_id)
        start = came.in_at if came is not None and came.state == "open" else in_at
        refusal = await self._cannot_write(session, person_id, came, start, out_at, reason, by)
        asked = (session_id, person_id, str(in_at), str(out_at), reason)
        if refusal is not None:
            repeated = await self._repeated(command, asked, by, "write-down")
            if repeated is None:
                await self._note_attempt(refusal, session_id, person_id, by)
            return repeated or refusal
        if came is None:
            row = Row(
                "attendances",
                (
                    session_id, person_id,
                    start, "by-hand", by.name, by.device, 0,
                    out_at, "by-hand", by.name, by.device, 0,
                    HONOUR, reason, 0, "closed",
                ),
                key_length=2,
            )  # fmt: skip
            return await self._post(self._draft("write-down", by, command, asked, rows=(row,)))
        change = Change(
            "attendances",
            (session_id, person_id),
            "open",
            "closed",
            (
                ("out_at", out_at),
                ("out_way", "by-hand"),
                ("out_by", by.name),
                ("out_device", by.device),
                ("hour_class", HONOUR),
                ("reason", reason),
            ),
        )
        return await self._post(self._draft("write-down", by, command, asked, changes=(change,)))

    async def _note_attempt(self, refusal: Refusal, session_id: str, person_id: str, by: By) -> None:
        """What an auditor should see: one's own times, and times of a session that is not over."""
        if isinstance(refusal, FourEyes):
            await self._attempts.note(by, [Attempt(refusal.rule, person_id, session_id)])
        elif isinstance(refusal, CheckInRefused) and refusal.rule == "session-not-over":
            await self._attempts.note(by, [Attempt("before-its-end", person_id, session_id)])

    async def _cannot_write(
        self,
        session: Session,
        person_id: str,
        came: Attendance | None,
        start: int,
        out_at: int,
        reason: str,
        by: By,
    ) -> Refusal | None:
        if by.person == person_id:
            return FourEyes("recorder-is-beneficiary")
        if reason not in WRITTEN_REASONS:
            return CheckInRefused("reason-missing")
        if self._now() < session.ends_at:
            return CheckInRefused("session-not-over")
        if came is not None and came.state != "open":
            return CheckInRefused("left-already")
        if not session.starts_at - MEETING_MICROS <= start < out_at <= session.ends_at:
            return CheckInRefused("outside-session")
        known = await self._ledger.database.read(volunteers_by_id, self._ledger.id, [person_id])
        return None if known else CheckInRefused("unknown-volunteer")

    async def upload(self, events: Sequence[DeviceEvent], by: By, client: str) -> list[Receipt | Refusal]:
        """Take in what a terminal noted while it was cut off: in the order of its own numbers, each once.

        Its clock counts, but may not run backwards, nor be ahead of the server's. Answers stand in the order of
        the events as they were given.
        """
        answers: dict[int, Receipt | Refusal] = {}
        last = self._now() - _STALE_DAYS * 86_400 * 1_000_000
        for event in sorted(events, key=lambda event: event.number):
            command = Command(client, f"device:{by.device}:{event.number}")
            if not by.device:
                answers[event.number] = CheckInRefused("code-invalid")
            elif not last <= event.stated_at <= self._now():
                answers[event.number] = CheckInRefused("clock-wrong")
            else:
                last = event.stated_at
                shown = Shown("device", stated_at=event.stated_at)
                answers[event.number] = await self._meet(
                    event.session_id, event.person_id, shown, by, command, event.stated_at, is_in=event.is_in
                )
        return [answers[event.number] for event in events]

    # beneath

    def _outside(self, session: Session, at: int) -> Refusal | None:
        if session.state != "open":
            return CheckInRefused("session-cancelled")
        inside = session.starts_at - MEETING_MICROS <= at <= session.ends_at + MEETING_MICROS
        return None if inside else CheckInRefused("outside-session")

    async def _session(self, session_id: str) -> tuple[Session, Activity] | None:
        return await self._ledger.database.read(session_of, self._ledger.id, session_id)

    async def _attendance(self, session_id: str, people: Sequence[str]) -> dict[str, Attendance]:
        found = await self._ledger.database.read(attendance_of, self._ledger.id, session_id, people)
        return {attendance.person_id: attendance for attendance in found}

    async def _repeated(
        self, command: Command, asked: tuple[str, ...], by: By, kind: str = ""
    ) -> Receipt | None:
        """The first answer, if this very command was done before and only comes again."""
        kind = kind or f"check-{asked[0]}"
        # a change of a document that is not there is refused, so nothing can be written by asking
        probe = Change("attendances", ("", ""), "never", "never")
        result = (
            await self._ledger.submit([self._draft(kind, by, command, asked, changes=(probe,))], ACTIVITIES)
        )[0]
        return None if isinstance(result, Refusal) else result

    async def _post(self, draft: Draft) -> Receipt | Refusal:
        result = (await self._ledger.submit([draft], ACTIVITIES))[0]
        if isinstance(result, DocumentExists):
            return CheckInRefused("came-already")
        if isinstance(result, StateChanged):
            return CheckInRefused("left-already")
        return result

    def _draft(
        self,
        kind: str,
        by: By,
        command: Command,
        asked: tuple[str, ...],
        *,
        rows: tuple[Row, ...] = (),
        changes: tuple[Change, ...] = (),
    ) -> Draft:
        return Draft(
            kind,
            command.key,
            command.client,
            request_digest(kind, *asked),
            self._now(),
            actor=by.name,
            place=by.place,
            rows=rows,
            changes=changes,
        )

    def _now(self) -> int:
        return self._ledger.writer.clock.now()

    def _day(self, micros: int) -> date:
        return city_day(micros, self._policies.policies[-1].timezone)


def _cannot_leave(came: Came | None, at: int) -> Refusal | None:
    if came is None:
        return CheckInRefused("not-checked-in")
    if came.state != "open":
        return CheckInRefused("left-already")
    return None if at > came.in_at else CheckInRefused("clock-wrong")
