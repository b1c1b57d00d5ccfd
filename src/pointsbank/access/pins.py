"""PINs of cards: six digits that the holder chooses, checked at a terminal, with failures counted on both.

A PIN is argon2id over an HMAC under the pepper, bound to its holder. Failures are counted per card (a pause, then the
card is frozen till the desk) and per terminal (many cards that fail there stop the terminal till the desk). A card's
text and a terminal's id stand in the store as HMACs only. Whoever asks has to make sure that the terminal is enrolled
and a member of staff is logged in there; what a session with a PIN may do is for the table of rights.
"""

from __future__ import annotations

from datetime import date
from itertools import pairwise

from sqlalchemy import Connection, case, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from pointsbank.access.logins import LoginStore, pin_cards, pin_failures, pin_terminals, pins
from pointsbank.access.passwords import Passwords
from pointsbank.access.pepper import Pepper
from pointsbank.access.refusals import CardFrozen, PinPaused, PinRefused, TerminalStopped, WeakPin
from pointsbank.access.rights import PinRules, rights
from pointsbank.engine.clock import Clock
from pointsbank.ledger.refusals import Refusal

DIGITS = 6
_MINUTE = 60_000_000


def pin_weakness(pin: str, born: date | None) -> str:
    """Why a PIN may not be used: `digits`, `series` or `birthday`; empty if it may."""
    if len(pin) != DIGITS or not (pin.isascii() and pin.isdigit()):
        return "digits"
    steps = {(int(after) - int(before)) % 10 for before, after in pairwise(pin)}
    if steps <= {0} or steps <= {1} or steps <= {9} or len(set(pin)) < 3 or pin[:3] == pin[3:]:
        return "series"
    forms = ("%y%m%d", "%d%m%y", "%m%d%y", "%Y%m", "%m%Y")
    return "birthday" if born is not None and pin in {born.strftime(form) for form in forms} else ""


class Pins:
    """The PINs of one ledger. `store` must be open."""

    def __init__(
        self, ledger_id: int, store: LoginStore, passwords: Passwords, pepper: Pepper, clock: Clock
    ) -> None:
        self._ledger_id = ledger_id
        self._store = store
        self._passwords = passwords
        self._pepper = pepper
        self._clock = clock
        self._rules = rights().pin

    async def choose(self, person: str, pin: str, born: date | None) -> WeakPin | None:
        """Set the PIN that a holder has chosen, in place of an earlier one."""
        why = pin_weakness(pin, born)
        if why:
            return WeakPin(why)
        kept = await self._passwords.hash(self._bound(person, pin))
        await self._store.run(_choose, self._ledger_id, person, kept, self._clock.now())
        return None

    async def check(self, person: str, card: str, terminal: str, pin: str) -> Refusal | None:
        """Whether the holder of a card has typed the right PIN at a terminal: None if so, else why not.

        The attempt is counted before it is looked at; a card without a PIN costs as much work as one with.
        """
        own, place = self._name("card", card), self._name("terminal", terminal)
        shut = await self._store.run(_attempt, self._ledger_id, own, place, self._clock.now(), self._rules)
        if shut is not None:
            return shut
        kept = await self._store.run(_kept, self._ledger_id, person)
        is_right = await self._passwords.check(kept, self._bound(person, pin))
        done = _succeeded if is_right else _failed
        await self._store.run(done, self._ledger_id, own, place, self._clock.now(), self._rules)
        return None if is_right else PinRefused()

    async def thaw(self, card: str) -> None:
        """The desk has seen the holder: the card's failures are forgotten."""
        await self._store.run(_thaw, self._ledger_id, self._name("card", card))

    async def restart(self, terminal: str) -> None:
        """The desk has looked at the terminal: its failures are forgotten."""
        await self._store.run(_restart, self._ledger_id, self._name("terminal", terminal))

    def _name(self, kind: str, text: str) -> str:
        return self._pepper.derive(f"pin {kind}", text.encode("utf-8", "replace")).hex()

    def _bound(self, person: str, pin: str) -> str:
        return self._pepper.derive("pin", person.encode(), pin.encode("utf-8", "replace")).hex()


def _choose(connection: Connection, ledger_id: int, person: str, kept: str, now: int) -> None:
    connection.execute(delete(pins).where(pins.c.ledger_id == ledger_id, pins.c.person_id == person))
    connection.execute(pins.insert().values(ledger_id=ledger_id, person_id=person, pin=kept, changed_at=now))


def _kept(connection: Connection, ledger_id: int, person: str) -> str | None:
    p = pins.c
    found: str | None = connection.execute(
        select(p.pin).where(p.ledger_id == ledger_id, p.person_id == person)
    ).scalar_one_or_none()
    return found


def _attempt(
    connection: Connection, ledger_id: int, card: str, terminal: str, now: int, rules: PinRules
) -> Refusal | None:
    """Count an attempt of a card; why it is not looked at, if it is not. What is shut is not counted on."""
    t, c = pin_terminals.c, pin_cards.c
    stopped = select(t.terminal).where(t.ledger_id == ledger_id, t.terminal == terminal)
    if connection.execute(stopped).scalar_one_or_none() is not None:
        return TerminalStopped()
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    is_open = (c.failures < rules.failures_to_freeze) & (c.paused_until <= now)
    counted = insert(pin_cards).values(ledger_id=ledger_id, card=card, failures=1, paused_until=0)
    pauses = is_open & (c.failures + 1 == rules.failures_to_pause)
    counted = counted.on_conflict_do_update(
        index_elements=[c.ledger_id, c.card],
        set_={
            "failures": case((is_open, c.failures + 1), else_=c.failures),
            "paused_until": case((pauses, now + rules.pause_minutes * _MINUTE), else_=c.paused_until),
        },
        where=is_open,
    )
    if connection.execute(counted.returning(c.failures)).one_or_none() is not None:
        return None
    row = connection.execute(
        select(c.failures, c.paused_until).where(c.ledger_id == ledger_id, c.card == card)
    ).one()
    if row.failures >= rules.failures_to_freeze:
        return CardFrozen()
    return PinPaused((row.paused_until - now) // 1_000_000 + 1)


def _succeeded(
    connection: Connection, ledger_id: int, card: str, terminal: str, now: int, rules: PinRules
) -> None:
    c, f = pin_cards.c, pin_failures.c
    connection.execute(
        update(pin_cards).where(c.ledger_id == ledger_id, c.card == card).values(failures=0, paused_until=0)
    )
    connection.execute(
        delete(pin_failures).where(f.ledger_id == ledger_id, f.terminal == terminal, f.card == card)
    )


def _failed(
    connection: Connection, ledger_id: int, card: str, terminal: str, now: int, rules: PinRules
) -> None:
    """Note the card at the terminal; so many different ones within the window, and the terminal stops."""
    f = pin_failures.c
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    noted = insert(pin_failures).values(ledger_id=ledger_id, terminal=terminal, card=card, at=now)
    connection.execute(
        noted.on_conflict_do_update(index_elements=[f.ledger_id, f.terminal, f.card], set_={"at": now})
    )
    since = now - rules.window_hours * 60 * _MINUTE
    cards = connection.execute(
        select(func.count()).where(f.ledger_id == ledger_id, f.terminal == terminal, f.at > since)
    ).scalar_one()
    if cards >= rules.cards_to_stop:
        stopped = insert(pin_terminals).values(ledger_id=ledger_id, terminal=terminal, stopped_at=now)
        connection.execute(stopped.on_conflict_do_nothing())


def _thaw(connection: Connection, ledger_id: int, card: str) -> None:
    for table in (pin_cards, pin_failures):
        connection.execute(delete(table).where(table.c.ledger_id == ledger_id, table.c.card == card))


def _restart(connection: Connection, ledger_id: int, terminal: str) -> None:
    for table in (pin_terminals, pin_failures):
        connection.execute(delete(table).where(table.c.ledger_id == ledger_id, table.c.terminal == terminal))
