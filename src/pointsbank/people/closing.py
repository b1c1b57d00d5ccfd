"""Closing an account: the points are settled in the books, then the person is forgotten; the books stay whole.

A saga: each step is durable before the next begins and may be done again, so it goes on after any interruption.

    asked ── delay, if points go anywhere ──▶ settling ── by postings ──▶ settled ── key, indexes, values deleted ──▶
    erased ── log emptied, line in the erasure list ──▶ done
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Final, Literal

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, delete, insert, select, update

from pointsbank.ledger.refusals import Refusal
from pointsbank.people.aliases import aliases
from pointsbank.people.forgetting import forget
from pointsbank.people.links import lock, outsider
from pointsbank.people.model import USUAL
from pointsbank.people.notices import enqueue, tell_helpers
from pointsbank.people.refusals import ClosingInterrupted, ClosingWaits, PersonNotActive, UnknownPerson
from pointsbank.people.store import PeopleStore
from pointsbank.people.store_tables import closings, persons
from pointsbank.people.vault import Vault

Settlement = Literal["nothing", "donate", "household"]
"""What becomes of points that are left: there are none, they are donated, they go to the household."""

WITH_TWO: Final = frozenset({"donate", "household"})

Settle = Callable[[str, Settlement, str], Awaitable[Refusal | None]]
"""Settles a person's points in the books: (person id, settlement, idempotency key). None when it is done.

It is called again with the same key if an interruption left it unknown whether it was done.
"""

Step = Callable[[str], None]
"""Told of each thing that is done, as it is done."""


class Closing(msgspec.Struct, frozen=True):
    """How far a closing has come: asked, settling, settled, erased or done. Nothing is settled before `settles_at`."""

    person_id: str
    step: str
    settlement: Settlement
    asked_by: str
    confirmed_by: str
    settles_at: int


async def close_account(
    store: PeopleStore,
    person_id: str,
    settle: Settle,
    *,
    by: str,
    settlement: Settlement = "nothing",
    confirmed_by: str = "",
    household: Collection[str] = (),
    delay: int = USUAL.new_means_micros,
    on_step: Step = lambda step: None,
) -> Closing | Refusal:
    """Close an account, or go on with a closing that was interrupted. Done means: forgotten, and on the list.

    If points go anywhere, two members of staff act: `by` and `confirmed_by`, neither concerned nor of the household;
    the person and the helpers are told, and nothing happens before `delay` (microseconds) is over: until then it is
    refused as waiting, and may be called off.
    """
    if settlement in WITH_TWO:
        refused = outsider(by, (person_id,), household) or outsider(
            confirmed_by, (person_id, by, ""), household
        )
        if refused is not None:
            return refused
    now = store.clock.now()
    settles_at = now + delay if settlement in WITH_TWO else now
    asked = Closing(person_id, "asked", settlement, by, confirmed_by, settles_at)
    closing = await store.write(lambda c: _ask(c, store.vault, asked, now))
    if not isinstance(closing, Closing):
        return closing
    on_step("asked")
    return await _go_on(store, closing, settle, on_step)


async def call_off(store: PeopleStore, person_id: str, by: str) -> PersonNotActive | None:
    """Call a closing off that has not begun to settle: the person is as before. One is enough to protect somebody."""
    closing = await store.read(lambda c: _closings(c, store.ledger_id, person_id))
    if not closing or not await _give_up(store, person_id, "asked", by):
        return PersonNotActive(person_id, closing[0].step if closing else "")
    return None


async def resume_closings(store: PeopleStore, settle: Settle) -> list[Closing | Refusal]:
    """Go on with every closing that was interrupted: called when the service starts."""
    unfinished = await store.read(lambda c: _unfinished(c, store.ledger_id))
    return [await _go_on(store, closing, settle, lambda step: None) for closing in unfinished]


async def _go_on(store: PeopleStore, closing: Closing, settle: Settle, on_step: Step) -> Closing | Refusal:
    person_id = closing.person_id
    if closing.step == "asked":
        if store.clock.now() < closing.settles_at:
            return ClosingWaits(closing.settles_at)
        if not await _advance(store, closing, "settling"):
            return ClosingInterrupted(closing.step)
        closing = replace(closing, step="settling")
        on_step("settling")
    if closing.step == "settling":
        refusal = await settle(person_id, closing.settlement, f"close-account:{person_id}")
        if refusal is not None:
            if not refusal.retry:
                await _give_up(store, person_id, "settling", closing.asked_by)
            return refusal
        on_step("points settled")
        if not await _advance(store, closing, "settled"):
            return ClosingInterrupted(closing.step)
        closing = replace(closing, step="settled")
        on_step("settled")
    if closing.step == "settled":
        now = store.clock.now()
        # the step is written in the same commit
        await store.write(
            lambda c: forget(c, store.ledger_id, [person_id, *aliases(c, store.ledger_id, person_id)], now)
        )
        closing = replace(closing, step="erased")
        on_step("erased")
    if closing.step == "erased":
        if not await store.empty_log():
            return ClosingInterrupted("erased")
        on_step("log emptied")
        for alias in await store.read(lambda c: aliases(c, store.ledger_id, person_id)):
            store.erasures.add(alias)
        store.erasures.add(person_id)
        on_step("listed")
        await _advance(store, closing, "done")
        closing = replace(closing, step="done")
        on_step("done")
    return closing


async def _give_up(store: PeopleStore, person_id: str, step: str, by: str) -> bool:
    """Nothing is settled: the person is as before the closing was asked for. False if it is at another step."""
    t, p, now = closings.c, persons.c, store.clock.now()
    here = (t.ledger_id == store.ledger_id, t.person_id == person_id, t.step == step)

    def work(connection: Connection) -> bool:
        lock(connection, store.ledger_id, person_id)
        before = connection.execute(select(t.state_before).where(*here)).scalar()
        if before is None or not connection.execute(delete(closings).where(*here)).rowcount:
            return False
        connection.execute(
            update(persons)
            .where(p.ledger_id == store.ledger_id, p.person_id == person_id, p.state == "closing")
            .values(state=before, changed_at=now, changed_by=by)
        )
        return True

    return await store.write(work)


async def _advance(store: PeopleStore, closing: Closing, step: str) -> bool:
    """Make the next step durable; False if somebody else moved the closing on, or called it off."""
    t, now = closings.c, store.clock.now()
    statement = (
        update(closings)
        .where(t.ledger_id == store.ledger_id, t.person_id == closing.person_id, t.step == closing.step)
        .values(step=step, changed_at=now)
    )
    return await store.write(lambda c: c.execute(statement).rowcount) == 1


def _ask(
    connection: Connection, vault: Vault, asked: Closing, now: int
) -> Closing | UnknownPerson | PersonNotActive:
    ledger_id = vault.ledger_id
    lock(connection, ledger_id, asked.person_id)
    p = persons.c
    here = (p.ledger_id == ledger_id, p.person_id == asked.person_id)
    state = connection.execute(select(p.state).where(*here)).scalar()
    if state is None:
        return UnknownPerson(asked.person_id)
    found = _closings(connection, ledger_id, asked.person_id)
    if found:
        return found[0]
    if state == "merged":
        return PersonNotActive(asked.person_id, state)
    if state == "closed":  # forgotten by the erasure list, after a restore from before it was asked
        return replace(asked, step="done")
    connection.execute(
        insert(closings).values(
            ledger_id=ledger_id, person_id=asked.person_id, step="asked", settlement=asked.settlement,
            state_before=state, asked_at=now, asked_by=asked.asked_by, confirmed_by=asked.confirmed_by, changed_at=now,
            settles_at=asked.settles_at,
        )
    )  # fmt: skip
    connection.execute(
        update(persons).where(*here).values(state="closing", changed_at=now, changed_by=asked.asked_by)
    )
    if asked.settlement in WITH_TWO:
        enqueue(connection, vault, asked.person_id, "closing-asked", now)
        tell_helpers(connection, vault, asked.person_id, "ward-closing-asked", now)
    return asked


def _unfinished(connection: Connection, ledger_id: int) -> list[Closing]:
    t = closings.c
    query = select(t.person_id).where(t.ledger_id == ledger_id, t.step != "done")
    return [
        one
        for person_id in sorted(connection.execute(query).scalars())
        for one in _closings(connection, ledger_id, person_id)
    ]


def _closings(connection: Connection, ledger_id: int, person_id: str) -> list[Closing]:
    t = closings.c
    query = select(t.person_id, t.step, t.settlement, t.asked_by, t.confirmed_by, t.settles_at).where(
        t.ledger_id == ledger_id, t.person_id == person_id
    )
    return [Closing(*row) for row in connection.execute(query)]
