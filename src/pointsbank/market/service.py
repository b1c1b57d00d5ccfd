"""The verbs of the market room: sell baskets, take goods back, receive deliveries, reverse."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import date
from types import MappingProxyType

import msgspec

from pointsbank.engine.commands import Command, new_salt
from pointsbank.engine.receipts import cause_of, receipt_of_entry
from pointsbank.engine.registry import Ledger
from pointsbank.intake.lines import Place, effective_micros, verdicts_at
from pointsbank.ledger.model import Draft, Receipt
from pointsbank.ledger.refusals import (
    AlreadyReversed,
    GroupRefused,
    InsufficientBalance,
    KeyConflict,
    NotReversible,
    Refusal,
    UnknownEntry,
)
from pointsbank.market.context import Catalogue, Counterfoil
from pointsbank.market.model import Basket, BasketJudgement, ReturnJudgement, ReturnLine
from pointsbank.market.postings import (
    MARKET,
    Delivery,
    JudgedBasket,
    JudgedReturn,
    basket_draft,
    basket_request,
    basket_reversal,
    delivery_draft,
    price_list,
    return_draft,
    return_request,
    return_reversal,
    reversal_request,
)
from pointsbank.market.rules import give_back, judge_basket, judge_return, pieces_of
from pointsbank.market.sold import (
    basket_on_file,
    document_of_entry,
    load_returns_desk,
    load_sold,
    return_on_file,
)
from pointsbank.people.directory import directory_of
from pointsbank.people.volunteers import Volunteer
from pointsbank.points.lots import expiry
from pointsbank.policy.book import NoPolicyError, PolicyBook
from pointsbank.policy.calendar import city_day, local_day, local_second
from pointsbank.policy.model import Policy
from pointsbank.readers.journal import entry_by_key, reversals_of

ATTEMPTS = 10
FOIL_SIZE = 50_000
"""People and receipts that a counterfoil remembers before it is left for a fresh one."""
TOGETHER, MOST_TOGETHER = 64, 256
"""Baskets of different callers that are posted together: so many at least if they are there, so many at most."""
TILLS = 2
"""How many such groups are under way at a time: one is looked up while the other is being written."""


class MarketRefused(Exception):
    """The ledger refused what the rules accepted, for good or again and again: nothing was written."""

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
    unit_prices: tuple[tuple[str, int], ...] = ()
    """Of each SKU, in hundredths of a point; empty of an earlier command's sale."""


class GoodsBack(msgspec.Struct, frozen=True):
    """What became of a return. `receipt` is there if it was taken, now or by an earlier command with this key."""

    line: ReturnLine
    judgement: ReturnJudgement
    receipt: Receipt | None = None
    number: int = 0


Order = tuple[Place | None, Basket, Command]
"""A basket, where it stands in a file if it comes from one, and the command to sell it."""


class _Waiting(msgspec.Struct, frozen=True):
    """An order at a till, who waits for it, and who holds the number if that was looked up just now."""

    order: Order
    future: asyncio.Future[Sale]
    holder: Volunteer | None


class MarketService:
    """The love supermarket's till, for all shops of the city.

    With `keeps_refusals` (files, replays) a refused basket takes its number and keeps its verdict; at a live till
    it leaves nothing, so that the cashier may try again with less. With `expires_first` a basket or a return posts
    the expiry that is due for the wallet before itself; a replay does not, its expiry is a step of its own.
    """

    def __init__(
        self,
        ledger: Ledger,
        policies: PolicyBook,
        *,
        keeps_refusals: bool = False,
        expires_first: bool = True,
    ) -> None:
        self._ledger = ledger
        self._policies = policies
        self._keeps_refusals = keeps_refusals
        self._expires_first = expires_first
        self._catalogue = Catalogue()
        self._foil: Counterfoil | None = None
        """What is remembered between two calls of `sell_all`. Who sells with it takes it away meanwhile."""
        self._waiting: deque[_Waiting] = deque()
        self._tills: set[asyncio.Task[None]] = set()

    async def sell(self, basket: Basket, command: Command, holder: Volunteer | None = None) -> Sale:
        """Sell one basket at a till: as a whole or not at all. A key that sold before gives that sale again.

        Baskets that wait at one moment are looked up and posted together. `holder` is who has the basket's number, if
        the caller looked that up just now. Raises MarketRefused, WriterError.
        """
        future: asyncio.Future[Sale] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting((None, basket, command), future, holder))
        if len(self._tills) < TILLS:
            self._tills.add(asyncio.create_task(self._sell_waiting()))
        return await future

    async def _sell_waiting(self) -> None:
        try:
            while self._waiting:
                share = min(len(self._waiting), max(TOGETHER, len(self._waiting) // TILLS), MOST_TOGETHER)
                await self._sell_together([self._waiting.popleft() for _ in range(share)])
        finally:
            # in the same turn in which it stopped looking, or a basket that comes now would wait for nobody
            till = asyncio.current_task()
            assert till is not None
            self._tills.discard(till)

    async def _sell_together(self, waiting: list[_Waiting]) -> None:
        """Sell baskets of several callers; one that is refused for good is set apart and fails alone."""
        holders = {one.order[1].volunteer: one.holder for one in waiting if one.holder}
        try:
            sales, _ = await self._sell([one.order for one in waiting], None, holders)
        except Exception as error:
            if isinstance(error, MarketRefused) and len(waiting) > 1:
                for one in waiting:
                    await self._sell_together([one])
                return
            for one in waiting:
                if not one.future.done():
                    one.future.set_exception(error)
            return
        for one, sale in zip(waiting, sales, strict=True):
            if not one.future.done():
                one.future.set_result(sale)

    async def sell_all(self, orders: Sequence[Order]) -> list[Sale]:
        """Judge and sell baskets in the order given, each as a whole or not at all.

        What the ledger finds moved is judged again. Raises MarketRefused, WriterError.
        """
        foil, self._foil = self._foil, None
        sales, self._foil = await self._sell(orders, foil)
        return sales

    async def _sell(
        self,
        orders: Sequence[Order],
        foil: Counterfoil | None,
        holders: Mapping[str, Volunteer] = MappingProxyType({}),
    ) -> tuple[list[Sale], Counterfoil | None]:
        """Sell with a counterfoil, or a fresh one; gives it back if what it remembers is right.

        `holders` were looked up just now, by number; for another try they are looked up again.
        """
        sales: dict[int, Sale] = {}
        refusal: Refusal | None = None
        for _ in range(ATTEMPTS):
            left = [i for i in range(len(orders)) if i not in sales]
            if not left:
                break
            if foil is None or foil.size > FOIL_SIZE:
                foil = Counterfoil(self._catalogue, directory_of(self._ledger))
            refusal = await self._try_to_sell(foil, orders, left, sales, holders)
            if refusal is not None:
                foil, holders = None, {}
                sales |= await self._earlier_sales(orders, [i for i in left if orders[i][0] is not None])
        else:
            assert refusal is not None
            raise MarketRefused(refusal)
        return [sales[i] for i in range(len(orders))], foil

    async def _try_to_sell(
        self,
        foil: Counterfoil,
        orders: Sequence[Order],
        left: list[int],
        sales: dict[int, Sale],
        holders: Mapping[str, Volunteer],
    ) -> Refusal | None:
        """One try; gives the refusal after which those that were not sold must be tried again."""
        baskets = [orders[i][1] for i in left]
        lacking = foil.lacks(baskets)
        people = {number: holders[number] for number in lacking & holders.keys()}
        if lacking - people.keys():
            people |= await directory_of(self._ledger).by_number(lacking - people.keys())
        await self._ledger.database.read(foil.load, self._ledger.id, baskets, people)
        drafts: list[Draft] = []
        handed: list[tuple[int, JudgedBasket, int]] = []
        refused: dict[int, Sale] = {}
        for i in left:
            place, basket, command = orders[i]
            expiring, judged = self._judge(foil, place, basket, command)
            if judged.judgement.verdict == "accepted" or self._keeps_refusals:
                handed.append((i, judged, len(drafts) + len(expiring)))
                drafts += [*expiring, basket_draft(judged, command)]
            else:
                refused[i] = Sale(basket, judged.judgement)
        # Two baskets of one person rest on each other: if the first is not sold, the second was judged wrongly.
        atomic = foil.meet(baskets)
        results = await self._ledger.submit(drafts, MARKET, atomic=atomic) if drafts else []
        refusal: Refusal | None = None
        replayed = []
        for i, judged, position in handed:
            result = results[position]
            if isinstance(result, Receipt):
                sales[i] = _sale(judged, result)
                if result.replayed:
                    replayed.append(i)
            elif isinstance(result, GroupRefused):
                refusal = refusal or cause_of(results, result)
            elif result.retry or isinstance(result, InsufficientBalance):
                refusal = result
            else:
                raise MarketRefused(result)
        if refusal is None:
            sales |= refused
        elif not (refusal.retry or isinstance(refusal, InsufficientBalance)):
            raise MarketRefused(refusal)
        # The key comes before every rule: what it did before is the answer, even if the shelf is empty by now.
        sales |= await self._earlier_sales(orders, [*(refused if refusal is None else ()), *replayed])
        return refusal

    async def _earlier_sales(self, orders: Sequence[Order], some: list[int]) -> dict[int, Sale]:
        """What earlier commands with the keys of some orders did; those whose keys are free are left out."""
        read, ledger_id = self._ledger.database.read, self._ledger.id
        sales: dict[int, Sale] = {}
        for i in some:
            place, basket, command = orders[i]
            entry = await read(entry_by_key, ledger_id, command.client, command.key)
            if entry is not None:
                if entry.request != directory_of(self._ledger).request(*basket_request(basket, place)):
                    raise MarketRefused(KeyConflict(command.key))
                reference, price = await read(basket_on_file, ledger_id, entry.sequence)
                basket = msgspec.structs.replace(basket, receipt_no=basket.receipt_no if place else reference)
                receipt = receipt_of_entry(entry)
                judgement = BasketJudgement("accepted", price, pieces_of(basket))
                sales[i] = Sale(basket, judgement, receipt, _number(receipt, "receipt:"))
            elif place is not None:
                for verdict in (await read(verdicts_at, ledger_id, place.source, [place.line])).values():
                    sales[i] = Sale(basket, BasketJudgement(verdict.verdict))  # type: ignore[arg-type]
        return sales

    def _judge(
        self, foil: Counterfoil, place: Place | None, basket: Basket, command: Command
    ) -> tuple[list[Draft], JudgedBasket]:
        policy, second = self._policy_for(basket.at), local_second(basket.at)
        if policy is None or second is None:
            refused = BasketJudgement("malformed")
            return [], JudgedBasket(basket, refused, place, request=foil.request(basket, place))
        effective_at = effective_micros(second, policy.timezone)
        today = basket.at[:10]
        due = foil.take_expired(basket.volunteer, today) if self._expires_first else []
        expiring = [expiry(held, date.fromisoformat(today), effective_at, command.client) for held in due]
        judgement = judge_basket(basket, foil, policy)
        person = foil.people.get(basket.volunteer)
        judged = JudgedBasket(
            basket,
            judgement,
            place,
            person,
            foil.station(basket.station),
            foil.versions[person.id] if person else 0,
            policy.version,
            price_list(policy, tuple(judgement.pieces)),
            effective_at,
            new_salt(),
            foil.request(basket, place),
            foil.content(basket, sold=judgement.verdict == "accepted"),
        )
        if judged.is_new and (judgement.verdict == "accepted" or self._keeps_refusals):
            foil.take(basket, judgement)
        return expiring, judged

    def _policy_for(self, at: str) -> Policy | None:
        day = local_day(at[:10])
        try:
            return None if day is None else self._policies.in_force(day)
        except NoPolicyError:
            return None

    async def take_back(self, line: ReturnLine, command: Command, place: Place | None = None) -> GoodsBack:
        """Take goods of a receipt back: points into the lots they came from, goods onto the shelf.

        A key that took goods back before gives that return again. Raises MarketRefused, WriterError.
        """
        for _ in range(ATTEMPTS):
            judged, expiring = await self._judge_return(line, place, command)
            accepted = judged.judgement.verdict == "accepted"
            if not accepted and not self._keeps_refusals:
                return await self._earlier_return(line, place, command) or GoodsBack(line, judged.judgement)
            drafts = [*expiring, return_draft(judged, command)]
            results = await self._ledger.submit(drafts, MARKET, atomic=len(drafts) > 1)
            refusals = [r for r in results if isinstance(r, Refusal) and not isinstance(r, GroupRefused)]
            receipt = results[-1]
            if isinstance(receipt, Receipt):
                earlier = await self._earlier_return(line, place, command) if receipt.replayed else None
                return earlier or GoodsBack(
                    line, judged.judgement, receipt if accepted else None, _number(receipt, "return:")
                )
            if not (refusals[0].retry or isinstance(refusals[0], InsufficientBalance)):
                break
            earlier = await self._earlier_return(line, place, command)
            if earlier is not None:
                return earlier
        raise MarketRefused(refusals[0])

    async def _earlier_return(
        self, line: ReturnLine, place: Place | None, command: Command
    ) -> GoodsBack | None:
        """What an earlier command with this key did, None if the key is free."""
        read, ledger_id = self._ledger.database.read, self._ledger.id
        entry = await read(entry_by_key, ledger_id, command.client, command.key)
        if entry is not None:
            if entry.request != return_request(line, place):
                raise MarketRefused(KeyConflict(command.key))
            reference, pieces, points = await read(return_on_file, ledger_id, entry.sequence)
            line = msgspec.structs.replace(line, return_no=line.return_no if place else reference)
            receipt = receipt_of_entry(entry)
            judgement = ReturnJudgement("accepted", pieces, points)
            return GoodsBack(line, judgement, receipt, _number(receipt, "return:"))
        if place is not None:
            for verdict in (await read(verdicts_at, ledger_id, place.source, [place.line])).values():
                return GoodsBack(line, ReturnJudgement(verdict.verdict))  # type: ignore[arg-type]
        return None

    async def _judge_return(
        self, line: ReturnLine, place: Place | None, command: Command
    ) -> tuple[JudgedReturn, list[Draft]]:
        policy, second = self._policy_for(line.at), local_second(line.at)
        if policy is None or second is None:
            return JudgedReturn(line, ReturnJudgement("malformed"), place), []
        desk = await self._ledger.database.read(
            load_returns_desk, self._ledger.id, self._catalogue, line, with_wallet=self._expires_first
        )
        judgement, sold = judge_return(line, desk, policy), desk.sold
        effective_at = effective_micros(second, policy.timezone)
        point_lots: list[tuple[str, int]] = []
        goods_lots: list[tuple[str, int]] = []
        expiring: list[Draft] = []
        if judgement.verdict == "accepted":
            assert sold is not None
            point_lots = give_back(sold.points_taken, sold.points_back, judgement.points)
            goods_lots = give_back(sold.goods_taken[line.sku], sold.goods_back[line.sku], judgement.quantity)
            if self._expires_first:
                today = line.at[:10]
                due = [held for held in desk.held if held.expires_on < today]
                expiring = [expiry(h, date.fromisoformat(today), effective_at, command.client) for h in due]
        judged = JudgedReturn(
            line, judgement, place, sold, tuple(point_lots), tuple(goods_lots), effective_at, new_salt()
        )
        return judged, expiring

    async def receive(self, deliveries: Sequence[tuple[Delivery, Command]]) -> list[Receipt | Refusal]:
        """Put delivered goods on the shelf."""
        now = self._ledger.writer.clock.now()
        drafts = [delivery_draft(delivery, new_salt(), now, command) for delivery, command in deliveries]
        results = await self._ledger.submit(drafts, MARKET)
        return list(results)

    async def reverse(self, sequence: int, reason: str, command: Command) -> list[Receipt] | Refusal:
        """Take a basket or a return back as a whole. A basket with returns is not reversible."""
        refusal: Refusal = UnknownEntry(sequence)
        for _ in range(ATTEMPTS):
            draft = await self._reversal(sequence, reason, command)
            if not isinstance(draft, Draft):
                return await self._earlier_reversal(sequence, reason, command) or draft
            [result] = await self._ledger.submit([draft], MARKET)
            if isinstance(result, Receipt):
                return [result]
            refusal = result
            if not result.retry:
                return await self._earlier_reversal(sequence, reason, command) or refusal
        return refusal

    async def _reversal(self, sequence: int, reason: str, command: Command) -> Draft | Refusal:
        read, ledger_id, now = self._ledger.database.read, self._ledger.id, self._ledger.writer.clock.now()
        found = await read(document_of_entry, ledger_id, sequence)
        if found is None:
            return UnknownEntry(sequence)
        kind, reference, receipt_no = found
        reversed_by = (await read(reversals_of, ledger_id, [sequence])).get(sequence)
        if reversed_by is not None:
            return AlreadyReversed(sequence, reversed_by)
        sold, _ = await read(load_sold, ledger_id, self._catalogue, receipt_no)
        if sold is None:
            return NotReversible(sequence, kind)
        if kind == "return":
            return return_reversal(reference, sequence, sold, reason, now, command)
        if sold.points_back or any(sold.goods_back.values()):
            return NotReversible(sequence, kind)
        skus = tuple(sold.goods_taken)
        return basket_reversal(reference, sequence, skus, sold.volunteer, sold.version, reason, now, command)

    async def _earlier_reversal(
        self, sequence: int, reason: str, command: Command
    ) -> list[Receipt] | Refusal | None:
        """What an earlier command with this key did, None if the key is free."""
        read, ledger_id = self._ledger.database.read, self._ledger.id
        entry = await read(entry_by_key, ledger_id, command.client, command.key)
        if entry is None:
            return None
        found = await read(document_of_entry, ledger_id, sequence)
        same = found is not None and entry.request == reversal_request(found[1], reason)
        return [receipt_of_entry(entry)] if same else KeyConflict(command.key)

    def today(self) -> date:
        """The city's date by the server's clock."""
        return city_day(self._ledger.writer.clock.now(), self._policies.policies[-1].timezone)


def _sale(judged: JudgedBasket, receipt: Receipt) -> Sale:
    accepted = judged.judgement.verdict == "accepted"
    return Sale(
        judged.basket,
        judged.judgement,
        receipt if accepted else None,
        _number(receipt, "receipt:"),
        judged.unit_prices,
    )


def _number(receipt: Receipt, prefix: str) -> int:
    return next((number for name, number in receipt.numbers if name.startswith(prefix)), 0)
