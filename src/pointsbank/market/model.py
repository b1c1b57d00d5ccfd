"""Nouns of the love supermarket: baskets, returns, and what the rules ask and answer."""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, Protocol

from msgspec import Struct

BasketVerdict = Literal[
    "duplicate",
    "conflict",
    "bad_quantity",
    "unknown_volunteer",
    "unknown_sku",
    "over_limit",
    "out_of_stock",
    "insufficient_points",
    "accepted",
    "malformed",
    "unknown_station",
    "below_minimum",
]
BASKET_VERDICTS: Final[tuple[BasketVerdict, ...]] = (
    "duplicate",
    "conflict",
    "bad_quantity",
    "unknown_volunteer",
    "unknown_sku",
    "over_limit",
    "out_of_stock",
    "insufficient_points",
    "accepted",
)
"""The verdicts that every summary counts."""

ReturnVerdict = Literal[
    "unknown_receipt",
    "not_on_receipt",
    "too_many",
    "too_late",
    "accepted",
    "malformed",
    "duplicate",
    "conflict",
    "bad_quantity",
    "too_early",
]
RETURN_VERDICTS: Final[tuple[ReturnVerdict, ...]] = (
    "unknown_receipt",
    "not_on_receipt",
    "too_many",
    "too_late",
    "accepted",
)
"""The verdicts that every summary counts."""


class BasketLine(NamedTuple):
    """One line of a basket, as it was typed: a quantity may be anything until it is judged."""

    sku: str
    quantity: str


class BasketContent(NamedTuple):
    """What makes two baskets of one receipt number the same."""

    at: str
    terminal: str
    station: str
    volunteer: str
    lines: tuple[BasketLine, ...]


class Basket(Struct, frozen=True):
    """Goods that somebody wants; fields normalised, `at` is `YYYY-MM-DD HH:MM:SS` on the terminal's clock."""

    receipt_no: str
    at: str
    terminal: str
    station: str
    volunteer: str
    lines: tuple[BasketLine, ...]
    line_no: int = 0
    """The physical line of the file on which it begins; 0 if it comes from no file."""
    is_whole: bool = True
    """False if its lines in the file have missing fields or contradict each other."""

    @property
    def content(self) -> BasketContent:
        """What a repetition of the receipt number is compared by."""
        return BasketContent(self.at, self.terminal, self.station, self.volunteer, self.lines)

    @property
    def month(self) -> str:
        """The calendar month in which the basket counts for limits, as `YYYY-MM`."""
        return self.at[:7]


class BasketJudgement(Struct, frozen=True):
    """The verdict on a basket; price and pieces are empty unless it is accepted."""

    verdict: BasketVerdict
    price: int = 0
    """In hundredths of a point."""
    pieces: Mapping[str, int] = {}
    """Pieces by SKU, lines of one SKU added up, in the order in which the SKUs first occur."""


class BasketContext(Protocol):
    """What the rules ask about the bank as it stands before the basket."""

    def is_repeated(self, basket: Basket) -> bool | None:
        """Whether the first basket with this number, whatever its verdict, was the same; None if it is free."""

    def knows_volunteer(self, volunteer: str) -> bool:
        """Whether somebody has this volunteer id."""

    def knows_station(self, station: str, day: str) -> bool:
        """Whether there is a station, and so a shop, of this code."""

    def pieces_bought(self, volunteer: str, sku: str, month: str) -> int:
        """Pieces in the volunteer's accepted baskets of the month `YYYY-MM`, all shops, returned ones too."""

    def stock(self, station: str, sku: str) -> int:
        """Pieces on the shelf of the station's shop."""

    def points(self, volunteer: str) -> int:
        """Points that the volunteer may spend, in hundredths, over all lots."""


class ReturnLine(Struct, frozen=True):
    """One return of one SKU, as it was typed."""

    return_no: str
    at: str
    receipt_no: str
    sku: str
    quantity: str
    line_no: int = 0
    is_whole: bool = True
    """False if the line in the file has missing or surplus fields."""

    @property
    def content(self) -> tuple[str, ...]:
        """What a repetition of the return number is compared by."""
        return (self.at, self.receipt_no, self.sku, self.quantity)


class PaidReceipt(Struct, frozen=True):
    """An accepted basket as a return sees it: pieces bought and brought back, and the prices paid."""

    at: str
    volunteer: str
    station: str
    bought: Mapping[str, int]
    returned: Mapping[str, int]
    unit_prices: Mapping[str, int]
    """In hundredths of a point: what was paid is given back, whatever the price is today."""


class ReturnJudgement(Struct, frozen=True):
    """The verdict on a return; quantity and points are 0 unless it is accepted."""

    verdict: ReturnVerdict
    quantity: int = 0
    points: int = 0
    """In hundredths of a point."""


class ReturnContext(Protocol):
    """What the rules ask about the bank as it stands before the return."""

    def return_content_of(self, return_no: str) -> tuple[str, ...] | None:
        """The content of the first return with this number, whatever its verdict; None if it is free."""

    def receipt(self, receipt_no: str) -> PaidReceipt | None:
        """The accepted basket with this receipt number, if there is one."""
