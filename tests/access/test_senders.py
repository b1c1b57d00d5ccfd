"""What sends codes and notices: named in the settings, told little, after the commit, and never in the way."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner

from pointsbank.access.refusals import TooManyAttempts
from pointsbank.access.rights import rights
from pointsbank.access.senders import ConsoleSender, Outbox, SenderError, console_path, sender_of
from pointsbank.cli.main import main
from pointsbank.people import code_outbox
from pointsbank.people.notices import waiting
from pointsbank.settings import Settings

from .bureau import DAY, Bureau
from .office import MINUTE

PHONE = "13845670123"


class Recording:
    """A sender that writes down what it was given, and fails when it is told to."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, str]] = []
        self.fails: type[Exception] | None = None
        self.hangs = False

    async def send(self, phone: str, template: str, code: str) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.fails is not None:
            raise self.fails(f"no route to {phone}")
        self.sent.append((phone, template, code))


async def test_a_sender_gets_a_number_a_template_and_a_code_and_the_outbox_forgets_them(
    bureau: Bureau,
) -> None:
    await bureau.person("王芳", phone=PHONE)
    sender = Recording()
    outbox = Outbox(bureau.store, sender)
    await bureau.visits.ask_code(PHONE, "192.0.2.1")
    assert await outbox.deliver() == 1
    [(phone, template, code)] = sender.sent
    assert (phone, template, len(code)) == ("+8613845670123", "log-in-code", 6)
    assert await outbox.deliver() == 0
    assert await code_outbox.take(bureau.store) == []


async def test_what_waits_is_sent_once_whatever_the_number_of_processes(bureau: Bureau) -> None:
    person = await bureau.person("王芳", phone=PHONE)
    await bureau.visits.ask_code(PHONE, "192.0.2.1")
    await bureau.card(person)
    sender = Recording()
    outboxes = [Outbox(bureau.store, sender) for _ in range(4)]
    await asyncio.gather(*(outbox.deliver() for outbox in outboxes))
    assert sorted(template for _, template, _ in sender.sent) == ["card-issue", "log-in-code"]


async def test_a_sender_that_fails_or_hangs_is_asked_again_and_stops_nothing(
    bureau: Bureau, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    person = await bureau.person("王芳", phone=PHONE)
    await bureau.card(person)
    await bureau.visits.ask_code(PHONE, "192.0.2.1")
    sender = Recording()
    outbox = Outbox(bureau.store, sender)
    sender.fails = ConnectionError
    assert await outbox.deliver() == 0
    sender.fails, sender.hangs = None, True
    bureau.office.clock.time += MINUTE
    monkeypatch.setattr(type(rights().visit), "send_seconds", 0)
    assert await outbox.deliver() == 0
    monkeypatch.undo()
    sender.hangs = False
    bureau.office.clock.time += MINUTE
    assert await outbox.deliver() == 2
    said = capsys.readouterr()
    assert PHONE[-8:] not in said.out + said.err, "a provider's words may repeat the number"


async def test_a_code_that_is_too_old_and_a_notice_of_yesterday_go_unsent(bureau: Bureau) -> None:
    person = await bureau.person("王芳", phone=PHONE)
    await bureau.card(person)
    await bureau.visits.ask_code(PHONE, "192.0.2.1")
    sender = Recording()
    sender.fails = ConnectionError
    outbox = Outbox(bureau.store, sender)
    await outbox.deliver()
    bureau.office.clock.time += DAY
    await outbox.deliver()
    sender.fails = None
    bureau.office.clock.time += MINUTE
    assert await outbox.deliver() == 0
    assert await waiting(bureau.store) == []


async def test_what_is_not_admitted_is_not_sent(bureau: Bureau) -> None:
    await bureau.person("王芳", phone=PHONE)
    for _ in range(rights().visit.codes_phone_hour):
        await bureau.visits.ask_code(PHONE, "192.0.2.1")
    before = len(await code_outbox.take(bureau.store))
    assert isinstance(await bureau.visits.ask_code(PHONE, "192.0.2.1"), TooManyAttempts)
    assert await code_outbox.take(bureau.store) == []
    assert before == rights().visit.codes_phone_hour


async def test_the_console_writes_into_a_file_that_its_owner_alone_reads(tmp_path: Path) -> None:
    settings = Settings(demo=True, database=f"sqlite:///{tmp_path / 'books.db'}")
    sender = sender_of(settings)
    assert isinstance(sender, ConsoleSender)
    assert sender.path == console_path(settings) == tmp_path / "messages.txt"
    await sender.send("+8613800000000", "log-in-code", "123456")
    assert sender.path.read_text() == "+8613800000000  log-in-code  123456\n"
    assert sender.path.stat().st_mode & 0o777 == 0o600


def test_the_console_refuses_to_start_outside_the_demo(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SenderError, match="console"):
        sender_of(Settings(sender="console"))
    with pytest.raises(SenderError, match="no sender pigeon"):
        sender_of(Settings(sender="pigeon"))
    assert sender_of(Settings()) is None
    monkeypatch.setenv("POINTSBANK_SENDER", "console")
    refused = CliRunner().invoke(main, ["serve", "--database", sqlite_url])
    assert refused.exit_code == 1
    assert "demo only" in refused.stderr
