"""What a demo city holds: counts read from the books."""

from __future__ import annotations

from collections import Counter
from typing import Final

import msgspec
from sqlalchemy import Column, ColumnElement, Connection, func, select

from pointsbank.demo.credentials import Credential
from pointsbank.demo.plan import Plan
from pointsbank.hours.tables import service_records
from pointsbank.intake.tables import intake_lines
from pointsbank.ledger.chart import MINUTE, POINT
from pointsbank.market.tables import receipts, returns
from pointsbank.people.tables import volunteers
from pointsbank.places import stations
from pointsbank.store.tables import accounts, balances, heads, lots

SOURCE: Final = "demo:hours"
"""Source of the demo's service records in the intake."""


class DemoSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What the demo city holds. Points in hundredths, merit in minutes."""

    already_loaded: bool
    """Nothing was left to do, and nothing was done."""
    plan: Plan
    places: dict[str, int]
    volunteers: int
    verdicts: dict[str, int]
    """Service records by verdict."""
    on_notice: int
    """Records whose points are not yet available."""
    baskets: dict[str, int]
    """Baskets by state: sold, reversed. A basket refused at the till leaves nothing."""
    returns: int
    reversed_records: int
    entries: int
    points_available: int
    points_pending: int
    merit_minutes: int
    credentials: tuple[Credential, ...] = ()
    """API keys, shown this once; empty if the city was there already."""

    @property
    def records(self) -> int:
        return sum(self.verdicts.values())

    def lines(self) -> list[str]:
        """The summary for people, Chinese and English."""
        places, accepted = self.places, self.verdicts.get("accepted", 0)
        points, pending = self.points_available // 100, self.points_pending // 100
        return [
            f"实践中心 centres {places.get('centre', 0)} · 所 sub-centres {places.get('sub-centre', 0):,}"
            f" · 站 stations {places.get('station', 0):,} · 队伍 teams {places.get('team', 0):,}",
            f"志愿者 volunteers {self.volunteers:,}"
            f" · 服务记录 records {self.records:,} (入账 credited {accepted:,})",
            f"小票 receipts {sum(self.baskets.values()):,} · 退货 returns {self.returns:,}"
            f" · 记账凭证 entries {self.entries:,}",
            f"可用积分 points available {points:,} · 公示中 on notice {pending:,}"
            f" · 服务时长 service {self.merit_minutes // 60:,} h",
        ]


def summarise(connection: Connection, ledger_id: int, plan: Plan, *, already_loaded: bool) -> DemoSummary:
    """Count what the books hold, in one snapshot."""
    line, receipt, back = intake_lines.c, receipts.c, returns.c

    def count(column: Column[str], *where: ColumnElement[bool]) -> dict[str, int]:
        query = select(column, func.count()).where(column.table.c.ledger_id == ledger_id, *where)
        return {name: number for name, number in connection.execute(query.group_by(column))}  # noqa: C416 - rows

    states, waiting = _states(connection, ledger_id)
    verdicts = count(line.verdict, line.source == SOURCE)
    accepted = verdicts.pop("submitted", 0) - waiting  # every record here came as a line
    verdicts |= {name: number for name, number in (("accepted", accepted), ("submitted", waiting)) if number}
    held = _held(connection, ledger_id)
    return DemoSummary(
        already_loaded=already_loaded,
        plan=plan,
        places=stations.counts(connection, ledger_id),
        volunteers=sum(count(volunteers.c.state).values()),
        verdicts=verdicts,
        on_notice=states["pending"],
        baskets=count(receipt.state, receipt.sequence > 0),
        returns=count(back.state).get("taken", 0),
        reversed_records=states["reversed"],
        entries=connection.execute(
            select(heads.c.sequence).where(heads.c.ledger_id == ledger_id)
        ).scalar_one(),
        points_available=held.get(("wallet", POINT.code), 0),
        points_pending=held.get(("wallet-pending", POINT.code), 0),
        merit_minutes=held.get(("merit", MINUTE.code), 0),
    )


def _states(connection: Connection, ledger_id: int) -> tuple[Counter[str], int]:
    """How many records there are in each state, and how many wait: in one walk, for the documents are long."""
    t = service_records.c
    query = select(t.state, t.verdict, func.count()).where(t.ledger_id == ledger_id)
    states, waiting = Counter[str](), 0
    for state, verdict, number in connection.execute(query.group_by(t.state, t.verdict)):
        states[state] += number
        waiting += number if verdict == "submitted" else 0
    return states, waiting


def _held(connection: Connection, ledger_id: int) -> dict[tuple[str, str], int]:
    """What all accounts of a kind hold of a commodity."""
    a, b, lot = accounts.c, balances.c, lots.c
    rows = connection.execute(
        select(a.kind, lot.commodity, func.sum(b.balance))
        .join_from(balances, accounts, (a.ledger_id == b.ledger_id) & (a.account == b.account))
        .join(lots, (lot.ledger_id == b.ledger_id) & (lot.lot == b.lot))
        .where(b.ledger_id == ledger_id)
        .group_by(a.kind, lot.commodity)
    )
    return {(kind, commodity): int(balance) for kind, commodity, balance in rows}
