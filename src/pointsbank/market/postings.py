"""The accountant's page of the market room: what a basket, a return and a delivery post. Pure."""

from __future__ import annotations

import msgspec

from pointsbank.engine.commands import Command, attach, request_digest
from pointsbank.intake.lines import SEPARATOR as SEPARATOR
from pointsbank.intake.lines import Place, filed_id, kept_text, line_row
from pointsbank.ledger.chart import POINT
from pointsbank.ledger.model import (
    RECORDED_AT,
    SEQUENCE,
    Change,
    Commodity,
    Draft,
    Movement,
    OpenAccount,
    Row,
    number_of,
)
from pointsbank.market.model import Basket, BasketJudgement, ReturnJudgement, ReturnLine
from pointsbank.people.volunteers import Volunteer
from pointsbank.places.stations import Station
from pointsbank.policy.model import Policy

MARKET = frozenset(["market", "points"])


def sku_code(sku: str) -> str:
    """The code of a good's commodity."""
    return f"SKU:{filed_id(sku)}"


def sku_commodity(sku: str) -> Commodity:
    """Goods are counted in pieces, in lots by donor and best-before date."""
    return Commodity(sku_code(sku), scale=0, has_lots=True)


def basket_content(basket: Basket, holder: str) -> str:
    """What a repetition of the number is compared by, as one text. `holder` is the person's id, never a number."""
    lines = [part for line in basket.lines for part in line]
    return kept_text((basket.at, basket.terminal, basket.station, holder, *lines))


class JudgedBasket(msgspec.Struct, frozen=True):
    """A basket with its verdict and what is needed to write it down."""

    basket: Basket
    judgement: BasketJudgement
    place: Place | None = None
    volunteer: Volunteer | None = None
    station: Station | None = None
    version: int = 0
    policy: str = ""
    unit_prices: tuple[tuple[str, int], ...] = ()
    effective_at: int = 0
    salt: bytes = b""
    request: bytes = b""
    content: str = ""

    @property
    def is_new(self) -> bool:
        """Whether the basket takes its receipt number."""
        return self.judgement.verdict not in ("malformed", "duplicate", "conflict")


def basket_request(basket: Basket, place: Place | None) -> tuple[str, ...]:
    """What a repetition of the command is told by. Number and time of a till's basket are ours, not its own."""
    own = (basket.receipt_no, basket.at) if place else ()
    lines = (part for line in basket.lines for part in line)
    return ("basket", *own, basket.terminal, basket.station, basket.volunteer, *lines)


def basket_draft(judged: JudgedBasket, command: Command) -> Draft:
    """Points out of the wallet and goods off the shelf in one entry; or only the verdict, if it was refused."""
    basket, judgement = judged.basket, judged.judgement
    accepted = judgement.verdict == "accepted"
    rows: list[Row] = []
    if judged.place is not None:
        rows.append(
            line_row(
                judged.place,
                _id(basket.receipt_no, judgement.verdict),
                judgement.verdict,
                0,
                judgement.price,
                posts=accepted,
            )
        )
    if judged.is_new:
        rows.append(_receipt_row(judged))
    subject = judged.volunteer.subject if judged.volunteer else ""
    draft = Draft(
        kind="basket" if accepted else "judge-basket",
        key=command.key,
        client=command.client,
        request=judged.request,
        effective_at=judged.effective_at,
        actor=command.actor,
        place=filed_id(basket.station),
        reads=((subject, judged.version),) if subject and judged.is_new else (),
        rows=tuple(rows),
    )
    return _with_goods(draft, judged, rows) if accepted else draft


def _id(id_: str, verdict: str) -> str:
    """The id under which a line is filed: what is no basket and no return may have anything in its place."""
    return "" if verdict == "malformed" else id_


def _with_goods(draft: Draft, judged: JudgedBasket, rows: list[Row]) -> Draft:
    basket, judgement = judged.basket, judged.judgement
    volunteer, station = judged.volunteer, judged.station
    assert volunteer is not None
    assert station is not None
    movements = [
        Movement(station.handed_out, station.stock, sku_code(sku), pieces)
        for sku, pieces in judgement.pieces.items()
    ]
    if judgement.price:
        movements.insert(0, Movement(volunteer.wallet, station.redeemed, POINT.code, judgement.price))
    prices = dict(judged.unit_prices)
    reference = filed_id(basket.receipt_no)
    lines = [
        Row(
            "receipt_lines",
            (reference, sku, pieces, prices[sku], volunteer.id, basket.month, "sold"),
            key_length=2,
        )
        for sku, pieces in judgement.pieces.items()
    ]
    return msgspec.structs.replace(
        draft,
        movements=tuple(movements),
        metadata=(("policy", judged.policy),),
        documents=(attach("receipt", reference, judged.salt, judged.content),),
        touches=(volunteer.subject,),
        counters=(f"receipt:{filed_id(basket.terminal)}",),
        rows=(*rows, *lines),
    )


def _receipt_row(judged: JudgedBasket) -> Row:
    basket, judgement = judged.basket, judged.judgement
    accepted, terminal = judgement.verdict == "accepted", filed_id(basket.terminal)
    return Row(
        "receipts",
        (
            filed_id(basket.receipt_no),
            judged.content,
            judgement.verdict,
            "sold" if accepted else "refused",
            basket.at,
            terminal,
            number_of(f"receipt:{terminal}") if accepted else 0,
            filed_id(basket.station) if judged.station else "",
            judged.volunteer.id if judged.volunteer else "",
            judgement.price,
            judged.policy,
            SEQUENCE if accepted else 0,
            judged.salt,
            RECORDED_AT,
        ),
    )


class SoldReceipt(msgspec.Struct, frozen=True):
    """A basket that was sold, as a return needs it: who, where, which lots it took and what came back since.

    `reference` and `terminal` are as they are filed.
    """

    reference: str
    terminal: str
    volunteer: Volunteer
    station: Station
    version: int
    """Version of the receipt's subject."""
    points_taken: tuple[tuple[str, int], ...]
    """Lots and amounts in the order in which they were taken."""
    points_back: dict[str, int]
    goods_taken: dict[str, tuple[tuple[str, int], ...]]
    goods_back: dict[str, dict[str, int]]

    @property
    def subject(self) -> str:
        return f"receipt:{self.reference}"


class JudgedReturn(msgspec.Struct, frozen=True):
    """A return with its verdict and what is needed to write it down."""

    line: ReturnLine
    judgement: ReturnJudgement
    place: Place | None = None
    receipt: SoldReceipt | None = None
    point_lots: tuple[tuple[str, int], ...] = ()
    goods_lots: tuple[tuple[str, int], ...] = ()
    effective_at: int = 0
    salt: bytes = b""

    @property
    def is_new(self) -> bool:
        return self.judgement.verdict not in ("malformed", "duplicate", "conflict")


def return_request(line: ReturnLine, place: Place | None) -> bytes:
    """What a repetition of the command is told by, as with a basket."""
    own = (line.return_no, line.at) if place else ()
    return request_digest("return", *own, line.receipt_no, line.sku, line.quantity)


def return_draft(judged: JudgedReturn, command: Command) -> Draft:
    """Points back into the lots that the receipt took, the last-taken first, and goods back on the shelf."""
    line, judgement, receipt = judged.line, judged.judgement, judged.receipt
    accepted = judgement.verdict == "accepted"
    rows: list[Row] = []
    if judged.place is not None:
        rows.append(
            line_row(
                judged.place,
                _id(line.return_no, judgement.verdict),
                judgement.verdict,
                0,
                judgement.points,
                posts=accepted,
            )
        )
    if judged.is_new:
        rows.append(_return_row(judged))
    draft = Draft(
        kind="return" if accepted else "judge-return",
        key=command.key,
        client=command.client,
        request=return_request(line, judged.place),
        effective_at=judged.effective_at,
        actor=command.actor,
        place=receipt.station.code if receipt else "",
        reads=((receipt.subject, receipt.version),) if receipt and judged.is_new else (),
        rows=tuple(rows),
    )
    if not accepted:
        return draft
    assert receipt is not None
    wallet, station = receipt.volunteer.wallet, receipt.station
    return msgspec.structs.replace(
        draft,
        movements=(
            *(
                Movement(station.redeemed, wallet, POINT.code, amount, lot)
                for lot, amount in judged.point_lots
            ),
            *(
                Movement(station.stock, station.handed_out, sku_code(line.sku), pieces, lot)
                for lot, pieces in judged.goods_lots
            ),
        ),
        metadata=(("receipt", receipt.reference),),
        documents=(attach("return", filed_id(line.return_no), judged.salt, kept_text(line.content)),),
        touches=(receipt.subject, receipt.volunteer.subject),
        counters=(f"return:{receipt.terminal}",),
    )


def _return_row(judged: JudgedReturn) -> Row:
    line, judgement, receipt = judged.line, judged.judgement, judged.receipt
    accepted = judgement.verdict == "accepted"
    terminal = receipt.terminal if receipt else ""
    return Row(
        "returns",
        (
            filed_id(line.return_no),
            kept_text(line.content),
            judgement.verdict,
            "taken" if accepted else "refused",
            line.at,
            filed_id(line.receipt_no),
            terminal,
            number_of(f"return:{terminal}") if accepted else 0,
            filed_id(line.sku),
            judgement.quantity,
            judgement.points,
            SEQUENCE if accepted else 0,
            judged.salt,
            RECORDED_AT,
        ),
    )


def reversal_request(reference: str, reason: str) -> bytes:
    """What a repetition of a reversal is told by."""
    return request_digest("reverse", reference, reason)


class Delivery(msgspec.Struct, frozen=True):
    """Goods that come to a station's shop: pieces by SKU, from one donor, with one best-before date or none."""

    reference: str
    station: Station
    donor: str
    goods: tuple[tuple[str, int], ...]
    best_before: str = "never"

    @property
    def lot(self) -> str:
        return f"{self.best_before}/{self.donor}"


def delivery_draft(delivery: Delivery, salt: bytes, effective_at: int, command: Command) -> Draft:
    """Goods onto the shelf, in the donor's lot."""
    donor = f"donor:{delivery.donor}:given"
    content = kept_text(
        (
            delivery.station.code,
            delivery.donor,
            delivery.best_before,
            *(f"{sku}={pieces}" for sku, pieces in delivery.goods),
        )
    )
    return Draft(
        kind="receive",
        key=command.key,
        client=command.client,
        request=request_digest("receive", delivery.reference, content),
        effective_at=effective_at,
        actor=command.actor,
        place=delivery.station.code,
        commodities=tuple(sku_commodity(sku) for sku, _ in delivery.goods),
        opens=(OpenAccount(donor),),
        movements=tuple(
            Movement(delivery.station.stock, donor, sku_code(sku), pieces, delivery.lot)
            for sku, pieces in delivery.goods
            if pieces
        ),
        documents=(attach("delivery", delivery.reference, salt, *content.split(SEPARATOR)),),
        rows=(
            Row(
                "deliveries",
                (
                    delivery.reference,
                    delivery.station.code,
                    delivery.donor,
                    content,
                    SEQUENCE,
                    salt,
                    RECORDED_AT,
                ),
            ),
        ),
    )


def basket_reversal(
    reference: str,
    sequence: int,
    skus: tuple[str, ...],
    volunteer: Volunteer,
    version: int,
    reason: str,
    effective_at: int,
    command: Command,
) -> Draft:
    """Take a basket back as a whole: points into their lots, goods onto the shelf, the month's limit free again.

    `version` is that of the receipt's subject when it had no returns: one that comes between makes this stale.
    """
    return Draft(
        kind="reversal",
        key=command.key,
        client=command.client,
        request=reversal_request(reference, reason),
        effective_at=effective_at,
        actor=command.actor,
        reason=reason,
        reverses=sequence,
        reads=((f"receipt:{reference}", version),),
        touches=(f"receipt:{reference}", volunteer.subject),
        changes=(
            Change("receipts", (reference,), "sold", "reversed"),
            *(Change("receipt_lines", (reference, sku), "sold", "reversed") for sku in skus),
        ),
    )


def return_reversal(
    reference: str, sequence: int, receipt: SoldReceipt, reason: str, effective_at: int, command: Command
) -> Draft:
    """Take a return back: the goods go out again, the points are spent again."""
    return Draft(
        kind="reversal",
        key=command.key,
        client=command.client,
        request=reversal_request(reference, reason),
        effective_at=effective_at,
        actor=command.actor,
        reason=reason,
        reverses=sequence,
        touches=(receipt.subject, receipt.volunteer.subject),
        changes=(Change("returns", (reference,), "taken", "reversed"),),
    )


def price_list(policy: Policy, skus: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    """Unit prices of these goods in hundredths of a point, as they are kept with the receipt."""
    return tuple((sku, policy.goods[sku].price) for sku in skus)
