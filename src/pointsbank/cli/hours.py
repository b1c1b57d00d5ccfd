"""`pointsbank hours import`: service hours from a file, each line with its verdict in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path

import click

from pointsbank.access.policies import admit_policies, require_ruling
from pointsbank.activities.ports import By
from pointsbank.cli.acting import Shown, acting_options, who_acts
from pointsbank.cli.people_of import people_of
from pointsbank.cli.terminal import (
    PATIENT,
    Ending,
    as_coroutine,
    database_option,
    name_unimplemented,
    opened,
    points_text,
    policies,
    progress_bar,
    say,
)
from pointsbank.engine.commands import Command
from pointsbank.engine.registry import Ledger, ledger_to_read, open_ledger
from pointsbank.hours.explain import SHORT_CHINESE, Facts
from pointsbank.hours.files import Sheet, SheetError, SheetLine, file_digest, open_sheet
from pointsbank.hours.holding import capped_by, is_capped
from pointsbank.hours.refusals import RecordRefused
from pointsbank.hours.report import ReportWriter, report_path
from pointsbank.hours.service import HoursService
from pointsbank.hours.submission import LATE_REASONS
from pointsbank.intake.lines import LineVerdict
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.model import Policy
from pointsbank.store.database import Database

CHUNK = 500


@click.group("hours")
def command() -> None:
    """Service hours: import them from a file. 服务时长。"""


@command.command("import", short_help="Judge a file line by line, book what counts 导入")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Judge every line and write the report, but book nothing.")
@click.option(
    "--report",
    "report_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the report goes.  [default: beside FILE]",
)
@click.option(
    "--encoding", type=click.Choice(["utf-8", "gb18030"]), help="If the encoding cannot be told by itself."
)
@click.option(
    "--by",
    "recorded_by",
    default="operator",
    show_default=True,
    help="Id of who imports; kept with each entry.",
)
@click.option(
    "--reason",
    type=click.Choice(LATE_REASONS),
    help="Why lines come after the deadline; two people then verify them.",
)
@click.option("--policy", default="", help="Policy folder or file; the program's own without it.")
@acting_options
@database_option
@as_coroutine
async def import_(
    file: Path,
    dry_run: bool,
    report_file: Path | None,
    encoding: str | None,
    recorded_by: str,
    reason: str | None,
    policy: str,
    shown: Shown,
    database_url: str,
) -> None:
    """Judge every line of FILE (CSV or XLSX) and book the hours that count. 导入服务时长。

    Columns may stand in any order, with Chinese or English names. Every line keeps its verdict, and the report says
    it in words. The import may be stopped and started again: it goes on after the last line that was booked.
    """
    book = policies(policy)
    name_unimplemented(book)
    database = opened(database_url)
    digest = file_digest(file)
    source = f"import:{digest[:40]}"
    where = report_file or report_path(file, digest)
    if dry_run:
        where = where.with_name(f"{where.stem}-dry-run{where.suffix}")
        where.unlink(missing_ok=True)
    counts: Counter[str] = Counter()
    by: By | None = None
    points = 0
    try:
        with open_sheet(file, encoding=encoding) as sheet:
            lines = sheet.check()
            async with (
                _ledger(database, dry_run=dry_run) as ledger,
                people_of(ledger, database_url, remembers=True),
            ):
                service = HoursService(ledger, book)
                if dry_run and not policy:  # a book that is named may be tried out before it is approved
                    await require_ruling(ledger, book)
                if not dry_run:
                    await admit_policies(ledger, book)
                    actor = await who_acts(ledger, "hours:submit", shown)
                    recorded_by = actor.name if actor.person or shown.key_file else recorded_by
                    if actor.person:  # four eyes compare people: whoever brings a file verifies nothing of it
                        by = By(actor.id, actor.person)
                    await service.open_accounts()
                with ReportWriter(where) as report, progress_bar() as show:
                    for chunk in _chunks(sheet, report.last_line):
                        pairs = [(line.line_no, line.fields) for line in chunk]
                        verdicts = await (
                            service.preview(source, pairs)
                            if dry_run
                            else service.submit(
                                source,
                                pairs,
                                Command("import", source, recorded_by),
                                by=by,
                                reason=reason or "",
                            )
                        )
                        cut = await _cut(ledger, verdicts, book)
                        for line, verdict in zip(chunk, verdicts, strict=True):
                            report.write(
                                line.line_no,
                                verdict.verdict,  # type: ignore[arg-type]
                                _facts(line, verdict, book.policies[-1], cut.get(verdict.sequence, 0)),
                            )
                            counts[verdict.verdict] += 1
                            points += verdict.points
                        report.flush()
                        show("hours", sum(counts.values()), lines)
    except SheetError as error:
        raise Ending(str(error)) from error
    except RecordRefused as error:
        raise Ending(
            f"第 {error.line} 行无法入账：{error.refusal}。之前的各行已入账，排除原因后重新运行即可继续。\n"
            f"Line {error.line} cannot be booked: {error.refusal}. Lines before it are; mend the cause and run again."
        ) from error
    finally:
        await database.close()
    if dry_run:
        say("试算，未入账 / dry run, nothing was booked")
    elif counts:
        say("导入完成 / import complete")
    else:
        say("这个文件先前已全部导入，没有新的行 / this file was imported before, nothing is new")
    for name, count in counts.most_common():
        say(f"  {count:>9,}  {SHORT_CHINESE.get(name, name)}  {name}")  # type: ignore[call-overload]
    say(f"  积分 / points: {points_text(points)}")
    say(f"  每一行的说明 / every line explained: {where}")


@asynccontextmanager
async def _ledger(database: Database, *, dry_run: bool) -> AsyncIterator[Ledger]:
    """The city's ledger; a dry run only reads, so that it works beside a service that owns the file."""
    if dry_run:
        yield ledger_to_read(database)
        return
    async with open_ledger(database, limits=PATIENT) as ledger:
        yield ledger


def _chunks(sheet: Sheet, after_line: int) -> Iterator[list[SheetLine]]:
    lines = sheet.lines(after_line=after_line)
    while chunk := list(islice(lines, CHUNK)):
        yield chunk


async def _cut(ledger: Ledger, verdicts: Sequence[LineVerdict], book: PolicyBook) -> dict[int, int]:
    """What a cap on holdings cut of lines, by their entries; nobody asks where there is none."""
    if not is_capped(book):
        return {}
    booked = [verdict.sequence for verdict in verdicts if verdict.verdict == "accepted" and verdict.sequence]
    return await ledger.database.read(capped_by, ledger.id, booked)


def _facts(line: SheetLine, verdict: LineVerdict, policy: Policy, capped: int) -> Facts:
    category = policy.categories.get(line.fields[4]) if len(line.fields) > 4 else None
    return Facts(
        fields=line.fields,
        minutes=verdict.minutes,
        points=verdict.points,
        capped=capped,
        deadline_days=policy.record_deadline_working_days,
        session_max_hours=policy.session_max_hours,
        minimum_age=category.minimum_age if category else None,
    )
