"""The results of a replay, computed from the books as of the marks of its steps: summary and verdict files."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, case, func, select

from pointsbank.engine.registry import Ledger
from pointsbank.hours.line_verdicts import accepted_since
from pointsbank.hours.model import HOURS_VERDICTS
from pointsbank.intake.lines import DIGEST_MARK, LineVerdict, filed_id, verdicts_of
from pointsbank.ledger.chart import POINT
from pointsbank.market.model import BASKET_VERDICTS, RETURN_VERDICTS
from pointsbank.people.directory import directory_of
from pointsbank.places.stations import stations
from pointsbank.policy.model import Policy
from pointsbank.replay.dataset import Dataset
from pointsbank.store.tables import accounts, lots, postings

FOLDED_STEPS = ("opening", "hours", "redemptions", "returns", "expiry")
REPORTED_STEPS = FOLDED_STEPS[1:]
FIGURES = ("issued", "redeemed", "returned", "expired", "outstanding")

_WALLETS = ("wallet", "wallet-pending")
_TOTALS = {
    ("fund-issued", "wallet"): "issued",
    ("fund-issued", "wallet-pending"): "issued",
    ("wallet", "station-redeemed"): "redeemed",
    ("station-redeemed", "wallet"): "returned",
    ("wallet", "fund-expired"): "expired",
}
"""From which kind of account to which: the figure that such a movement of points counts for."""

VERDICTS = {"hours": HOURS_VERDICTS, "redemptions": BASKET_VERDICTS, "returns": RETURN_VERDICTS}


async def write_results(
    dataset: Dataset, policy: Policy, ledger: Ledger, marks: dict[str, int], out: Path
) -> None:
    """Write `summary.json` and `verdicts-*.csv`, each whole or not at all."""
    out.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - once, on a local disk
    counts = {}
    for source, verdicts in VERDICTS.items():
        path = out / f"verdicts-{source}.csv"
        counts[source] = await _write_verdicts(dataset, policy, ledger, source, verdicts, path)
    read, ledger_id = ledger.database.read, ledger.id
    folded = await read(_fold, ledger_id, marks)
    ids = await _ids(dataset, ledger)
    people = sorted((person.id, *_held(folded, ids[person.id])) for person in dataset.volunteers())
    shelves = {code: station.stock for code, station in (await read(stations, ledger_id)).items()}
    summary = {
        "units": {"points": "hundredths of a point", "merit": "minutes", "stock": "pieces"},
        "expiry_run": "2028-01-01 00:00",
        "counts": counts,
        "merit_minutes": sum(merit for _, merit, _ in people),
        "points": folded.totals,
        "volunteers_sha256": sha256("".join(_canonical(people)).encode()).hexdigest(),
        "volunteers": {number: {"merit_minutes": merit, "balances": held} for number, merit, held in people},
        "stock": {
            code: {sku: folded.stock[shelves[filed_id(code)], filed_id(sku)] for sku in policy.goods}
            for code in sorted(station.code for station in dataset.stations())
        },
    }
    _replace(out / "summary.json", json.dumps(summary, ensure_ascii=False, indent=1) + "\n")


def _held(folded: _Folded, volunteer: str) -> tuple[int, dict[str, int]]:
    """Merit minutes, and points by last day without lots that are 0."""
    points = folded.points.get(volunteer, Counter())
    return folded.merit[volunteer], {day: held for day, held in sorted(points.items()) if held}


def _canonical(people: list[tuple[str, int, dict[str, int]]]) -> Iterator[str]:
    for number, merit, held in people:
        yield f"{number}\t{merit}\t{';'.join(f'{day}:{points}' for day, points in held.items()) or '-'}\n"


def _replace(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


async def _write_verdicts(
    dataset: Dataset, policy: Policy, ledger: Ledger, source: str, verdicts: tuple[str, ...], path: Path
) -> dict[str, int]:
    counts: Counter[str] = Counter()
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("id", "line", "verdict", "minutes", "points"))
        after = -1
        while page := await ledger.database.read(verdicts_of, ledger.id, source, after):
            if source == "hours":
                by_line, _ = await ledger.database.read(
                    accepted_since, ledger.id, {v.line: v for v in page}, {policy.version}
                )
                page = list(by_line.values())
            lacking = {v.line for v in page if not v.id or v.id.startswith(DIGEST_MARK)}
            odd = dataset.ids_at(source, lacking) if lacking else {}
            writer.writerows(_row(verdict, odd) for verdict in page)
            counts.update(verdict.verdict for verdict in page)
            after = page[-1].line
    part.replace(path)
    return dict.fromkeys(verdicts, 0) | counts


def _row(verdict: LineVerdict, odd: dict[int, str]) -> tuple[Any, ...]:
    id_ = odd.get(verdict.line, verdict.id)  # what is filed by its digest or under none, only the file says
    return id_, verdict.line, verdict.verdict, verdict.minutes, verdict.points


class _Folded(msgspec.Struct):
    """What the postings add up to, folded anew from the journal."""

    totals: dict[str, dict[str, int]]
    """Of points, after each step."""
    merit: Counter[str]
    points: dict[str, Counter[str]]
    """By last day; merit and points by volunteer id, after the returns."""
    stock: Counter[tuple[str, str]]
    """Pieces by path of the shelf and SKU, at the end."""


def _fold(connection: Connection, ledger_id: int, marks: dict[str, int]) -> _Folded:
    """Add up all postings once. No join: planned without statistics, it may take hours."""
    a, lo, p = accounts.c, lots.c, postings.c
    all_accounts = connection.execute(select(a.account, a.path, a.kind).where(a.ledger_id == ledger_id))
    named = {row[0]: (row[1], row[2]) for row in all_accounts}
    all_lots = connection.execute(
        select(lo.lot, lo.commodity, lo.expires_on).where(lo.ledger_id == ledger_id)
    )
    lot_named = {row[0]: (row[1], row[2]) for row in all_lots}
    step = case(
        *((p.sequence <= marks[name], at) for at, name in enumerate(FOLDED_STEPS)), else_=len(FOLDED_STEPS)
    )
    rows = connection.execute(
        select(step, p.debit_account, p.credit_account, p.lot, func.sum(p.amount))
        .where(p.ledger_id == ledger_id)
        .group_by(step, p.debit_account, p.credit_account, p.lot)
    )
    moved: list[Counter[str]] = [Counter() for _ in FOLDED_STEPS]
    folded = _Folded({}, Counter(), {}, Counter())
    last = FOLDED_STEPS.index("returns")
    for at, debit, credit, lot, summed in rows:
        (debit_path, debit_kind), (credit_path, credit_kind) = named[debit], named[credit]
        (commodity, expires_on), amount = lot_named[lot], int(summed)
        if commodity == POINT.code:
            if at < len(moved):
                moved[at][_TOTALS.get((debit_kind, credit_kind), "")] += amount
                moved[at]["outstanding"] += amount * ((credit_kind in _WALLETS) - (debit_kind in _WALLETS))
            if at <= last:
                for path, kind, sign in ((debit_path, debit_kind, -1), (credit_path, credit_kind, 1)):
                    if kind in _WALLETS:
                        folded.points.setdefault(path.split(":")[1], Counter())[expires_on] += sign * amount
        elif credit_kind == "merit" and at <= last:
            folded.merit[credit_path.split(":")[1]] += amount
        elif debit_kind == "stock":
            folded.stock[debit_path, commodity.removeprefix("SKU:")] += amount
        elif credit_kind == "stock":
            folded.stock[credit_path, commodity.removeprefix("SKU:")] -= amount
    so_far: Counter[str] = Counter()
    for name, of_step in zip(FOLDED_STEPS, moved, strict=True):
        so_far.update(of_step)
        if name in REPORTED_STEPS:
            folded.totals[f"after_{name}"] = {figure: so_far[figure] for figure in FIGURES}
    return folded


async def _ids(dataset: Dataset, ledger: Ledger) -> dict[str, str]:
    """Person ids by the numbers of the files."""
    found = await directory_of(ledger).by_number(person.id for person in dataset.volunteers())
    return {number: person.id for number, person in found.items()}
