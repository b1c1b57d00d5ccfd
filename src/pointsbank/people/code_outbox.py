"""One-time codes that wait to be sent: number and code sealed under a holder's key, gone when sent or too old."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, delete, insert, select, update

from pointsbank.engine.ids import new_id
from pointsbank.people import registration
from pointsbank.people.model import Contents
from pointsbank.people.store import PeopleStore
from pointsbank.people.store_tables import code_messages
from pointsbank.people.vault import Vault

MINUTE: Final = 60_000_000


class CodeMessage(Contents, frozen=True):
    """One message that waits: where to, which text, and the code."""

    id: str
    phone: str
    template: str
    code: str


def enqueue_code(
    connection: Connection, vault: Vault, phone: str, template: str, code: str, until: int
) -> None:
    """Put a code into the outbox for a phone in its one written form; nothing if nobody on file has it."""
    digest = vault.indexes.digest("phone", phone)
    held = registration.holders(connection, vault, [("phone", digest)]).get(("phone", digest), [])
    for key in sorted(vault.keys_of(connection, held).values(), key=lambda key: key.person_id)[:1]:
        message = new_id()
        connection.execute(
            insert(code_messages).values(
                ledger_id=vault.ledger_id, message_id=message, person_id=key.person_id, template=template,
                expires_at=until, taken_until=0, address=vault.seal(key, f"code address {message}", phone),
                code=vault.seal(key, f"code {message}", code),
            )
        )  # fmt: skip


async def take(store: PeopleStore, limit: int = 20) -> list[CodeMessage]:
    """Codes to send now, oldest first: nobody else takes them for a minute. What is too old goes unsent."""
    now = store.clock.now()

    def work(connection: Connection) -> list[CodeMessage]:
        t, vault = code_messages.c, store.vault
        connection.execute(delete(code_messages).where(t.ledger_id == vault.ledger_id, t.expires_at <= now))
        rows = connection.execute(
            select(t.message_id, t.person_id, t.template, t.address, t.code)
            .where(t.ledger_id == vault.ledger_id, t.taken_until <= now)
            .order_by(t.message_id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        ).all()
        keys = vault.keys_of(connection, (row.person_id for row in rows))
        taken = []
        for row in rows:
            connection.execute(
                update(code_messages)
                .where(t.ledger_id == vault.ledger_id, t.message_id == row.message_id)
                .values(taken_until=now + MINUTE)
            )
            if row.person_id in keys:
                key = keys[row.person_id]
                phone = vault.open(key, f"code address {row.message_id}", row.address)
                code = vault.open(key, f"code {row.message_id}", row.code)
                taken.append(CodeMessage(row.message_id, phone, row.template, code))
        return taken

    return await store.write(work)


async def sent(store: PeopleStore, message_id: str) -> None:
    """The sender has it: nothing of it is kept."""
    t = code_messages.c
    statement = delete(code_messages).where(t.ledger_id == store.ledger_id, t.message_id == message_id)
    await store.write(lambda c: c.execute(statement).rowcount)
