"""A volunteer's dynamic code: signed, worth something for one step to two of the policy, and once.

It reads `jf1.<person>.<step>.<nonce>.<mac>`: the step is the number of such spans since 1970, the nonce 80 random
bits, the mac the first 16 bytes of an HMAC-SHA-256 under a key derived from the secret of log-ins. To make one costs no
write; the nonce of each that is used is kept until it would be too old anyway, so a photograph of a used code opens
nothing, and an unused one not for long (V3).
"""

from __future__ import annotations

import hmac
import secrets
from base64 import b32encode
from typing import Final

from sqlalchemy import Connection, delete
from sqlalchemy.dialects import postgresql, sqlite

from pointsbank.access.logins import LoginStore, used_codes
from pointsbank.access.pepper import Pepper
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.calendar import city_day

FORMAT: Final = "jf1"
_MAC_BYTES: Final = 16
_SECOND: Final = 1_000_000


class OwnCodes:
    """Makes and checks the dynamic codes of one ledger."""

    def __init__(
        self,
        ledger_id: int,
        store: LoginStore,
        pepper: Pepper,
        policies: PolicyBook,
        *,
        zone: str = "Asia/Shanghai",
    ) -> None:
        self._ledger_id = ledger_id
        self._store = store
        self._pepper = pepper
        self._policies = policies
        self._zone = zone

    def code(self, person: str, now: int) -> str:
        """A fresh code of somebody at a moment (microseconds UTC)."""
        nonce = b32encode(secrets.token_bytes(10)).decode()
        step = str(now // self._period(now))
        return ".".join((FORMAT, person, step, nonce, self._mac(person, step, nonce)))

    def holder(self, text: str) -> str | None:
        """Whose code this is or was, used or not; None if it is forged, mistyped or of another ledger."""
        parts = self._parts(text)
        return None if parts is None else parts[0]

    async def use(self, text: str, now: int) -> str | None:
        """Whose code this is, once; None if it is forged, mistyped, of another ledger, too old, too new, or used."""
        parts = self._parts(text)
        if parts is None:
            return None
        person, step, nonce = parts
        period = self._period(now)
        if now // period - step not in (0, 1):
            return None
        is_first = await self._store.run(_use, self._ledger_id, nonce, (step + 2) * period, now)
        return person if is_first else None

    def _period(self, now: int) -> int:
        """How long a step is by the policy of the day, in microseconds."""
        rules = self._policies.protecting(city_day(now, self._zone)).counter
        return rules.code_step_seconds * _SECOND

    def _parts(self, text: str) -> tuple[str, int, str] | None:
        """Person, step and nonce of a code that was made here."""
        parts = text.strip().split(".")
        if len(parts) != 5 or parts[0] != FORMAT or not text.isascii():
            return None
        _, person, step, nonce, mac = parts
        if not hmac.compare_digest(self._mac(person, step, nonce), mac):
            return None
        return person, int(step), nonce

    def _mac(self, person: str, step: str, nonce: str) -> str:
        ledger = str(self._ledger_id).encode()
        made = self._pepper.derive("own code 1", ledger, person.encode(), step.encode(), nonce.encode())
        return made[:_MAC_BYTES].hex()


def _use(connection: Connection, ledger_id: int, nonce: str, expires_at: int, now: int) -> bool:
    u = used_codes.c
    connection.execute(delete(used_codes).where(u.ledger_id == ledger_id, u.expires_at < now))
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    kept = insert(used_codes).values(ledger_id=ledger_id, nonce=nonce, expires_at=expires_at)
    return connection.execute(kept.on_conflict_do_nothing()).rowcount == 1
