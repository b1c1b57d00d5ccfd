"""A bank of dictionaries: the same rules without ledger, store or time, a judge for the real bank."""

import csv
import io
from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from operator import itemgetter
from pathlib import Path
from typing import Any

from pointsbank.hours.model import HOURS_VERDICTS
from pointsbank.hours.rules import judge
from pointsbank.market.model import BASKET_VERDICTS, RETURN_VERDICTS, Basket, PaidReceipt
from pointsbank.market.rules import give_back, judge_basket, judge_return, pieces_of
from pointsbank.policy.calendar import local_minute
from pointsbank.policy.model import Policy
from pointsbank.replay.dataset import Dataset, Volunteer, in_basket_order, in_return_order

VerdictLine = tuple[str, int, str, int, int]


@dataclass
class DictionaryBank:
    """All that the rules ask, in memory."""

    policy: Policy
    people: dict[str, Volunteer]
    shelf: dict[tuple[str, str], int]
    stations: set[str]
    merit: Counter[str] = field(default_factory=Counter)
    lots: dict[str, dict[date, int]] = field(default_factory=lambda: defaultdict(dict))
    contents: dict[str, tuple[object, ...]] = field(default_factory=dict)
    intervals: dict[str, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    used: Counter[tuple[str, object]] = field(default_factory=Counter)
    bought: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    receipts: dict[str, Basket] = field(default_factory=dict)
    taken: dict[str, list[tuple[date, int]]] = field(default_factory=dict)
    given_back: dict[str, Counter[date]] = field(default_factory=lambda: defaultdict(Counter))
    returned: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    totals: Counter[str] = field(default_factory=Counter)

    def is_repeated(self, asked: Any) -> bool | None:
        number, content = (
            (asked.receipt_no, asked.content) if isinstance(asked, Basket) else (asked[0], asked)
        )
        first = self.contents.get(number)
        return None if first is None else first == content

    def return_content_of(self, number: str) -> Any:
        return self.contents.get(number)

    def born(self, volunteer: str) -> date | None:
        return self.people[volunteer].born if volunteer in self.people else None

    def knows_volunteer(self, volunteer: str) -> bool:
        return volunteer in self.people

    def knows_station(self, station: str, day: str) -> bool:
        return station in self.stations

    def accepted_intervals(self, volunteer: str) -> Sequence[tuple[int, int]]:
        return self.intervals[volunteer]

    def minutes_of_day(self, volunteer: str, day: date) -> int:
        return self.used[volunteer, day]

    def minutes_of_year(self, volunteer: str, year: int) -> int:
        return self.used[volunteer, year]

    def pieces_bought(self, volunteer: str, sku: str, month: str) -> int:
        return self.bought[volunteer, sku, month]

    def stock(self, station: str, sku: str) -> int:
        return self.shelf.get((station, sku), 0)

    def points(self, volunteer: str) -> int:
        return sum(self.lots[volunteer].values())

    def receipt(self, receipt_no: str) -> PaidReceipt | None:
        basket = self.receipts.get(receipt_no)
        if basket is None:
            return None
        bought = pieces_of(basket)
        prices = {sku: self.policy.goods[sku].price for sku in bought}
        return PaidReceipt(
            basket.at, basket.volunteer, basket.station, bought, self.returned[receipt_no], prices
        )

    def earn(self, line_no: int, fields: tuple[str, ...]) -> VerdictLine:
        judged = judge(fields, self, self.policy)
        if judged.verdict != "malformed":
            self.contents.setdefault(fields[0], fields)
        if judged.verdict == "accepted" and judged.expires_on is not None:
            volunteer, lots = fields[1], self.lots[fields[1]]
            insort(self.intervals[volunteer], _interval(fields))
            self.merit[volunteer] += judged.minutes
            self.used[volunteer, judged.day] += judged.creditable_minutes
            self.used[volunteer, judged.year] += judged.creditable_minutes
            lots[judged.expires_on] = lots.get(judged.expires_on, 0) + judged.points
            self.totals["issued"] += judged.points
        return fields[0], line_no, judged.verdict, judged.minutes, judged.points

    def sell(self, basket: Basket) -> VerdictLine:
        judged = judge_basket(basket, self, self.policy)
        self.contents.setdefault(basket.receipt_no, basket.content)
        if judged.verdict == "accepted":
            self.receipts[basket.receipt_no], taken = basket, []
            lots, rest = self.lots[basket.volunteer], judged.price
            for lot in sorted(lots):
                taken.append((lot, min(rest, lots[lot])))
                lots[lot] -= taken[-1][1]
                rest -= taken[-1][1]
            self.taken[basket.receipt_no] = taken
            for sku, pieces in judged.pieces.items():
                self.shelf[basket.station, sku] -= pieces
                self.bought[basket.volunteer, sku, basket.month] += pieces
            self.totals["redeemed"] += judged.price
        return basket.receipt_no, basket.line_no, judged.verdict, 0, judged.price

    def take_back(self, line: Any) -> VerdictLine:
        judged = judge_return(line, self, self.policy)
        self.contents.setdefault(line.return_no, line.content)
        if judged.verdict == "accepted":
            basket, back = self.receipts[line.receipt_no], self.given_back[line.receipt_no]
            for lot, points in give_back(self.taken[line.receipt_no], back, judged.points):
                self.lots[basket.volunteer][lot] += points
                back[lot] += points
            self.returned[line.receipt_no][line.sku] += judged.quantity
            self.shelf[basket.station, line.sku] += judged.quantity
            self.totals["returned"] += judged.points
        return line.return_no, line.line_no, judged.verdict, 0, judged.points

    def expire(self, as_of: date) -> None:
        for lots in self.lots.values():
            for lot in [lot for lot in lots if lot < as_of]:
                self.totals["expired"] += lots.pop(lot)

    def standing(self) -> dict[str, int]:
        outstanding = sum(self.points(volunteer) for volunteer in self.lots)
        return {key: self.totals[key] for key in ("issued", "redeemed", "returned", "expired")} | {
            "outstanding": outstanding
        }


def play(folder: Path) -> dict[str, Any]:
    """The summary and the verdict lines of a data set."""
    data = Dataset(folder)
    policy, stations = data.policy(), {station.code for station in data.stations()}
    people = {volunteer.id: volunteer for volunteer in data.volunteers()}
    shelf = {(code, good.sku): good.opening_stock for code in stations for good in policy.goods.values()}
    bank = DictionaryBank(policy, people, shelf, stations)
    hours = [bank.earn(number, fields) for number, fields in data.records()]
    points = {"after_hours": bank.standing()}
    bank.contents.clear()
    baskets = [bank.sell(basket) for basket in in_basket_order(data.baskets())]
    bank.contents.clear()  # numbers of returns are a series of their own, as those of baskets and records are
    points["after_redemptions"] = bank.standing()
    returns = [bank.take_back(line) for line in in_return_order(data.returns())]
    points["after_returns"] = bank.standing()
    rows = [
        (v, bank.merit[v], {str(k): n for k, n in sorted(bank.lots[v].items()) if n}) for v in sorted(people)
    ]
    bank.expire(date(2028, 1, 1))
    points["after_expiry"] = bank.standing()
    texts = [f"{v}\t{m}\t{';'.join(f'{day}:{n}' for day, n in lots.items()) or '-'}\n" for v, m, lots in rows]
    summary = {
        "units": {"points": "hundredths of a point", "merit": "minutes", "stock": "pieces"},
        "expiry_run": "2028-01-01 00:00",
        "counts": {
            "hours": _counts(HOURS_VERDICTS, hours),
            "redemptions": _counts(BASKET_VERDICTS, baskets),
            "returns": _counts(RETURN_VERDICTS, returns),
        },
        "merit_minutes": bank.merit.total(),
        "points": points,
        "volunteers": {v: {"merit_minutes": m, "balances": lots} for v, m, lots in rows},
        "stock": {code: {sku: bank.shelf[code, sku] for sku in policy.goods} for code in stations},
        "volunteers_sha256": sha256("".join(texts).encode()).hexdigest(),
    }
    return {"summary": summary, "hours": hours, "redemptions": baskets, "returns": returns}


def verdict_file(lines: Iterable[VerdictLine]) -> bytes:
    """The verdict file of these lines."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["id", "line", "verdict", "minutes", "points"])
    rows.writerows(sorted(lines, key=itemgetter(1)))
    return text.getvalue().encode()


def _interval(fields: tuple[str, ...]) -> tuple[int, int]:
    """Clipped by means of its own: texts of this form compare as the times do."""
    start, end = local_minute(max(fields[6], fields[8])), local_minute(min(fields[7], fields[9]))
    assert start is not None
    assert end is not None
    return start, end


def _counts(verdicts: Iterable[str], rows: Iterable[VerdictLine]) -> dict[str, int]:
    return dict.fromkeys(verdicts, 0) | Counter(row[2] for row in rows)
