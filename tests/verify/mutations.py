"""Ways to corrupt the town's ledger by raw SQL, and what must be named for each: a code and a place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.verify.town import EARLY, LATE, OIL, Town

from pointsbank.engine.registry import CITY_LEDGER
from pointsbank.store.port import ledger_id_of

LEDGER = ledger_id_of(CITY_LEDGER)
HERE = f"ledger_id = {LEDGER}"
Expected = set[tuple[str, str]]


class Sql:
    """Where the engines' words differ."""

    def __init__(self, dialect: str) -> None:
        self.dialect = dialect

    def blob(self, value: bytes) -> str:
        return f"x'{value.hex()}'" if self.dialect == "sqlite" else f"'\\x{value.hex()}'::bytea"

    def drop_check(self, table: str, name: str) -> list[str]:
        """On SQLite checks are ignored while we corrupt."""
        if self.dialect == "sqlite":
            return []
        return [f"ALTER TABLE {table} DROP CONSTRAINT {table}_{name}_check"]


@dataclass(frozen=True)
class Mutation:
    name: str
    statements: Callable[[Town, Sql], list[str]]
    expected: Callable[[Town], Expected]


def entry(town: Town, name: str, change: str) -> str:
    return f"UPDATE entries SET {change} WHERE {HERE} AND sequence = {town.sequence(name)}"


def posting(town: Town, name: str, change: str, index: int = 0) -> str:
    return f"UPDATE postings SET {change} WHERE {HERE} AND posting = {town.posting(name, index)}"


def changed_entry(name: str, change: str, *codes: str, of: str = "memo-5") -> Mutation:
    return Mutation(
        name,
        lambda t, s: [entry(t, of, change)],
        lambda t: {(code, t.entry(of)) for code in (*codes, "entry-leaf")},
    )


def changed_posting(name: str, change: str, *codes: str, of: str = "memo-5") -> Mutation:
    """`codes` may end in a side."""

    def expected(t: Town) -> Expected:
        found = {("entry-leaf", t.entry(of))}
        for code in codes:
            what, _, side = code.partition("/")
            found.add((what, f"postings/{t.posting(of)}" + (f"/{side}" if side else "")))
        return found

    return Mutation(name, lambda t, s: [posting(t, of, change)], expected)


def changed_row(
    name: str, statement: Callable[[Town, Sql], str], *expected: Callable[[Town], tuple[str, str]]
) -> Mutation:
    return Mutation(name, lambda t, s: [statement(t, s)], lambda t: {one(t) for one in expected})


def balance(t: Town, account: str, commodity: str, lot: str) -> tuple[int, int]:
    return t.accounts[account], t.lots[commodity, lot]


def balance_where(t: Town) -> str:
    account, lot = balance(t, "volunteer:v1:available", "POINT", LATE)
    return f"{HERE} AND account = {account} AND lot = {lot}"


def balance_place(t: Town) -> str:
    account, lot = balance(t, "volunteer:v1:available", "POINT", LATE)
    return f"balances/{account}/{lot}"


def account_place(t: Town, path: str = "volunteer:v1:available") -> str:
    return f"accounts/{t.accounts[path]}"


def account(t: Town, change: str, path: str = "volunteer:v1:available") -> str:
    return f"UPDATE accounts SET {change} WHERE {HERE} AND account = {t.accounts[path]}"


def lot(t: Town, change: str, code: str = EARLY) -> str:
    return f"UPDATE lots SET {change} WHERE {HERE} AND lot = {t.lots['POINT', code]}"


def lot_place(t: Town, code: str = EARLY) -> str:
    return f"lots/{t.lots['POINT', code]}"


def batch(t: Town, name: str, change: str) -> str:
    return f"UPDATE batches SET {change} WHERE {HERE} AND batch = {t.batches[name]}"


def head(change: str) -> str:
    return f"UPDATE heads SET {change} WHERE {HERE}"


def swap_postings(t: Town, s: Sql) -> list[str]:
    a, b = t.posting("memo-1"), t.posting("memo-2")
    move = "UPDATE postings SET posting = {} WHERE " + HERE + " AND posting = {}"
    return [move.format(999_999, a), move.format(a, b), move.format(b, 999_999)]


def copy_of_entry(t: Town, s: Sql, sequence: int, first: int) -> list[str]:
    """An entry that nobody posted, with a key of its own and a posting."""
    last = t.sequence("memo-8")
    return [
        f"""INSERT INTO entries SELECT ledger_id, {sequence}, effective_at, recorded_at, 0, {first}, 1, kind,
        client, 'forged', {s.blob(bytes(16))}, request, actor, place, reason, metadata, documents, leaf
        FROM entries WHERE {HERE} AND sequence = {last}""",
        f"""INSERT INTO postings SELECT ledger_id, {first}, {sequence}, debit_account, credit_account, lot,
        amount, debit_version + 1, credit_version + 1, debit_balance, credit_balance,
        debit_total, credit_total
        FROM postings WHERE {HERE} AND posting = {t.posting("memo-8")}""",
    ]


def forged_at_the_end(t: Town, s: Sql) -> list[str]:
    last = t.entries["B3"]
    return copy_of_entry(t, s, last.sequence + 1, last.postings[-1].number + 1)


def used_key(t: Town, s: Sql) -> list[str]:
    return [
        f"""INSERT INTO document_keys SELECT ledger_id, key_digest, client, key, request, recorded_at
        FROM entries WHERE {HERE} AND sequence = {t.sequence("memo-5")}"""
    ]


def delete(table: str, where: str) -> str:
    return f"DELETE FROM {table} WHERE {HERE} AND {where}"


def last_posting(t: Town) -> int:
    return t.entries["B3"].postings[-1].number


MUTATIONS = [
    # postings
    changed_posting("amount", "amount = amount + 1", "posting-balance/debit", "posting-balance/credit"),
    Mutation(
        "amount of nothing",
        lambda t, s: [*s.drop_check("postings", "amount"), posting(t, "memo-5", "amount = 0")],
        lambda t: {("posting-amount", f"postings/{t.posting('memo-5')}"), ("entry-leaf", t.entry("memo-5"))},
    ),
    Mutation(
        "one account twice",
        lambda t, s: [
            *s.drop_check("postings", "two_accounts"),
            posting(t, "memo-5", "credit_account = debit_account"),
        ],
        lambda t: {
            ("posting-accounts", f"postings/{t.posting('memo-5')}"),
            ("entry-leaf", t.entry("memo-5")),
        },
    ),
    Mutation(
        "account of a posting",
        lambda t, s: [posting(t, "memo-5", f"debit_account = {t.accounts['station:s1:stock']}")],
        lambda t: {
            ("posting-movement", f"postings/{t.posting('memo-5')}"),
            ("entry-leaf", t.entry("memo-5")),
            ("posting-version", f"postings/{t.posting('memo-6')}/debit"),
        },
    ),
    changed_posting("running balance", "credit_balance = credit_balance + 5", "posting-balance/credit"),
    changed_posting("one side's total", "debit_total = debit_total + 5", "posting-total/debit"),
    changed_posting("version used twice", "debit_version = debit_version - 1", "posting-version/debit"),
    Mutation(
        "lot of a posting",
        lambda t, s: [posting(t, "R1", f"lot = {t.lots['POINT', LATE]}", 1)],
        lambda t: {
            ("entry-leaf", t.entry("R1")),
            ("posting-balance", f"postings/{t.posting('R2', 1)}/credit"),
        },
    ),
    Mutation(
        "a deleted posting",
        lambda t, s: [delete("postings", f"posting = {t.posting('memo-5')}")],
        lambda t: {
            ("posting-gap", f"postings/{t.posting('memo-5')}"),
            ("entry-postings", t.entry("memo-5")),
            ("posting-version", f"postings/{t.posting('memo-6')}/debit"),
        },
    ),
    Mutation(
        "a swapped pair of postings",
        swap_postings,
        lambda t: {("entry-postings", t.entry("memo-1")), ("entry-postings", t.entry("memo-2"))},
    ),
    Mutation(
        "posting moved to another entry",
        lambda t, s: [posting(t, "memo-5", f"sequence = {t.sequence('memo-6')}")],
        lambda t: {("entry-postings", t.entry("memo-5")), ("entry-postings", t.entry("memo-6"))},
    ),
    Mutation(
        "posting of no entry",
        lambda t, s: [posting(t, "memo-5", "sequence = 999999")],
        lambda t: {
            ("entry-postings", t.entry("memo-5")),
            ("posting-stray", f"postings/{t.posting('memo-5')}"),
        },
    ),
    # entries
    Mutation(
        "a deleted entry",
        lambda t, s: [delete("entries", f"sequence = {t.sequence('memo-5')}")],
        lambda t: {("entry-gap", t.entry("memo-5")), ("posting-stray", f"postings/{t.posting('memo-5')}")},
    ),
    Mutation(
        "the last entry deleted",
        lambda t, s: [delete("entries", f"sequence = {t.sequence('B3')}")],
        lambda t: {
            ("entry-gap", t.entry("B3")),
            ("head-sequence", "heads"),
            ("posting-stray", f"postings/{t.posting('B3')}"),
        },
    ),
    Mutation(
        "an extra entry beyond the head",
        forged_at_the_end,
        lambda t: {("head-sequence", "heads"), ("head-posting", "heads")},
    ),
    Mutation(
        "an extra entry, and the head moved over it",
        lambda t, s: [*forged_at_the_end(t, s), head("sequence = sequence + 1, posting = posting + 1")],
        lambda t: {
            ("head-sequence", "heads"),
            ("entry-leaf", f"entries/{t.sequence('B3') + 1}"),
            ("posting-balance", f"postings/{last_posting(t) + 1}/debit"),
            ("entry-key-digest", f"entries/{t.sequence('B3') + 1}"),
        },
    ),
    changed_entry("key text", "key = 'another'", "entry-key-digest"),
    changed_entry("client", "client = 'another'", "entry-key-digest"),
    Mutation(
        "key digest",
        lambda t, s: [entry(t, "memo-5", f"key_digest = {s.blob(bytes(16))}")],
        lambda t: {("entry-key-digest", t.entry("memo-5"))},
    ),
    Mutation(
        "request",
        lambda t, s: [entry(t, "memo-5", f"request = {s.blob(bytes(16))}")],
        lambda t: {("entry-leaf", t.entry("memo-5"))},
    ),
    Mutation(
        "request too short",
        lambda t, s: [
            *s.drop_check("entries", "lengths"),
            entry(t, "memo-5", f"request = {s.blob(bytes(15))}"),
        ],
        lambda t: {("entry-request", t.entry("memo-5")), ("entry-leaf", t.entry("memo-5"))},
    ),
    Mutation(
        "leaf",
        lambda t, s: [entry(t, "memo-5", f"leaf = {s.blob(bytes(32))}")],
        lambda t: {("entry-leaf", t.entry("memo-5"))},
    ),
    changed_entry("metadata", "metadata = replace(metadata, 'care', 'fake')", of="R1"),
    changed_entry(
        "metadata no longer canonical", "metadata = replace(metadata, ',', ', ')", "entry-metadata", of="R1"
    ),
    changed_entry("documents", "documents = replace(documents, '/R1/', '/R2/')", of="R1"),
    changed_entry(
        "documents no longer canonical", "documents = documents || ' '", "entry-documents", of="R1"
    ),
    changed_entry("required document gone", "documents = ''", "entry-document-required", of="R1"),
    changed_entry("effective_at", "effective_at = effective_at + 1"),
    changed_entry("recorded_at", "recorded_at = recorded_at - 5000000", "entry-recorded-at"),
    Mutation(
        "kind that the chart does not know for it",
        lambda t, s: [entry(t, "memo-5", "kind = 'earn'")],
        lambda t: {("posting-movement", f"postings/{t.posting('memo-5')}")},
    ),
    changed_entry("actor", "actor = 'somebody'"),
    changed_entry("place", "place = 'elsewhere'"),
    changed_entry("reason", "reason = 'other'"),
    Mutation(
        "first posting",
        lambda t, s: [entry(t, "memo-5", "first_posting = first_posting + 1")],
        lambda t: {("entry-postings", t.entry("memo-5"))},
    ),
    changed_entry("reverses another entry", "reverses = 1", "reversal-mirror", of="R4-reversed"),
    changed_entry("reverses nothing", "reverses = 0", of="R4-reversed"),
    Mutation(
        "reversed twice",
        lambda t, s: [
            "DROP INDEX entries_reverses_key",
            entry(t, "memo-5", f"reverses = {t.sequence('R4')}"),
        ],
        lambda t: {
            ("reversal-twice", t.entry("memo-5")),
            ("reversal-twice", t.entry("R4-reversed")),
            ("reversal-mirror", t.entry("memo-5")),
            ("index-missing", "schema/entries_reverses_key"),
        },
    ),
    Mutation(
        "a reversal reversed",
        lambda t, s: [entry(t, "memo-5", f"reverses = {t.sequence('R4-reversed')}")],
        lambda t: {("reversal-of-reversal", t.entry("memo-5")), ("reversal-kind", t.entry("memo-5"))},
    ),
    # balances
    changed_row(
        "balance row",
        lambda t, s: f"UPDATE balances SET balance = balance + 1 WHERE {balance_where(t)}",
        lambda t: ("balance-wrong", balance_place(t)),
        lambda t: ("trial-balance", "commodities/POINT"),
        lambda t: ("volunteer-points", "volunteer:v1"),
    ),
    changed_row(
        "balance row's version",
        lambda t, s: f"UPDATE balances SET version = 1 WHERE {balance_where(t)}",
        lambda t: ("balance-wrong", balance_place(t)),
    ),
    changed_row(
        "balance row deleted",
        lambda t, s: f"DELETE FROM balances WHERE {balance_where(t)}",
        lambda t: ("balance-missing", balance_place(t)),
    ),
    changed_row(
        "balance row added",
        lambda t, s: (
            f"INSERT INTO balances SELECT ledger_id, account, {t.lots['CNY', '-']}, 7, 1, 1 FROM balances"
            f" WHERE {balance_where(t)}"
        ),
        lambda t: ("balance-extra", f"balances/{t.accounts['volunteer:v1:available']}/{t.lots['CNY', '-']}"),
    ),
    # accounts
    changed_row(
        "account renamed",
        lambda t, s: account(t, "path = 'volunteer:v9:available'"),
        lambda t: ("entry-leaf", t.entry("R1")),
        lambda t: ("entry-leaf", t.entry("B3")),
    ),
    changed_row(
        "account renamed to another kind",
        lambda t, s: account(t, "path = 'memo:v9'"),
        lambda t: ("account-kind", account_place(t)),
        lambda t: ("entry-leaf", t.entry("R1")),
    ),
    changed_row(
        "account kind", lambda t, s: account(t, "kind = 'memo'"), lambda t: ("account-kind", account_place(t))
    ),
    changed_row(
        "account type",
        lambda t, s: account(t, "type = 'asset'"),
        lambda t: ("account-type", account_place(t)),
    ),
    changed_row(
        "floor raised over what was",
        lambda t, s: account(t, "floor = -1000", "fund:fund1:issued"),
        lambda t: ("posting-floor", f"postings/{t.posting('R1', 1)}/debit"),
    ),
    changed_row(
        "floor taken away",
        lambda t, s: account(t, "floor = NULL"),
        lambda t: ("account-floor", account_place(t)),
    ),
    changed_row(
        "account opened at another time",
        lambda t, s: account(t, "opened_at = 5"),
        lambda t: ("account-opened-at", account_place(t)),
    ),
    changed_row(
        "account deleted",
        lambda t, s: delete("accounts", f"account = {t.accounts['memo:a']}"),
        lambda t: ("account-gap", account_place(t, "memo:a")),
        lambda t: ("posting-account", f"postings/{t.posting('memo-5')}"),
    ),
    # lots and commodities
    changed_row(
        "lot renamed",
        lambda t, s: lot(t, "code = '2027-12-31/fund9'"),
        lambda t: ("entry-leaf", t.entry("R1")),
    ),
    changed_row(
        "lot renamed to another date",
        lambda t, s: lot(t, "code = '2029-12-31/fund1'"),
        lambda t: ("lot-expiry", lot_place(t)),
        lambda t: ("entry-leaf", t.entry("R1")),
    ),
    changed_row(
        "lot expiry", lambda t, s: lot(t, "expires_on = '2029-12-31'"), lambda t: ("lot-expiry", lot_place(t))
    ),
    changed_row(
        "lot of another commodity",
        lambda t, s: lot(t, f"commodity = '{OIL}'"),
        lambda t: ("entry-leaf", t.entry("R1")),
        lambda t: ("posting-movement", f"postings/{t.posting('R1', 1)}"),
    ),
    changed_row(
        "lot deleted",
        lambda t, s: delete("lots", f"lot = {t.lots['POINT', EARLY]}"),
        lambda t: ("lot-gap", lot_place(t)),
        lambda t: ("posting-lot", f"postings/{t.posting('R1', 1)}"),
    ),
    changed_row(
        "scale of points",
        lambda t, s: f"UPDATE commodities SET scale = 0 WHERE {HERE} AND commodity = 'POINT'",
        lambda t: ("commodity-differs", "commodities/POINT"),
    ),
    changed_row(
        "goods without lots",
        lambda t, s: f"UPDATE commodities SET has_lots = 0 WHERE {HERE} AND commodity = '{OIL}'",
        lambda t: ("lot-not-allowed", f"lots/{t.lots[OIL, 'never/donor1']}"),
    ),
    changed_row(
        "commodity deleted",
        lambda t, s: delete("commodities", f"commodity = '{OIL}'"),
        lambda t: ("lot-commodity", f"lots/{t.lots[OIL, 'never/donor1']}"),
    ),
    # commits and the head
    changed_row(
        "batch deleted",
        lambda t, s: delete("batches", f"batch = {t.batches['memo-5']}"),
        lambda t: ("batch-gap", f"batches/{t.batches['memo-5']}"),
    ),
    changed_row(
        "batch ends too late",
        lambda t, s: batch(t, "memo-5", "last_sequence = last_sequence + 2"),
        lambda t: ("batch-order", f"batches/{t.batches['memo-5']}"),
    ),
    changed_row(
        "batch ends too early",
        lambda t, s: batch(t, "memo-5", "last_sequence = last_sequence - 3"),
        lambda t: ("batch-order", f"batches/{t.batches['memo-5']}"),
    ),
    changed_row(
        "batch at another time",
        lambda t, s: batch(t, "memo-5", "recorded_at = recorded_at + 1"),
        lambda t: ("batch-time", f"batches/{t.batches['memo-5']}"),
    ),
    changed_row(
        "batch of a later epoch",
        lambda t, s: batch(t, "memo-5", "epoch = 9"),
        lambda t: ("batch-order", f"batches/{t.batches['memo-5']}"),
    ),
    changed_row(
        "head moved on",
        lambda t, s: head("sequence = sequence + 1"),
        lambda t: ("head-sequence", "heads"),
        lambda t: ("entry-gap", f"entries/{t.sequence('B3') + 1}"),
    ),
    changed_row(
        "head moved back", lambda t, s: head("sequence = sequence - 1"), lambda t: ("head-sequence", "heads")
    ),
    changed_row(
        "head's posting", lambda t, s: head("posting = posting + 1"), lambda t: ("head-posting", "heads")
    ),
    changed_row(
        "head's account", lambda t, s: head("account = account + 1"), lambda t: ("head-account", "heads")
    ),
    changed_row("head's lot", lambda t, s: head("lot = lot - 1"), lambda t: ("head-lot", "heads")),
    changed_row("head's batch", lambda t, s: head("batch = batch + 1"), lambda t: ("head-batch", "heads")),
    changed_row(
        "head's time",
        lambda t, s: head("recorded_at = recorded_at + 1"),
        lambda t: ("head-recorded-at", "heads"),
    ),
    changed_row("head's name", lambda t, s: head("name = 'village'"), lambda t: ("ledger-name", "heads")),
    changed_row("head's chart", lambda t, s: head("chart = 'other/1'"), lambda t: ("chart-unknown", "heads")),
    # keys and counters
    Mutation(
        "key used by an entry and a document", used_key, lambda t: {("key-duplicate", t.entry("memo-5"))}
    ),
    Mutation(
        "key used by two entries",
        lambda t, s: [
            "DROP INDEX entries_key_digest_key",
            f"UPDATE entries SET key_digest = (SELECT key_digest FROM entries WHERE {HERE} AND sequence ="
            f" {t.sequence('memo-6')}) WHERE {HERE} AND sequence = {t.sequence('memo-5')}",
        ],
        lambda t: {
            ("key-duplicate", t.entry("memo-5")),
            ("key-duplicate", t.entry("memo-6")),
            ("index-missing", "schema/entries_key_digest_key"),
        },
    ),
    changed_row(
        "counter",
        lambda t, s: f"UPDATE counters SET value = 9 WHERE {HERE} AND counter = 'receipt:T1'",
        lambda t: ("counter-value", "counters/receipt:T1"),
    ),
    changed_entry(
        "receipt number",
        "metadata = replace(metadata, '\"number:receipt:T1\":2', '\"number:receipt:T1\":3')",
        "counter-gap",
        of="B2",
    ),
    # documents
    changed_row(
        "service record's minutes",
        lambda t, s: f"UPDATE service_records SET minutes = 999 WHERE {HERE} AND record_id = 'R1'",
        lambda t: ("document-amounts", "service-record/R1"),
        lambda t: ("volunteer-merit", "volunteer:v1"),
    ),
    changed_row(
        "service record's fields",
        lambda t, s: f"UPDATE service_records SET fields = 'forged' WHERE {HERE} AND record_id = 'R1'",
        lambda t: ("document-digest", "service-record/R1"),
    ),
    changed_row(
        "service record deleted",
        lambda t, s: delete("service_records", "record_id = 'R1'"),
        lambda t: ("document-missing", "service-record/R1"),
        lambda t: ("volunteer-merit", "volunteer:v1"),
    ),
    changed_row(
        "service record of another entry",
        lambda t, s: f"UPDATE service_records SET sequence = 1 WHERE {HERE} AND record_id = 'R1'",
        lambda t: ("document-entry", "service-record/R1"),
    ),
    changed_row(
        "receipt's state",
        lambda t, s: f"UPDATE receipts SET state = 'reversed' WHERE {HERE} AND reference = 'B1'",
        lambda t: ("document-state", "receipt/B1"),
    ),
    changed_row(
        "receipt's price",
        lambda t, s: f"UPDATE receipts SET price = 1 WHERE {HERE} AND reference = 'B1'",
        lambda t: ("document-amounts", "receipt/B1"),
    ),
    changed_row(
        "receipt's number",
        lambda t, s: f"UPDATE receipts SET number = 7 WHERE {HERE} AND reference = 'B1'",
        lambda t: ("document-amounts", "receipt/B1"),
    ),
    # points withheld of records on notice
    changed_row(
        "points withheld",
        lambda t, s: f"UPDATE withheld_points SET points = points - 100 WHERE {HERE} AND record_id = 'R5'",
        lambda t: ("withheld-amounts", "clawback/C1.R6"),
        lambda t: ("withheld-record", "service-record/R5"),
    ),
    changed_row(
        "more points withheld than the record has",
        lambda t, s: f"UPDATE withheld_points SET points = 700 WHERE {HERE} AND record_id = 'R5'",
        lambda t: ("withheld-amounts", "clawback/C1.R6"),
        lambda t: ("withheld-record", "service-record/R5"),
    ),
    changed_row(
        "points withheld of another record",
        lambda t, s: f"UPDATE withheld_points SET record_id = 'R1' WHERE {HERE} AND record_id = 'R5'",
        lambda t: ("withheld-amounts", "clawback/C1.R6"),
    ),
    changed_row(
        "points withheld by another entry",
        lambda t, s: f"UPDATE withheld_points SET sequence = 1 WHERE {HERE} AND record_id = 'R5'",
        lambda t: ("withheld-entry", "service-record/R5"),
    ),
    changed_row(
        "points withheld by another line",
        lambda t, s: f"UPDATE withheld_points SET line_id = 'C1.R7' WHERE {HERE} AND record_id = 'R5'",
        lambda t: ("withheld-amounts", "clawback/C1.R6"),
        lambda t: ("withheld-amounts", "clawback/C1.R7"),
        lambda t: ("withheld-entry", "service-record/R5"),
    ),
    changed_row(
        "points withheld deleted",
        lambda t, s: delete("withheld_points", "record_id = 'R5'"),
        lambda t: ("withheld-amounts", "clawback/C1.R6"),
    ),
    changed_row(
        "points withheld that nothing took",
        lambda t, s: (
            f"INSERT INTO withheld_points SELECT ledger_id, 'C9', 'R5', 100, {t.sequence('R7-taken')}, state"
            f" FROM withheld_points WHERE {HERE}"
        ),
        lambda t: ("withheld-entry", "service-record/R5"),
        lambda t: ("withheld-record", "service-record/R5"),
    ),
    # the database's own safeguards
    Mutation(
        "index dropped",
        lambda t, s: ["DROP INDEX postings_debit_idx"],
        lambda t: {("index-missing", "schema/postings_debit_idx")},
    ),
    Mutation(
        "unique index made plain",
        lambda t, s: [
            "DROP INDEX accounts_path_key",
            "CREATE INDEX accounts_path_key ON accounts (ledger_id, path)",
        ],
        lambda t: {("index-altered", "schema/accounts_path_key")},
    ),
    Mutation(
        "partial index over another part",
        lambda t, s: [
            "DROP INDEX entries_reverses_key",
            "CREATE UNIQUE INDEX entries_reverses_key ON entries (ledger_id, reverses) WHERE reverses > 1000",
        ],
        lambda t: {("index-altered", "schema/entries_reverses_key")},
    ),
]
