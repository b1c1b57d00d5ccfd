"""Staff: the founding, accounts, enrolments. Every right takes two persons to give.

An enrolment is leave to set credentials once. Its code has two halves, and two administrators hold one each: neither
alone can enrol in somebody else's place.
"""

from __future__ import annotations

import re
import secrets
from base64 import b32encode
from hashlib import sha256

import msgspec
from sqlalchemy import Connection

from pointsbank.access import standing
from pointsbank.access.authorize import ANYTHING
from pointsbank.access.deciding import ROOM, Deciding, ending_sessions, leaves_too_few, must_be_staff
from pointsbank.access.model import CITY, Actor, id_for
from pointsbank.access.refusals import (
    AlreadyFounded,
    LoginTaken,
    OwnRole,
    SecondPersonNeeded,
    UnknownEnrolment,
    UnknownStaff,
)
from pointsbank.access.rights import rights
from pointsbank.access.ring import operator_keys
from pointsbank.access.standing import ADMINISTRATORS, FOUNDING, Account, rights_of
from pointsbank.engine.commands import Command, request_digest
from pointsbank.engine.ids import new_id
from pointsbank.ledger.model import NEVER_EXPIRES, RECORDED_AT, Change, Draft, Receipt, Row
from pointsbank.ledger.refusals import Refusal, StaleRead

LOGIN = "^[a-z0-9][a-z0-9._-]{1,31}$"
MICROS_AN_HOUR = 3_600_000_000

Reads = tuple[tuple[str, int], ...]


class Half(msgspec.Struct, frozen=True):
    """What one of two administrators gets of an enrolment: half of its code, shown this once (None: repeated)."""

    enrolment: str
    person: str
    code: str | None


class StaffDesk(Deciding):
    """The staff of one ledger."""

    async def found(self, logins: tuple[str, str], command: Command) -> tuple[Half, Half] | Refusal:
        """Make the first two administrators, once. Each gets a whole code: nobody is there yet to share it.

        Keys made before become machine sources in the same commit: from now on only persons give rights.
        """
        if len(set(logins)) != 2:
            return LoginTaken(logins[0])
        if await self.is_founded():
            return AlreadyFounded()
        now = self._clock.now()
        rows: list[Row] = []
        made: list[Half] = []
        for login in logins:
            person, enrolment, codes = new_id(), new_id(), (_half(), _half())
            grant = (
                new_id(),
                person,
                "administrator",
                CITY,
                self.today,
                NEVER_EXPIRES,
                FOUNDING,
                RECORDED_AT,
            )
            rows += [
                Row("staff_accounts", (person, login, FOUNDING, RECORDED_AT, 0, "active")),
                Row("role_grants", (*grant, FOUNDING, RECORDED_AT, "", 0, "active")),
                Row(
                    "enrolments",
                    (enrolment, person, "new", FOUNDING, RECORDED_AT, _hash(codes[0]), FOUNDING, _hash(codes[1]),
                     now + rights().log_in.enrolment_hours * MICROS_AN_HOUR, "confirmed"),
                ),
            ]  # fmt: skip
            made.append(Half(enrolment, person, f"{codes[0]}-{codes[1]}"))
        keys = await self._ledger.database.read(operator_keys, self._ledger.id)
        draft = self.draft(
            command,
            request_digest("found", *logins),
            rows=tuple(rows),
            changes=tuple(
                Change("api_keys", (key,), "active", "active", (("owner", "machine"),)) for key in keys
            ),
            reads=((FOUNDING, 0),),
            touches=(FOUNDING, ADMINISTRATORS),
        )
        verdict = (await self._ledger.submit([draft], ROOM))[0]
        self._ring.forget_all()
        if isinstance(verdict, StaleRead):
            return AlreadyFounded()
        return verdict if isinstance(verdict, Refusal) else (made[0], made[1])

    async def add(self, actor: Actor, login: str, command: Command, person: str = "") -> Half | Refusal:
        """Make the account of a person who has none, and half of the code with which they enrol.

        Without a person this is somebody new. The account can do nothing until somebody else confirms.
        """
        enrolment, half = id_for(command.client, command.key), _half()
        earlier = await self._ledger.database.read(standing.enrolment_of, self._ledger.id, enrolment)
        request = request_digest("add-staff", login, person)
        person = person or (earlier.person if earlier is not None else new_id())

        def judge(connection: Connection, ledger_id: int) -> Refusal | None:
            if standing.enrolment_of(connection, ledger_id, enrolment) is not None:
                return None  # a repetition: the writer knows it by its key
            taken = standing.account_named(connection, ledger_id, login)
            taken = taken or standing.account_of(connection, ledger_id, person)
            return LoginTaken(login) if taken is not None else None

        def draft(reads: Reads) -> Draft:
            return self.draft(
                command,
                request,
                rows=(
                    Row("staff_accounts", (person, login, actor.person, RECORDED_AT, 0, "active")),
                    self._enrolment(enrolment, person, "new", actor, half),
                ),
                reads=(*reads, (_name(login), names)),
                touches=(_name(login), rights_of(person)),
            )

        names = await self._ledger.database.read(standing.version_of, self._ledger.id, _name(login))
        verdict = await self.act(actor, "staff:manage", ANYTHING, judge, draft)
        if isinstance(verdict, StaleRead):
            return LoginTaken(login)  # somebody else took the name at this moment
        if isinstance(verdict, Refusal):
            return verdict
        made = await self._ledger.database.read(standing.enrolment_of, self._ledger.id, enrolment)
        assert made is not None, "an accepted draft has written it"
        return Half(enrolment, made.person, None if verdict.replayed else half)

    async def begin_recovery(self, actor: Actor, person: str, command: Command) -> Half | Refusal:
        """Begin to give somebody who lost password or second factor a new start: half of a code."""
        if person == actor.person:
            return OwnRole()
        enrolment, half = id_for(command.client, command.key), _half()

        def judge(connection: Connection, ledger_id: int) -> Refusal | None:
            return must_be_staff(connection, ledger_id, person)

        def draft(reads: Reads) -> Draft:
            return self.draft(
                command,
                request_digest("recover-staff", person),
                rows=(self._enrolment(enrolment, person, "recovery", actor, half),),
                reads=reads,
            )

        verdict = await self.act(actor, "staff:manage", ANYTHING, judge, draft)
        if isinstance(verdict, Refusal):
            return verdict
        return Half(enrolment, person, None if verdict.replayed else half)

    async def confirm_enrolment(self, actor: Actor, enrolment_id: str, command: Command) -> Half | Refusal:
        """Confirm what another administrator has begun: the other half of the code.

        Sessions of the person end: whoever asks for a new start may be somebody else's prey.
        """
        half = _half()
        found = await self._ledger.database.read(standing.enrolment_of, self._ledger.id, enrolment_id)
        if found is None:
            return UnknownEnrolment()
        if actor.person == found.person:
            return OwnRole()
        if actor.person == found.proposed_by:
            return SecondPersonNeeded()

        def judge(connection: Connection, ledger_id: int) -> Refusal | None:
            return must_be_staff(connection, ledger_id, found.person)

        def draft(reads: Reads) -> Draft:
            values = (("confirmed_by", actor.person), ("second_half", _hash(half)))
            return self.draft(
                command,
                request_digest("confirm-enrolment", enrolment_id),
                changes=(
                    Change("enrolments", (enrolment_id,), "proposed", "confirmed", values),
                    ending_sessions(found.person),
                ),
                reads=reads,
                touches=(rights_of(found.person),),
            )

        verdict = await self.act(actor, "staff:manage", ANYTHING, judge, draft)
        self._ring.forget_person(found.person)
        if isinstance(verdict, Refusal):
            return verdict
        return Half(enrolment_id, found.person, None if verdict.replayed else half)

    async def use_enrolment(self, login: str, code: str, command: Command) -> Account | Refusal:
        """Use a code up; gives whose it was. Everything that is wrong with it looks alike."""
        first, _, second = code.strip().upper().partition("-")
        found = await self._ledger.database.read(standing.account_named, self._ledger.id, login)
        person = found.person if found is not None and found.state == "active" else ""
        waiting = await self._ledger.database.read(standing.open_enrolments, self._ledger.id, person)
        fitting = [
            e
            for e in waiting
            if secrets.compare_digest(e.first_half, _hash(first))
            and secrets.compare_digest(e.second_half, _hash(second))
            and self._clock.now() < e.expires_at
        ]
        if not fitting:
            return UnknownEnrolment()
        draft = self.draft(
            command,
            request_digest("enrol", fitting[0].id),
            changes=(Change("enrolments", (fitting[0].id,), "confirmed", "used"),),
        )
        verdict = (await self._ledger.submit([draft], ROOM))[0]
        if isinstance(verdict, Refusal) or verdict.replayed:
            return UnknownEnrolment()
        return found or UnknownEnrolment()

    async def close_account(self, actor: Actor, person: str, command: Command) -> Receipt | Refusal:
        """Close an account at once: its roles hold no longer, its sessions end, its keys open nothing."""

        def judge(connection: Connection, ledger_id: int) -> Refusal | None:
            return leaves_too_few(connection, ledger_id, person, self.today)

        def draft(reads: Reads) -> Draft:
            change = Change(
                "staff_accounts", (person,), "active", "closed", (("sessions_from", RECORDED_AT),)
            )
            return self.draft(
                command,
                request_digest("close-staff", person),
                changes=(change,),
                reads=reads,
                touches=(rights_of(person), ADMINISTRATORS),
            )

        if await self._ledger.database.read(standing.account_of, self._ledger.id, person) is None:
            return UnknownStaff(person)
        verdict = await self.act(actor, "staff:manage", ANYTHING, judge, draft)
        self._ring.forget_person(person)
        return verdict

    async def end_sessions(self, actor: Actor, person: str, command: Command) -> Receipt | Refusal:
        """End every session of somebody, at once."""

        def judge(connection: Connection, ledger_id: int) -> Refusal | None:
            return must_be_staff(connection, ledger_id, person)

        def draft(reads: Reads) -> Draft:
            return self.draft(
                command,
                request_digest("end-sessions", person),
                changes=(ending_sessions(person),),
                reads=reads,
                touches=(rights_of(person),),
            )

        verdict = await self.act(actor, "staff:manage", ANYTHING, judge, draft)
        self._ring.forget_person(person)
        return verdict

    async def accounts(self, *, after: str = "", limit: int = 100) -> list[Account]:
        """Accounts in the order of their login names, from the one after `after`."""
        return await self._ledger.database.read(standing.accounts_after, self._ledger.id, after, limit)

    def _enrolment(self, enrolment: str, person: str, reason: str, actor: Actor, half: str) -> Row:
        until = self._clock.now() + rights().log_in.enrolment_hours * MICROS_AN_HOUR
        values = (actor.person, RECORDED_AT, _hash(half), "", b"", until, "proposed")
        return Row("enrolments", (enrolment, person, reason, *values))


def is_login(text: str) -> bool:
    """Whether a text can be a login name: an id in small letters, chosen by an administrator, nobody's real name."""
    return re.fullmatch(LOGIN, text) is not None


def _name(login: str) -> str:
    """The subject that moves when a login name is taken."""
    return f"login:{login}"


def _half() -> str:
    """Half of a code: 120 random bits that people can type."""
    return b32encode(secrets.token_bytes(15)).decode()


def _hash(half: str) -> bytes:
    return sha256(half.encode("utf-8", "replace")).digest()
