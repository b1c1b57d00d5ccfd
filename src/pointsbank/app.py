"""The one place where everything is wired together: settings in, a service out."""

from __future__ import annotations

import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from datetime import date
from functools import partial

import msgspec
import structlog
import uvicorn
from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide

from pointsbank.access.common_passwords import known_of
from pointsbank.access.log_in import LogIns
from pointsbank.access.logins import LoginStore
from pointsbank.access.oidc import Oidc, OidcSettings
from pointsbank.access.own_codes import OwnCodes
from pointsbank.access.passwords import Passwords
from pointsbank.access.people_desk import PeopleDesk
from pointsbank.access.pepper import PepperError, pepper_path, read_pepper
from pointsbank.access.phone_codes import PhoneCodes
from pointsbank.access.pins import Pins
from pointsbank.access.policies import PolicyDesk, admit_policies
from pointsbank.access.roles import RoleDesk
from pointsbank.access.senders import Outbox, sender_of
from pointsbank.access.service import KeyDesk, KeyRing
from pointsbank.access.sessions import Sessions
from pointsbank.access.staff import StaffDesk
from pointsbank.access.terminals import TerminalDesk
from pointsbank.access.visits import Visits
from pointsbank.activities.ports import By
from pointsbank.engine.apart import ledger_apart
from pointsbank.engine.clock import Clock, SystemClock
from pointsbank.engine.registry import Ledger, open_ledger
from pointsbank.engine.writer import Limits
from pointsbank.hours.service import HoursService
from pointsbank.ledger.chart import SHIPPED, Chart
from pointsbank.ledger.refusals import Refusal
from pointsbank.market.service import MarketService
from pointsbank.people.closing import resume_closings
from pointsbank.people.directory import directory_of, with_people
from pointsbank.people.master import master_keys
from pointsbank.people.registry import Registry
from pointsbank.people.store import PeopleStore, demo_key_path, people_store, upgrade_people
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.calendar import city_day
from pointsbank.policy.shipped import policies_at
from pointsbank.readers.hot import HotBalances
from pointsbank.readers.overview import Overviews
from pointsbank.record_sheets.opening import open_sheets
from pointsbank.settings import Settings
from pointsbank.store.database import Database
from pointsbank.store.schema import require_current
from pointsbank.web.api import health
from pointsbank.web.api.desks import make_desks
from pointsbank.web.api.document import api_router, openapi_config
from pointsbank.web.bank import Bank
from pointsbank.web.closings import settle_and_forget
from pointsbank.web.errors import error_handlers
from pointsbank.web.frontdoor import FrontDoor
from pointsbank.web.guard import enforce
from pointsbank.web.lane import FastLane
from pointsbank.web.metrics import Metrics
from pointsbank.web.own_books import own_books
from pointsbank.web.pages import pages_router
from pointsbank.web.pages.render import problem_page
from pointsbank.web.validation import BankRequest
from pointsbank.web.whereabouts import attended

BODY_BYTES = 1024 * 1024
"""The largest body of a request that does not say otherwise."""

OVERVIEW_SECONDS = 5.0
"""How old the figures of the overview may be: in a big city they take a while."""

STARTUP_FAILURE = 3
"""Exit code of a service that could not begin: a port in use, books that another program owns."""

log = structlog.get_logger("pointsbank.app")


def create_app(
    settings: Settings,
    *,
    chart: Chart = SHIPPED,
    clock: Clock | None = None,
    policies: PolicyBook | None = None,
    fast_lane: bool = True,
) -> Litestar:
    """The service. `chart` is the shipped one in every real use; benchmarks and tests bring their own.

    Its lifespan opens the database and the ledger's writer, and drains the writer before it closes.
    """
    return serving(make_routes(), settings, chart=chart, clock=clock, policies=policies, fast_lane=fast_lane)


def make_routes() -> Litestar:
    """All routes and what guards them; whose books they serve, `serving` says."""
    app = Litestar(
        [api_router(), health.health, health.get_metrics, *pages_router()],
        dependencies={"bank": Provide(_bank, sync_to_thread=False)},
        exception_handlers=dict(error_handlers(problem_page)),
        guards=[enforce],
        lifespan=[_with_books_open],
        openapi_config=openapi_config(),
        request_class=BankRequest,
        request_max_body_size=BODY_BYTES,
        logging_config=None,
        debug=False,
    )
    app.state.bank = None
    app.state.framework = app.asgi_handler
    return app


def serving(
    app: Litestar,
    settings: Settings,
    *,
    chart: Chart = SHIPPED,
    clock: Clock | None = None,
    policies: PolicyBook | None = None,
    fast_lane: bool = True,
) -> Litestar:
    """The routes, and the books that they serve from their next lifespan on."""
    metrics = Metrics()
    app.state.open_books = partial(open_bank, settings, metrics, chart=chart, clock=clock, policies=policies)
    lane = FastLane(lambda: app.state.bank) if fast_lane else None
    app.asgi_handler = FrontDoor(
        app.state.framework, metrics, lane, logs=settings.access_log, https=settings.secure_cookies
    )
    return app


@asynccontextmanager
async def _with_books_open(app: Litestar) -> AsyncIterator[None]:
    async with app.state.open_books() as bank:
        app.state.bank = bank
        try:
            yield
        finally:
            app.state.bank = None


@asynccontextmanager
async def open_bank(
    settings: Settings,
    metrics: Metrics,
    *,
    chart: Chart = SHIPPED,
    clock: Clock | None = None,
    policies: PolicyBook | None = None,
) -> AsyncIterator[Bank]:
    """The open books with every desk that serves them."""
    clock = clock or SystemClock()
    policies = policies or policies_at(settings.policy)
    zone = policies.policies[-1].timezone
    async with AsyncExitStack() as stack:
        database = Database(settings.database)
        stack.push_async_callback(database.close)
        await database.read(require_current)
        keys = master_keys(settings, demo_key_path(settings))  # without one nothing begins
        ledger = await stack.enter_async_context(_ledger(settings, database, chart, clock))
        profile = await admit_policies(ledger, policies) if chart is SHIPPED else "live"
        if settings.demo:
            await upgrade_people(settings)
        store = people_store(settings, ledger.id, keys, clock=clock)
        await stack.enter_async_context(with_people(ledger, store, zone=zone))
        balances = HotBalances(database, ledger.id)
        await balances.open()
        stack.push_async_callback(balances.close)
        ring = KeyRing(ledger, clock, zone)
        staff = StaffDesk(ledger, ring)
        log_ins = await stack.enter_async_context(open_log_ins(settings, ledger, ring, staff))
        logins = LoginStore(database)
        stack.push_async_callback(logins.close)
        await logins.open()
        sheets = await stack.enter_async_context(open_sheets(settings, ledger, store, zone))
        terminals = TerminalDesk(ledger, ring)
        visits = volunteers_door(ledger, terminals, log_ins, store, policies)
        goes_on = settle_and_forget(ledger, policies, store, logins, By("closing", ""))
        for closing in await resume_closings(store, goes_on):
            if isinstance(closing, Refusal):
                log.warning("closing an account could not go on", code=closing.code)
        sender = sender_of(settings)
        outbox = Outbox(store, sender) if sender is not None else None
        if outbox is not None:
            outbox.start()
            stack.push_async_callback(outbox.stop)
        if log_ins is not None:
            # the same in every process that serves these books, and after a restart
            key = log_ins.pepper.derive("activity codes", str(ledger.id).encode())
            make_desks(ledger, policies, code_key=key, names=Registry(directory_of(ledger).store))
        metrics.watch(ledger.writer)
        stack.callback(metrics.forget)
        hours = HoursService(ledger, policies)
        if chart is SHIPPED:
            await hours.open_accounts()
        yield Bank(
            settings=settings,
            ledger=ledger,
            profile=profile,
            chart=chart,
            clock=clock,
            ring=ring,
            keys=KeyDesk(ledger, ring),
            sessions=Sessions(ledger, ring),
            staff=staff,
            roles=RoleDesk(ledger, ring, policies),
            rules=PolicyDesk(ledger, ring),
            log_ins=log_ins,
            logins=logins,
            sheets=sheets,
            terminals=terminals,
            people=PeopleDesk(ledger, store, policies, zone=zone, seen=attended, books=own_books),
            visits=visits,
            oidc=city_log_in(settings, ledger, log_ins, clock),
            outbox=outbox,
            policies=policies,
            hours=hours,
            market=MarketService(ledger, policies),
            balances=balances,
            overviews=Overviews(database, ledger.id, _today(clock, zone), seconds=OVERVIEW_SECONDS),
            metrics=metrics,
        )


def _ledger(
    settings: Settings, database: Database, chart: Chart, clock: Clock
) -> AbstractAsyncContextManager[Ledger]:
    """The ledger with its writer where the settings want it."""
    if settings.writer == "here":
        return open_ledger(database, settings.ledger, chart, clock=clock)
    if chart is not SHIPPED:
        raise ValueError("a writer in a process of its own keeps books of the shipped chart only")
    return ledger_apart(database, settings.ledger, clock=clock, limits=Limits(), lasting=True)


@asynccontextmanager
async def open_log_ins(
    settings: Settings, ledger: Ledger, ring: KeyRing, staff: StaffDesk
) -> AsyncIterator[LogIns | None]:
    """The door for staff; None if there is no secret, which a ledger without staff does not need.

    Raises PepperError if a secret was named and is not there, or cannot be used.
    """
    path = pepper_path(ledger.database, settings.pepper)
    if path is None or not path.exists():
        if settings.pepper:
            raise PepperError(f"没有口令密钥文件 {path} / there is no file {path} with the secret of log-ins")
        yield None
        return
    async with AsyncExitStack() as stack:
        pepper = read_pepper(path)
        store, passwords = LoginStore(ledger.database), Passwords(pepper)
        stack.callback(passwords.close)
        stack.push_async_callback(store.close)
        await store.open()
        known = known_of(settings.common_passwords)
        yield LogIns(ledger, ring, staff, store, pepper, passwords, known=known)


def city_log_in(settings: Settings, ledger: Ledger, log_ins: LogIns | None, clock: Clock) -> Oidc | None:
    """The city's own log-in, if the settings name an issuer. Raises OidcError if its packages are not there."""
    if not settings.oidc_issuer or log_ins is None:
        return None
    named = OidcSettings(
        settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret, settings.oidc_redirect
    )
    return Oidc(named, ledger.id, log_ins.store, log_ins.pepper, clock)


def volunteers_door(
    ledger: Ledger, terminals: TerminalDesk, log_ins: LogIns | None, people: PeopleStore, policies: PolicyBook
) -> Visits | None:
    """The doors for volunteers, where the secret of log-ins is there."""
    if log_ins is None:
        return None
    store, pepper, zone = log_ins.store, log_ins.pepper, policies.policies[-1].timezone
    return Visits(
        ledger,
        store,
        people,
        terminals,
        Pins(ledger.id, store, log_ins.passwords, pepper, people.clock),
        OwnCodes(ledger.id, store, pepper, policies, zone=zone),
        PhoneCodes(store, people, pepper, zone=zone),
        policies,
        zone=zone,
    )


def run(settings: Settings) -> None:
    """Serve until told to stop; then finish the requests under way, drain the writer, close."""
    configure_logging(settings)
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )
    server = _Server(config, Database(settings.database).public_url)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(STARTUP_FAILURE)


class _Server(uvicorn.Server):
    """Says when callers are served, which is after the port is bound, and when the books are closed."""

    def __init__(self, config: uvicorn.Config, database: str) -> None:
        super().__init__(config)
        self._database = database

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            log.info("serving", host=self.config.host, port=self.config.port, database=self._database)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        log.info("stopped")


def configure_logging(settings: Settings) -> None:
    """One line for each event on standard error: JSON for machines, or colours for people."""
    levels = {"debug": 10, "info": 20, "warning": 30, "error": 40}
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    options = {
        "wrapper_class": structlog.make_filtering_bound_logger(levels[settings.log_level]),
        "cache_logger_on_first_use": True,
    }
    if settings.log_format == "console":
        structlog.configure(
            [*shared, structlog.dev.ConsoleRenderer()],
            logger_factory=structlog.PrintLoggerFactory(sys.stderr),
            **options,  # type: ignore[arg-type]
        )
        return
    structlog.configure(
        [*shared, structlog.processors.format_exc_info, _render],
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        **options,  # type: ignore[arg-type]
    )


def _render(_: object, __: str, event: structlog.typing.EventDict) -> bytes:
    return msgspec.json.encode(event, enc_hook=str)


def _today(clock: Clock, zone: str) -> Callable[[], date]:
    return lambda: city_day(clock.now(), zone)


def _bank(state: State) -> Bank:
    bank: Bank = state.bank
    return bank
