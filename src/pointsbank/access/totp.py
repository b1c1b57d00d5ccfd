"""One-time codes by time (RFC 6238: SHA-1, six digits, a step of 30 seconds). Pure; times in microseconds UTC."""

from __future__ import annotations

import hmac
from base64 import b32encode
from typing import Final
from urllib.parse import quote

STEP_MICROS: Final = 30_000_000
DIGITS: Final = 6
SECRET_BYTES: Final = 20


def step_of(now: int) -> int:
    """The number of the 30 seconds in which a time lies."""
    return now // STEP_MICROS


def code_at(secret: bytes, step: int, digits: int = DIGITS) -> str:
    """The code of a step."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFF_FFFF
    return str(number % 10**digits).rjust(digits, "0")


def matching_step(secret: bytes, code: str, now: int, drift: int) -> int | None:
    """The step whose code this is, at most `drift` steps from now; None if it is no code of these.

    Every step is compared whatever an earlier one gave, so the time taken tells nothing.
    """
    found: int | None = None
    given = code.encode("utf-8", "replace")
    for step in range(step_of(now) - drift, step_of(now) + drift + 1):
        if hmac.compare_digest(code_at(secret, step).encode(), given):
            found = step
    return found


def uri_of(issuer: str, login: str, secret: bytes) -> str:
    """What an authenticator app reads: the secret with its name."""
    key = b32encode(secret).decode().rstrip("=")
    return (
        f"otpauth://totp/{quote(issuer)}:{quote(login)}?secret={key}&issuer={quote(issuer)}"
        f"&algorithm=SHA1&digits={DIGITS}&period={STEP_MICROS // 1_000_000}"
    )
