"""Corrupt the ledger by raw SQL, one way at a time: `verify` names each, by code and place."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy.exc import DBAPIError
from tests.verify.mutations import HERE, MUTATIONS, Mutation, Sql
from tests.verify.town import Town
from tests.verify.uncommitted import close_engines, uncommitted

from pointsbank.engine.registry import CITY_LEDGER
from pointsbank.store.tables import JOURNAL
from pointsbank.verify import verify
from pointsbank.verify.report import Findings

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(autouse=True, scope="module", loop_scope="module")
async def _engines() -> AsyncIterator[None]:
    yield
    await close_engines()


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.name)
async def test_each_corruption_is_named(town_file: tuple[str, Town], mutation: Mutation) -> None:
    url, town = town_file
    async with uncommitted(url) as books:
        await books.corrupt(*mutation.statements(town, Sql(books.dialect)))
        report = await verify(books, CITY_LEDGER)
    found = {(finding.code, finding.place) for finding in report.findings}
    assert mutation.expected(town) <= found, sorted(found)
    assert report.exit_code == 1
    assert not any(code.startswith("trigger") for code, _ in found)


async def test_what_was_corrupted_was_not_kept(town_file: tuple[str, Town]) -> None:
    async with uncommitted(town_file[0]) as books:
        assert (await verify(books, CITY_LEDGER)).findings == ()


@pytest.mark.parametrize("table", JOURNAL)
async def test_the_database_itself_refuses_while_its_triggers_stand(
    town_file: tuple[str, Town], table: str
) -> None:
    for statement in (
        f"UPDATE {table} SET ledger_id = ledger_id WHERE {HERE}",
        f"DELETE FROM {table} WHERE {HERE}",
    ):
        async with uncommitted(town_file[0]) as books:
            with pytest.raises(DBAPIError, match="never changed or removed"):
                await books.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        f"INSERT INTO entries SELECT * FROM entries WHERE {HERE} AND sequence = 1",
        f"INSERT INTO postings SELECT * FROM postings WHERE {HERE} AND posting = 1",
        f"INSERT INTO balances SELECT * FROM balances WHERE {HERE}",
        f"UPDATE accounts SET floor = 5 WHERE {HERE}",
        f"UPDATE accounts SET type = 'other' WHERE {HERE}",
    ],
)
async def test_the_database_itself_refuses_what_its_keys_and_constraints_forbid(
    town_file: tuple[str, Town], statement: str
) -> None:
    async with uncommitted(town_file[0]) as books:
        with pytest.raises(DBAPIError):
            await books.execute(statement)


async def test_each_missing_trigger_is_named(town_file: tuple[str, Town]) -> None:
    async with uncommitted(town_file[0]) as books:
        on = " ON postings" if books.dialect == "postgresql" else ""
        await books.execute(f"DROP TRIGGER postings_refuse_update{on}")
        report = await verify(books, CITY_LEDGER)
    assert [(f.code, f.place) for f in report.findings] == [
        ("trigger-missing", "schema/postings_refuse_update")
    ]


async def test_a_trigger_that_no_longer_refuses_is_named(town_file: tuple[str, Town]) -> None:
    async with uncommitted(town_file[0]) as books:
        if books.dialect == "sqlite":
            await books.execute(
                "DROP TRIGGER entries_refuse_delete",
                "CREATE TRIGGER entries_refuse_delete BEFORE DELETE ON entries BEGIN SELECT 1; END",
            )
            expected = {("trigger-altered", "schema/entries_refuse_delete")}
        else:
            await books.execute(
                "ALTER TABLE entries DISABLE TRIGGER entries_refuse_delete",
                """CREATE FUNCTION let_it_be() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RETURN OLD; END $$""",
                """CREATE OR REPLACE TRIGGER batches_refuse_delete BEFORE DELETE ON batches
                FOR EACH ROW EXECUTE FUNCTION let_it_be()""",
            )
            expected = {
                ("trigger-disabled", "schema/entries_refuse_delete"),
                ("trigger-altered", "schema/batches_refuse_delete"),
            }
        report = await verify(books, CITY_LEDGER)
    assert {(f.code, f.place) for f in report.findings} == expected


async def test_missing_constraints_are_named_on_postgresql(postgres_town: tuple[str, Town]) -> None:
    async with uncommitted(postgres_town[0]) as books:
        await books.execute(
            "ALTER TABLE postings DROP CONSTRAINT postings_amount_check",
            "ALTER TABLE accounts DROP CONSTRAINT accounts_floor_check",
            "ALTER TABLE accounts ADD CONSTRAINT accounts_floor_check CHECK (floor <= 0) NOT VALID",
            "ALTER TABLE counters ALTER COLUMN value DROP NOT NULL",
            "ALTER TABLE balances DROP CONSTRAINT balances_pk",
            "ALTER TABLE subjects DROP COLUMN version",
            "DROP TABLE receipt_lines",
        )
        report = await verify(books, CITY_LEDGER)
    assert {(f.code, f.place) for f in report.findings} == {
        ("constraint-missing", "schema/postings_amount_check"),
        ("constraint-altered", "schema/accounts_floor_check"),
        ("column-null", "schema/counters.value"),
        ("primary-key", "schema/balances"),
        ("column-missing", "schema/subjects.version"),
        ("table-missing", "schema/receipt_lines"),
    }


async def test_a_table_rebuilt_without_its_safeguards_is_named_on_sqlite(
    sqlite_town: tuple[str, Town],
) -> None:
    async with uncommitted(sqlite_town[0]) as books:
        await books.execute(
            "CREATE TABLE rebuilt (ledger_id INTEGER NOT NULL, counter TEXT NOT NULL, value INTEGER)",
            "INSERT INTO rebuilt SELECT * FROM counters",
            "DROP TABLE counters",
            "ALTER TABLE rebuilt RENAME TO counters",
            "CREATE TABLE rebuilt (ledger_id INTEGER NOT NULL, commodity TEXT NOT NULL,"
            " scale INTEGER NOT NULL, has_lots INTEGER NOT NULL,"
            " CONSTRAINT commodities_scale_check CHECK (scale < 99),"
            " PRIMARY KEY (ledger_id, commodity)) STRICT",
            "INSERT INTO rebuilt SELECT * FROM commodities",
            "DROP TABLE commodities",
            "ALTER TABLE rebuilt RENAME TO commodities",
        )
        report = await verify(books, CITY_LEDGER)
    assert {(f.code, f.place) for f in report.findings} == {
        ("table-strict", "schema/counters"),
        ("primary-key", "schema/counters"),
        ("column-null", "schema/counters.value"),
        ("constraint-altered", "schema/commodities_scale_check"),
        ("constraint-missing", "schema/commodities_has_lots_check"),
        ("trigger-missing", "schema/commodities_refuse_update"),
        ("trigger-missing", "schema/commodities_refuse_delete"),
        ("trigger-missing", "schema/commodities_refuse_replace"),
    }


async def test_without_the_journal_there_is_a_report_and_no_crash(town_file: tuple[str, Town]) -> None:
    async with uncommitted(town_file[0]) as books:
        await books.execute("DROP TABLE postings")
        report = await verify(books, CITY_LEDGER)
    assert ("table-missing", "schema/postings") in {(f.code, f.place) for f in report.findings}


async def test_a_part_of_the_journal_shows_what_is_broken_in_it(town_file: tuple[str, Town]) -> None:
    """Folds of a part build on the running balances before it: only later rows are looked at."""
    url, town = town_file
    async with uncommitted(url) as books:
        broken, whole = town.posting("memo-6"), town.posting("memo-2")
        await books.corrupt(
            f"UPDATE postings SET amount = amount + 1 WHERE {HERE} AND posting IN ({broken}, {whole})"
        )
        report = await verify(books, CITY_LEDGER, since_sequence=town.sequence("memo-4"))
    assert {(f.code, f.place) for f in report.findings} == {
        ("entry-leaf", town.entry("memo-6")),
        ("posting-balance", f"postings/{broken}/debit"),
        ("posting-balance", f"postings/{broken}/credit"),
        ("posting-total", f"postings/{broken}/debit"),
        ("posting-total", f"postings/{broken}/credit"),
    }


async def test_findings_are_counted_beyond_those_listed() -> None:
    findings = Findings(listed=2)
    for n in range(5):
        findings.add("entry-leaf", f"entries/{n}")
    assert (len(findings.listed), findings.counts.total()) == (2, 5)
