"""`pointsbank attendance`: who signs up, whose times are typed in, and what becomes of a record before and after it."""

from __future__ import annotations

from datetime import date, datetime

import click

from pointsbank.activities.attendance import WRITTEN_REASONS
from pointsbank.activities.model import Paper
from pointsbank.cli.acting import Shown, acting_options
from pointsbank.cli.activities import CityTime, acting_desks, granted, micros
from pointsbank.cli.terminal import CityDay, as_coroutine, database_option, say
from pointsbank.hours.verification import REJECT_REASONS
from pointsbank.hours.whereabouts import of_records, of_sessions


@click.group("attendance")
def command() -> None:
    """Sign-ups, times that are typed in, papers; rejecting, withdrawing and correcting records. 报名与到场。

    People are named by their random id, never by a number or a name. Checking in is for terminals and telephones: see
    the API. Whatever is typed in here is honour class, and somebody else verifies it.
    """


@command.command("sign-up", short_help="Sign somebody up for a session 报名")
@click.argument("session_id")
@click.argument("person")
@click.option("--companion", default="", help="Id of the adult who comes along with a child.")
@acting_options
@database_option
@as_coroutine
async def sign_up(session_id: str, person: str, companion: str, shown: Shown, database_url: str) -> None:
    """Sign PERSON up: age, companion, consent, training, insurance and places are checked."""
    async with acting_desks(database_url, shown, "attendance:record", of_sessions, session_id) as (
        desks,
        by,
        asked,
    ):
        granted(await desks.activities.sign_up(session_id, person, by, asked, companion=companion))
    say("已报名 / signed up")


@command.command("paper", short_help="File a training, an insurance or a consent 登记证明")
@click.argument("person")
@click.argument("kind", type=click.Choice(("training", "insurance", "consent")))
@click.option("--from", "first", type=CityDay(), required=True, help="First day.")
@click.option("--to", "last", type=CityDay(), required=True, help="Last day.")
@click.option("--code", default="", help="Which training or insurance.")
@click.option("--station", default="", help="Code of the station at which it was shown.")
@acting_options
@database_option
@as_coroutine
async def paper(
    person: str, kind: str, first: date, last: date, code: str, station: str, shown: Shown, database_url: str
) -> None:
    """File a paper of PERSON; nobody files one of their own."""
    async with acting_desks(database_url, shown, "attendance:record", station=station) as (desks, by, asked):
        filed = Paper(person, kind, code, first, last)  # type: ignore[arg-type]
        granted(await desks.activities.file_paper(filed, by, asked))
    say("已登记 / filed")


@command.command("written", short_help="Type in somebody's times 补录到场时间")
@click.argument("session_id")
@click.argument("person")
@click.option("--in", "came", type=CityTime(), required=True, help="When, city time.")
@click.option("--out", "left", type=CityTime(), required=True, help="When, city time.")
@click.option("--reason", type=click.Choice(WRITTEN_REASONS), required=True, help="Why it is typed in.")
@acting_options
@database_option
@as_coroutine
async def written(
    session_id: str, person: str, came: datetime, left: datetime, reason: str, shown: Shown, database_url: str
) -> None:
    """Type in when PERSON came and left, after the session: honour class."""
    async with acting_desks(database_url, shown, "hours:submit", of_sessions, session_id) as (
        desks,
        by,
        asked,
    ):
        granted(
            await desks.attendance.write_down(
                session_id, person, micros(came), micros(left), reason, by, asked
            )
        )
    say("已补录 / written down")


@command.command("reject", short_help="Reject records 退回")
@click.argument("records", nargs=-1, required=True)
@click.option("--reason", type=click.Choice(REJECT_REASONS), required=True, help="Why.")
@acting_options
@database_option
@as_coroutine
async def reject(records: tuple[str, ...], reason: str, shown: Shown, database_url: str) -> None:
    """Reject records that somebody else has submitted: they earn nothing, and their time is free again."""
    async with acting_desks(database_url, shown, "hours:verify", of_records, *records, about=False) as (
        desks,
        by,
        asked,
    ):
        for told in granted(await desks.verifying.reject(records, reason, by, asked)):
            say(f"{told.record_id}\t{told.refusal or told.state}")


@command.command("withdraw", short_help="Take back what one submitted oneself 撤回")
@click.argument("records", nargs=-1, required=True)
@acting_options
@database_option
@as_coroutine
async def withdraw(records: tuple[str, ...], shown: Shown, database_url: str) -> None:
    """Take back records that one has submitted, before anybody has verified them."""
    async with acting_desks(database_url, shown, "hours:submit", of_records, *records, about=False) as (
        desks,
        by,
        asked,
    ):
        for told in granted(await desks.verifying.withdraw(records, by, asked)):
            say(f"{told.record_id}\t{told.refusal or told.state}")


@command.command("correct", short_help="Correct the times of a record 更正")
@click.argument("record")
@click.option("--in", "came", type=CityTime(), required=True, help="When, city time.")
@click.option("--out", "left", type=CityTime(), required=True, help="When, city time.")
@acting_options
@database_option
@as_coroutine
async def correct(record: str, came: datetime, left: datetime, shown: Shown, database_url: str) -> None:
    """Reverse a record and submit one with other times, both or neither; both stay, and somebody else verifies it."""
    async with acting_desks(database_url, shown, "hours:submit", of_records, record) as (desks, by, asked):
        line = granted(await desks.correcting.correct(record, micros(came), micros(left), by, asked))
    say(f"{line.record_id}\t{line.verdict}\t{line.minutes}")
