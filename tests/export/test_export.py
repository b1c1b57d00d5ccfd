"""Other people's programs accept our journal, and their balances are our trial balance, to the last digit."""

from __future__ import annotations

import asyncio
import csv
import re
from collections import Counter
from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal
from io import StringIO
from pathlib import Path

import msgspec
import pytest
from tests.export.books import (
    GOODS,
    HOSTILE,
    HOSTILE_LOT,
    OIL,
    PERSON,
    Balance,
    draft,
    goods,
    post,
    small_town,
    trial_balance,
    wallet,
)
from tests.export.outside import Tool

from pointsbank.engine.registry import Ledger, open_ledger
from pointsbank.export import Exported, ExportError, Format, export_journal
from pointsbank.export.hledger import TAGS
from pointsbank.export.names import account_name, commodity_name
from pointsbank.export.sheet import COLUMNS
from pointsbank.export.text import decimal_text
from pointsbank.ledger.model import Movement
from pointsbank.store.database import Database


@pytest.fixture
async def town(sqlite_url: str) -> AsyncIterator[Ledger]:
    """The small town for rules that have nothing to do with the engine."""
    database = Database(sqlite_url)
    async with small_town(database) as ledger:
        yield ledger
    await database.close()


Figures = dict[tuple[str, str], Decimal]


async def exported(
    ledger: Ledger, form: Format, *, since: date | None = None, until: date | None = None, rows: int = 7
) -> tuple[str, Exported]:
    out = StringIO(newline="")
    done = await export_journal(
        ledger.database, ledger.id, form, out, since=since, until=until, rows_per_read=rows
    )
    return out.getvalue(), done


def figures(balances: list[Balance]) -> Figures:
    """The trial balance under the exported names; accounts that stand at zero left out."""
    return {
        (account_name(b.type, b.path), commodity_name(b.commodity)): Decimal(decimal_text(b.amount, b.scale))
        for b in balances
        if b.amount
    }


def hledger_figures(hledger: Tool, journal: Path) -> Figures:
    sheet = hledger("-f", journal, "bal", "-N", "--flat", "--layout=bare", "-O", "csv")
    return {(r["account"], r["commodity"]): Decimal(r["balance"]) for r in csv.DictReader(StringIO(sheet))}


def beancount_figures(bean_query: Tool, journal: Path) -> Figures:
    # sum(number) would be shown with the decimals that are most common in the whole file
    question = "select account, currency, sum(position) as total group by account, currency"
    rows = csv.DictReader(StringIO(bean_query("-f", "csv", journal, question)))
    found = {}
    for row in rows:
        if row["total"].strip():
            number, commodity = row["total"].split()
            found[row["account"].strip(), commodity] = Decimal(number)
    return found


async def test_hledger_accepts_the_journal_and_its_balances_are_our_trial_balance(
    database: Database, hledger: Tool, tmp_path: Path
) -> None:
    async with small_town(database) as ledger:
        text, _ = await exported(ledger, "hledger")
        ours = figures(await database.read(trial_balance, ledger.id))
    journal = tmp_path / "town.journal"
    journal.write_text(text, encoding="ascii")
    hledger("-f", journal, "check", "--strict", "payees")
    assert hledger_figures(hledger, journal) == ours
    assert min(ours.values()) < 0 < max(ours.values())
    assert (account_name("liability", wallet("V0001")), "POINT") not in ours


async def test_beancount_accepts_the_journal_and_its_balances_are_our_trial_balance(
    database: Database, bean_check: Tool, bean_query: Tool, tmp_path: Path
) -> None:
    async with small_town(database) as ledger:
        text, _ = await exported(ledger, "beancount")
        ours = figures(await database.read(trial_balance, ledger.id))
    journal = tmp_path / "town.beancount"
    journal.write_text(text, encoding="ascii")
    assert bean_check(journal) == ""
    assert beancount_figures(bean_query, journal) == ours


async def test_the_sheet_adds_up_to_our_trial_balance(database: Database) -> None:
    async with small_town(database) as ledger:
        text, done = await exported(ledger, "csv")
        ours = await database.read(trial_balance, ledger.id)
    rows = list(csv.DictReader(StringIO(text, newline="")))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 2 * done.postings
    total: Counter[tuple[str, str]] = Counter()
    for row in rows:
        total[row["account"], row["commodity"]] += Decimal(row["amount"])  # type: ignore[assignment]
    assert total == {(b.path, b.commodity): Decimal(decimal_text(b.amount, b.scale)) for b in ours}
    assert all(line.endswith("\r\n") for line in re.findall(r"[^\n]*\n(?=\d+,\d+,(?:debit|credit))", text))
    assert HOSTILE.code in {row["commodity"] for row in rows}
    assert HOSTILE_LOT in {row["lot"] for row in rows}


async def test_an_export_is_the_same_however_many_rows_are_read_at_a_time(town: Ledger) -> None:
    for form in ("hledger", "beancount", "csv"):
        texts = {rows: await exported(town, form, rows=rows) for rows in (1, 3, 2000)}
        assert texts[1] == texts[3] == texts[2000]
        assert texts[1][1].entries == texts[1][1].last_sequence


async def test_an_export_ends_at_the_head_that_it_found(database: Database) -> None:
    async with small_town(database) as ledger:
        tasks: list[asyncio.Task[object]] = []

        def meanwhile(done: int, total: int) -> None:
            entry = draft(
                "memo", f"later-{done}", "1999-12-31 00:00:00", Movement("memo:a", "memo:new", "CNY", 1)
            )
            tasks.append(asyncio.get_running_loop().create_task(post(ledger, [entry])))

        before, _ = await exported(ledger, "hledger")
        out = StringIO()
        await export_journal(database, ledger.id, "hledger", out, on_progress=meanwhile, rows_per_read=5)
        await asyncio.gather(*tasks)
        after, _ = await exported(ledger, "hledger")
    assert out.getvalue() == before
    assert after.count("\n1999-12-31 *") == len(tasks) > 3


async def test_entries_stand_on_their_day_in_the_city_and_declarations_the_day_before(
    town: Ledger,
) -> None:
    text, done = await exported(town, "beancount")
    assert done.declared_on == date(2026, 1, 2)
    entries = re.findall(r"^(\S+) \* \"(\S+)\"$", text, re.MULTILINE)
    assert ("2026-01-03", "earn") in entries
    assert ("2028-01-01", "expire") in entries
    declared = re.findall(r"^(\S+) (?:open|commodity) ", text, re.MULTILINE)
    assert set(declared) == {"2026-01-02"}
    assert len(declared) == done.accounts + done.commodities


async def test_an_export_of_a_period_holds_its_entries_and_no_others(
    database: Database, hledger: Tool, tmp_path: Path
) -> None:
    async with small_town(database) as ledger:
        january, first = await exported(ledger, "hledger", until=date(2026, 1, 31))
        later, second = await exported(ledger, "hledger", since=date(2026, 2, 1))
        one_day, third = await exported(ledger, "hledger", since=date(2026, 1, 3), until=date(2026, 1, 3))
        ours = figures(await database.read(trial_balance, ledger.id))
    together: Counter[tuple[str, str]] = Counter()
    for name, text in (("january", january), ("later", later)):
        journal = tmp_path / f"{name}.journal"
        journal.write_text(text, encoding="ascii")
        hledger("-f", journal, "check", "--strict", "payees")
        together.update(hledger_figures(hledger, journal))  # type: ignore[arg-type]
    assert {place: total for place, total in together.items() if total} == ours
    assert first.entries + second.entries == first.last_sequence
    assert (third.entries, third.declared_on, second.declared_on) == (1, date(2026, 1, 2), date(2026, 1, 31))
    assert "sequence:" in one_day


async def test_an_entry_outside_of_the_period_is_left_out_from_between_two_that_are_in_it(
    town: Ledger,
) -> None:
    text, done = await exported(town, "csv", until=date(2026, 12, 31), rows=2000)
    rows = list(csv.DictReader(StringIO(text, newline="")))
    whole = list(csv.DictReader(StringIO((await exported(town, "csv"))[0], newline="")))
    assert done.entries == done.last_sequence - 1
    assert rows == [row for row in whole if row["kind"] != "expire"]


async def test_free_text_cannot_add_a_line_a_tag_or_a_date(
    town: Ledger, hledger: Tool, tmp_path: Path
) -> None:
    for form in ("hledger", "beancount"):
        text, _ = await exported(town, form)
        assert text.isascii()
        assert "[" not in text
    text, done = await exported(town, "hledger")
    journal = tmp_path / "town.journal"
    journal.write_text(text, encoding="ascii")
    legs = list(csv.DictReader(StringIO(hledger("-f", journal, "print", "-O", "csv"))))
    assert len(legs) == 2 * done.postings
    assert {leg["posting-comment"].partition(":")[0] for leg in legs} == {"posting"}
    assert hledger("-f", journal, "register", "-e", "2026-01-01") == ""
    # hledger lists the tags of accounts, entries and postings, not those of commodities
    assert set(hledger("-f", journal, "tags").split()) == set(TAGS) - {"name"}


async def test_an_entry_says_what_it_is_and_what_it_reverses(town: Ledger) -> None:
    [wrong] = await post(town, [goods("receive", "twice", "2026-03-04 10:00:00", OIL, 1005)])
    undo = draft("undo", "rv2", "2026-03-05 10:00:00", reverses=wrong.sequence)
    [receipt] = await post(town, [undo])
    journal, _ = await exported(town, "hledger")
    beans, _ = await exported(town, "beancount")
    sequence, leaf = receipt.sequence, receipt.leaf.hex()
    [line] = [line for line in journal.splitlines() if f"* ({sequence}) " in line]
    assert line.startswith(f"2026-03-05 * ({sequence}) undo  ; sequence:{sequence}, kind:undo, key-hash:")
    assert f", leaf:{leaf}, reverses:{wrong.sequence}, actor:" in line
    assert f'  leaf: "{leaf}"\n  reverses: {wrong.sequence}\n' in beans
    stock, given = account_name("asset", "station:0421:stock"), account_name("equity", "donor:d1:given")
    posting = receipt.postings[0].number
    assert journal.endswith(
        f'    {given}  1.005 "SKU-OIL--5.L"  ; posting:{posting}, lot:never/donor\n'
        f'    {stock}  -1.005 "SKU-OIL--5.L"  ; posting:{posting}, lot:never/donor\n'
    )


async def test_a_commodity_without_a_legal_name_is_declared_with_its_full_name(town: Ledger) -> None:
    journal, _ = await exported(town, "hledger")
    beans, _ = await exported(town, "beancount")
    name = commodity_name(HOSTILE.code)
    full = "SKU:%E5%A4%A7%E7%B1%B3%22%20%3B%20%2C%20date:1999-01-01%20%5B2001-01-01%5D%20%5C"
    assert f'commodity 1000.0 "{name}"  ; name:{full}\n' in journal
    assert f'commodity {name}\n  name: "{full}"\n' in beans
    assert len(re.findall(r"^commodity ", journal, re.MULTILINE)) == 3 + len(GOODS)


async def test_an_empty_ledger_is_an_empty_journal(
    sqlite_url: str, hledger: Tool, bean_check: Tool, tmp_path: Path
) -> None:
    database = Database(sqlite_url)
    async with open_ledger(database, "empty") as ledger:
        for form, check in (
            ("hledger", lambda f: hledger("-f", f, "check", "-s")),
            ("beancount", bean_check),
        ):
            text, done = await exported(ledger, form)  # type: ignore[arg-type]
            assert (done.entries, done.postings, done.accounts) == (0, 0, 0)
            (tmp_path / form).write_text(text, encoding="ascii")
            check(tmp_path / form)
    await database.close()


async def test_a_ledger_that_is_not_there_and_a_date_that_cannot_be_written_are_said_before_the_first_line(
    sqlite_url: str,
) -> None:
    database = Database(sqlite_url)
    out = StringIO()
    with pytest.raises(ExportError, match="no ledger"):
        await export_journal(database, 12345, "csv", out)
    async with small_town(database) as ledger:
        far = draft("memo", "far", "2026-01-01 00:00:00", Movement("memo:a", "memo:b", "CNY", 1))
        await post(ledger, [msgspec.structs.replace(far, effective_at=2**61)])
        with pytest.raises(ExportError, match="outside of the years"):
            await export_journal(database, ledger.id, "csv", out)
        assert out.getvalue() == ""
        text, _ = await exported(ledger, "csv", until=date(9999, 12, 31))
    assert PERSON in text
    await database.close()
