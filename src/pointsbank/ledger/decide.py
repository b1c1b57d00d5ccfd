"""`decide` judges one draft against the books: a pure function, no I/O, no clock, no randomness.

All refusals come first, in the order of `refusals.PRECEDENCE`; after "accepted from here" nothing fails.
"""

from __future__ import annotations

from pointsbank.ledger.books import (
    Accepted,
    AccountState,
    Books,
    Effect,
    LotState,
    Replayed,
    ReversedEntry,
    key_digest,
)
from pointsbank.ledger.chart import AllowedMovement
from pointsbank.ledger.model import (
    MAX_AMOUNT,
    NO_LOT,
    Commodity,
    Draft,
    Movement,
    canonical_documents,
    canonical_metadata,
)
from pointsbank.ledger.refusals import (
    PRECEDENCE,
    AccountDiffers,
    AlreadyReversed,
    AmountOutOfRange,
    CommodityDiffers,
    DocumentExists,
    DocumentMissing,
    InsufficientBalance,
    InvalidDraft,
    KeyConflict,
    LotRequired,
    MovementNotAllowed,
    NotReversible,
    Refusal,
    StaleRead,
    StateChanged,
    UnknownAccount,
    UnknownCommodity,
    UnknownEntry,
)
from pointsbank.ledger.wellformed import malformed

Verdict = Accepted | Replayed | Refusal

MAX_EFFECTS = 2**15 - 1
"""Most postings that one entry may fall into when its movements take from several lots."""


def decide(books: Books, draft: Draft, rooms: frozenset[str], now: int) -> Verdict:
    """Judge one draft. `rooms` is where the caller stands; `now` is microseconds UTC.

    Returns what will be written (`Accepted`), the earlier use of the key (`Replayed`), or why not (a `Refusal`).
    Refused drafts leave the books and the key untouched.
    """
    digest = key_digest(draft.client, draft.key)
    use = books.keys.get(digest)
    if use is not None:
        return Replayed(draft.key, use) if use.request == draft.request else KeyConflict(draft.key)
    refusal: Refusal | None = malformed(books, draft)
    if refusal is None and (draft.reads or draft.changes or draft.rows):
        refusal = _moved_on(books, draft)
    if refusal is not None:
        return refusal
    drafting = _Drafting(books, draft, rooms)
    if draft.opens or draft.commodities:
        refusal = drafting.open_accounts()
    if refusal is None:
        refusal = drafting.mirror() if draft.reverses else drafting.post()
    if refusal is not None:
        return refusal
    # accepted from here
    head, effects = books.head, drafting.effects
    numbers: tuple[tuple[str, int], ...] = ()
    metadata = draft.metadata
    if draft.counters:
        numbers = tuple((name, books.counters[name] + 1) for name in draft.counters)
        metadata += tuple((f"number:{name}", n) for name, n in numbers)
    return Accepted(
        draft,
        digest,
        head.sequence + 1 if effects else 0,
        max(now, head.recorded_at),
        head.posting + 1,
        effects,
        draft.reverses,
        tuple(drafting.new_accounts.values()) if drafting.new_accounts else (),
        tuple(drafting.new_lots.values()) if drafting.new_lots else (),
        tuple(drafting.new_commodities.values()) if drafting.new_commodities else (),
        numbers,
        canonical_metadata(metadata) if metadata else "",
        canonical_documents(draft.documents) if draft.documents else "",
    )


def _moved_on(books: Books, draft: Draft) -> Refusal | None:
    """Whether something the command had read is different now."""
    versions = books.subjects
    read = dict(draft.reads) if books.assumes else versions
    for subject, version in draft.reads:
        found = versions[subject] if subject in versions else read[subject]
        if found != version:
            return StaleRead(subject, version, found)
    for change in draft.changes:
        state = books.changes.get((change.table, change.key))
        if state != change.old and not (state is None and books.assumes):
            return StateChanged(change.table, "/".join(map(str, change.key)), change.old, state or "")
    seen: set[tuple[str, tuple[int | str, ...]]] = set()
    for row in draft.rows:
        identity = (row.table, row.key)
        if books.documents.get(identity) or identity in seen:
            return DocumentExists(row.table, "/".join(map(str, row.key)))
        seen.add(identity)
    return None


class _Drafting:
    """One draft being worked out: its effects so far, seen before the books themselves."""

    __slots__ = (
        "books",
        "draft",
        "effects",
        "new_accounts",
        "new_commodities",
        "new_lots",
        "pending",
        "remembered",
        "rooms",
        "touched",
    )

    def __init__(self, books: Books, draft: Draft, rooms: frozenset[str]) -> None:
        self.books = books
        self.draft = draft
        self.rooms = rooms
        self.effects: list[Effect] = []
        self.new_accounts: dict[str, AccountState] = {}
        self.new_lots: dict[tuple[str, str], LotState] = {}
        self.new_commodities: dict[str, Commodity] = {}
        # version, balance by lot and total by commodity of accounts that earlier postings of this draft moved:
        # of the first `remembered` effects, so that a draft of one posting pays nothing for it
        self.remembered = 0
        self.touched: dict[tuple[int, int | str], int] = {}
        self.pending: dict[int, int] = {}

    def open_accounts(self) -> Refusal | None:
        books = self.books
        for commodity in self.draft.commodities:
            known = books.commodities.get(commodity.code) or self.new_commodities.get(commodity.code)
            if known is None:
                self.new_commodities[commodity.code] = commodity
            elif known != commodity:
                return CommodityDiffers(commodity.code)
        for opening in self.draft.opens:
            account = self.account(opening.path)
            if account is not None:
                if opening.floor is not None and account.floor != opening.floor:
                    return AccountDiffers(opening.path, account.floor)
                continue
            kind = books.chart.kind_of(opening.path)
            assert kind is not None, "a well-formed draft opens only accounts of the chart"
            floor = opening.floor if kind.floor == "budget" else (0 if kind.floor == "zero" else None)
            number = books.head.account + len(self.new_accounts) + 1
            self.new_accounts[opening.path] = AccountState(
                number, opening.path, kind.name, kind.normal_side, floor
            )
        return None

    def account(self, path: str) -> AccountState | None:
        return self.books.accounts.get(path) or self.new_accounts.get(path)

    def post(self) -> Refusal | None:
        """Work out the movements in their order; each sees the effect of those before it."""
        movements = self.draft.movements
        for at, movement in enumerate(movements, 1):
            refusal = self._post_movement(movement)
            if refusal is not None:
                return self._first_in_precedence(refusal, movements[at:])
        return None

    def _first_in_precedence(self, refusal: Refusal, later: tuple[Movement, ...]) -> Refusal:
        """A later movement may have a fault that comes before an earlier one's: an unknown account, say."""
        for movement in later:
            found = self._sides(movement)
            if isinstance(found, Refusal) and PRECEDENCE.index(type(found)) < PRECEDENCE.index(type(refusal)):
                refusal = found
        return refusal

    def _post_movement(self, movement: Movement) -> Refusal | None:
        sides = self._sides(movement)
        if isinstance(sides, Refusal):
            return sides
        commodity, debit, credit = sides
        if movement.lot or not commodity.has_lots:
            return self._effect(
                debit, credit, self._lot(commodity.code, movement.lot or NO_LOT), movement.amount
            )
        return self._take_first_expiring(debit, credit, movement)

    def _sides(self, movement: Movement) -> tuple[Commodity, AccountState, AccountState] | Refusal:
        """The commodity and the two accounts of a movement, or why it may not be, whatever the balances are."""
        books, draft = self.books, self.draft
        commodity = books.commodities.get(movement.commodity) or self.new_commodities.get(movement.commodity)
        if commodity is None:
            return UnknownCommodity(movement.commodity)
        accounts, opened = books.accounts, self.new_accounts
        debit = accounts.get(movement.debit) or opened.get(movement.debit)
        if debit is None:
            return UnknownAccount(movement.debit)
        credit = accounts.get(movement.credit) or opened.get(movement.credit)
        if credit is None:
            return UnknownAccount(movement.credit)
        allowed = books.chart.allows(draft.kind, debit.kind, credit.kind, commodity.code)
        if allowed is None or allowed.room not in self.rooms or (allowed.first and books.head.sequence):
            return MovementNotAllowed(movement.debit, movement.credit, movement.commodity, draft.kind)
        if allowed.document and not self._carries(allowed):
            return DocumentMissing(draft.kind, allowed.document)
        if not movement.lot and commodity.has_lots and _giver(debit, credit) is None:
            return LotRequired(movement.commodity)
        return commodity, debit, credit

    def _carries(self, allowed: AllowedMovement) -> bool:
        return allowed.document in [document.kind for document in self.draft.documents]

    def _lot(self, commodity: str, code: str) -> LotState:
        lot = self.books.lots.get((commodity, code)) or self.new_lots.get((commodity, code))
        if lot is None:
            lot = LotState(self.books.head.lot + len(self.new_lots) + 1, commodity, code)
            self.new_lots[commodity, code] = lot
        return lot

    def _take_first_expiring(
        self, debit: AccountState, credit: AccountState, movement: Movement
    ) -> Refusal | None:
        """Split the movement over the lots of the account that gives, the first-expiring lot first."""
        giver = _giver(debit, credit)
        assert giver is not None
        self._remember()
        lots_by_number = self.books.lots_by_number
        lots = {number: lots_by_number[number] for number in giver.balances}
        for e in self.effects:  # what came in earlier in this draft may leave again
            if e.debit is giver or e.credit is giver:
                lots[e.lot.number] = e.lot
        held: list[tuple[str, str, LotState, int]] = []
        for number, lot in lots.items():
            if lot.commodity == movement.commodity:
                balance = self._balance(giver, number)
                if balance > 0:
                    held.append((lot.expires_on, lot.code, lot, balance))
        have = sum(balance for *_, balance in held)
        if have < movement.amount:
            return InsufficientBalance(
                giver.path, movement.commodity, "", have, giver.floor or 0, movement.amount
            )
        held.sort(key=lambda item: item[:2])
        rest = movement.amount
        for _, _, lot, balance in held:
            taken = min(rest, balance)
            refusal = self._effect(debit, credit, lot, taken)
            if refusal is not None:
                return refusal
            rest -= taken
            if not rest:
                break
        if len(self.effects) > MAX_EFFECTS:
            return InvalidDraft(f"the movements fall into more than {MAX_EFFECTS} postings")
        return None

    def _balance(self, account: AccountState, lot: int) -> int:
        pending = self.touched.get((account.number, lot))
        return pending if pending is not None else account.balances.get(lot, 0)

    def _effect(
        self, debit: AccountState, credit: AccountState, lot: LotState, amount: int
    ) -> Refusal | None:
        """Add one posting if neither side falls under its floor."""
        number, commodity = lot.number, lot.commodity
        debit_version, credit_version = debit.version + 1, credit.version + 1
        debit_balance, credit_balance = debit.balances.get(number, 0), credit.balances.get(number, 0)
        debit_total, credit_total = debit.totals.get(commodity, 0), credit.totals.get(commodity, 0)
        if self.effects:
            self._remember()
            touched, d, c = self.touched, debit.number, credit.number
            debit_version = self.pending.get(d, debit.version) + 1
            credit_version = self.pending.get(c, credit.version) + 1
            debit_balance = touched.get((d, number), debit_balance)
            credit_balance = touched.get((c, number), credit_balance)
            debit_total = touched.get((d, commodity), debit_total)
            credit_total = touched.get((c, commodity), credit_total)
        debit_change = -amount if debit.is_credit_normal else amount
        credit_change = amount if credit.is_credit_normal else -amount
        debit_balance += debit_change
        debit_total += debit_change
        credit_balance += credit_change
        credit_total += credit_change
        if not (-MAX_AMOUNT <= debit_total <= MAX_AMOUNT and -MAX_AMOUNT <= debit_balance <= MAX_AMOUNT):
            return self._beyond(debit, lot, debit_total, amount)
        if not (-MAX_AMOUNT <= credit_total <= MAX_AMOUNT and -MAX_AMOUNT <= credit_balance <= MAX_AMOUNT):
            return self._beyond(credit, lot, credit_total, amount)
        if debit_change < 0 and debit.floor is not None:
            refusal = _under_floor(debit, lot, debit_balance, debit_total, amount)
            if refusal is not None:
                return refusal
        if credit_change < 0 and credit.floor is not None:
            refusal = _under_floor(credit, lot, credit_balance, credit_total, amount)
            if refusal is not None:
                return refusal
        self.effects.append(
            Effect(
                self.books.head.posting + len(self.effects) + 1,
                debit,
                credit,
                lot,
                amount,
                debit_version,
                credit_version,
                debit_balance,
                credit_balance,
                debit_total,
                credit_total,
            )
        )
        return None

    def _remember(self) -> None:
        """Note what the effects so far have moved, for those that follow."""
        touched, pending = self.touched, self.pending
        for e in self.effects[self.remembered :]:
            d, c, number, commodity = e.debit.number, e.credit.number, e.lot.number, e.lot.commodity
            touched[d, number], touched[c, number] = e.debit_balance, e.credit_balance
            touched[d, commodity], touched[c, commodity] = e.debit_total, e.credit_total
            pending[d], pending[c] = e.debit_version, e.credit_version
        self.remembered = len(self.effects)

    def mirror(self) -> Refusal | None:
        """Work out the mirrored postings of the entry that the draft reverses, into the same lots."""
        books, sequence = self.books, self.draft.reverses
        target = books.entries.get(sequence)
        if target is None:
            return UnknownEntry(sequence)
        if target.reversed_by:
            return AlreadyReversed(sequence, target.reversed_by)
        if books.chart.reversible.get(target.entry.kind) not in self.rooms or target.entry.reverses:
            return NotReversible(sequence, target.entry.kind)
        return self._mirror_postings(target)

    def _mirror_postings(self, target: ReversedEntry) -> Refusal | None:
        for posting in reversed(target.entry.postings):
            debit, credit = self.account(posting.credit), self.account(posting.debit)
            assert debit is not None
            assert credit is not None
            refusal = self._effect(debit, credit, self._lot(posting.commodity, posting.lot), posting.amount)
            if refusal is not None:
                return refusal
        return None

    def _beyond(self, account: AccountState, lot: LotState, total: int, amount: int) -> Refusal:
        """More than an account can hold. A budget that was never set ends there, too, and is used up then."""
        kind = self.books.chart.kind_of(account.path)
        if kind is not None and kind.floor == "budget" and total < -MAX_AMOUNT:
            floor = -MAX_AMOUNT if account.floor is None else account.floor
            return InsufficientBalance(account.path, lot.commodity, "", total + amount, floor, amount)
        return AmountOutOfRange(account.path, amount)


def _giver(debit: AccountState, credit: AccountState) -> AccountState | None:
    """The side whose lots a movement takes: the one that falls, unless both fall, none does, or it issues."""
    debit_gives, credit_gives = debit.is_credit_normal, not credit.is_credit_normal
    if debit_gives == credit_gives:
        return None
    giver = debit if debit_gives else credit
    return giver if giver.floor is None or giver.floor >= 0 else None


def _under_floor(
    account: AccountState, lot: LotState, balance: int, total: int, amount: int
) -> Refusal | None:
    """Refuse a fall by `amount` to `balance` in the lot and `total` in all lots.

    A floor of 0 holds for each lot; a budget (a floor under 0) for the sum over the lots.
    """
    floor = account.floor
    if floor == 0:
        if balance < 0:
            return InsufficientBalance(account.path, lot.commodity, lot.code, balance + amount, 0, amount)
    elif floor is not None and total < floor:
        return InsufficientBalance(account.path, lot.commodity, "", total + amount, floor, amount)
    return None
