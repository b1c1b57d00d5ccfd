"""The verbs of the market room: sell baskets, take goods back, receive deliveries, reverse."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import msgspec
from sqlalchemy import Connection, select

from pointsbank.engine.commands import Command, new_salt
from pointsbank.engine.registry import Ledger
from pointsbank.intake.lines import Place
from pointsbank.ledger.model import Draft, Receipt
from pointsbank.ledger.refusals import NotReversible, Refusal, UnknownEntry
from pointsbank.market.context import Counterfoil, load_returns_desk, load_sold
from pointsbank.market.model import Basket, BasketJudgement, ReturnJudgement, ReturnLine
from pointsbank.market.postings import (
    MARKET,
    Delivery,
    JudgedBasket,
    JudgedReturn,
    basket_draft,
    basket_reversal,
    delivery_draft,
    price_list,
    return_draft,
    return_reversal,
)
from pointsbank.market.rules import give_back, judge_basket, judge_return
from pointsbank.market.tables import receipts, returns
from pointsbank.places.stations import Station, stations
from pointsbank.points.lots import HeldLot, expiry
from pointsbank.policy.book import NoPolicyError, PolicyBook
from pointsbank.policy.calendar import city_day, city_to_utc_micros, local_day, local_second
from pointsbank.policy.model import Policy

ATTEMPTS = 8


class MarketRefused(Exception):
    """The ledger refused what the rules accepted, again and again: nothing was written."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


class Sale(msgspec.Struct, frozen=True):
    """What became of a basket. `receipt` is there if it was sold, now or by an earlier command with this key."""

    basket: Basket
    judgement: BasketJudgement
    receipt: Receipt | None = None
    number: int = 0
    """The terminal's own receipt number."""


class GoodsBack(msgspec.Struct, frozen=True):
    """What became of a return."""

    line: ReturnLine
    judgement: ReturnJudgement
    receipt: Receipt | None = None
    number: int = 0


class MarketService:
    """The love supermarket's till, for all shops of the city.

    With `keeps_refusals` (files, replays) a refused basket takes its number and keeps its verdict; at a live till
    it leaves nothing, so that the cashier may try again with less.
    """

    def __init__(self, ledger: Ledger, policies: PolicyBook, *, keeps_refusals: bool = False) -> None:
        self._ledger = ledger
        self._policies = policies
        self._keeps_refusals = keeps_refusals
        self._stations: dict[str, Station] = {}
        self._foil: Counterfoil | None = None

    async def sell(self, basket: Basket, command: Command) -> Sale:
        """Sell one basket at a till: as a whole or not at all."""
        self._foil = None
        return (await self.sell_all([(None, basket, command)]))[0]

    async def sell_all(self, baskets: Sequence[tuple[Place | None, Basket, Command]]) -> list[Sale]:
        """Judge and sell baskets in the order given, each as a whole or not at all.

        What the ledger finds moved is judged again. Raises MarketRefused, WriterError.
        """
        sales: dict[int, Sale] = {}
        left = list(range(len(baskets)))
        for _ in range(ATTEMPTS):
            left, refusal = await self._try_to_sell(baskets, left, sales)
            if not left:
                return [sales[i] for i in range(len(baskets))]
            self._foil = None
        assert refusal is not None
        raise MarketRefused(refusal)

    async def _try_to_sell(
        self, baskets: Sequence[tuple[Place | None, Basket, Command]], left: list[int], sales: dict[int, Sale]
    ) -> tuple[list[int], Refusal | None]:
        foil = await self._load_foil([baskets[i][1] for i in left])
        drafts: list[Draft] = []
        owners: list[int] = []
        judged: dict[int, JudgedBasket] = {}
        for i in left:
            place, basket, command = baskets[i]
            expiring, j = self._judge(foil, place, basket, command)
            judged[i] = j
            if j.judgement.verdict == "accepted" or self._keeps_refusals:
                drafts += [*expiring, basket_draft(j, command)]
                owners += [-1] * len(expiring) + [i]
            else:
                sales[i] = Sale(basket, j.judgement)
        again: list[int] = []
        last: Refusal | None = None
        for i, result in zip(owners, await self._ledger.submit(drafts, MARKET), strict=True):
            if i < 0:
                continue
            if isinstance(result, Refusal):
                if result.code == "idempotency-conflict":
                    raise MarketRefused(result)
                again.append(i)
                last = result
            else:
                sales[i] = _sale(judged[i], result)
        return again, last

    async def _load_foil(self, baskets: list[Basket]) -> Counterfoil:
        foil = self._foil
        if foil is None or len(foil.people) > 50_000:
            foil = self._foil = Counterfoil(await self._known_stations({basket.station for basket in baskets}))
        elif not {basket.station for basket in baskets} <= set(foil.stations):
            foil.stations = await self._known_stations({basket.station for basket in baskets})
        await self._ledger.database.read(foil.load, self._ledger.id, baskets)
        return foil

    async def _known_stations(self, codes: set[str]) -> dict[str, Station]:
        if not codes <= set(self._stations):
            self._stations |= await self._ledger.database.read(stations, self._ledger.id, codes)
        return self._stations

    def _judge(
        self, foil: Counterfoil, place: Place | None, basket: Basket, command: Command
    ) -> tuple[list[Draft], JudgedBasket]:
        policy = self._policy_for(basket.at)
        second = local_second(basket.at)
        if policy is None or second is None:
            return [], JudgedBasket(basket, BasketJudgement("malformed"), place)
        effective_at = city_to_utc_micros(second, policy.timezone)
        today = local_day(basket.at[:10])
        assert today is not None
        expiring = []
        for held in _expired(foil.wallets.get(basket.volunteer, []), today):
            expiring.append(expiry(held, today, effective_at, command.client))
            foil.expire(basket.volunteer, held)
        judgement = judge_basket(basket, foil, policy)
        volunteer = foil.people.get(basket.volunteer)
        judged = JudgedBasket(
            basket, judgement, place, volunteer, foil.stations.get(basket.station),
            foil.versions.get(basket.volunteer, 0), policy.version,
            price_list(policy, tuple(judgement.pieces)), effective_at, new_salt(),
        )
        if judged.is_new:
            foil.take(basket, judgement)
        return expiring, judged

    def _policy_for(self, at: str) -> Policy | None:
        day = local_day(at[:10])
        try:
            return None if day is None else self._policies.in_force(day)
        except NoPolicyError:
            return None

    async def take_back(self, line: ReturnLine, command: Command, place: Place | None = None) -> GoodsBack:
        """Take goods of a receipt back: points into the lots they came from, goods onto the shelf."""
        refusal: Refusal | None = None
        for _ in range(ATTEMPTS):
            judged = await self._judge_return(line, place)
            if judged.judgement.verdict != "accepted" and not self._keeps_refusals:
                return GoodsBack(line, judged.judgement)
            [result] = await self._ledger.submit([return_draft(judged, command)], MARKET)
            self._foil = None
            if isinstance(result, Receipt):
                return GoodsBack(line, judged.judgement, result, _number(result, "return:"))
            refusal = result
            if not result.retry:
                break
        assert refusal is not None
        raise MarketRefused(refusal)

    async def _judge_return(self, line: ReturnLine, place: Place | None) -> JudgedReturn:
        policy, second = self._policy_for(line.at), local_second(line.at)
        if policy is None or second is None:
            return JudgedReturn(line, ReturnJudgement("malformed"), place)
        known = await self._all_stations()
        desk = await self._ledger.database.read(
            load_returns_desk, self._ledger.id, line.return_no, line.receipt_no, known
        )
        judgement, sold = judge_return(line, desk, policy), desk.sold
        point_lots: list[tuple[str, int]] = []
        goods_lots: list[tuple[str, int]] = []
        if judgement.verdict == "accepted":
            assert sold is not None
            point_lots = give_back(sold.points_taken, sold.points_back, judgement.points)
            goods_lots = give_back(sold.goods_taken[line.sku], sold.goods_back[line.sku], judgement.quantity)
        return JudgedReturn(
            line, judgement, place, sold, tuple(point_lots), tuple(goods_lots),
            city_to_utc_micros(second, policy.timezone), new_salt(),
        )

    async def _all_stations(self) -> dict[str, Station]:
        self._stations |= await self._ledger.database.read(stations, self._ledger.id) if not self._stations else {}
        return self._stations

    async def receive(self, deliveries: Sequence[tuple[Delivery, Command]]) -> list[Receipt | Refusal]:
        """Put delivered goods on the shelf."""
        now = self._ledger.writer.clock.now()
        drafts = [delivery_draft(delivery, new_salt(), now, command) for delivery, command in deliveries]
        results = await self._ledger.submit(drafts, MARKET)
        self._foil = None
        return list(results)

    async def reverse(self, sequence: int, reason: str, command: Command) -> list[Receipt] | Refusal:
        """Take a basket or a return back as a whole. A basket with returns is not reversible."""
        refusal: Refusal = UnknownEntry(sequence)
        for _ in range(ATTEMPTS):
            draft = await self._reversal(sequence, reason, command)
            if not isinstance(draft, Draft):
                return draft
            [result] = await self._ledger.submit([draft], MARKET)
            self._foil = None
            if isinstance(result, Receipt):
                return [result]
            refusal = result
            if not result.retry or result.code == "state-changed":
                break
        return refusal

    async def _reversal(self, sequence: int, reason: str, command: Command) -> Draft | Refusal:
        known, now = await self._all_stations(), self._ledger.writer.clock.now()
        found = await self._ledger.database.read(_document_of_entry, self._ledger.id, sequence)
        if found is None:
            return UnknownEntry(sequence)
        kind, reference, receipt_no = found
        sold, _ = await self._ledger.database.read(load_sold, self._ledger.id, receipt_no, known)
        if sold is None:
            return NotReversible(sequence, kind)
        if kind == "return":
            return return_reversal(reference, sequence, sold, reason, now, command)
        if sold.points_back or any(sold.goods_back.values()):
            return NotReversible(sequence, kind)
        skus = tuple(sold.goods_taken)
        return basket_reversal(reference, sequence, skus, sold.volunteer, sold.version, reason, now, command)

    def today(self) -> date:
        """The city's date by the server's clock."""
        return city_day(self._ledger.writer.clock.now(), self._policies.policies[-1].timezone)


def _expired(held: list[HeldLot], today: date) -> list[HeldLot]:
    return [lot for lot in held if lot.expires_on < today.isoformat()]


def _sale(judged: JudgedBasket, receipt: Receipt) -> Sale:
    accepted = judged.judgement.verdict == "accepted"
    return Sale(judged.basket, judged.judgement, receipt if accepted else None, _number(receipt, "receipt:"))


def _number(receipt: Receipt, prefix: str) -> int:
    return next((number for name, number in receipt.numbers if name.startswith(prefix)), 0)


def _document_of_entry(connection: Connection, ledger_id: int, sequence: int) -> tuple[str, str, str] | None:
    """Kind, reference and receipt number of the basket or return that an entry posted."""
    t = receipts.c
    row = connection.execute(
        select(t.reference).where(t.ledger_id == ledger_id, t.sequence == sequence, t.sequence > 0)
    ).first()
    if row is not None:
        return "basket", row[0], row[0]
    r = returns.c
    row = connection.execute(
        select(r.reference, r.receipt).where(r.ledger_id == ledger_id, r.sequence == sequence, r.sequence > 0)
    ).first()
    return None if row is None else ("return", row[0], row[1])
