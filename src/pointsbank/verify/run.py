"""`verify`: all invariants of a ledger, recomputed by a code path of its own, while the writer goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import msgspec
from sqlalchemy import Connection, inspect

from pointsbank.ledger.chart import SHIPPED, Chart
from pointsbank.store.database import Database
from pointsbank.verify import balances, commits, standing
from pointsbank.verify.chart import ChartReader
from pointsbank.verify.checks import CHECKS
from pointsbank.verify.chunks import CHUNK, Place, read_chunk
from pointsbank.verify.encoding import ledger_number
from pointsbank.verify.fold import REMEMBERED, Fold
from pointsbank.verify.journal import Journal
from pointsbank.verify.names import Names
from pointsbank.verify.report import Findings, Report, cannot_reveal
from pointsbank.verify.schema import check_schema, core_tables_present
from pointsbank.verify.scope import Scope
from pointsbank.verify.source import Source, fetch
from pointsbank.verify.standing import Start


class UnknownLedger(LookupError):
    """The database has no ledger of this name."""


class Progress(msgspec.Struct, frozen=True):
    """How far a verification has come: the part it is in, and how much of that is done."""

    part: str
    done: int
    total: int


OnProgress = Callable[[Progress], None]


async def verify(
    database: Database,
    ledger: int | str,
    *,
    since_sequence: int | None = None,
    on_progress: OnProgress | None = None,
    chart: Chart | None = None,
    chunk: int = CHUNK,
    remembered: int = REMEMBERED,
) -> Report:
    """Check every invariant of a ledger (its name or its id) up to its head now. Reads only; mends nothing.

    With `since_sequence` only what came after that entry is checked, building on the running balances there.
    `chart` is needed for a ledger that does not use the shipped one. `chunk` entries are read at a time, and
    `remembered` figures are kept at most. Raises UnknownLedger.
    """
    ledger_id = ledger_number(ledger) if isinstance(ledger, str) else ledger
    run = _Run(Source(database, ledger_id), since_sequence or 0, on_progress, chunk, remembered)
    await run.everything(chart)
    return run.report()


class _Run:
    """One verification under way."""

    def __init__(
        self, source: Source, since: int, on_progress: OnProgress | None, chunk: int, remembered: int
    ) -> None:
        self.source = source
        self.since = since
        self.findings = Findings()
        self.checked: dict[str, int] = {}
        self.start: Start | None = None
        self.chart: ChartReader | None = None
        self._on_progress = on_progress
        self._chunk = chunk
        self._remembered = remembered
        self._began = time.time_ns() // 1000
        self._clock = time.monotonic()

    async def everything(self, chart: Chart | None) -> None:
        self._progress("schema", 0, 1)
        self.checked |= await self.source.read(check_schema, self.findings)
        if not await self.source.read(core_tables_present):
            return
        start = self.start = await self.source.read(standing.read_start)
        if start is None:
            raise UnknownLedger(f"no ledger with id {self.source.ledger_id}")
        self.chart = _chart_reader(chart, start.head.chart)
        standing.check_head(start, self.source.ledger_id, self.chart, self.findings)
        await self._journal(start)
        await self._beside_the_journal(start)
        await self._domain(start)

    async def _journal(self, start: Start) -> None:
        head = Place(start.head.sequence, start.head.posting, start.head.recorded_at)
        place = await self.source.read(_place_of, self.since)
        began = place
        names, fold = Names(), Fold(self.findings, from_the_start=not self.since, remembered=self._remembered)
        journal = Journal(self.source.ledger_id, self.chart, self.findings, place)
        touched: set[int] = set()
        self.checked["balances"] = 0

        def lacks(postings: list[tuple[int, ...]]) -> list[int]:
            accounts = fold.lacks(postings)
            if self.since:
                touched.update(accounts)
            return accounts

        while True:
            chunk = await self.source.read(
                read_chunk, journal.place, head, names, lacks, self._chunk, look_up_keys=bool(self.since)
            )
            fold.take_up(chunk.anchors, names.lots)
            # In a thread: a service that verifies itself goes on answering.
            await asyncio.to_thread(journal.check, chunk, names)
            await asyncio.to_thread(fold.feed, chunk.postings, names.accounts, names.lots)
            if len(fold.new_pairs) > 20_000:
                await self._check_moved(fold, touched)
            self._progress("entries", journal.place.sequence, head.sequence)
            if not chunk.entries and journal.place.posting >= head.posting:
                break
        journal.missing("entry-gap", "entries", journal.place.sequence + 1, head.sequence)
        await self._check_moved(fold, touched)
        self.checked["entries"] = journal.place.sequence - began.sequence
        self.checked["postings"] = journal.place.posting - began.posting
        self.checked["counters"] = standing.check_counters(
            start, journal.counters, not self.since, self.findings
        )

    async def _check_moved(self, fold: Fold, touched: set[int]) -> None:
        """Balance rows that postings call for; of a part of the journal, also what they say."""
        pairs, fold.new_pairs = fold.new_pairs, []
        await balances.check_present(self.source, pairs, self.findings)
        if self.since:
            accounts = sorted(touched | {account for account, _ in pairs})
            self.checked["balances"] += await balances.check_accounts(self.source, accounts, self.findings)
            await standing.check_some_accounts(self.source, accounts, self.chart, self.findings)
            touched.clear()

    async def _beside_the_journal(self, start: Start) -> None:
        source, findings = self.source, self.findings
        self._progress("batches", 0, start.head.batch)
        first = await source.read(commits.batch_of, self.since) if self.since else 1
        self.checked["batches"] = await commits.check_batches(source, start.head, first, findings)
        self.checked["lots"] = await standing.check_lots(source, start, self.chart, findings)
        if self.since:
            return  # the rest was there before, or was looked at where the postings touched it
        self._progress("accounts", 0, start.head.account)
        self.checked["accounts"] = await standing.check_accounts(source, start, self.chart, findings)
        self._progress("keys", 0, 1)
        self.checked["document keys"] = await standing.check_keys(source, start.head.sequence, findings)
        self._progress("balances", 0, 1)
        self.checked["balances"] = await balances.check_all(source, findings)
        self.checked["commodities"] = await balances.check_trial_balance(source, findings)

    async def _domain(self, start: Start) -> None:
        scope = Scope(
            source=self.source,
            findings=self.findings,
            since=self.since,
            head=start.head.sequence,
            tables=frozenset(await self.source.read(_tables)),
            kinds=frozenset(self.chart.kinds) if self.chart else frozenset(),
        )
        for i, check in enumerate(CHECKS):
            self._progress(check.__name__.removeprefix("check_"), i, len(CHECKS))
            self.checked |= await check(scope)

    def _progress(self, part: str, done: int, total: int) -> None:
        if self._on_progress is not None:
            self._on_progress(Progress(part, done, total))

    def report(self) -> Report:
        head = self.start.head if self.start else None
        counts = self.findings.counts
        return Report(
            ledger_id=self.source.ledger_id,
            name=head.name if head else "",
            chart=head.chart if head else "",
            engine=self.source.database.dialect,
            holds=not counts,
            from_sequence=self.since + 1,
            to_sequence=head.sequence if head else 0,
            checked=self.checked,
            total_findings=counts.total(),
            counts=dict(sorted(counts.items())),
            findings=self.findings.listed,
            cannot_reveal=cannot_reveal(),
            started_at=self._began,
            seconds=round(time.monotonic() - self._clock, 3),
        )


def _chart_reader(given: Chart | None, name: str) -> ChartReader | None:
    """The chart given, or the shipped one if the ledger says that it uses it."""
    chart = given or (SHIPPED if name == SHIPPED.name else None)
    return ChartReader(chart) if chart else None


def _place_of(connection: Connection, ledger_id: int, sequence: int) -> Place:
    """Where the journal stood after an entry; if that is missing, after the newest before it."""
    rows = (
        fetch(
            connection,
            "SELECT first_posting + postings - 1, recorded_at FROM entries"
            " WHERE ledger_id = $1 AND sequence <= $2 ORDER BY sequence DESC LIMIT 1",
            ledger_id,
            sequence,
        )
        if sequence
        else []
    )
    return Place(sequence, *rows[0]) if rows else Place(sequence, 0, 0)


def _tables(connection: Connection, ledger_id: int) -> list[str]:
    return inspect(connection).get_table_names()
