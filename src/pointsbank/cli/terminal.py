"""What the verbs share: the database option, running a coroutine, progress on the terminal, and clear endings."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import date
from functools import wraps
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import asyncpg
import click
import structlog
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

import pointsbank.tables  # noqa: F401 - verify and db check must know every room's tables
from pointsbank.access.pepper import PepperError
from pointsbank.access.policies import admit_policies, require_ruling
from pointsbank.engine.failures import WriterError
from pointsbank.engine.registry import CITY_LEDGER, Ledger, open_ledger
from pointsbank.engine.writer import Limits
from pointsbank.ledger.refusals import Refusal
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.load import PolicyErrors
from pointsbank.policy.shipped import policies_at
from pointsbank.settings import Settings, SettingsError, settings_from
from pointsbank.store.database import Database, DatabaseUrlError
from pointsbank.store.port import StoreError
from pointsbank.store.schema import SchemaOutOfDate
from pointsbank.store.tables import heads
from pointsbank.web.problems import problem_of_refusal

T = TypeVar("T")

CITY = ZoneInfo("Asia/Shanghai")
"""The zone in which times are typed and shown."""

stderr = Console(stderr=True)

LOG_LINES: list[Any] = [
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    # without the values of variables, which may be secrets or about people
    structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
]

SECONDS_A_LINE = 5.0
"""Between two lines of progress in a log."""

PATIENT = Limits(patience=600)
"""For verbs that nobody waits for at a counter: a slow disk is no reason to give up."""


class Ending(click.ClickException):
    """A command that ends without having done what was asked; the message says why and what to do."""

    def show(self, file: Any = None) -> None:
        stderr.print(self.message, style="bold red", highlight=False, markup=False, soft_wrap=True)


def database_option(command: Callable[..., T]) -> Callable[..., T]:
    """`--database URL`, the same for every verb."""
    return click.option(
        "--database",
        "database_url",
        metavar="URL",
        envvar="POINTSBANK_DATABASE",
        default=Settings().database,
        show_default=True,
        help="Where the books are: sqlite:///FILE or postgresql://USER@HOST/NAME.",
    )(command)


def ledger_option(command: Callable[..., T]) -> Callable[..., T]:
    """`--ledger NAME`, for the verbs that may look at other books than the city's."""
    return click.option(
        "--ledger", "ledger_name", default=CITY_LEDGER, show_default=True, help="Name of the ledger."
    )(command)


def as_coroutine(function: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a verb written as a coroutine; expected failures of the world end it with a sentence, not a traceback."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        structlog.configure(
            processors=LOG_LINES,
            logger_factory=structlog.PrintLoggerFactory(sys.stderr),
            wrapper_class=structlog.make_filtering_bound_logger(20),
        )
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(function(*args, **kwargs))
        except (
            DatabaseUrlError,
            SettingsError,
            PepperError,
            PolicyErrors,
            StoreError,
            WriterError,
            SchemaOutOfDate,
        ) as error:
            raise Ending(str(error)) from error
        except (ConnectionError, FileNotFoundError, PermissionError) as error:
            raise Ending(f"无法打开 / cannot be opened: {error}") from error
        except (asyncpg.PostgresError, DBAPIError) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            raise Ending(f"数据库出错 / the database says: {cause}") from error

    return run


def opened(database_url: str) -> Database:
    """The database, if it has books; a file that is not there is not made by looking."""
    database = Database(database_url)
    if database.dialect == "sqlite" and not database.path.exists():
        raise Ending(
            f"没有数据库 {database.path}。先运行 pointsbank db upgrade 或 pointsbank demo。\n"
            f"There is no database {database.path}. Run `pointsbank db upgrade` or `pointsbank demo` first."
        )
    return database


@asynccontextmanager
async def ledger_named(database: Database, name: str) -> AsyncIterator[Ledger]:
    """A ledger, open for writing. Other books than the city's must be there: nobody begins some by a slip."""
    if name != CITY_LEDGER and not await database.read(_has_ledger, name):
        raise Ending(f"数据库中没有账本 {name} / the database has no ledger {name}")
    async with open_ledger(database, name, limits=PATIENT) as ledger:
        yield ledger


def _has_ledger(connection: Connection, name: str) -> bool:
    return connection.scalar(select(heads.c.name).where(heads.c.name == name)) is not None


def policies(path: str = "") -> PolicyBook:
    """The policy book of a folder or file; without one, that of the settings, or that of the program."""
    return policies_at(path or settings_from().policy)


async def policies_for(ledger: Ledger, path: str = "") -> PolicyBook:
    """The policy book with which to work in a ledger. A live one takes none with a safeguard off, and one with
    staff none that two people have not approved."""
    book = policies(path)
    await admit_policies(ledger, book)
    return book


async def policies_to_read(ledger: Ledger) -> PolicyBook:
    """The policy book by which to tell what is in a ledger: of one with staff the book that two people approved."""
    book = policies()
    await require_ruling(ledger, book)
    return book


def name_unimplemented(book: PolicyBook) -> None:
    """Say which keys of the policies are kept at their neutral value because this version does not act on them."""
    for policy in book.policies:
        if policy.unimplemented:
            stderr.print(
                f"规则 {policy.version}：以下条目本版本尚不执行 / not acted on in this version: "
                + ", ".join(policy.unimplemented),
                style="yellow",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )


@contextmanager
def progress_bar() -> Iterator[Callable[[str, int, int], None]]:
    """A callback `(what, done, total)` that keeps a progress bar for each kind of work; total 0 means unknown.

    Where there is no terminal to draw on it writes a line now and then.
    """
    if not stderr.is_terminal:
        yield _progress_lines()
        return
    with Progress(
        TextColumn("{task.description:<14}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=stderr,
    ) as progress:
        tasks: dict[str, Any] = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total or None)
            progress.update(tasks[what], completed=done, total=total or None)

        yield report


def _progress_lines() -> Callable[[str, int, int], None]:
    last = time.monotonic()

    def report(what: str, done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last < SECONDS_A_LINE:
            return
        last = time.monotonic()
        stderr.print(f"{what} {done:,}" + (f" / {total:,}" if total else ""), highlight=False, markup=False)

    return report


class CityDay(click.ParamType[date]):
    """A date of the city's calendar, YYYY-MM-DD."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value} 不是 YYYY-MM-DD 形式的日期 / is not a date like 2026-01-31", param, ctx)


def points_text(minor: int) -> str:
    """Hundredths of a point as people write them: 1950 is 19.50."""
    sign, minor = ("-", -minor) if minor < 0 else ("", minor)
    return f"{sign}{minor // 100:,}.{minor % 100:02}"


def amount_text(commodity: str, minor: int) -> str:
    """An amount of a commodity as people write it."""
    return points_text(minor) if commodity in ("POINT", "CNY") else f"{minor:,}"


def refusal_text(refusal: Refusal) -> str:
    """What a refusal means and what to do, as the service would say it, in both languages."""
    problem = problem_of_refusal(refusal)
    return f"{problem.title}：{problem.detail}\n{problem.title_en}: {problem.detail_en}"


def say(text: str = "") -> None:
    """A line of the answer, on standard output."""
    click.echo(text)
