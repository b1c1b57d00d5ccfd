"""What a handler is given: the open ledger and the desks that serve it. Made once, by the app."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import Connection

from pointsbank.access.log_in import LogIns
from pointsbank.access.logins import LoginStore
from pointsbank.access.oidc import Oidc
from pointsbank.access.people_desk import PeopleDesk
from pointsbank.access.policies import PolicyDesk
from pointsbank.access.roles import RoleDesk
from pointsbank.access.senders import Outbox
from pointsbank.access.service import KeyDesk, KeyRing
from pointsbank.access.sessions import Sessions
from pointsbank.access.staff import StaffDesk
from pointsbank.access.terminals import TerminalDesk
from pointsbank.access.visits import Visits
from pointsbank.engine.clock import Clock
from pointsbank.engine.registry import Ledger
from pointsbank.hours.service import HoursService
from pointsbank.ledger.chart import Chart
from pointsbank.market.service import MarketService
from pointsbank.policy.book import PolicyBook
from pointsbank.readers.hot import HotBalances
from pointsbank.readers.moments import sequence_now
from pointsbank.readers.overview import Overviews
from pointsbank.record_sheets.service import RecordSheets
from pointsbank.settings import Settings
from pointsbank.store.profile import Profile
from pointsbank.web.metrics import Metrics


class Bank(msgspec.Struct, frozen=True):
    """The open books and everything that works on them."""

    settings: Settings
    ledger: Ledger
    profile: Profile
    chart: Chart
    clock: Clock
    ring: KeyRing
    keys: KeyDesk
    sessions: Sessions
    staff: StaffDesk
    roles: RoleDesk
    rules: PolicyDesk
    log_ins: LogIns | None
    """None without the secret that log-ins need"""
    logins: LoginStore
    """where sessions and PINs are kept; there without the secret too, to forget them"""
    sheets: RecordSheets
    terminals: TerminalDesk
    people: PeopleDesk
    visits: Visits | None
    """None without the secret that log-ins need"""
    oidc: Oidc | None
    """None without an issuer"""
    outbox: Outbox | None
    """None if nothing sends"""
    policies: PolicyBook
    hours: HoursService
    market: MarketService
    balances: HotBalances
    overviews: Overviews
    metrics: Metrics

    async def ask(self, query: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Put a reader's question to a snapshot of this ledger."""
        return await self.ledger.database.read(_ask, query, self.ledger.id, args, kwargs)

    async def as_of(self, query: Callable[..., Any], *args: Any) -> tuple[int, Any]:
        """The same, with the sequence number on which the answer rests: whoever asks elsewhere can compare (V5)."""
        found: tuple[int, Any] = await self.ledger.database.read(_ask_as_of, query, self.ledger.id, args)
        return found


def _ask(
    connection: Connection,
    query: Callable[..., Any],
    ledger_id: int,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    return query(connection, ledger_id, *args, **kwargs)


def _ask_as_of(
    connection: Connection, query: Callable[..., Any], ledger_id: int, args: tuple[Any, ...]
) -> tuple[int, Any]:
    return sequence_now(connection, ledger_id), query(connection, ledger_id, *args)
