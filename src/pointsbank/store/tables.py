"""The ledger's tables, defined once for SQLite and PostgreSQL. Rooms add their documents to the same metadata.

`ledger_id` is the first column of every primary key, unique key and foreign key: it is the shard key when a
nation outgrows one machine. Journal tables (`JOURNAL`) are never changed or removed from; triggers refuse it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    text,
)

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pk",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    }
)

Big = BigInteger().with_variant(Integer, "sqlite")
Int = Integer()
Small = SmallInteger().with_variant(Integer, "sqlite")


ByteOrdered = Text().with_variant(Text(collation="C"), "postgresql")
"""Text in the order of its bytes on both engines, whatever the server's language: pages and prefixes rely on it."""


def column(name: str, kind: Any, *, null: bool = False) -> Column[Any]:
    """A column that does not take NULL unless it says so; text is byte-ordered."""
    return Column(name, ByteOrdered if kind is Text else kind, nullable=null)


def table(name: str, *columns: Any, key: tuple[str, ...], fill: int | None = None) -> Table:
    """A table of one ledger: `ledger_id` leads its key; on SQLite it is STRICT and clustered on the key."""
    options: dict[str, Any] = {"sqlite_strict": True, "sqlite_with_rowid": False}
    if fill:
        options["postgresql_with"] = {"fillfactor": fill}
    return Table(
        name,
        metadata,
        # a key of one integer would become a SERIAL on PostgreSQL unless it says that it is not
        Column("ledger_id", Integer, nullable=False, autoincrement=False),
        *columns,
        PrimaryKeyConstraint("ledger_id", *key, name=f"{name}_pk"),
        **options,
    )


heads = table(
    "heads",
    column("name", Text),
    column("chart", Text),
    column("sequence", Big),
    column("posting", Big),
    column("account", Int),
    column("lot", Int),
    column("recorded_at", Big),
    column("batch", Big),
    column("epoch", Big),
    key=(),
    fill=20,
)
"""One row a ledger: where it stands. Every commit compares and swaps it."""

batches = table(
    "batches",
    column("batch", Big),
    column("epoch", Big),
    column("token", LargeBinary),
    column("last_sequence", Big),
    column("recorded_at", Big),
    key=("batch",),
)
"""One row a commit: how a commit of unknown outcome is settled, and the index of time to sequence."""
Index("batches_recorded_at_idx", batches.c.ledger_id, batches.c.recorded_at, batches.c.last_sequence)

commodities = table(
    "commodities",
    column("commodity", Text),
    column("scale", Small),
    column("has_lots", Small),
    CheckConstraint("scale BETWEEN 0 AND 9", name="scale"),
    CheckConstraint("has_lots IN (0, 1)", name="has_lots"),
    key=("commodity",),
)

accounts = table(
    "accounts",
    column("account", Int),
    column("path", Text),
    column("kind", Text),
    column("type", Text),
    column("floor", Big, null=True),
    column("opened_at", Big),
    CheckConstraint("type IN ('asset', 'liability', 'equity', 'income', 'expense')", name="type"),
    CheckConstraint("floor <= 0", name="floor"),
    key=("account",),
)
"""`account` numbers the accounts of a ledger, so that a posting stays small; the path is the account's name."""
Index("accounts_path_key", accounts.c.ledger_id, accounts.c.path, unique=True)

lots = table(
    "lots",
    column("lot", Int),
    column("commodity", Text),
    column("code", Text),
    column("expires_on", Text),
    key=("lot",),
)
Index("lots_code_key", lots.c.ledger_id, lots.c.commodity, lots.c.code, unique=True)

entries = table(
    "entries",
    column("sequence", Big),
    column("effective_at", Big),
    column("recorded_at", Big),
    column("reverses", Big),
    column("first_posting", Big),
    column("postings", Small),
    column("kind", Text),
    column("client", Text),
    column("key", Text),
    column("key_digest", LargeBinary),
    column("request", LargeBinary),
    column("actor", Text),
    column("place", Text),
    column("reason", Text),
    column("metadata", Text),
    column("documents", Text),
    column("leaf", LargeBinary),
    CheckConstraint("sequence > 0", name="sequence"),
    CheckConstraint("reverses >= 0 AND reverses < sequence", name="reverses"),
    CheckConstraint("postings > 0", name="postings"),
    CheckConstraint("length(key_digest) = 16 AND length(request) = 16 AND length(leaf) = 32", name="lengths"),
    key=("sequence",),
)
"""The journal. `reverses` is 0 for an entry that reverses nothing."""
Index("entries_key_digest_key", entries.c.ledger_id, entries.c.key_digest, unique=True)
Index(
    "entries_reverses_key",
    entries.c.ledger_id,
    entries.c.reverses,
    unique=True,
    postgresql_where=text("reverses > 0"),
    sqlite_where=text("reverses > 0"),
)

postings = table(
    "postings",
    column("posting", Big),
    column("sequence", Big),
    column("debit_account", Int),
    column("credit_account", Int),
    column("lot", Int),
    column("amount", Big),
    column("debit_version", Big),
    column("credit_version", Big),
    column("debit_balance", Big),
    column("credit_balance", Big),
    column("debit_total", Big),
    column("credit_total", Big),
    CheckConstraint("amount > 0", name="amount"),
    CheckConstraint("debit_account <> credit_account", name="two_accounts"),
    CheckConstraint("posting > 0 AND debit_version > 0 AND credit_version > 0", name="numbers"),
    key=("posting",),
)
"""Postings are numbered through the ledger, so one integer is a place in the journal and a page's cursor.

A posting carries both sides' running balances. The two side indexes lead to any account's postings of any lot
in order: a statement page merges their ranges, a balance as of a sequence is the later of two look-ups.
"""
Index(
    "postings_debit_idx", postings.c.ledger_id, postings.c.debit_account, postings.c.lot, postings.c.posting
)
Index(
    "postings_credit_idx", postings.c.ledger_id, postings.c.credit_account, postings.c.lot, postings.c.posting
)

balances = table(
    "balances",
    column("account", Int),
    column("lot", Int),
    column("balance", Big),
    column("version", Big),
    column("posting", Big),
    key=("account", "lot"),
    fill=70,
)
"""What each account holds of each lot now, written in the commit of the postings; `posting` is the newest one."""

document_keys = table(
    "document_keys",
    column("key_digest", LargeBinary),
    column("client", Text),
    column("key", Text),
    column("request", LargeBinary),
    column("recorded_at", Big),
    key=("key_digest",),
)
"""Keys consumed by drafts without postings; the keys of entries stand in the entries."""

subjects = table("subjects", column("subject", Text), column("version", Big), key=("subject",), fill=70)
"""Versions of what commands read and touch (a volunteer, a receipt), so that a check cannot go stale."""

counters = table("counters", column("counter", Text), column("value", Big), key=("counter",), fill=70)
"""Numbers that must have no gap, such as a terminal's receipts: advanced only in the commit that uses them."""

JOURNAL = ("entries", "postings", "batches", "lots", "commodities", "document_keys")
"""Tables whose rows are never changed or removed (law); `triggers` refuses it on both engines."""
