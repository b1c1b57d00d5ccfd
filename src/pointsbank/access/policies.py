"""Which policies rule in a ledger: from the founding on, each change of them takes two people.

A policy is a file, and whoever holds the machine can write files. So a ledger keeps the digest of the book that rules:
proposed by one person, decided by another. Whatever works with another book in it is refused when it begins.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, Connection, select, true

from pointsbank.access import standing
from pointsbank.access.authorize import ANYTHING
from pointsbank.access.deciding import ROOM, Deciding
from pointsbank.access.model import Actor, id_for
from pointsbank.access.refusals import (
    PolicyChangeDecided,
    PolicyInvalid,
    SecondPersonNeeded,
    UnknownPolicyChange,
)
from pointsbank.access.standing import FOUNDING
from pointsbank.access.tables import policy_changes
from pointsbank.engine.commands import Command, request_digest
from pointsbank.engine.opening import admit
from pointsbank.engine.registry import Ledger
from pointsbank.ledger.model import RECORDED_AT, Change, Draft, Row
from pointsbank.ledger.refusals import Refusal
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.load import PolicyErrors
from pointsbank.policy.reading import PolicyError
from pointsbank.store.profile import Profile, profile_of

MANAGE: Final = "policies:manage"

RULING: Final = "policies"
"""The subject that moves with every approved change; its version is the number of the newest."""

_TRIES: Final = 5


class PolicyChange(msgspec.Struct, frozen=True, kw_only=True):
    """A book of policies that shall rule, or has. `number` counts those that were approved; the highest one rules.

    `state`: proposed, approved, refused. Times are microseconds UTC.
    """

    change_id: str
    digest: str
    """SHA-256 over names and digests of its policies, in hex."""
    versions: str
    """Names and versions of its policies with their days, a line each."""
    document_no: str
    number: int
    proposed_by: str
    proposed_at: int
    decided_by: str
    decided_at: int
    state: str


def digest_of(book: PolicyBook) -> str:
    """What a book is told by: every value of every policy in it, whatever the layout of the files."""
    lines = "".join(f"{policy.name} {policy.digest}\n" for policy in book.policies)
    return sha256(lines.encode()).hexdigest()


def versions_in(book: PolicyBook) -> str:
    """The policies of a book for people, a line each."""
    return "\n".join(f"{p.version} {p.valid_from} – {p.valid_to}" for p in book.policies)


class PolicyDesk(Deciding):
    """Proposes and decides which policies rule."""

    async def propose(
        self, actor: Actor, book: PolicyBook, command: Command, *, document_no: str = ""
    ) -> PolicyChange | Refusal:
        """Propose that these policies rule; they do once another person has approved them."""
        try:
            book.require_safeguards()
        except PolicyErrors as errors:
            return PolicyInvalid(str(errors))
        change_id, digest = id_for(command.client, command.key), digest_of(book)

        def draft(reads: tuple[tuple[str, int], ...]) -> Draft:
            values = (change_id, digest, versions_in(book), document_no, 0, actor.person, RECORDED_AT, "", 0)
            return self.draft(
                command,
                request_digest("propose-policies", digest, document_no),
                rows=(Row("policy_changes", (*values, "proposed")),),
                reads=reads,
            )

        verdict = await self.act(actor, MANAGE, ANYTHING, _nothing_against, draft)
        return verdict if isinstance(verdict, Refusal) else await self._change(change_id)

    async def decide(
        self, actor: Actor, change_id: str, command: Command, *, approve: bool
    ) -> PolicyChange | Refusal:
        """Decide on policies that another person has proposed; approved, they rule whatever begins from now on."""
        found = await self.find(change_id)
        if found is None:
            return UnknownPolicyChange(change_id)
        wanted = "approved" if approve else "refused"
        if found.state != "proposed":
            is_again = (found.state, found.decided_by) == (wanted, actor.person)
            return found if is_again else PolicyChangeDecided(change_id, found.state)
        if actor.person == found.proposed_by:
            return SecondPersonNeeded()
        version = 0

        def judge(connection: Connection, ledger_id: int) -> Refusal | None:
            nonlocal version
            version = standing.version_of(connection, ledger_id, RULING)
            return None

        def draft(reads: tuple[tuple[str, int], ...]) -> Draft:
            number = version + 1 if approve else 0
            values = (("decided_by", actor.person), ("decided_at", RECORDED_AT), ("number", number))
            return self.draft(
                command,
                request_digest("decide-policies", change_id, wanted),
                changes=(Change("policy_changes", (change_id,), "proposed", wanted, values),),
                reads=(*reads, (RULING, version)),
                touches=(RULING,) if approve else (),
            )

        verdict = await self.act(actor, MANAGE, ANYTHING, judge, draft)
        return verdict if isinstance(verdict, Refusal) else await self._change(change_id)

    async def find(self, change_id: str) -> PolicyChange | None:
        """The change with this id."""
        return await self._ledger.database.read(change_of, self._ledger.id, change_id)

    async def _change(self, change_id: str) -> PolicyChange:
        found = await self.find(change_id)
        assert found is not None, "it was written this moment"
        return found


async def admit_policies(ledger: Ledger, book: PolicyBook) -> Profile:
    """The profile of a ledger in which these policies are to rule; a ledger without any entry is opened as live.

    Raises PolicyErrors if the ledger is live and a safeguard is off, or if it has staff and nobody has approved this
    book. What rules at the founding is the book with which the ledger was worked last.
    """
    profile = await admit(ledger, book)
    if profile == "replay":
        return profile
    digest = digest_of(book)
    for _ in range(_TRIES):
        ruling, version, is_founded = await ledger.database.read(_ruling, ledger.id)
        if ruling is not None and ruling.digest == digest:
            return profile
        if ruling is not None and is_founded:
            break
        if not isinstance((await ledger.submit([_noted(ledger, book, version)], ROOM))[0], Refusal):
            return profile
    raise _not_approved(book)


async def require_ruling(ledger: Ledger, book: PolicyBook) -> None:
    """Make sure that by these policies a ledger may be read: what they say of its hours and people is what rules.

    Writes nothing, so it may be asked beside whoever writes. Raises PolicyErrors if the ledger has staff and another
    book was approved.
    """
    if await ledger.database.read(profile_of, ledger.id) == "replay":
        return
    ruling, _, is_founded = await ledger.database.read(_ruling, ledger.id)
    if is_founded and ruling is not None and ruling.digest != digest_of(book):
        raise _not_approved(book)


def change_of(connection: Connection, ledger_id: int, change_id: str) -> PolicyChange | None:
    """A change by its id."""
    found = _changes(connection, ledger_id, policy_changes.c.change_id == change_id)
    return found[0] if found else None


def changes_of_policies(connection: Connection, ledger_id: int, limit: int = 200) -> list[PolicyChange]:
    """Books that were proposed, the newest first."""
    return _changes(connection, ledger_id, true(), limit)


def ruling_policies(connection: Connection, ledger_id: int) -> PolicyChange | None:
    """The book that rules; None before the ledger was worked with any."""
    number = standing.version_of(connection, ledger_id, RULING)
    found = _changes(
        connection, ledger_id, (policy_changes.c.number == number) & (policy_changes.c.number > 0)
    )
    return found[0] if found else None


def _not_approved(book: PolicyBook) -> PolicyErrors:
    return PolicyErrors(
        "policy book",
        [
            PolicyError(
                "",
                "未经两人批准，不能用于已启用人员管理的账本；先用 pointsbank policy propose 提出，再由另一人 pointsbank"
                " policy decide 批准 (not approved by two people, as a ledger with staff asks: `pointsbank policy propose`,"
                f" then `pointsbank policy decide` by another person): {versions_in(book)}",
            )
        ],
    )


def _changes(
    connection: Connection, ledger_id: int, condition: ColumnElement[bool], limit: int = 1
) -> list[PolicyChange]:
    t = policy_changes.c
    rows = connection.execute(
        select(*(t[name] for name in PolicyChange.__struct_fields__))
        .where(t.ledger_id == ledger_id, condition)
        .order_by(t.proposed_at.desc(), t.change_id)
        .limit(limit)
    )
    return [PolicyChange(**row._mapping) for row in rows]


def _ruling(connection: Connection, ledger_id: int) -> tuple[PolicyChange | None, int, bool]:
    return (
        ruling_policies(connection, ledger_id),
        standing.version_of(connection, ledger_id, RULING),
        standing.version_of(connection, ledger_id, FOUNDING) > 0,
    )


def _noted(ledger: Ledger, book: PolicyBook, version: int) -> Draft:
    """The note that a ledger without staff, or without any such note, is worked with this book."""
    number, digest = version + 1, digest_of(book)
    values = (
        f"first-{number}",
        digest,
        versions_in(book),
        "",
        number,
        FOUNDING,
        RECORDED_AT,
        FOUNDING,
        RECORDED_AT,
    )
    return Draft(
        "access",
        f"policies:{number}",
        "system",
        request_digest("note-policies", digest),
        ledger.writer.clock.now(),
        actor="system",
        rows=(Row("policy_changes", (*values, "approved")),),
        reads=((RULING, version),),
        touches=(RULING,),
    )


def _nothing_against(connection: Connection, ledger_id: int) -> None:
    return None
