"""Acts that take two members of staff: cards, PINs, households, closings. One proposes, another confirms.

Neither is the person concerned or of the household. The person (at the phone on file) and the helpers hear of it, and
what it gives may be used only after a delay.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal

import msgspec
from sqlalchemy import Connection, and_, func, insert, select, update

from pointsbank.engine.ids import new_id
from pointsbank.people.aliases import aliases
from pointsbank.people.links import lock, outsider
from pointsbank.people.notices import enqueue, tell_helpers
from pointsbank.people.refusals import PersonNotActive, SecondPersonNeeded, UnknownChange, UnknownPerson
from pointsbank.people.store import PeopleStore
from pointsbank.people.store_tables import acts, persons
from pointsbank.people.vault import Vault

ActKind = Literal["card-issue", "card-replacement", "card-unfreezing", "pin-reset", "household", "closing"]


class Act(msgspec.Struct, frozen=True):
    """An act that was proposed or confirmed. Nothing that it gives may be used before `effective_at` (0: not yet)."""

    id: str
    person_id: str
    kind: str
    state: str
    proposed_by: str
    confirmed_by: str
    effective_at: int


Proposed = Act | UnknownPerson | PersonNotActive | SecondPersonNeeded
Confirmed = tuple[Act, str] | UnknownChange | SecondPersonNeeded


def propose(
    connection: Connection,
    vault: Vault,
    person_id: str,
    kind: ActKind,
    payload: str,
    by: str,
    household: Collection[str],
    now: int,
) -> Proposed:
    """Write a proposal down; `payload` is sealed under the person's key until it is confirmed."""
    lock(connection, vault.ledger_id, person_id)
    key = vault.keys_of(connection, [person_id]).get(person_id)
    p = persons.c
    state = connection.execute(
        select(p.state).where(p.ledger_id == vault.ledger_id, p.person_id == person_id)
    ).scalar()
    if key is None or state is None:
        return UnknownPerson(person_id)
    if state != "active":
        return PersonNotActive(person_id, state)
    refused = outsider(by, (person_id,), household)
    if refused is not None:
        return refused
    act = Act(new_id(), person_id, kind, "proposed", by, "", 0)
    connection.execute(
        insert(acts).values(
            ledger_id=vault.ledger_id, person_id=person_id, act_id=act.id, kind=kind, state="proposed",
            proposed_by=by, proposed_at=now, confirmed_by="", confirmed_at=0, effective_at=0,
            payload=vault.seal(key, f"act {act.id}", payload),
        )
    )  # fmt: skip
    return act


def confirm(
    connection: Connection,
    vault: Vault,
    person_id: str,
    act_id: str,
    kinds: Collection[str],
    by: str,
    household: Collection[str],
    now: int,
    delay: int,
) -> Confirmed:
    """Confirm what another proposed: the act and its payload. The person and the helpers are told."""
    t = acts.c
    lock(connection, vault.ledger_id, person_id)
    here = and_(t.ledger_id == vault.ledger_id, t.person_id == person_id, t.act_id == act_id)
    row = connection.execute(
        select(t.kind, t.state, t.proposed_by, t.confirmed_by, t.effective_at, t.payload).where(
            here, t.kind.in_(kinds)
        )
    ).one_or_none()
    key = vault.keys_of(connection, [person_id]).get(person_id)
    if row is None or key is None:
        return UnknownChange(act_id)
    if row.kind == "closing" and (row.state, row.confirmed_by) == ("confirmed", by):
        # a closing goes on where it was interrupted
        act = Act(act_id, person_id, row.kind, row.state, row.proposed_by, by, row.effective_at)
        return act, vault.open(key, f"act {act_id}", row.payload)
    if row.state != "proposed":
        return UnknownChange(act_id)
    refused = outsider(by, (person_id, row.proposed_by), household)
    if refused is not None:
        return refused
    connection.execute(
        update(acts)
        .where(here, t.state == "proposed")
        .values(
            state="confirmed", confirmed_by=by, confirmed_at=now, effective_at=now + delay,
            payload=row.payload if row.kind == "closing" else b"",
        )
    )  # fmt: skip
    if row.kind != "closing":  # of which the closing itself tells
        tell_helpers(connection, vault, person_id, f"ward-{row.kind}", now)
        enqueue(connection, vault, person_id, row.kind, now)
    act = Act(act_id, person_id, row.kind, "confirmed", row.proposed_by, by, now + delay)
    return act, vault.open(key, f"act {act_id}", row.payload)


def ready(
    connection: Connection,
    vault: Vault,
    person_id: str,
    act_id: str,
    kinds: Collection[str],
    by: str,
    household: Collection[str],
) -> str | UnknownChange | SecondPersonNeeded:
    """Whether an act could be confirmed, without doing so: its payload. For acts that something else must precede."""
    t = acts.c
    row = connection.execute(
        select(t.proposed_by, t.payload).where(
            t.ledger_id == vault.ledger_id,
            t.person_id == person_id,
            t.act_id == act_id,
            t.state == "proposed",
            t.kind.in_(kinds),
        )
    ).one_or_none()
    key = vault.keys_of(connection, [person_id]).get(person_id)
    if row is None or key is None:
        return UnknownChange(act_id)
    refused = outsider(by, (person_id, row.proposed_by), household)
    return refused or vault.open(key, f"act {act_id}", row.payload)


def use(
    connection: Connection, ledger_id: int, person_id: str, kind: ActKind, since: int, effective_at: int
) -> bool:
    """Use a confirmed act of a kind up, if there is one that was confirmed after `since`. It gives leave once."""
    t = acts.c
    here = (t.ledger_id == ledger_id, t.person_id == person_id, t.kind == kind, t.state == "confirmed")
    newest = connection.execute(
        select(t.act_id).where(*here, t.confirmed_at > since).order_by(t.confirmed_at.desc()).limit(1)
    ).scalar()
    if newest is None:
        return False
    used = connection.execute(
        update(acts).where(*here, t.act_id == newest).values(state="used", effective_at=effective_at)
    )
    return used.rowcount == 1


async def effective_from(store: PeopleStore, person_id: str, kinds: Iterable[ActKind]) -> int:
    """From which moment (microseconds UTC) the newest act of these kinds holds; 0 if there was none."""
    t, wanted = acts.c, list(kinds)

    def work(connection: Connection) -> int:
        ids = [person_id, *aliases(connection, store.ledger_id, person_id)]
        query = select(func.max(t.effective_at)).where(
            t.ledger_id == store.ledger_id, t.person_id.in_(ids), t.kind.in_(wanted)
        )
        return connection.execute(query).scalar() or 0

    return await store.read(work)


async def kind_of(store: PeopleStore, person_id: str, act_id: str) -> str:
    """What an act is about; empty if there is none with this id."""
    t = acts.c
    query = select(t.kind).where(t.ledger_id == store.ledger_id, t.person_id == person_id, t.act_id == act_id)
    return await store.read(lambda c: c.execute(query).scalar()) or ""


async def proposals(store: PeopleStore, person_id: str) -> list[Act]:
    """What waits for a second member of staff, oldest first."""
    t = acts.c
    query = (
        select(t.act_id, t.person_id, t.kind, t.state, t.proposed_by, t.confirmed_by, t.effective_at)
        .where(t.ledger_id == store.ledger_id, t.person_id == person_id, t.state == "proposed")
        .order_by(t.act_id)
        .limit(100)
    )
    return await store.read(lambda c: [Act(*row) for row in c.execute(query)])
