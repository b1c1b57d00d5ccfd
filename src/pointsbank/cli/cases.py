"""`pointsbank cases`: hours that do not count, and samples of closed batches. Two people, never one's own."""

from __future__ import annotations

from datetime import date

import click

from pointsbank.cli.acting import Shown, acting_options
from pointsbank.cli.activities import acting_desks, granted
from pointsbank.cli.terminal import (
    CityDay,
    Ending,
    as_coroutine,
    database_option,
    opened,
    points_text,
    policies_to_read,
    say,
)
from pointsbank.engine.registry import ledger_to_read
from pointsbank.hours.clawback import CLAWBACK_REASONS, Case, case_of, cases
from pointsbank.hours.sampling import OUTCOMES, Sample, sample_of, undrawn
from pointsbank.policy.calendar import city_day


@click.group("cases")
def command() -> None:
    """Hours that do not count, and spot checks. 追回与抽查。

    One person proposes that records of an activity do not count, another decides; what was spent is a debt of the guilty
    or a loss of the fund. A sample is drawn when the day of a batch is over, once.
    """


@command.command("clawbacks", short_help="Cases, or one of them 追回案件")
@click.argument("case", default="")
@database_option
@as_coroutine
async def clawbacks(case: str, database_url: str) -> None:
    """The cases, the newest first; or one with what became of each record."""
    database = opened(database_url)
    try:
        ledger_id = ledger_to_read(database).id
        if not case:
            for found in await database.read(cases, ledger_id):
                say(
                    f"{found.case_id}\t{found.state}\t{found.reason}\t{found.activity_id}\t{found.proposed_by}"
                )
            return
        one = await database.read(case_of, ledger_id, case)
    finally:
        await database.close()
    if one is None:
        raise Ending(f"没有案件 {case} / there is no case {case}")
    _say_case(one)


@command.command("propose", short_help="Propose that hours do not count 提议追回")
@click.argument("activity")
@click.option("--reason", type=click.Choice(CLAWBACK_REASONS), required=True)
@click.option("--guilty", multiple=True, help="Id of a person who owes what is spent. May be repeated.")
@click.option("--record", "records", multiple=True, help="Only this record. May be repeated.")
@click.option("--document", default="", help="Number of the decision on paper.")
@acting_options
@database_option
@as_coroutine
async def propose(
    activity: str,
    reason: str,
    guilty: tuple[str, ...],
    records: tuple[str, ...],
    document: str,
    shown: Shown,
    database_url: str,
) -> None:
    """Propose that the records of an activity, or those named, do not count; nothing moves before it is decided."""
    async with acting_desks(database_url, shown, "cases:manage") as (desks, by, asked):
        case = granted(
            await desks.clawing.propose(
                activity, reason, by, asked, guilty=guilty, records=records or None, document_no=document
            )
        )
    _say_case(case)


@command.command("decide", short_help="Decide a case, and carry it out 审定追回")
@click.argument("case")
@click.option("--approve/--refuse", required=True, default=None, help="What is decided.")
@acting_options
@database_option
@as_coroutine
async def decide(case: str, approve: bool, shown: Shown, database_url: str) -> None:
    """Decide a case that another person proposed. Stopped half way, it goes on when it is run again."""
    async with acting_desks(database_url, shown, "cases:manage") as (desks, by, asked):
        _say_case(granted(await desks.clawing.decide(case, by, asked, approve=approve)))


@command.command("samples", short_help="Batches that nobody has looked into 待抽查批次")
@click.option("--since", type=CityDay(), required=True, help="From this day on.")
@database_option
@as_coroutine
async def samples(since: date, database_url: str) -> None:
    """Closed batches for which no sample is drawn: recorder, day, records."""
    database = opened(database_url)
    try:
        ledger = ledger_to_read(database)
        zone = (await policies_to_read(ledger)).policies[-1].timezone
        today = city_day(ledger.writer.clock.now(), zone).isoformat()
        found = await database.read(undrawn, ledger.id, since.isoformat(), today)
    finally:
        await database.close()
    for batch in found:
        say(f"{batch.recorder}\t{batch.day}\t{batch.lines}")


@command.command("sample", short_help="A sample and its outcomes 查样本")
@click.argument("sample")
@database_option
@as_coroutine
async def show_sample(sample: str, database_url: str) -> None:
    """A sample: its batch, its seed, the records that the seed chooses, and their outcomes."""
    database = opened(database_url)
    try:
        found = await database.read(sample_of, ledger_to_read(database).id, sample)
    finally:
        await database.close()
    if found is None:
        raise Ending(f"没有样本 {sample} / there is no sample {sample}")
    _say_sample(found)


@command.command("draw", short_help="Draw the sample of a closed batch 抽取样本")
@click.argument("recorder")
@click.argument("day", type=CityDay())
@acting_options
@database_option
@as_coroutine
async def draw(recorder: str, day: date, shown: Shown, database_url: str) -> None:
    """Draw the sample of what RECORDER submitted on DAY, which must be over. Drawn again it is the same."""
    async with acting_desks(database_url, shown, "cases:manage") as (desks, by, asked):
        _say_sample(granted(await desks.sampling.draw(recorder, day, by, asked)))


@command.command("note", short_help="Note what became of a sampled record 登记结果")
@click.argument("sample")
@click.argument("record")
@click.argument("outcome", type=click.Choice(OUTCOMES))
@acting_options
@database_option
@as_coroutine
async def note(sample: str, record: str, outcome: str, shown: Shown, database_url: str) -> None:
    """Note what became of a sampled record; nobody notes what they recorded, verified or earned."""
    async with acting_desks(database_url, shown, "cases:manage") as (desks, by, asked):
        _say_sample(granted(await desks.sampling.note(sample, record, outcome, by, asked)))


def _say_case(case: Case) -> None:
    say(f"{case.case_id}\t{case.state}\t{case.reason}\t{case.document_no}")
    for line in case.lines:
        figures = "\t".join(map(points_text, (line.points, line.taken, line.owed, line.lost)))
        say(f"{line.record_id}\t{line.person_id}\t{line.state}\t{line.minutes} min\t{figures}")


def _say_sample(sample: Sample) -> None:
    say(f"{sample.sample_id}\t{sample.recorder}\t{sample.day}\t{sample.lines}\t{sample.percent}%")
    say(f"seed {sample.seed}\nbatch {sample.digest}")
    for line in sample.chosen:
        say(f"{line.record_id}\t{line.outcome}\t{line.noted_by}")
