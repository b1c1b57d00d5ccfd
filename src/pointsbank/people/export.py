"""All that the bank knows of somebody, for that person: readable JSON. Source: PIPL article 45.

The people store's part is made here; what the books hold is read by whoever knows their rooms (`Books`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection, or_, select

from pointsbank.people import access_log, consents
from pointsbank.people.aliases import aliases
from pointsbank.people.refusals import UnknownPerson
from pointsbank.people.registry import PLAIN
from pointsbank.people.sealing import SealBroken
from pointsbank.people.store import PeopleStore
from pointsbank.people.store_tables import acts, blind_indexes, cards, changes, links, person_roles, persons

FORMAT = 2

MOST_SIGHTINGS = 10_000


class Typed(NamedTuple):
    """A text that another room keeps sealed under the person's key: what it is, the sealed bytes, and what of it is
    the person's own to read."""

    what: str
    sealed: bytes
    own: Callable[[str], list[str]]


Books = Callable[[Sequence[str]], Awaitable[tuple[dict[str, Any], list[Typed]]]]
"""What the books hold under any of a person's ids, and what they keep sealed."""


async def no_books(ids: Sequence[str]) -> tuple[dict[str, Any], list[Typed]]:
    """There are no books beside this store."""
    return {}, []


async def export_own_data(
    store: PeopleStore, person_id: str, by: str, *, zone: str = "Asia/Shanghai", books: Books = no_books
) -> bytes | UnknownPerson:
    """One's own data as JSON (UTF-8, indented). Logged: who asked may be the person or a member of staff."""
    now = store.clock.now()
    found = await store.write(lambda c: _export(c, store, person_id, by, now, zone))
    if isinstance(found, UnknownPerson):
        return found
    ids = [person_id, *(one["person_id"] for one in found["merged_registrations"])]
    held, typed = await books(ids)
    told = await store.read(lambda c: _opened(c, store, ids, typed)) if typed else {}
    whole = {**found, "books": held, "as_it_was_typed": told}
    return msgspec.json.format(msgspec.json.encode(whole))


def _opened(
    connection: Connection, store: PeopleStore, ids: Sequence[str], typed: Sequence[Typed]
) -> dict[str, list[str]]:
    """Sealed texts in plain; of who was merged a text may be under either key."""
    vault, told = store.vault, dict[str, list[str]]()
    keys = list(vault.keys_of(connection, ids).values())
    for what, sealed, own in typed:
        for key in keys:
            try:
                text = vault.open(key, f"text {what}", sealed)
            except SealBroken:
                continue
            told[what] = own(text)
            break
    return told


def _export(
    connection: Connection, store: PeopleStore, person_id: str, by: str, now: int, zone: str
) -> dict[str, Any] | UnknownPerson:
    vault, ledger_id = store.vault, store.ledger_id
    key = vault.keys_of(connection, [person_id]).get(person_id)
    if key is None:
        return UnknownPerson(person_id)
    access_log.note(connection, vault, at=now, actor=by, action="export", person=key)
    values = vault.values_of(connection, [person_id], (*PLAIN, "id-number"))[person_id]

    def when(micros: int) -> str | None:
        if not micros:
            return None
        moment = datetime.fromtimestamp(micros // 1_000_000, UTC).astimezone(ZoneInfo(zone))
        return moment.isoformat(timespec="seconds")

    p, r, i, k, g = persons.c, person_roles.c, blind_indexes.c, links.c, changes.c
    person = connection.execute(
        select(p.state, p.created_at).where(p.ledger_id == ledger_id, p.person_id == person_id)
    ).one()
    roles = connection.execute(
        select(r.role, r.since).where(r.ledger_id == ledger_id, r.person_id == person_id).order_by(r.role)
    ).all()
    kinds = set(
        connection.execute(select(i.kind).where(i.ledger_id == ledger_id, i.person_id == person_id)).scalars()
    )
    ties = connection.execute(
        select(k.kind, k.holder_id, k.ward_id, k.from_day, k.to_day, k.state)
        .where(k.ledger_id == ledger_id, or_(k.ward_id == person_id, k.holder_id == person_id))
        .order_by(k.link_id)
    ).all()
    altered = connection.execute(
        select(g.kind, g.state, g.proposed_at, g.confirmed_at)
        .where(g.ledger_id == ledger_id, g.person_id == person_id)
        .order_by(g.change_id)
    ).all()
    done = connection.execute(
        select(acts.c.kind, acts.c.state, acts.c.proposed_at, acts.c.confirmed_at)
        .where(acts.c.ledger_id == ledger_id, acts.c.person_id == person_id)
        .order_by(acts.c.act_id)
    ).all()
    held = connection.execute(
        select(cards.c.card_id, cards.c.number, cards.c.state, cards.c.issued_at)
        .where(cards.c.ledger_id == ledger_id, cards.c.person_id == person_id)
        .order_by(cards.c.card_id)
    ).all()
    return {
        "format": FORMAT,
        "说明": "本文件是积分银行保存的关于您的全部内容：个人资料、账簿中的记录与收支。",
        "explanation": "All that the points bank holds about you: your data on file, and what the books say.",
        "exported_at": when(now),
        "person_id": person_id,
        "state": person.state,
        "registered_at": when(person.created_at),
        "roles": [{"role": row.role, "since": when(row.since)} for row in roles],
        "name": values.get("name"),
        "phone": values.get("phone"),
        "volunteer_number": values.get("volunteer-number"),
        "birth_date": values.get("birth"),
        "id_number": values.get("id-number"),
        "id_number_is_kept_as": _id_number_form("id-number" in values, "id-number" in kinds),
        "consents": [
            {
                "purpose": one.purpose,
                "wording": one.wording,
                "given_at": when(one.given_at),
                "given_by": one.given_by,
                "withdrawn_at": when(one.withdrawn_at),
            }
            for one in consents.history(connection, ledger_id, person_id)
        ],
        "links": [
            {
                "kind": row.kind,
                "you_are": "ward" if row.ward_id == person_id else row.kind,
                "other_person_id": row.holder_id if row.ward_id == person_id else row.ward_id,
                "from": row.from_day,
                "to": row.to_day,
                "state": row.state,
            }
            for row in ties
        ],
        "changes": [
            {
                "kind": row.kind,
                "state": row.state,
                "proposed_at": when(row.proposed_at),
                "confirmed_at": when(row.confirmed_at),
            }
            for row in (*altered, *done)
        ],
        "cards": [
            {
                "number": vault.open(key, f"card {row.card_id}", row.number),
                "state": row.state,
                "issued_at": when(row.issued_at),
            }
            for row in held
        ],
        "merged_registrations": [
            {"person_id": alias, **vault.values_of(connection, [alias], PLAIN).get(alias, {})}
            for alias in aliases(connection, ledger_id, person_id)
        ],
        "who_saw_you": [
            {
                "at": when(one.at),
                "by": one.actor,
                "what": one.action,
                "field": one.field,
                "reason": one.reason,
            }
            for one in access_log.seen(connection, vault, person_id=person_id, limit=MOST_SIGHTINGS)
        ],
    }


def _id_number_form(is_kept: bool, is_indexed: bool) -> str | None:
    if is_kept:
        return "number, encrypted 加密保存的号码"
    return "keyed fingerprint, not readable 带密钥的摘要，不可还原" if is_indexed else None
