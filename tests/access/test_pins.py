"""PINs: what cannot be one, what opens, and what guessing costs the card and the terminal."""

from __future__ import annotations

import asyncio
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from pointsbank.access.logins import metadata
from pointsbank.access.passwords import Passwords
from pointsbank.access.pepper import Pepper
from pointsbank.access.pins import Pins, pin_weakness
from pointsbank.access.refusals import CardFrozen, PinPaused, PinRefused, TerminalStopped, WeakPin
from pointsbank.access.rights import rights
from pointsbank.store.database import Database

from .office import MINUTE, Office, open_office

RULES = rights().pin
BORN = date(1958, 3, 9)
PIN = "907314"


@pytest.mark.parametrize(
    ("pin", "why"),
    [
        ("12345", "digits"),
        ("1234567", "digits"),
        ("１２３４５６", "digits"),
        ("12a456", "digits"),
        ("", "digits"),
        ("111111", "series"),
        ("123456", "series"),
        ("890123", "series"),
        ("654321", "series"),
        ("121212", "series"),
        ("123123", "series"),
        ("580309", "birthday"),
        ("090358", "birthday"),
        ("030958", "birthday"),
        ("195803", "birthday"),
        ("031958", "birthday"),
        (PIN, ""),
    ],
)
def test_a_pin_is_six_digits_no_series_and_no_birthday(pin: str, why: str) -> None:
    assert pin_weakness(pin, BORN) == why


@given(st.text(max_size=8), st.one_of(st.none(), st.dates()))
def test_what_is_allowed_is_six_digits(pin: str, born: date | None) -> None:
    if not pin_weakness(pin, born):
        assert len(pin) == 6
        assert pin.isdigit()
        assert len(set(pin)) > 2


def pins_of(office: Office) -> tuple[Pins, Passwords]:
    pepper = Pepper(bytes(32))
    passwords = Passwords(pepper)
    return Pins(office.ledger.id, office.store, passwords, pepper, office.clock), passwords


async def test_the_holders_pin_opens_and_nobody_elses(database: Database) -> None:
    async with open_office(database, founded=False) as office:
        pins, passwords = pins_of(office)
        assert await pins.choose("p", "111111", BORN) == WeakPin("series")
        assert await pins.check("p", "card", "terminal one", PIN) == PinRefused(), "there is no PIN yet"
        assert await pins.choose("p", PIN, BORN) is None
        assert await pins.check("p", "card", "terminal one", PIN) is None
        assert await pins.check("q", "other card", "terminal one", PIN) == PinRefused()
        for wrong in ("907315", "", "é", "907314 "):
            assert await pins.check("p", "card", "terminal one", wrong) == PinRefused()
        assert await pins.choose("p", "417092", BORN) is None
        assert await pins.check("p", "card", "terminal one", "417092") is None
        stored = await office.store.run(everything)
        for secret in (PIN, "417092", "terminal one", "other card"):
            assert secret not in stored
        passwords.close()


async def test_failures_pause_the_card_and_then_freeze_it_till_the_desk(database: Database) -> None:
    async with open_office(database, founded=False) as office:
        pins, passwords = pins_of(office)
        await pins.choose("p", PIN, BORN)
        for _ in range(RULES.failures_to_pause):
            assert await pins.check("p", "card", "T1", "000000") == PinRefused()
        paused = await pins.check("p", "card", "T2", PIN)
        assert isinstance(paused, PinPaused)
        assert 0 < paused.seconds <= RULES.pause_minutes * 60 + 1
        office.clock.time += RULES.pause_minutes * MINUTE
        for _ in range(RULES.failures_to_freeze - RULES.failures_to_pause):
            assert await pins.check("p", "card", "T1", "000000") == PinRefused()
        office.clock.time += 365 * 24 * 60 * MINUTE
        assert await pins.check("p", "card", "T1", PIN) == CardFrozen()
        await pins.thaw("card")
        assert await pins.check("p", "card", "T1", PIN) is None
        for _ in range(RULES.failures_to_pause - 1):
            await pins.check("p", "card", "T1", "000000")
        assert await pins.check("p", "card", "T1", PIN) is None, "a success forgets the failures before it"
        assert await pins.check("p", "card", "T1", "000000") == PinRefused()
        passwords.close()


async def test_guesses_at_one_moment_count_as_many(database: Database) -> None:
    async with open_office(database, founded=False) as office:
        pins, passwords = pins_of(office)
        await pins.choose("p", PIN, BORN)
        verdicts = await asyncio.gather(
            *(pins.check("p", "card", f"T{number}", "000000") for number in range(12))
        )
        assert sum(verdict == PinRefused() for verdict in verdicts) == RULES.failures_to_pause
        passwords.close()


async def test_many_cards_that_fail_at_a_terminal_stop_it_till_the_desk(database: Database) -> None:
    async with open_office(database, founded=False) as office:
        pins, passwords = pins_of(office)
        await pins.choose("p", PIN, BORN)
        for number in range(RULES.cards_to_stop - 1):
            assert await pins.check("x", f"card {number}", "T1", "000000") == PinRefused()
        assert await pins.check("p", "card", "T1", PIN) is None
        assert await pins.check("x", "card 0", "T1", "000000") == PinRefused(), "the same card counts once"
        assert await pins.check("p", "card", "T1", PIN) is None
        assert await pins.check("x", "one more", "T1", "000000") == PinRefused()
        assert await pins.check("p", "card", "T1", PIN) == TerminalStopped()
        assert await pins.check("p", "card", "T2", PIN) is None
        await pins.restart("T1")
        assert await pins.check("p", "card", "T1", PIN) is None
        passwords.close()


def everything(connection: Connection) -> str:
    return repr([connection.execute(select(table)).all() for table in metadata.tables.values()])
