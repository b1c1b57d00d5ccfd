"""The outbox: what people are to be told, written with the act that they are told of, sent after its commit.

A sender gets a number and the name of a template, and nothing else.
"""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from pointsbank.engine.ids import new_id
from pointsbank.people.model import Contents
from pointsbank.people.store import PeopleStore
from pointsbank.people.store_tables import links, notices
from pointsbank.people.vault import Vault

DAY = 24 * 3_600_000_000
PAUSE = 60_000_000
"""How long a message rests that could not be sent."""

ALWAYS = 2**62

_FIELD = "notice address"


class Notice(Contents, frozen=True):
    """One message that waits: where to, and which text."""

    id: str
    phone: str
    template: str


def enqueue(
    connection: Connection, vault: Vault, person_id: str, template: str, now: int, *, phone: str = ""
) -> None:
    """Put a message into the outbox, to the phone given or the one on file. Without a phone there is none."""
    key = vault.keys_of(connection, [person_id]).get(person_id)
    if key is None:
        return
    phone = phone or vault.values_of(connection, [person_id], ("phone",))[person_id].get("phone", "")
    if not phone:
        return
    connection.execute(
        insert(notices).values(
            ledger_id=vault.ledger_id,
            notice_id=new_id(),
            person_id=person_id,
            template=template,
            state="waiting",
            created_at=now,
            sent_at=0,
            address=vault.seal(key, _FIELD, phone),
        )
    )


def tell_helpers(
    connection: Connection, vault: Vault, person_id: str, template: str, now: int, *, but: str = ""
) -> None:
    """Put a message to each helper and guardian of a person, `but` one, into the outbox."""
    t = links.c
    query = select(t.holder_id).where(
        t.ledger_id == vault.ledger_id, t.ward_id == person_id, t.state == "active"
    )
    for holder in sorted(set(connection.execute(query).scalars()) - {but}):
        enqueue(connection, vault, holder, template, now)


async def waiting(store: PeopleStore, limit: int = 100) -> list[Notice]:
    """Messages to send, oldest first."""
    return await store.read(lambda c: _waiting(c, store.vault, limit))


async def take(store: PeopleStore, limit: int = 20) -> list[Notice]:
    """Messages to send now, oldest first: nobody else takes them. `settle` says what became of each."""
    t, now = notices.c, store.clock.now()

    def work(connection: Connection) -> list[Notice]:
        found = _waiting(connection, store.vault, limit, now - PAUSE)
        taken = []
        for notice in found:
            mine = connection.execute(
                update(notices)
                .where(t.ledger_id == store.ledger_id, t.notice_id == notice.id, t.state == "waiting")
                .values(state="sent", sent_at=now)
            )
            if mine.rowcount == 1:
                taken.append(notice)
        return taken

    return await store.write(work)


async def settle(store: PeopleStore, notice_id: str, *, sent: bool) -> None:
    """Write down what became of a message. What was not sent is tried again for a day; then its address is deleted."""
    t, now = notices.c, store.clock.now()
    here = (t.ledger_id == store.ledger_id, t.notice_id == notice_id, t.address != b"")

    def work(connection: Connection) -> None:
        again = 0
        if not sent:
            later = update(notices).where(*here, t.created_at > now - DAY)
            again = connection.execute(later.values(state="waiting", sent_at=now)).rowcount
        if not again:
            done = update(notices).where(*here)
            connection.execute(done.values(state="sent" if sent else "failed", sent_at=now, address=b""))

    await store.write(work)


def _waiting(connection: Connection, vault: Vault, limit: int, tried_before: int = ALWAYS) -> list[Notice]:
    t = notices.c
    rows = connection.execute(
        select(t.notice_id, t.person_id, t.template, t.address)
        .where(t.ledger_id == vault.ledger_id, t.state == "waiting", t.sent_at <= tried_before)
        .order_by(t.notice_id)
        .limit(limit)
    ).all()
    keys = vault.keys_of(connection, (row.person_id for row in rows))
    return [
        Notice(row.notice_id, vault.open(keys[row.person_id], _FIELD, row.address), row.template)
        for row in rows
        if row.person_id in keys
    ]
