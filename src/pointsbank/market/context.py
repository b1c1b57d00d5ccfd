"""What the rules of the market ask of the bank, loaded for many baskets at once and carried forward."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
from sqlalchemy import Connection, func, select

from pointsbank.intake.lines import Place, filed_id
from pointsbank.ledger.chart import POINT
from pointsbank.market.model import Basket, BasketJudgement
from pointsbank.market.postings import basket_content, basket_request
from pointsbank.market.tables import receipt_lines, receipts
from pointsbank.people.directory import Directory
from pointsbank.people.merged import resolved
from pointsbank.people.volunteers import Volunteer, registered
from pointsbank.places.stations import Station, StationDays, station_days
from pointsbank.points.lots import HeldLot, accounts_at, held_on, lots_named
from pointsbank.store.questions import LEDGER, Question
from pointsbank.store.tables import subjects

REFUSED_MARK: Final = "hmac:"

_r, _l, _s = receipts.c, receipt_lines.c, subjects.c

_CONTENTS = Question(
    lambda one_of: select(_r.reference, _r.content).where(
        _r.ledger_id == LEDGER, one_of(_r.reference, "references")
    )
)
_BOUGHT = Question(
    lambda one_of: (
        select(_l.volunteer, _l.sku, _l.month, func.sum(_l.pieces))
        .where(
            _l.ledger_id == LEDGER,
            one_of(_l.volunteer, "people"),
            one_of(_l.month, "months"),
            _l.state == "sold",
        )
        .group_by(_l.volunteer, _l.sku, _l.month)
    )
)
_VERSIONS = Question(
    lambda one_of: select(_s.subject, _s.version).where(
        _s.ledger_id == LEDGER, one_of(_s.subject, "subjects")
    )
)


class Catalogue:
    """What never changes once it is there: who a place is, and the names of lots by number."""

    def __init__(self) -> None:
        self.filed: dict[str, Station] = {}
        """By code as it is filed."""
        self.lots: dict[int, tuple[str, str, str]] = {}

    def station(self, connection: Connection, ledger_id: int, code: str) -> Station:
        """The station that is filed under this code."""
        if code not in self.filed:
            found = station_days(connection, ledger_id, [code])
            self.filed |= {code: known.station for code, known in found.items()}
        return self.filed[code]

    def lots_named(
        self, connection: Connection, ledger_id: int, numbers: Iterable[int]
    ) -> dict[int, tuple[str, str, str]]:
        """Commodity, code and last day of lots; those that are not known yet are looked up."""
        unknown = set(numbers) - self.lots.keys()
        if unknown:
            self.lots |= lots_named(connection, ledger_id, unknown)
        return self.lots


class Counterfoil:
    """The shop's side of the bank: a `BasketContext` over what is on file, and what was sold since."""

    def __init__(self, catalogue: Catalogue, directory: Directory) -> None:
        self.catalogue = catalogue
        self._directory = directory
        self.stations: dict[str, StationDays] = {}
        """By code as it is written. Whether a shop is open is asked anew: it may close any day."""
        self.people: dict[str, Volunteer | None] = {}
        """By number; what is known of them is by id: two numbers may be one person's."""
        self.versions: dict[str, int] = {}
        self._wallets: dict[str, list[HeldLot]] = {}
        self._contents: dict[str, str | None] = {}
        self._bought: Counter[tuple[str, str, str]] = Counter()
        self._months: set[tuple[str, str]] = set()
        self._stock: Counter[tuple[str, str]] = Counter()
        self._shops: set[str] = set()

    # BasketContext

    def is_repeated(self, basket: Basket) -> bool | None:
        first = self._contents.get(basket.receipt_no)
        return None if first is None else first in {self.content(basket, sold=s) for s in (True, False)}

    def content(self, basket: Basket, *, sold: bool) -> str:
        """What a basket's document keeps: of one that was sold who took what, of another a keyed hash.

        In a basket that was refused any cell may be about somebody.
        """
        if sold:
            return basket_content(basket, self._id(basket.volunteer))
        return (
            REFUSED_MARK
            + self._directory.request("refused basket", basket_content(basket, basket.volunteer)).hex()
        )

    def request(self, basket: Basket, place: Place | None) -> bytes:
        """What a repetition of the command is told by."""
        return self._directory.request(*basket_request(basket, place))

    def _id(self, number: str) -> str:
        person = self.people.get(number)
        return person.id if person else ""

    def knows_volunteer(self, volunteer: str) -> bool:
        return self.people.get(volunteer) is not None

    def knows_station(self, station: str, day: str) -> bool:
        known = self.stations.get(station)
        return known is not None and known.is_open(day)

    def station(self, code: str) -> Station | None:
        """The station of this code, open or not."""
        known = self.stations.get(code)
        return known.station if known else None

    def pieces_bought(self, volunteer: str, sku: str, month: str) -> int:
        return self._bought[self._id(volunteer), sku, month]

    def stock(self, station: str, sku: str) -> int:
        return self._stock[station, filed_id(sku)]

    def points(self, volunteer: str) -> int:
        return sum(lot.balance for lot in self._wallets[self._id(volunteer)])

    # carrying forward

    def take(self, basket: Basket, judgement: BasketJudgement) -> None:
        """Remember a basket that took its number, so that the next one is judged after it."""
        self._contents[basket.receipt_no] = self.content(basket, sold=judgement.verdict == "accepted")
        if judgement.verdict == "accepted":
            person = self._id(basket.volunteer)
            self.versions[person] += 1
            self._wallets[person] = _after_spending(self._wallets[person], judgement.price)
            for sku, pieces in judgement.pieces.items():
                self._stock[basket.station, filed_id(sku)] -= pieces
                self._bought[person, sku, basket.month] += pieces

    def take_expired(self, volunteer: str, day: str) -> list[HeldLot]:
        """The lots whose last day is before `day` leave the wallet before the basket."""
        person = self._id(volunteer)
        held = self._wallets.get(person, [])
        expired = [lot for lot in held if lot.expires_on < day]
        if expired:
            self._wallets[person] = held[len(expired) :]
        return expired

    # loading

    @property
    def size(self) -> int:
        """How much the counterfoil remembers: it is left for a fresh one when that grows too much."""
        return len(self.people) + len(self._contents)

    def meet(self, baskets: Sequence[Basket]) -> bool:
        """Whether two of these baskets are one person's."""
        return len({self._id(b.volunteer) or b.volunteer for b in baskets}) < len(baskets)

    def lacks(self, baskets: Sequence[Basket]) -> set[str]:
        """Numbers of people who are not known yet."""
        return {b.volunteer for b in baskets if not self.people.get(b.volunteer)}

    def load(
        self,
        connection: Connection,
        ledger_id: int,
        baskets: Sequence[Basket],
        known: Mapping[str, Volunteer],
    ) -> None:
        """Load what the rules ask about these baskets and is not there yet, from one snapshot.

        `known` are those whom the people store knows under the numbers that were lacking. What was not there may have
        come since: unknown people and places are looked for again.
        """
        self._load_contents(connection, ledger_id, {b.receipt_no for b in baskets} - self._contents.keys())
        codes = {filed_id(b.station): b.station for b in baskets}
        self.stations |= {
            codes[code]: known for code, known in station_days(connection, ledger_id, codes).items()
        }
        people = self._load_people(connection, ledger_id, self.lacks(baskets), known)
        shops = {b.station for b in baskets if b.station in self.stations} - self._shops
        self._load_balances(connection, ledger_id, people, shops)
        months = {(person, b.month) for b in baskets if (person := self._id(b.volunteer))}
        self._load_bought(connection, ledger_id, months - self._months)

    def _load_contents(self, connection: Connection, ledger_id: int, references: set[str]) -> None:
        if not references:
            return
        self._contents |= dict.fromkeys(references)
        filed = {filed_id(reference): reference for reference in references}
        rows = _CONTENTS.fetched(connection, ledger_id, references=filed)
        self._contents |= {filed[reference]: content for reference, content in rows}

    def _load_people(
        self, connection: Connection, ledger_id: int, numbers: set[str], known: Mapping[str, Volunteer]
    ) -> list[Volunteer]:
        """The people who are here for the first time."""
        if not numbers:
            return []
        self.people |= dict.fromkeys(numbers)
        ours = registered(connection, ledger_id, {person.id for person in known.values()}) if known else set()
        found = resolved(
            connection,
            ledger_id,
            {number: person for number, person in known.items() if person.id in ours},
        )
        self.people |= found
        new = {person.id: person for person in found.values() if person.id not in self.versions}
        self.versions |= versions_of(connection, ledger_id, new)
        return list(new.values())

    def _load_balances(
        self, connection: Connection, ledger_id: int, people: Sequence[Volunteer], shops: set[str]
    ) -> None:
        """What wallets and shelves hold, in two look-ups for all of them."""
        self._shops |= shops
        by_path: dict[str, str] = {self.stations[code].station.stock: code for code in shops}
        by_wallet = {person.wallet: person.id for person in people}
        self._wallets |= {person.id: [] for person in people}
        if not by_path and not by_wallet:
            return
        paths = accounts_at(connection, ledger_id, [*by_path, *by_wallet])
        rows = held_on(connection, ledger_id, paths)
        named = self.catalogue.lots_named(connection, ledger_id, {row[1] for row in rows})
        for account, lot, balance, version in rows:
            path, (commodity, code, expires_on) = paths[account], named[lot]
            shop = by_path.get(path)
            if shop is not None:
                self._stock[shop, commodity.removeprefix("SKU:")] += balance
            elif commodity == POINT.code:
                held = HeldLot(path, account, code, expires_on, balance, version)
                insort(self._wallets[by_wallet[path]], held, key=lambda lot: (lot.expires_on, lot.lot))

    def _load_bought(self, connection: Connection, ledger_id: int, months: set[tuple[str, str]]) -> None:
        if not months:
            return
        self._months |= months
        people, of = {person for person, _ in months}, {month for _, month in months}
        rows = _BOUGHT.rows(connection, ledger_id, people=people, months=of)
        for person, sku, month, pieces in rows:
            if (person, month) in months:
                self._bought[person, sku, month] += int(pieces)


def _after_spending(held: list[HeldLot], price: int) -> list[HeldLot]:
    """What is left of the lots when a price was taken from them, the first-expiring first."""
    left = []
    for lot in held:
        taken = min(price, lot.balance)
        price -= taken
        if taken < lot.balance:
            left.append(lot if not taken else msgspec.structs.replace(lot, balance=lot.balance - taken))
    return left


def versions_of(connection: Connection, ledger_id: int, people: Mapping[str, Volunteer]) -> dict[str, int]:
    """Versions of volunteers' subjects, by id."""
    if not people:
        return {}
    by_subject = {person.subject: id_ for id_, person in people.items()}
    rows = _VERSIONS.fetched(connection, ledger_id, subjects=by_subject)
    return dict.fromkeys(people, 0) | {by_subject[subject]: version for subject, version in rows}
