"""The verbs of planning: projects, activities with their approval, sessions, papers and sign-ups."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date
from hashlib import sha256
from typing import Final

import msgspec
from sqlalchemy import Connection

from pointsbank.activities.attempts import Attempt, Attempts
from pointsbank.activities.model import Activity, ActivityPlan, Paper, Session, SessionPlan
from pointsbank.activities.ports import By, Places
from pointsbank.activities.projects import is_open_project
from pointsbank.activities.reading import (
    activity_of,
    papers_of,
    places_taken,
    session_of,
    sign_up_state,
    versions_of,
    volunteers_by_id,
)
from pointsbank.activities.refusals import (
    ActivityInvalid,
    ActivityNotApproved,
    ActivityStarted,
    FourEyes,
    SessionFull,
    SignUpRefused,
    UnknownActivity,
)
from pointsbank.activities.rules import Applicant, why_not
from pointsbank.engine.commands import Command, request_digest
from pointsbank.engine.registry import Ledger
from pointsbank.engine.writer import Result
from pointsbank.ledger.model import RECORDED_AT, Change, Draft, Receipt, Row
from pointsbank.ledger.refusals import Refusal
from pointsbank.people.directory import directory_of
from pointsbank.people.volunteers import Volunteer
from pointsbank.places.stations import stations
from pointsbank.points.lots import Fund, accounts_at
from pointsbank.policy.book import NoPolicyError, PolicyBook
from pointsbank.policy.calendar import city_day
from pointsbank.policy.model import Policy

ACTIVITIES: Final = frozenset(["activities"])
ATTEMPTS: Final = 40
MINUTE_MICROS: Final = 60 * 1_000_000
MOST_PLACES: Final = 100_000


def session_subject(session_id: str) -> str:
    """What a sign-up reads and touches, so that no two of them take the last place."""
    return f"session:{session_id}"


def made_by(command: Command, what: str) -> str:
    """The id of what a command makes: the same command names the same thing."""
    digest = sha256("\x1f".join(("made by", what, command.client, command.key)).encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-8{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"


class ActivityService:
    """Plans activities: what is not approved by another person before it starts never earns anything."""

    def __init__(self, ledger: Ledger, policies: PolicyBook, places: Places) -> None:
        self._ledger = ledger
        self._policies = policies
        self._places = places
        self._signing = asyncio.Lock()
        self._attempts = Attempts(ledger, policies.policies[-1].timezone)

    async def open_project(
        self, name: str, brand: str, sector: str, by: By, command: Command
    ) -> str | Refusal:
        """Put a project into the library; gives its id. `brand` are tags, with blanks between them."""
        project_id = made_by(command, "project")
        tags = " ".join(sorted(set(brand.split())))
        row = Row("projects", (project_id, name, f" {tags} ", sector, by.name, RECORDED_AT, "open"))
        draft = self._draft("open-project", by, command, (name, tags, sector), rows=(row,))
        return _made(await self._post(draft), project_id)

    async def propose(self, plan: ActivityPlan, by: By, command: Command) -> str | Refusal:
        """Propose an activity; gives its id. It counts once somebody above has approved it in time."""
        if not by.person:  # or one natural person alone could plan and approve
            return FourEyes("machine-source")
        wrong = await self._wrong_plan(plan)
        if wrong is not None:
            return wrong
        activity_id = made_by(command, "activity")
        policy = self._policy_at(plan.starts_at)
        assert policy is not None
        row = Row(
            "activities",
            (
                activity_id,
                plan.project_id,
                plan.title,
                plan.category,
                plan.fund or policy.fund.code,
                plan.campaign,
                plan.station,
                plan.organiser,
                plan.starts_at,
                plan.ends_at,
                plan.minimum_age,
                plan.training,
                int(plan.insured),
                by.name,
                RECORDED_AT,
                "",
                0,
                "",
                "proposed",
            ),
        )
        asked = msgspec.json.encode(plan, order="deterministic").decode()
        return _made(
            await self._post(self._draft("propose-activity", by, command, (asked,), rows=(row,))), activity_id
        )

    async def _wrong_plan(self, plan: ActivityPlan) -> Refusal | None:
        policy = self._policy_at(plan.starts_at)
        if policy is None or plan.ends_at <= plan.starts_at:
            return ActivityInvalid("it must end after it starts, on days for which there is a policy")
        if plan.category not in policy.categories:
            return ActivityInvalid(f"the policy credits no category {plan.category}")
        if plan.project_id and not await self._ledger.database.read(
            is_open_project, self._ledger.id, plan.project_id
        ):
            return ActivityInvalid(f"the library has no open project {plan.project_id}")
        if plan.campaign and plan.campaign not in policy.campaigns:
            return ActivityInvalid(f"the city has decided no campaign {plan.campaign}")
        if plan.fund and plan.fund != policy.fund.code:
            path = Fund(plan.fund).issued
            if not await self._ledger.database.read(accounts_at, self._ledger.id, [path]):
                return ActivityInvalid(f"there is no fund {plan.fund}")
        if not await self._ledger.database.read(stations, self._ledger.id, [plan.station]):
            return ActivityInvalid(f"there is no open station {plan.station}")
        return None

    async def decide(
        self, activity_id: str, reason: str, by: By, command: Command, *, approve: bool
    ) -> Receipt | Refusal:
        """Approve or refuse a proposed activity: another natural person, from a place above, before it starts."""
        activity = await self.activity(activity_id)
        if activity is None:
            return UnknownActivity(activity_id)
        state = "approved" if approve else "refused"
        change = Change(
            "activities",
            (activity_id,),
            "proposed",
            state,
            (("decided_by", by.name), ("decided_at", RECORDED_AT), ("reason", reason)),
        )
        draft = self._draft("decide-activity", by, command, (activity_id, state, reason), changes=(change,))
        if activity.state == "proposed":
            refusal = await self._may_not_decide(activity, by)
            if refusal is None and approve and self._now() >= activity.starts_at:
                refusal = ActivityStarted(activity_id)
            if refusal is not None:
                await self._note_attempt(refusal, activity, by)
                return refusal
        return await self._post(draft)

    async def _note_attempt(self, refusal: Refusal, activity: Activity, by: By) -> None:
        """What an auditor should see: planned when it was over, or approved by who proposed it."""
        if isinstance(refusal, ActivityStarted):
            await self._attempts.note(by, [Attempt("after-its-start", thing=activity.activity_id)])
        elif isinstance(refusal, FourEyes):
            await self._attempts.note(by, [Attempt(refusal.rule, thing=activity.activity_id)])

    async def _may_not_decide(self, activity: Activity, by: By) -> Refusal | None:
        if not by.person:
            return FourEyes("machine-source")
        if by.name == activity.proposed_by:
            return FourEyes("approver-is-proposer")
        if by.place:
            above = await self._places.ancestors(activity.station, self._day(activity.starts_at))
            if by.place not in above[1:]:
                return FourEyes("approver-is-not-above")
        return None

    async def open_session(
        self, activity_id: str, plan: SessionPlan, by: By, command: Command
    ) -> str | Refusal:
        """Open a session of an approved activity, before it starts; gives its id."""
        activity = await self.activity(activity_id)
        if activity is None:
            return UnknownActivity(activity_id)
        session_id = made_by(command, "session")
        asked = (activity_id, msgspec.json.encode(plan, order="deterministic").decode())
        row = Row(
            "activity_sessions",
            (
                session_id,
                activity_id,
                plan.station or activity.station,
                plan.starts_at,
                plan.ends_at,
                plan.capacity,
                by.name,
                RECORDED_AT,
                "open",
            ),
        )
        draft = self._draft("open-session", by, command, asked, rows=(row,))
        if await self.session(session_id) is None:
            refusal = await self._wrong_session(activity, plan)
            if refusal is not None:
                await self._note_attempt(refusal, activity, by)
                return refusal
        return _made(await self._post(draft), session_id)

    async def _wrong_session(self, activity: Activity, plan: SessionPlan) -> Refusal | None:
        policy = self._policy_at(plan.starts_at)
        if policy is None:
            return ActivityInvalid("there is no policy for that day")
        if policy.safeguards.activity_approval and activity.state != "approved":
            return ActivityNotApproved(activity.activity_id, activity.state)
        if activity.state == "refused":
            return ActivityNotApproved(activity.activity_id, activity.state)
        if not activity.starts_at <= plan.starts_at < plan.ends_at <= activity.ends_at:
            return ActivityInvalid("a session lies within its activity and ends after it starts")
        if plan.ends_at - plan.starts_at > policy.session_max_hours * 60 * MINUTE_MICROS:
            return ActivityInvalid(f"a session lasts at most {policy.session_max_hours} hours")
        if plan.starts_at % MINUTE_MICROS or plan.ends_at % MINUTE_MICROS:
            return ActivityInvalid("a session starts and ends on a whole minute")
        if not 0 < plan.capacity <= MOST_PLACES:
            return ActivityInvalid(f"a session has 1 to {MOST_PLACES} places")
        if policy.safeguards.activity_approval and self._now() >= plan.starts_at:
            return ActivityStarted(activity.activity_id)
        station = plan.station or activity.station
        if not await self._ledger.database.read(stations, self._ledger.id, [station]):
            return ActivityInvalid(f"there is no open station {station}")
        return None

    async def file_paper(self, paper: Paper, by: By, command: Command) -> Receipt | Refusal:
        """Note a training, an insurance or a guardian's consent. Nobody files a paper of their own."""
        if not by.person:
            return FourEyes("machine-source")
        if by.person == paper.person_id:
            return FourEyes("paper-of-ones-own")
        values = (
            paper.person_id,
            paper.kind,
            paper.code,
            paper.valid_from.isoformat(),
            paper.valid_to.isoformat(),
        )
        row = Row("papers", (*values, by.name, RECORDED_AT, "valid"), key_length=3)
        return await self._post(self._draft("file-paper", by, command, values, rows=(row,)))

    async def revoke_paper(
        self, person_id: str, kind: str, code: str, by: By, command: Command
    ) -> Receipt | Refusal:
        """Take a paper back, a consent for example: new sign-ups need another one."""
        change = Change("papers", (person_id, kind, code), "valid", "revoked")
        return await self._post(
            self._draft("revoke-paper", by, command, (person_id, kind, code), changes=(change,))
        )

    async def sign_up(
        self, session_id: str, person_id: str, by: By, command: Command, *, companion: str = ""
    ) -> Receipt | Refusal:
        """Sign somebody up for a session: age, consent, companion, training and insurance are checked, then places."""
        async with (
            self._signing
        ):  # within a process they take turns; between two the session's version decides

            async def attempt() -> Draft | Receipt | Refusal:
                return await self._signing_up(session_id, person_id, by, command, companion)

            return await self._until_current(attempt)

    async def _signing_up(
        self, session_id: str, person_id: str, by: By, command: Command, companion: str
    ) -> Draft | Receipt | Refusal:
        read, ledger_id = self._ledger.database.read, self._ledger.id
        found = await read(_signing_facts, ledger_id, session_id, person_id, companion)
        if found is None:
            return UnknownActivity(session_id)
        session, activity, people, papers, state, taken, version = found
        asked = (session_id, person_id, companion)
        if state == "signed":
            return await self._repeated(by, command, asked) or SignUpRefused("signed-up-already")
        if session.state != "open" or self._now() >= session.ends_at:
            return SignUpRefused("session-over")
        policy = self._policy_at(session.starts_at)
        assert policy is not None, "a session was opened under a policy"
        known = await directory_of(self._ledger).by_id(people)
        person, beside = known.get(person_id), known.get(companion)
        applicant = Applicant(
            person.born if person else None,
            papers,
            beside.born if beside and companion != person_id else None,
        )
        reason = why_not(applicant, activity, self._day(session.starts_at), policy)
        if reason:
            return SignUpRefused(reason)
        if taken >= session.capacity:
            return SessionFull(session.capacity)
        subject = session_subject(session_id)
        values = (companion, by.name, RECORDED_AT)
        if state is None:
            row = Row("sign_ups", (session_id, person_id, *values, "signed"), key_length=2)
            return self._draft(
                "sign-up", by, command, asked, rows=(row,), reads=((subject, version),), touches=(subject,)
            )
        again = Change(
            "sign_ups",
            (session_id, person_id),
            "withdrawn",
            "signed",
            (("companion", companion), ("signed_by", by.name), ("signed_at", RECORDED_AT)),
        )
        return self._draft(
            "sign-up", by, command, asked, changes=(again,), reads=((subject, version),), touches=(subject,)
        )

    async def withdraw(self, session_id: str, person_id: str, by: By, command: Command) -> Receipt | Refusal:
        """Give a place back."""
        change = Change("sign_ups", (session_id, person_id), "signed", "withdrawn")
        draft = self._draft(
            "withdraw-sign-up",
            by,
            command,
            (session_id, person_id),
            changes=(change,),
            touches=(session_subject(session_id),),
        )
        return await self._post(draft)

    # reading

    async def activity(self, activity_id: str) -> Activity | None:
        """An activity by its id."""
        return await self._ledger.database.read(activity_of, self._ledger.id, activity_id)

    async def session(self, session_id: str) -> tuple[Session, Activity] | None:
        """A session with its activity."""
        return await self._ledger.database.read(session_of, self._ledger.id, session_id)

    # the writer

    async def _repeated(self, by: By, command: Command, asked: tuple[str, ...]) -> Receipt | None:
        """The first answer, if this very sign-up was done before and only comes again."""
        # a change of a document that is not there is refused, so nothing can be written by asking
        probe = Change("sign_ups", ("", ""), "never", "never")
        result = await self._post(self._draft("sign-up", by, command, asked, changes=(probe,)))
        return None if isinstance(result, Refusal) else result

    async def _until_current(
        self, attempt: Callable[[], Awaitable[Draft | Receipt | Refusal]]
    ) -> Receipt | Refusal:
        """Load, check and post until nothing that was read has changed meanwhile."""
        result: Result | None = None
        for _ in range(ATTEMPTS):
            draft = await attempt()
            if not isinstance(draft, Draft):
                return draft
            result = await self._post(draft)
            if not isinstance(result, Refusal) or not result.retry:
                return result
        assert result is not None
        return result

    async def _post(self, draft: Draft) -> Receipt | Refusal:
        return (await self._ledger.submit([draft], ACTIVITIES))[0]

    def _draft(
        self,
        kind: str,
        by: By,
        command: Command,
        asked: tuple[str, ...],
        *,
        rows: tuple[Row, ...] = (),
        changes: tuple[Change, ...] = (),
        reads: tuple[tuple[str, int], ...] = (),
        touches: tuple[str, ...] = (),
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
            reads=reads,
            touches=touches,
        )

    def _now(self) -> int:
        return self._ledger.writer.clock.now()

    def _day(self, micros: int) -> date:
        return city_day(micros, self._policies.policies[-1].timezone)

    def _policy_at(self, micros: int) -> Policy | None:
        """The policy in force on the city's day of a moment."""
        try:
            return self._policies.in_force(self._day(micros))
        except (NoPolicyError, OverflowError, ValueError):
            return None


_SigningFacts = tuple[Session, Activity, dict[str, Volunteer], list[Paper], str | None, int, int]


def _signing_facts(
    connection: Connection, ledger_id: int, session_id: str, person_id: str, companion: str
) -> _SigningFacts | None:
    found = session_of(connection, ledger_id, session_id)
    if found is None:
        return None
    subject = session_subject(session_id)
    return (
        *found,
        volunteers_by_id(connection, ledger_id, [person_id, companion]),
        papers_of(connection, ledger_id, person_id),
        sign_up_state(connection, ledger_id, session_id, person_id),
        places_taken(connection, ledger_id, session_id),
        versions_of(connection, ledger_id, [subject])[subject],
    )


def _made(result: Result, id_: str) -> str | Refusal:
    return result if isinstance(result, Refusal) else id_
