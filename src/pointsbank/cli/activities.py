"""`pointsbank activities`: plan and approve activities, submit and verify hours, decide objections.

Every verb that changes something acts as the holder of an API key, as over HTTP.
"""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

import click
import msgspec

from pointsbank.activities.evidence import KINDS as EVIDENCE_KINDS
from pointsbank.activities.evidence import EvidenceDesk
from pointsbank.activities.model import ActivityPlan, SessionPlan
from pointsbank.activities.ports import By
from pointsbank.activities.projects import projects_in
from pointsbank.cli.acting import Query, Shown, acting_options, who_acts, who_acts_on
from pointsbank.cli.people_of import people_of
from pointsbank.cli.terminal import (
    CITY,
    CityDay,
    Ending,
    as_coroutine,
    database_option,
    opened,
    points_text,
    policies_for,
    policies_to_read,
    refusal_text,
    say,
    stderr,
)
from pointsbank.engine.commands import Command
from pointsbank.engine.ids import new_id
from pointsbank.engine.registry import CITY_LEDGER, ledger_to_read, open_ledger
from pointsbank.hours.notices import Notices
from pointsbank.hours.risks import risks
from pointsbank.hours.service import HoursService
from pointsbank.hours.whereabouts import of_activities, of_records, of_sessions
from pointsbank.ledger.refusals import Refusal
from pointsbank.people.master import MasterKeyError, master_keys
from pointsbank.people.registry import Registry
from pointsbank.people.store import demo_key_path, people_store
from pointsbank.policy.calendar import city_day, city_second, second_text, start_of_day
from pointsbank.settings import settings_from
from pointsbank.store.port import StoreError, ledger_id_of
from pointsbank.web.api.desks import Desks, make_desks
from pointsbank.web.bounds import Act

T = TypeVar("T")


class CityTime(click.ParamType[datetime]):
    """A time on the city's clock, YYYY-MM-DD HH:MM."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return datetime.strptime(value, "%Y-%m-%d %H:%M").replace(tzinfo=CITY)
        except ValueError:
            self.fail(
                f"{value} 不是 YYYY-MM-DD HH:MM 形式的时间 / is not a time like 2026-01-31 09:00", param, ctx
            )


@click.group("activities")
def command() -> None:
    """Activities and the hours they give. 活动与服务时长。

    An activity is proposed, approved by another person before it starts, and held in sessions. What was attended is
    submitted by one person, verified by another, stands on public notice, and only then may be spent.
    """


@command.command("propose", short_help="Propose an activity 申报活动")
@click.argument("title")
@click.option("--category", required=True, help="Code of the service category.")
@click.option("--station", required=True, help="Code of the station that holds it.")
@click.option("--starts", type=CityTime(), required=True, help="Its first moment, city time.")
@click.option("--ends", type=CityTime(), required=True, help="Its last moment, city time.")
@click.option("--project", "project_id", default="", help="Id of a project of the library.")
@acting_options
@database_option
@as_coroutine
async def propose(
    title: str,
    category: str,
    station: str,
    starts: datetime,
    ends: datetime,
    project_id: str,
    shown: Shown,
    database_url: str,
) -> None:
    """Propose an activity; gives its id."""
    plan = ActivityPlan(
        title=title,
        category=category,
        station=station,
        starts_at=micros(starts),
        ends_at=micros(ends),
        project_id=project_id,
    )
    async with acting_desks(database_url, shown, "activities:plan", station=station) as (desks, by, asked):
        say(granted(await desks.activities.propose(plan, by, asked)))


@command.command("project", short_help="Put a project into the library 项目入库")
@click.argument("name")
@click.option("--brand", default="", help="Tags with blanks between them.")
@click.option("--sector", default="", help="Code of the sector.")
@acting_options
@database_option
@as_coroutine
async def project(name: str, brand: str, sector: str, shown: Shown, database_url: str) -> None:
    """Put a project into the library; gives its id."""
    async with acting_desks(database_url, shown, "activities:plan") as (desks, by, asked):
        say(granted(await desks.activities.open_project(name, brand, sector, by, asked)))


@command.command("projects", short_help="The project library 项目库")
@click.option("--brand", default="", help="Only with this tag.")
@click.option("--sector", default="", help="Only of this sector.")
@database_option
@as_coroutine
async def list_projects(brand: str, sector: str, database_url: str) -> None:
    """Projects of the library: id, name, tags, sector, state."""
    database, after = opened(database_url), ""
    try:
        ledger_id = ledger_to_read(database).id
        while found := await database.read(projects_in, ledger_id, brand=brand, sector=sector, after=after):
            for one in found:
                say(f"{one.id}\t{one.name}\t{' '.join(one.brand)}\t{one.sector}\t{one.state}")
            after = found[-1].id
    finally:
        await database.close()


@command.command("decide", short_help="Approve or refuse a proposed activity 审批活动")
@click.argument("activity")
@click.option("--approve/--refuse", required=True, default=None, help="What is decided.")
@click.option("--reason", default="", help="Why, as a short code.")
@acting_options
@database_option
@as_coroutine
async def decide(activity: str, approve: bool, reason: str, shown: Shown, database_url: str) -> None:
    """Approve or refuse a proposed activity: another person than who proposed it, before it starts."""
    async with acting_desks(database_url, shown, "activities:approve", of_activities, activity) as (
        desks,
        by,
        asked,
    ):
        granted(await desks.activities.decide(activity, reason, by, asked, approve=approve))
    say("已批准 / approved" if approve else "未批准 / refused")


@command.command("session", short_help="Open a session 开设场次")
@click.argument("activity")
@click.option("--starts", type=CityTime(), required=True, help="City time.")
@click.option("--ends", type=CityTime(), required=True, help="City time.")
@click.option(
    "--capacity", type=click.IntRange(1, 100_000), required=True, help="How many people may sign up."
)
@acting_options
@database_option
@as_coroutine
async def session(
    activity: str, starts: datetime, ends: datetime, capacity: int, shown: Shown, database_url: str
) -> None:
    """Open a session of an approved activity; gives its id."""
    plan = SessionPlan(starts_at=micros(starts), ends_at=micros(ends), capacity=capacity)
    async with acting_desks(database_url, shown, "activities:plan", of_activities, activity) as (
        desks,
        by,
        asked,
    ):
        say(granted(await desks.activities.open_session(activity, plan, by, asked)))


@command.command("submit", short_help="Make records of what was attended 提交服务记录")
@click.argument("session_id")
@click.option("--reason", default="", help="Why it is late, as a code.")
@acting_options
@database_option
@as_coroutine
async def submit(session_id: str, reason: str, shown: Shown, database_url: str) -> None:
    """Make records of what was attended of a session; each waits for another person."""
    async with acting_desks(database_url, shown, "hours:submit", of_sessions, session_id) as (
        desks,
        by,
        asked,
    ):
        for line in granted(await desks.submitting.submit(session_id, by, asked, reason=reason)):
            say(f"{line.record_id or line.person_id}\t{line.verdict}\t{line.minutes}")


@command.command("evidence", short_help="File what shows that somebody was there 登记凭据")
@click.argument("session_id")
@click.argument("person")
@click.option("--kind", type=click.Choice(EVIDENCE_KINDS), required=True, help="What it is.")
@click.option("--reference", required=True, help="The number under which it is kept.")
@acting_options
@database_option
@as_coroutine
async def evidence(
    session_id: str, person: str, kind: str, reference: str, shown: Shown, database_url: str
) -> None:
    """File what shows that PERSON was there, of whom no check-in says so. Whoever verifies sees its number."""
    async with acting_desks(database_url, shown, "hours:submit", of_sessions, session_id) as (
        desks,
        by,
        asked,
    ):
        granted(await EvidenceDesk(desks.ledger).file(session_id, person, kind, reference, by, asked))
    say("已登记 / filed")


@command.command("verify", short_help="Verify what somebody else submitted 核验")
@click.argument("records", nargs=-1, required=True)
@acting_options
@database_option
@as_coroutine
async def verify(records: tuple[str, ...], shown: Shown, database_url: str) -> None:
    """Verify records that somebody else has submitted; above limits two people must."""
    async with acting_desks(database_url, shown, "hours:verify", of_records, *records, about=False) as (
        desks,
        by,
        asked,
    ):
        for told in granted(await desks.verifying.verify(records, by, asked)):
            say(
                f"{told.record_id}\t{told.refusal or told.state}\t{points_text(told.points)}\t{told.available_on}"
            )


@command.command("object", short_help="Object to a record on notice 提出异议")
@click.argument("record")
@click.option(
    "--reason", required=True, help="not-present, wrong-times, wrong-person, not-volunteer-service or other."
)
@acting_options
@database_option
@as_coroutine
async def object_to(record: str, reason: str, shown: Shown, database_url: str) -> None:
    """Object to a record on notice; it is frozen until somebody else has decided."""
    async with acting_desks(database_url, shown, "hours:object", of_records, record) as (desks, by, asked):
        case = granted(await desks.objecting.object(record, reason, by, asked))
    say(f"已冻结，须在 {case.due_on} 前裁定 / frozen, to be decided by {case.due_on}")


@command.command("rule", short_help="Decide an objection 裁定异议")
@click.argument("record")
@click.option("--uphold/--reject", required=True, default=None, help="What is decided.")
@click.option(
    "--reason", required=True, help="confirmed, not-proved, withdrawn-by-objector, misconduct or other."
)
@acting_options
@database_option
@as_coroutine
async def rule(record: str, uphold: bool, reason: str, shown: Shown, database_url: str) -> None:
    """Decide the open objection: upheld, the credit is reversed; rejected, the notice goes on."""
    async with acting_desks(database_url, shown, "hours:decide", of_records, record) as (desks, by, asked):
        case = granted(await desks.objecting.decide(record, reason, by, asked, uphold=uphold))
    say(case.state)


@command.command("appeal", short_help="Appeal when hours were taken away for conduct 申诉")
@click.argument("record")
@acting_options
@database_option
@as_coroutine
async def appeal(record: str, shown: Shown, database_url: str) -> None:
    """Appeal, as the volunteer whose hours were taken away for conduct; somebody else looks again."""
    async with acting_desks(database_url, shown, "hours:object", of_records, record) as (desks, by, asked):
        case = granted(await desks.appealing.appeal(record, by, asked))
    say(f"须在 {case.due_on} 前裁定 / to be decided by {case.due_on}")


@command.command("rule-appeal", short_help="Decide an appeal 裁定申诉")
@click.argument("record")
@click.option("--uphold/--reject", required=True, default=None, help="What is decided.")
@click.option("--reason", required=True, help="confirmed, not-proved, misconduct or other.")
@acting_options
@database_option
@as_coroutine
async def rule_appeal(record: str, uphold: bool, reason: str, shown: Shown, database_url: str) -> None:
    """Decide an appeal: upheld, the attendance may be submitted again by whoever records."""
    async with acting_desks(database_url, shown, "hours:decide", of_records, record) as (desks, by, asked):
        case = granted(await desks.appealing.decide(record, reason, by, asked, uphold=uphold))
    say(case.state)


@command.command("escalate", short_help="Send overdue objections up 异议逾期上报")
@click.option("--as-of", type=CityDay(), help="Those that were due before this day.  [default: today]")
@acting_options
@database_option
@as_coroutine
async def escalate(as_of: date | None, shown: Shown, database_url: str) -> None:
    """Send objections up that nobody has decided in time. Run it every morning, as often as you like."""
    async with acting_desks(database_url, shown, "hours:decide") as (desks, _, _asked):
        zone = (await policies_to_read(desks.ledger)).policies[-1].timezone
        today = city_day(desks.ledger.writer.clock.now(), zone)
        count = await desks.objecting.escalate(as_of or today)
    say(f"{count} 件已上报 / {count} sent up")


@command.command("fund", short_help="What waits for a fund, and pay it 基金排队与补发")
@click.argument("fund")
@click.option("--pay", is_flag=True, help="Pay what waits, in order, as far as the fund reaches.")
@acting_options
@database_option
@as_coroutine
async def fund(fund: str, pay: bool, shown: Shown, database_url: str) -> None:
    """Show the points that wait for a fund, in the order in which they will be paid; with --pay, pay them.

    Whole credits only, and nobody overtakes. It may be stopped and run again at any time.
    """
    async with acting_desks(database_url, shown, "hours:verify") as (desks, _, asked):
        if pay:
            count = granted(await desks.funding.pay(fund, asked))
            say(f"已补发 {count} 条 / {count} paid")
        for waiting in await desks.funding.waiting(fund):
            say(f"{waiting.queued}\t{waiting.record_id}\t{points_text(waiting.points)}")


@command.command("risks", short_help="What an auditor should look at 风险清单")
@click.option("--since", type=CityDay(), required=True, help="From this service day on.")
@database_option
@as_coroutine
async def list_risks(since: date, database_url: str) -> None:
    """What is odd: late or at night, for each other, too long, in two places, typed in, in one instant, taken back."""
    database = opened(database_url)
    try:
        ledger = ledger_to_read(database)
        zone = (await policies_to_read(ledger)).policies[-1].timezone
        found = await database.read(risks, ledger.id, zone, since.isoformat(), start_of_day(since, zone))
    finally:
        await database.close()
    for risk in found:
        say(
            f"{risk.kind}\t{risk.day}\t{risk.record_id}\t{' '.join(risk.people)}\t{risk.minutes}\t{risk.rule}\t{risk.times}"
        )


@command.command("notice", short_help="What stands on public notice, as CSV 公示名单")
@click.option("--station", default="", help="Code of a station; without it the whole city.")
@database_option
@as_coroutine
async def notice(station: str, database_url: str) -> None:
    """What stands on public notice today, as CSV: line, masked name, team, activity, minutes, last day.

    The numbers of lines are those of this list only. Put it where no search engine keeps it, and take it away when the
    notice has ended.
    """
    database = opened(database_url)
    try:
        async with register_of(database_url) as names:
            ledger = ledger_to_read(database)
            listed = await Notices(ledger, await policies_to_read(ledger), names).today(station)
    finally:
        await database.close()
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("line", "name", "team", "activity", "minutes", "until"))
    writer.writerows(msgspec.structs.astuple(line) for line in listed.lines)


@asynccontextmanager
async def register_of(database_url: str) -> AsyncIterator[Registry | None]:
    """The register of people, if it is there and its master key is at hand; else nobody is named."""
    settings = settings_from(database=database_url)
    try:
        keys = master_keys(settings, demo_key_path(settings))
        store = people_store(settings, ledger_id_of(CITY_LEDGER), keys)
        await store.open()
    except (MasterKeyError, StoreError) as error:
        stderr.print(f"没有姓名 / without names: {error}", highlight=False, markup=False)
        yield None
        return
    try:
        yield Registry(store)
    finally:
        await store.close()


@command.command("standing", short_help="Where an hour stands 查进度")
@click.argument("record")
@database_option
@as_coroutine
async def standing(record: str, database_url: str) -> None:
    """Where a record stands: each step, who and when, and the latest date for the next one."""
    database = opened(database_url)
    try:
        ledger = ledger_to_read(database)
        book = await policies_to_read(ledger)
        found = await make_desks(ledger, book, code_key=os.urandom(32)).standings.of_record(record)
    finally:
        await database.close()
    if found is None:
        raise Ending(f"没有编号为 {record} 的服务记录 / there is no service record {record}")
    for step in found.steps:
        when = second_text(city_second(step.at, book.policies[-1].timezone))[:16]
        say(f"{when}\t{step.step}\t{step.person_id}\t{step.place}\t{step.device}")
    say(f"{found.state}\t{found.minutes} min\t{points_text(found.points)}")
    if found.capped:
        cut = points_text(found.capped)
        say(
            f"{cut} 积分超出个人持有上限，未计入 / {cut} points were not credited: the person held as many as one may"
        )
    if found.expires_on:
        say(f"积分有效期至 {found.expires_on} / points may be spent until {found.expires_on}")
    if found.next_step:
        say(f"下一步 {found.next_step}，最迟 {found.due_on} / next: {found.next_step}, by {found.due_on}")


@asynccontextmanager
async def acting_desks(
    database_url: str,
    shown: Shown,
    scope: str,
    query: Query | None = None,
    *ids: str,
    station: str = "",
    about: bool = True,
) -> AsyncIterator[tuple[Desks, By, Command]]:
    """The desks of the city's ledger, and who acts: if the table of rights allows it at the place of the act.

    The place is that of what `query` finds by id, or a station; without either it is the whole city.
    """
    database = opened(database_url)
    try:
        async with open_ledger(database) as ledger, people_of(ledger, database_url):
            if query is not None:
                actor = await who_acts_on(ledger, scope, shown, query, ids, about=about)
            else:
                actor = await who_acts(ledger, scope, shown, Act(station))
            by = By(actor.id, actor.person, "" if actor.person else actor.id)
            book = await policies_for(ledger)
            await HoursService(ledger, book).open_accounts()  # of a ledger that no service has opened yet
            desks = make_desks(ledger, book, code_key=os.urandom(32))
            yield desks, by, Command(actor.client, f"cli:{new_id()}", actor.name)
    finally:
        await database.close()


def granted(result: T | Refusal) -> T:
    if isinstance(result, Refusal):
        raise Ending(refusal_text(result))
    return result


def micros(time: datetime) -> int:
    """Microseconds UTC."""
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
