"""Codes by phone: six digits that prove that somebody holds a phone now. A phone is not a person (people/phone_holder).

One open code a phone, for five minutes and five tries, bound to the browser that asked and kept as an HMAC. Caps for
each phone, each address and the day. Whether anybody has the phone is told to nobody: the answer is the same, and what
is sent waits in an outbox until after the commit.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Final

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from pointsbank.access import throttle
from pointsbank.access.logins import LoginStore, phone_codes
from pointsbank.access.pepper import Pepper
from pointsbank.access.refusals import PhoneCodeRefused, TooManyAttempts
from pointsbank.access.rights import rights
from pointsbank.people import identity, phone_holder
from pointsbank.people.code_outbox import enqueue_code
from pointsbank.people.identity import Malformed
from pointsbank.people.refusals import PersonDataInvalid
from pointsbank.people.registration import invalid
from pointsbank.people.store import PeopleStore

TEMPLATE: Final = "log-in-code"
DIGITS: Final = 6
_MINUTE: Final = 60_000_000
_CITY: Final = "city"


class AskedCode(msgspec.Struct, frozen=True):
    """A code is on its way, if anybody has the phone. `browser` goes into a cookie of the browser that asked."""

    browser: str
    expires_at: int


class PhoneCodes:
    """Asks for and checks the codes of one ledger's volunteers."""

    def __init__(
        self, store: LoginStore, people: PeopleStore, pepper: Pepper, *, zone: str = "Asia/Shanghai"
    ) -> None:
        self._store = store
        self._people = people
        self._pepper = pepper
        self._zone = zone
        self._rules = rights().visit

    async def ask(self, phone: str, address: str) -> AskedCode | PersonDataInvalid | TooManyAttempts:
        """Send a code to a phone. An earlier one is dead; the answer does not tell whether anybody has the phone."""
        written = identity.phone(phone)
        if isinstance(written, Malformed):
            return invalid(written)
        now, ledger_id = self._people.clock.now(), self._people.ledger_id
        wait = await self._store.run(self._admit, ledger_id, written, address, now)
        if wait:
            return TooManyAttempts(wait)
        browser, code = secrets.token_urlsafe(32), f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
        until = now + self._rules.code_minutes * _MINUTE
        name, bound = self._name("phone", written), self._name("browser", browser)
        await self._store.run(_keep, ledger_id, name, bound, self._kept(name, bound, code), until, now)
        await self._people.write(
            lambda c: enqueue_code(c, self._people.vault, written, TEMPLATE, code, until)
        )
        return AskedCode(browser, until)

    async def prove(
        self, phone: str, browser: str, code: str, volunteer_number: str = ""
    ) -> str | PhoneCodeRefused | PersonDataInvalid:
        """For whom the right code opens: the one adult holder, or whom the number names. Whatever is wrong is alike.

        The code is used up with that, also if it opens for nobody.
        """
        written = identity.phone(phone)
        if isinstance(written, Malformed):
            return invalid(written)
        now, ledger_id = self._people.clock.now(), self._people.ledger_id
        name, bound = self._name("phone", written), self._name("browser", browser)
        kept = await self._store.run(_try, ledger_id, name, bound, self._rules.code_tries, now)
        if kept is None or not hmac.compare_digest(kept, self._kept(name, bound, code.strip())):
            return PhoneCodeRefused()
        if not await self._store.run(_use_up, ledger_id, name, kept):
            return PhoneCodeRefused()
        holder = await phone_holder.holder_of(
            self._people, written, volunteer_number=volunteer_number, zone=self._zone
        )
        return holder or PhoneCodeRefused()

    def _admit(self, connection: Connection, ledger_id: int, phone: str, address: str, now: int) -> int:
        """Count what is sent against phone, address and day; the seconds to wait if it is one too many."""
        rules = self._rules
        throttle.sweep_sent(connection, ledger_id, now)
        for limits, minutes in (
            (
                {
                    f"sent-{self._name('sent phone hour', phone)}": rules.codes_phone_hour,
                    f"sent-{self._name('sent address hour', address)}": rules.codes_address_hour,
                },
                60,
            ),
            (
                {
                    f"sent-{self._name('sent phone day', phone)}": rules.codes_phone_day,
                    f"sent-{self._name('sent day', _CITY)}": rules.codes_day,
                },
                24 * 60,
            ),
        ):
            wait = throttle.attempt(connection, ledger_id, limits, now, minutes)
            if wait:
                return wait
        return 0

    def _name(self, what: str, text: str) -> str:
        return self._pepper.derive(what, text.encode("utf-8", "replace")).hex()

    def _kept(self, phone: str, browser: str, code: str) -> str:
        return self._pepper.derive(
            "phone code", phone.encode(), browser.encode(), code.encode("utf-8", "replace")
        ).hex()


def _keep(
    connection: Connection, ledger_id: int, phone: str, browser: str, code: str, until: int, now: int
) -> None:
    """The new code in place of an earlier one; codes that are too old go."""
    t = phone_codes.c
    connection.execute(
        delete(phone_codes).where(t.ledger_id == ledger_id, (t.phone == phone) | (t.expires_at <= now))
    )
    connection.execute(
        insert(phone_codes).values(
            ledger_id=ledger_id, phone=phone, browser=browser, code=code, tries=0, expires_at=until
        )
    )


def _try(connection: Connection, ledger_id: int, phone: str, browser: str, most: int, now: int) -> str | None:
    """Count a try before it is looked at; what is kept of the code, None if there is none to try.

    Only the browser that asked can use tries up: nobody makes somebody else's code worthless.
    """
    t = phone_codes.c
    here = (
        t.ledger_id == ledger_id,
        t.phone == phone,
        t.browser == browser,
        t.expires_at > now,
        t.tries < most,
    )
    counted = connection.execute(update(phone_codes).where(*here).values(tries=t.tries + 1))
    if counted.rowcount != 1:
        return None
    kept: str = connection.execute(
        select(t.code).where(t.ledger_id == ledger_id, t.phone == phone)
    ).scalar_one()
    return kept


def _use_up(connection: Connection, ledger_id: int, phone: str, code: str) -> bool:
    t = phone_codes.c
    used = connection.execute(
        delete(phone_codes).where(t.ledger_id == ledger_id, t.phone == phone, t.code == code)
    )
    return used.rowcount == 1
