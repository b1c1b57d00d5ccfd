"""The triggers by which both engines refuse to change or remove journal rows.

SQLite needs one more: `INSERT OR REPLACE` removes the old row without firing a delete trigger, so a BEFORE INSERT
trigger refuses a row whose key is taken. PostgreSQL needs one for TRUNCATE.
"""

from __future__ import annotations

from collections.abc import Iterator

from pointsbank.store.tables import JOURNAL

REFUSAL = "journal rows are never changed or removed"

_UNIQUE_KEYS: dict[str, tuple[tuple[str, ...], ...]] = {
    "entries": (("sequence",), ("key_digest",), ("reverses",)),
    "postings": (("posting",),),
    "batches": (("batch",),),
    "lots": (("lot",), ("commodity", "code")),
    "commodities": (("commodity",),),
    "document_keys": (("key_digest",),),
}


def trigger_names(dialect: str, table: str) -> tuple[str, ...]:
    """The triggers that must stand on a journal table."""
    last = "refuse_replace" if dialect == "sqlite" else "refuse_truncate"
    return tuple(f"{table}_{what}" for what in ("refuse_update", "refuse_delete", last))


def create_triggers(dialect: str) -> Iterator[str]:
    """Statements that put every refusing trigger in place; run after each migration that rebuilds a table."""
    if dialect == "postgresql":
        yield f"""CREATE OR REPLACE FUNCTION refuse_journal_change() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION '{REFUSAL}: % on %', TG_OP, TG_TABLE_NAME; END $$"""
    for table in JOURNAL:
        yield from _sqlite(table) if dialect == "sqlite" else _postgresql(table)


def drop_triggers(dialect: str) -> Iterator[str]:
    """Statements that take every refusing trigger away (the way down of the first migration, and drills)."""
    for table in JOURNAL:
        for name in trigger_names(dialect, table):
            yield f"DROP TRIGGER IF EXISTS {name}" + ("" if dialect == "sqlite" else f" ON {table}")
    if dialect == "postgresql":
        yield "DROP FUNCTION IF EXISTS refuse_journal_change()"


def _sqlite(table: str) -> Iterator[str]:
    for what in ("update", "delete"):
        yield f"""CREATE TRIGGER IF NOT EXISTS {table}_refuse_{what} BEFORE {what.upper()} ON {table}
            BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"""
    taken = " OR ".join(_sqlite_key_taken(table, key) for key in _UNIQUE_KEYS[table])
    other = {"entries": "document_keys", "document_keys": "entries"}.get(table)
    if other:  # one key, whether it was consumed with postings or without
        taken += f""" OR EXISTS (SELECT 1 FROM {other} WHERE ledger_id = NEW.ledger_id
            AND key_digest = NEW.key_digest)"""
    yield f"""CREATE TRIGGER IF NOT EXISTS {table}_refuse_replace BEFORE INSERT ON {table} WHEN {taken}
        BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"""


def _sqlite_key_taken(table: str, key: tuple[str, ...]) -> str:
    same = " AND ".join(f"{c} = NEW.{c}" for c in ("ledger_id", *key))
    if key == ("reverses",):  # a partial index: without the guard every insert would search for reverses = 0
        return f"(NEW.reverses > 0 AND EXISTS (SELECT 1 FROM {table} WHERE {same} AND reverses > 0))"
    return f"EXISTS (SELECT 1 FROM {table} WHERE {same})"


def _postgresql(table: str) -> Iterator[str]:
    for what in ("update", "delete"):
        yield f"""CREATE OR REPLACE TRIGGER {table}_refuse_{what} BEFORE {what.upper()} ON {table}
            FOR EACH ROW EXECUTE FUNCTION refuse_journal_change()"""
    yield f"""CREATE OR REPLACE TRIGGER {table}_refuse_truncate BEFORE TRUNCATE ON {table}
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_journal_change()"""
