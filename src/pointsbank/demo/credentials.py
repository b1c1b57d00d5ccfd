"""API keys of the demo city for the roles that try it, with new secrets each time."""

from __future__ import annotations

from typing import Final

import msgspec

from pointsbank.access.model import SCOPES
from pointsbank.access.service import IssuedKey, KeyDesk, KeyRing
from pointsbank.engine.clock import Clock, SystemClock
from pointsbank.engine.commands import Command
from pointsbank.engine.ids import new_id
from pointsbank.engine.registry import Ledger

HOLDER: Final = "demo-"
_DAYS: Final = 30
_MICROS_A_DAY: Final = 86_400_000_000

_ROLES: Final = (
    # role, label, scopes
    ("auditor", "审计(只读) auditor", ("ledger:read", "hours:read", "market:read", "metrics:read")),
    ("station", "服务站 station", ("hours:submit", "hours:read", "ledger:read")),
    ("till", "爱心超市收银 till", ("market:sell", "market:return", "market:read")),
    ("admin", "管理员 admin", SCOPES),
)


class Credential(msgspec.Struct, frozen=True):
    """An API key of the demo: its role, a label for people, and its text."""

    role: str
    label: str
    token: str


async def demo_credentials(ledger: Ledger, clock: Clock | None = None) -> tuple[Credential, ...]:
    """Make a key for each role of the demo, good for 30 days; the demo's earlier keys are revoked.

    The text of a key cannot be shown twice, so whoever wants to show keys again makes new ones.
    """
    clock = clock or SystemClock()
    desk = KeyDesk(ledger, KeyRing(ledger, clock))
    await _revoke_earlier(desk)
    made = []
    for role, label, scopes in _ROLES:
        command = Command("demo", f"key:{role}:{new_id()}", "demo")
        issued = await desk.issue(HOLDER + role, label, scopes, clock.now() + _DAYS * _MICROS_A_DAY, command)
        if not isinstance(issued, IssuedKey) or issued.token is None:
            raise RuntimeError(f"the demo's key for {role} was not issued: {issued!r}")
        made.append(Credential(role, label, issued.token))
    return tuple(made)


async def _revoke_earlier(desk: KeyDesk) -> None:
    after = ""
    while page := await desk.list(after=after):
        for key in page:
            if key.client.startswith(HOLDER) and key.state == "active":
                await desk.revoke(key.id, Command("demo", f"revoke:{key.id}", "demo"))
        after = page[-1].id
