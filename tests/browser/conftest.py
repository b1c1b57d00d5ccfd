"""A real browser on a real server: Chromium where there is one, else one loud line in the summary."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import msgspec
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from tests.hours.unguarded import opened_as_replay
from tests.people_of import enrol, settings_for

from pointsbank.access.model import NEVER
from pointsbank.access.service import IssuedKey
from pointsbank.access.verifications import Verification, record_verification
from pointsbank.app import open_bank
from pointsbank.engine.commands import Command
from pointsbank.intake.lines import LineVerdict
from pointsbank.places.stations import PLACES, opening
from pointsbank.policy.shipped import policies_at
from pointsbank.web.metrics import Metrics

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SIZES = {"phone": (390, 844), "tablet": (820, 1180), "desktop": (1280, 800)}
VOLUNTEER = "V2301000001"


class Site(msgspec.Struct, frozen=True):
    """A running service, and the key of somebody who may read."""

    address: str
    key: str


def chromium() -> str | None:
    """The browser on this machine, or None."""
    return next(
        (
            found
            for name in ("chromium", "chromium-browser", "google-chrome")
            if (found := shutil.which(name))
        ),
        None,
    )


@pytest.fixture(scope="module")
def browser(books: tuple[str, str]) -> Iterator[Browser]:
    """The browser. While it runs, its driver's event loop runs in this thread: so the books are filled
    before it starts, and it ends with the module, before other tests want a loop of their own."""
    executable = chromium()
    if executable is None:
        reason = "NO CHROMIUM: the pages were not looked at in a real browser (make test-full installs one)"
        if os.environ.get("POINTSBANK_TEST_FULL"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def books(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """URL of a small town's books, and a key that may read."""
    path = tmp_path_factory.mktemp("town") / "books.db"
    shutil.copy(sqlite_template, path)
    shutil.copy(sqlite_template.with_name("people.db"), path.parent)
    return f"sqlite:///{path}", asyncio.run(_fill(f"sqlite:///{path}"))


async def _fill(url: str) -> str:
    booked_at_once = policies_at().without_safeguards()
    await opened_as_replay(url)
    async with open_bank(settings_for(url), Metrics(), policies=booked_at_once) as bank:
        await bank.ledger.submit(
            [opening("station", "S0001", "明兴街道金岗社区", "", Command("t", "s"))], PLACES
        )
        await enrol(bank.ledger, {VOLUNTEER: date(1980, 1, 1)})
        now = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=8)
        category = next(iter(bank.policies.policies[-1].categories))
        hour_class = next(iter(bank.policies.policies[-1].hour_classes))
        lines = []
        for n in range(40):
            day = (now - timedelta(days=1, hours=3 * n)).date()
            start, end = f"{day} {n % 6 + 8:02}:00", f"{day} {n % 6 + 8:02}:50"
            lines.append(
                (
                    n,
                    (
                        f"R{n}",
                        VOLUNTEER,
                        "A1",
                        "社区清洁",
                        category,
                        "S0001",
                        start,
                        end,
                        start,
                        end,
                        hour_class,
                        "someone",
                        f"{day} 20:00",
                    ),
                )
            )
        verdicts: list[LineVerdict] = await bank.hours.submit("browser", lines, Command("t", "h"))
        assert sum(v.verdict == "accepted" for v in verdicts) > 10
        async for _ in bank.hours.release(now.date() + timedelta(days=60)):
            pass
        await record_verification(bank.ledger, Verification(bank.clock.now(), 1, 5, 5, 0, 12))
        issued = await bank.keys.issue("reader", "", ["ledger:read"], NEVER, Command("t", "k"))
        assert isinstance(issued, IssuedKey)
        assert issued.token is not None
        return issued.token


@contextmanager
def served(books: tuple[str, str], *options: str) -> Iterator[Site]:
    """`pointsbank serve` as an operator starts it, in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        str(Path(sys.executable).with_name("pointsbank")),
        "serve",
        "--database",
        books[0],
        "--port",
        str(port),
        *options,
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < until and not _is_ready(address):
            pass
        assert process.poll() is None, process.stderr.read().decode() if process.stderr else ""
        yield Site(address, books[1])
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def _is_ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health/ready", timeout=1).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def demo(books: tuple[str, str], browser: Browser) -> Iterator[Site]:
    """The service as a person has it who typed `make run`."""
    with served(books, "--demo") as site:
        yield site


class Visitor:
    """A visit in a browser that remembers what went wrong: messages of the console, failures, other hosts."""

    def __init__(self, context: BrowserContext, site: Site) -> None:
        self.site = site
        self.complaints: list[str] = []
        self.page: Page = context.new_page()
        self.page.on(
            "console", lambda m: self._complain(f"console {m.type}: {m.text}", m.type in ("error", "warning"))
        )
        self.page.on("pageerror", lambda error: self._complain(f"error: {error}"))
        # going on before a page has loaded aborts the rest of it: that is no failure
        self.page.on(
            "requestfailed", lambda r: self._complain(f"failed: {r.url}", r.failure != "net::ERR_ABORTED")
        )
        self.page.on(
            "request", lambda r: self._complain(f"another host: {r.url}", not r.url.startswith(site.address))
        )

    def _complain(self, text: str, is_one: bool = True) -> None:
        if is_one:
            self.complaints.append(text)

    def go(self, path: str) -> Page:
        self.page.goto(self.site.address + path)
        return self.page


@contextmanager
def visiting(browser: Browser, site: Site, size: str = "desktop", scheme: str = "light") -> Iterator[Visitor]:
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        locale="zh-CN",  # type: ignore[arg-type]
    )
    context.set_default_timeout(20_000)
    try:
        yield Visitor(context, site)
    finally:
        context.close()


@pytest.fixture
def visitor(browser: Browser, demo: Site) -> Iterator[Visitor]:
    with visiting(browser, demo) as visitor:
        yield visitor
        assert visitor.complaints == []
