"""The results of a replay, computed from the books as of the marks of its steps: summary and verdict files."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, and_, case, func, select

from pointsbank.engine.registry import Ledger
from pointsbank.hours.model import HOURS_VERDICTS
from pointsbank.intake.lines import DIGEST_MARK, LineVerdict, filed_id, verdicts_of
from pointsbank.ledger.chart import MINUTE, POINT
from pointsbank.market.model import BASKET_VERDICTS, RETURN_VERDICTS
from pointsbank.people.tables import volunteers
from pointsbank.places.stations import stations
from pointsbank.policy.model import Policy
from pointsbank.replay.dataset import Dataset
from pointsbank.store.tables import accounts, entries, lots, postings

VERDICTS = {"hours": HOURS_VERDICTS, "redemptions": BASKET_VERDICTS, "returns": RETURN_VERDICTS}


async def write_results(
    dataset: Dataset, policy: Policy, ledger: Ledger, marks: dict[str, int], out: Path
) -> None:
    """Write `summary.json` and `verdicts-*.csv`, each whole or not at all."""
    out.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - once, on a local disk
    counts = {}
    for source, verdicts in VERDICTS.items():
        path = out / f"verdicts-{source}.csv"
        counts[source] = await _write_verdicts(dataset, ledger, source, verdicts, path)
    read, ledger_id = ledger.database.read, ledger.id
    held = await read(_people, ledger_id, marks["returns"])
    people = sorted((person.id, *held[filed_id(person.id)]) for person in dataset.volunteers())
    shelves = await read(_stock, ledger_id, marks["expiry"])
    summary = {
        "units": {"points": "hundredths of a point", "merit": "minutes", "stock": "pieces"},
        "expiry_run": "2028-01-01 00:00",
        "counts": counts,
        "merit_minutes": sum(merit for _, merit, _ in people),
        "points": await read(_totals, ledger_id, marks),
        "volunteers_sha256": sha256("".join(_canonical(people)).encode()).hexdigest(),
        "volunteers": {number: {"merit_minutes": merit, "balances": held} for number, merit, held in people},
        "stock": {
            code: {sku: shelves[filed_id(code), filed_id(sku)] for sku in policy.goods}
            for code in sorted(station.code for station in dataset.stations())
        },
    }
    _replace(out / "summary.json", json.dumps(summary, ensure_ascii=False, indent=1) + "\n")


def _canonical(people: list[tuple[str, int, dict[str, int]]]) -> Iterator[str]:
    for number, merit, held in people:
        yield f"{number}\t{merit}\t{';'.join(f'{day}:{points}' for day, points in held.items()) or '-'}\n"


def _replace(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


async def _write_verdicts(
    dataset: Dataset, ledger: Ledger, source: str, verdicts: tuple[str, ...], path: Path
) -> dict[str, int]:
    counts: Counter[str] = Counter()
    odd: dict[int, str] = {}
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("id", "line", "verdict", "minutes", "points"))
        after = -1
        while page := await ledger.database.read(verdicts_of, ledger.id, source, after):
            if not odd and any(verdict.id.startswith(DIGEST_MARK) for verdict in page):
                odd = _ids_not_filed_as_they_are(dataset, source)
            writer.writerows(_row(verdict, odd) for verdict in page)
            counts.update(verdict.verdict for verdict in page)
            after = page[-1].line
    part.replace(path)
    return dict.fromkeys(verdicts, 0) | counts


def _row(verdict: LineVerdict, odd: dict[int, str]) -> tuple[Any, ...]:
    id_ = odd.get(verdict.line, verdict.id)
    return id_, verdict.line, verdict.verdict, verdict.minutes, verdict.points


def _ids_not_filed_as_they_are(dataset: Dataset, source: str) -> dict[int, str]:
    """Ids by line that are filed by their digest: what they were, only the file says."""
    lines: Iterator[tuple[int, str]]
    match source:
        case "hours":
            lines = ((number, fields[0]) for number, fields in dataset.records())
        case "redemptions":
            lines = ((basket.line_no, basket.receipt_no) for basket in dataset.baskets())
        case _:
            lines = ((line.line_no, line.return_no) for line in dataset.returns())
    return {number: id_ for number, id_ in lines if filed_id(id_) != id_}


def _totals(connection: Connection, ledger_id: int, marks: dict[str, int]) -> dict[str, dict[str, int]]:
    """Points issued, redeemed, returned and expired up to each mark, and what all wallets then hold."""
    totals: Counter[str] = Counter()
    after, since = {}, 0
    for step in ("hours", "redemptions", "returns", "expiry"):
        rows = connection.execute(
            select(entries.c.kind, func.sum(postings.c.amount))
            .join_from(
                entries,
                postings,
                and_(postings.c.ledger_id == entries.c.ledger_id, postings.c.sequence == entries.c.sequence),
            )
            .join(lots, and_(lots.c.ledger_id == postings.c.ledger_id, lots.c.lot == postings.c.lot))
            .where(
                entries.c.ledger_id == ledger_id,
                entries.c.sequence > since,
                entries.c.sequence <= marks[step],
                lots.c.commodity == POINT.code,
            )
            .group_by(entries.c.kind)
        )
        for kind, amount in rows:
            totals[kind] += int(amount)
        moved = _moved(connection, ledger_id, since, marks[step], ("wallet", "wallet-pending"))
        totals["held"] += sum(balance for *_, balance in moved)
        since = marks[step]
        after[f"after_{step}"] = {
            "issued": totals["earn"],
            "redeemed": totals["basket"],
            "returned": totals["return"],
            "expired": totals["expire"],
            "outstanding": totals["held"],
        }
    return after


def _moved(
    connection: Connection, ledger_id: int, since: int, mark: int, kinds: tuple[str, ...]
) -> Iterator[tuple[str, str, str, str, int]]:
    """Path, commodity, lot, last day and sum of what moved on accounts of these kinds after `since`, up to `mark`."""
    credit_normal = accounts.c.type.in_(("liability", "equity", "income"))
    is_credit = postings.c.credit_account == accounts.c.account
    rises = is_credit == credit_normal
    moved = func.sum(case((rises, postings.c.amount), else_=-postings.c.amount))
    for side in (postings.c.debit_account, postings.c.credit_account):
        rows = connection.execute(
            select(accounts.c.path, lots.c.commodity, lots.c.code, lots.c.expires_on, moved)
            .join_from(
                accounts,
                postings,
                and_(postings.c.ledger_id == accounts.c.ledger_id, side == accounts.c.account),
            )
            .join(lots, and_(lots.c.ledger_id == postings.c.ledger_id, lots.c.lot == postings.c.lot))
            .where(
                accounts.c.ledger_id == ledger_id,
                accounts.c.kind.in_(kinds),
                postings.c.sequence > since,
                postings.c.sequence <= mark,
            )
            .group_by(accounts.c.path, lots.c.commodity, lots.c.code, lots.c.expires_on)
        )
        for path, commodity, lot, expires_on, balance in rows:
            yield path, commodity, lot, expires_on, int(balance)


def _people(connection: Connection, ledger_id: int, mark: int) -> dict[str, tuple[int, dict[str, int]]]:
    """Merit minutes and points by last day of every volunteer as of a sequence, by number."""
    points: dict[str, Counter[str]] = {}
    merit: Counter[str] = Counter()
    for path, commodity, _, expires_on, balance in _moved(
        connection, ledger_id, 0, mark, ("wallet", "wallet-pending", "merit")
    ):
        holder = path.split(":")[1]
        if commodity == MINUTE.code:
            merit[holder] += balance
        else:
            points.setdefault(holder, Counter())[expires_on] += balance
    t = volunteers.c
    rows = connection.execute(select(t.number, t.volunteer_id).where(t.ledger_id == ledger_id))
    return {
        number: (merit[id_], {day: held for day, held in sorted(points.get(id_, {}).items()) if held})
        for number, id_ in rows
    }


def _stock(connection: Connection, ledger_id: int, mark: int) -> Counter[tuple[str, str]]:
    """Pieces on the shelf by station and SKU as of a sequence."""
    by_path = {station.stock: code for code, station in stations(connection, ledger_id).items()}
    pieces: Counter[tuple[str, str]] = Counter()
    for path, commodity, _, _, balance in _moved(connection, ledger_id, 0, mark, ("stock",)):
        pieces[by_path[path], commodity.removeprefix("SKU:")] += balance
    return pieces
