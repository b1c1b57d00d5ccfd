"""Who saw whom, when and why; how often somebody searched; what an auditor should look at."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Table, delete, desc, func, select
from sqlalchemy.dialects import postgresql, sqlite

from pointsbank.engine.ids import new_id
from pointsbank.people.model import RiskFlag, SearchLimits, Seen
from pointsbank.people.refusals import SearchLimitReached
from pointsbank.people.store_tables import access_log, risk_flags, search_counters
from pointsbank.people.vault import PersonKey, Vault

MICROS = 1_000_000
HOUR = 3600 * MICROS
DAY = 24 * HOUR

SEARCHES = ("find", "duplicate")
"""Actions that tell whether a number is on file: they count against the limits."""


def note(
    connection: Connection,
    vault: Vault,
    *,
    at: int,
    actor: str,
    action: str,
    person: PersonKey | None = None,
    field: str = "",
    reason: str = "",
) -> None:
    """Write down that somebody saw something of a person; the reason is sealed under that person's key."""
    sealed = vault.seal(person, "access reason", reason) if person and reason else b""
    connection.execute(
        access_log.insert().values(
            ledger_id=vault.ledger_id,
            entry_id=new_id(),
            at=at,
            actor=actor,
            person_id=person.person_id if person else "",
            action=action,
            field=field,
            note=sealed,
        )
    )


def seen(
    connection: Connection, vault: Vault, *, person_id: str = "", actor: str = "", limit: int = 100
) -> list[Seen]:
    """Who saw a person, or what an actor saw; newest first."""
    t = access_log.c
    query = select(t.at, t.actor, t.person_id, t.action, t.field, t.note).where(
        t.ledger_id == vault.ledger_id
    )
    if person_id:
        query = query.where(t.person_id == person_id)
    if actor:
        query = query.where(t.actor == actor)
    rows = connection.execute(query.order_by(desc(t.at), desc(t.entry_id)).limit(limit)).all()
    keys = vault.keys_of(connection, (row.person_id for row in rows if row.note))
    return [
        Seen(
            row.at,
            row.actor,
            row.person_id,
            row.action,
            row.field,
            vault.open(keys[row.person_id], "access reason", row.note) if row.note else "",
        )
        for row in rows
    ]


def discard(connection: Connection, ledger_id: int, before: int) -> int:
    """Delete lines and flags from before a moment, when the time for which they must be kept is over. How many."""
    lines = connection.execute(
        delete(access_log).where(access_log.c.ledger_id == ledger_id, access_log.c.at < before)
    ).rowcount
    raised = connection.execute(
        delete(risk_flags).where(risk_flags.c.ledger_id == ledger_id, risk_flags.c.at < before)
    ).rowcount
    return lines + raised


def admit_search(
    connection: Connection, ledger_id: int, actor: str, now: int, limits: SearchLimits, zone: str
) -> SearchLimitReached | None:
    """Whether somebody may search once more: at most so many in any hour and any day, found or not.

    The count is taken under a lock on the actor's row, so that two searches at once are not both the last one.
    """
    _raise_counter(connection, ledger_id, actor, now)
    t = access_log.c

    def since(start: int) -> int:
        query = (
            select(func.count())
            .select_from(access_log)
            .where(t.ledger_id == ledger_id, t.actor == actor, t.at > start, t.action.in_(SEARCHES))
        )
        return connection.execute(query).scalar_one()

    if since(now - limits.burst_seconds * MICROS) + 1 >= limits.burst:
        flag(connection, ledger_id, "search-burst", actor, now, zone)
    for window, length, limit in (("hour", HOUR, limits.hour), ("day", DAY, limits.day)):
        if since(now - length) >= limit:
            flag(connection, ledger_id, "search-limit", actor, now, zone)
            query = (
                select(t.at)
                .where(
                    t.ledger_id == ledger_id,
                    t.actor == actor,
                    t.at > now - length,
                    t.action.in_(SEARCHES),
                )
                .order_by(desc(t.at))
                .offset(max(limit, 1) - 1)
                .limit(1)
            )
            oldest = connection.execute(query).scalar()
            return SearchLimitReached(limit, window, (oldest or now) + length)
    return None


def flag(connection: Connection, ledger_id: int, kind: str, actor: str, now: int, zone: str) -> None:
    """Raise a risk flag: one row for each kind, actor and hour of the city, with how often it happened."""
    period = datetime.fromtimestamp(now // MICROS, UTC).astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H")
    values = {
        "ledger_id": ledger_id, "kind": kind, "actor": actor, "period": period, "at": now, "count": 1,
    }  # fmt: skip
    _add(connection, risk_flags, values, "count", ("ledger_id", "kind", "actor", "period"))


def flags(connection: Connection, ledger_id: int, since: int = 0, limit: int = 100) -> list[RiskFlag]:
    """Risk flags since a moment, newest first."""
    t = risk_flags.c
    query = (
        select(t.kind, t.actor, t.period, t.at, t["count"])
        .where(t.ledger_id == ledger_id, t.at >= since)
        .order_by(desc(t.at), t.kind, t.actor)
        .limit(limit)
    )
    return [RiskFlag(*row) for row in connection.execute(query)]


def _raise_counter(connection: Connection, ledger_id: int, actor: str, now: int) -> None:
    values = {"ledger_id": ledger_id, "actor": actor, "searches": 1, "last_at": now}
    _add(connection, search_counters, values, "searches", ("ledger_id", "actor"), ("last_at",))


def _add(
    connection: Connection,
    table: Table,
    values: dict[str, object],
    counter: str,
    key: Iterable[str],
    renewed: Iterable[str] = (),
) -> None:
    """Insert a row, or raise its counter by one."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).values(**values)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=list(key),
            set_={counter: table.c[counter] + 1, **{name: statement.excluded[name] for name in renewed}},
        )
    )
