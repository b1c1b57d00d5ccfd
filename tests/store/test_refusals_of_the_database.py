"""The database itself refuses to change the journal: raw SQL, on both engines, after any migration."""

from __future__ import annotations

import asyncio

import pytest
from tests.store.raw import FRESH, LEDGER, RawBooks, Refused

from pointsbank.store.database import Database
from pointsbank.store.schema import missing_triggers
from pointsbank.store.tables import JOURNAL, metadata

CHANGED = {
    "entries": "kind = 'other'", "postings": "amount = amount + 1", "batches": "token = token",
    "lots": "code = 'x'",
    "commodities": "scale = 3", "document_keys": "key = 'x'",
}  # fmt: skip

UNIQUE = [
    ("entries", "sequence", "sequence = 1"),
    ("entries", "key_digest", "sequence = 1"),
    ("entries", "reverses", "reverses = 3"),
    ("postings", "posting", "posting = 1"),
    ("batches", "batch", "batch = 1"),
    ("lots", "lot", "lot = 1"),
    ("lots", "code", "lot = 1"),
    ("commodities", "commodity", "commodity = 'POINT'"),
    ("document_keys", "key_digest", "client = 'test'"),
]

LEDGER_TABLES = tuple(FRESH)

INTEGERS = [
    (table, column.name)
    for table in LEDGER_TABLES
    for column in metadata.tables[table].columns
    if column.type.python_type is int
]

NOT_NULL = [
    (table, column.name)
    for table in LEDGER_TABLES
    for column in metadata.tables[table].columns
    if not column.nullable
]


def test_every_journal_table_is_tried() -> None:
    assert set(CHANGED) == set(JOURNAL) == {table for table, *_ in UNIQUE}
    assert set(JOURNAL) < set(LEDGER_TABLES)
    keys = {
        (table, tuple(c.name for c in index.columns)[-1])
        for table in JOURNAL
        for index in (*metadata.tables[table].indexes, metadata.tables[table].primary_key)
        if getattr(index, "unique", True)
    }
    assert keys == {(table, column) for table, column, _ in UNIQUE}


def test_a_row_of_the_right_shape_is_taken(books: RawBooks) -> None:
    """Or every refusal below could have another reason."""
    for table in LEDGER_TABLES:
        books.insert(table, books.fresh_row(table))


@pytest.mark.parametrize("table", JOURNAL)
def test_a_journal_row_is_not_changed(books: RawBooks, table: str) -> None:
    with pytest.raises(Refused, match="journal rows are never changed or removed"):
        books.attempt(f"UPDATE {table} SET {CHANGED[table]}")


@pytest.mark.parametrize("table", JOURNAL)
def test_a_journal_row_is_not_deleted(books: RawBooks, table: str) -> None:
    with pytest.raises(Refused, match="journal rows are never changed or removed"):
        books.attempt(f"DELETE FROM {table} WHERE ledger_id = {LEDGER}")


@pytest.mark.parametrize("table", JOURNAL)
def test_a_journal_table_is_not_emptied(books: RawBooks, table: str) -> None:
    with pytest.raises(Refused, match="journal rows are never changed or removed"):
        books.attempt(f"DELETE FROM {table}" if books.is_sqlite else f"TRUNCATE {table} CASCADE")


@pytest.mark.parametrize(("table", "column", "where"), UNIQUE, ids=lambda v: str(v).replace(" ", ""))
def test_a_unique_value_stands_once(books: RawBooks, table: str, column: str, where: str) -> None:
    taken = books.fresh_row(table) | {column: books.row(table, where)[column]}
    with pytest.raises(Refused, match=r"(?i)unique|journal rows"):
        books.insert(table, taken)


@pytest.mark.parametrize("verb", ["INSERT OR REPLACE INTO", "REPLACE INTO"])
@pytest.mark.parametrize(("table", "column", "where"), UNIQUE, ids=lambda v: str(v).replace(" ", ""))
def test_sqlite_does_not_replace_a_journal_row(
    books: RawBooks, table: str, column: str, where: str, verb: str
) -> None:
    """A replaced row goes without a delete trigger, so the insert must be refused."""
    if not books.is_sqlite:
        return
    replaced = books.fresh_row(table) | {column: books.row(table, where)[column]}
    with pytest.raises(Refused, match="journal rows are never changed or removed"):
        books.insert(table, replaced, verb)


def test_postgresql_does_not_merge_into_a_journal_row(books: RawBooks) -> None:
    if books.is_sqlite:
        return
    row = books.row("entries", "sequence = 1")
    marks = ", ".join(f"${n}" for n in range(1, len(row) + 1))
    with pytest.raises(Refused, match="journal rows are never changed or removed"):
        books.attempt(
            f"INSERT INTO entries ({', '.join(row)}) VALUES ({marks})"
            " ON CONFLICT (ledger_id, sequence) DO UPDATE SET kind = 'other'",
            *row.values(),
        )


def test_a_key_of_an_entry_is_not_that_of_a_document_too(books: RawBooks) -> None:
    """SQLite refuses it by trigger; on PostgreSQL the statement that writes a batch looks first."""
    if books.is_sqlite:
        digest = {"key_digest": books.row("entries", "sequence = 1")["key_digest"]}
        with pytest.raises(Refused, match="journal rows"):
            books.insert("document_keys", books.fresh_row("document_keys") | digest)
        digest = {"key_digest": books.row("document_keys", "client = 'test'")["key_digest"]}
        with pytest.raises(Refused, match="journal rows"):
            books.insert("entries", books.fresh_row("entries") | digest)


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("postings", {"amount": 0}), ("postings", {"amount": -5}), ("postings", {"debit_version": 0}),
        ("postings", {"credit_version": 0}), ("postings", {"posting": 0}),
        ("entries", {"sequence": 0}), ("entries", {"postings": 0}), ("entries", {"reverses": -1}),
        ("entries", {"reverses": 901}), ("entries", {"reverses": 902}), ("entries", {"leaf": bytes(31)}),
        ("entries", {"request": bytes(17)}), ("entries", {"key_digest": b""}),
        ("commodities", {"scale": 10}), ("commodities", {"scale": -1}), ("commodities", {"has_lots": 2}),
        ("accounts", {"floor": 1}), ("accounts", {"type": "money"}),
    ],
    ids=str,
)  # fmt: skip
def test_a_value_that_cannot_be_is_refused(books: RawBooks, table: str, change: dict[str, object]) -> None:
    with pytest.raises(Refused, match=r"(?i)check"):
        books.insert(table, books.fresh_row(table) | change)


def test_a_posting_has_two_different_accounts(books: RawBooks) -> None:
    row = books.fresh_row("postings")
    with pytest.raises(Refused, match=r"(?i)check"):
        books.insert("postings", row | {"debit_account": row["credit_account"]})


def test_two_accounts_do_not_share_a_path(books: RawBooks) -> None:
    with pytest.raises(Refused, match=r"(?i)unique"):
        books.insert("accounts", books.fresh_row("accounts") | {"path": "wallet:a"})


@pytest.mark.parametrize("literal", ["'one'", "'1.5'", "1.5"])
def test_a_column_of_integers_takes_no_text_and_no_fraction(books: RawBooks, literal: str) -> None:
    for table, column in INTEGERS:
        row = books.fresh_row(table)
        if literal == "1.5" and not books.is_sqlite:
            # PostgreSQL rounds a numeric on assignment; what the program binds is checked by the driver
            with pytest.raises(Refused):
                books.literal(table, row, column, "'1.5'")
        else:
            with pytest.raises(Refused, match=r"(?i)cannot store|invalid input syntax"):
                books.literal(table, row, column, literal)


def test_no_column_takes_null_unless_it_says_so(books: RawBooks) -> None:
    for table, column in NOT_NULL:
        with pytest.raises(Refused, match=r"(?i)not.null"):
            books.insert(table, books.fresh_row(table) | {column: None})


def test_no_key_has_a_column_that_takes_null() -> None:
    for table in metadata.tables.values():
        for key in (table.primary_key, *(index for index in table.indexes if index.unique)):
            for column in key.columns:
                assert not column.nullable, f"{table.name}.{column.name}"


def test_only_the_floor_of_an_account_may_be_absent() -> None:
    nullable = [
        f"{table}.{column.name}" for table in LEDGER_TABLES for column in metadata.tables[table].columns
        if column.nullable
    ]  # fmt: skip
    assert nullable == ["accounts.floor"]


def test_no_trigger_is_missing(books: RawBooks) -> None:
    async def missing() -> list[str]:
        database = Database(books.url)
        try:
            return await database.read(missing_triggers)
        finally:
            await database.close()

    assert asyncio.run(missing()) == []
