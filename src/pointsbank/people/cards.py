"""Cards: a random token in the code or chip shows whose it is, with a PIN it opens. Its printed number opens nothing.

Two members of staff issue one or put another in its place; freezing takes one, anybody with the printed number at the
desk, and holds at once. The account is not the card: the balance stays.
"""

from __future__ import annotations

import secrets
from base64 import b32encode
from collections.abc import Collection
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, and_, insert, select, update

from pointsbank.engine.ids import new_id
from pointsbank.people import acts
from pointsbank.people.acts import Act, Proposed
from pointsbank.people.model import USUAL, Contents
from pointsbank.people.notices import enqueue, tell_helpers
from pointsbank.people.refusals import SecondPersonNeeded, UnknownCard, UnknownChange
from pointsbank.people.store import PeopleStore
from pointsbank.people.store_tables import cards, persons

TOKEN_BYTES: Final = 10
"""80 random bits: nobody finds one by trying, least of all under the limits of a terminal."""

PREFIX: Final = "PBC"
NUMBER_DIGITS: Final = 12

ISSUING: Final = ("card-issue", "card-replacement")


class Card(msgspec.Struct, frozen=True):
    """A card as the desk sees it. Times are microseconds UTC; it may spend from `effective_at` on."""

    id: str
    person_id: str
    state: str
    issued_at: int
    effective_at: int


class IssuedCard(Contents, frozen=True):
    """A new card: what goes into its code or chip, and what is printed on it. Shown this once."""

    card: Card
    token: str
    number: str


class Cards:
    """Issues, freezes and finds cards. `delay` (microseconds) runs before a new one may spend."""

    def __init__(self, store: PeopleStore, *, delay: int = USUAL.new_means_micros) -> None:
        self.store = store
        self.delay = delay

    async def propose(self, person_id: str, by: str, *, household: Collection[str] = ()) -> Proposed:
        """Propose a card for somebody. Whoever has one gets another in its place; the old one is dead at once."""
        now = self.store.clock.now()

        def work(connection: Connection) -> Proposed:
            held = _cards(connection, self._of(person_id), cards.c.state != "replaced")
            kind: acts.ActKind = "card-replacement" if held else "card-issue"
            act = acts.propose(connection, self.store.vault, person_id, kind, "", by, household, now)
            if isinstance(act, Act):
                self._freeze(connection, person_id, by, now)
            return act

        return await self.store.write(work)

    async def propose_unfreezing(
        self, person_id: str, by: str, *, household: Collection[str] = ()
    ) -> Proposed | UnknownCard:
        """Propose that a frozen card, which was found again, opens once more."""
        now = self.store.clock.now()

        def work(connection: Connection) -> Proposed | UnknownCard:
            if not _cards(connection, self._of(person_id), cards.c.state == "frozen"):
                return UnknownCard()
            return acts.propose(
                connection, self.store.vault, person_id, "card-unfreezing", "", by, household, now
            )

        return await self.store.write(work)

    async def confirm(
        self, person_id: str, act_id: str, by: str, *, household: Collection[str] = ()
    ) -> IssuedCard | UnknownChange | SecondPersonNeeded:
        """Confirm a card that another proposed: what it holds, this once. Earlier cards of the person are dead."""
        now, vault = self.store.clock.now(), self.store.vault
        token, number = new_token(), new_number()

        def work(connection: Connection) -> IssuedCard | UnknownChange | SecondPersonNeeded:
            confirmed = acts.confirm(
                connection, vault, person_id, act_id, ISSUING, by, household, now, self.delay
            )
            if not isinstance(confirmed, tuple):
                return confirmed
            act = confirmed[0]
            connection.execute(
                update(cards)
                .where(self._of(person_id), cards.c.state != "replaced")
                .values(state="replaced", changed_at=now, changed_by=by)
            )
            card = Card(new_id(), person_id, "active", now, act.effective_at)
            key = vault.keys_of(connection, [person_id])[person_id]
            connection.execute(
                insert(cards).values(
                    ledger_id=vault.ledger_id, person_id=person_id, card_id=card.id,
                    token_digest=self._digest("card token", token), number_digest=self._digest("card number", number),
                    number=vault.seal(key, f"card {card.id}", number), state="active", issued_at=now, issued_by=by,
                    effective_at=act.effective_at, changed_at=now, changed_by=by,
                )
            )  # fmt: skip
            return IssuedCard(card, token, number)

        return await self.store.write(work)

    async def confirm_unfreezing(
        self, person_id: str, act_id: str, by: str, *, household: Collection[str] = ()
    ) -> Act | UnknownChange | SecondPersonNeeded:
        """Confirm that a frozen card opens again; it spends after the delay."""
        now = self.store.clock.now()

        def work(connection: Connection) -> Act | UnknownChange | SecondPersonNeeded:
            confirmed = acts.confirm(
                connection, self.store.vault, person_id, act_id, ("card-unfreezing",), by, household, now,
                self.delay,
            )  # fmt: skip
            if not isinstance(confirmed, tuple):
                return confirmed
            act = confirmed[0]
            connection.execute(
                update(cards)
                .where(self._of(person_id), cards.c.state == "frozen")
                .values(state="active", effective_at=act.effective_at, changed_at=now, changed_by=by)
            )
            return act

        return await self.store.write(work)

    async def freeze(self, person_id: str, by: str) -> UnknownCard | None:
        """Stop the card of somebody at once; one is enough, and the holder too. The balance stays."""
        now = self.store.clock.now()

        def work(connection: Connection) -> UnknownCard | None:
            if not _cards(connection, self._of(person_id), cards.c.state != "replaced"):
                return UnknownCard()
            if self._freeze(connection, person_id, by, now):
                tell_helpers(connection, self.store.vault, person_id, "ward-card-frozen", now)
                enqueue(connection, self.store.vault, person_id, "card-frozen", now)
            return None

        return await self.store.write(work)

    async def holder_of_number(self, number: str) -> str | None:
        """Whose card has this printed number; for the desk that freezes a card which was found in the street."""
        digits = "".join(ch for ch in number if ch.isascii() and ch.isdigit())
        found = await self._found(cards.c.number_digest == self._digest("card number", digits))
        return found.person_id if found is not None else None

    async def of_token(self, token: str) -> Card | None:
        """The card with this token. Frozen and replaced ones, and those of whom nothing may be done, are not found."""
        text = token_in(token)
        if text is None:
            return None
        found = await self._found(cards.c.token_digest == self._digest("card token", text))
        return found if found is not None and found.state == "active" else None

    async def of(self, person_id: str) -> list[Card]:
        """Every card that somebody ever had, oldest first."""
        return await self.store.read(lambda c: _cards(c, self._of(person_id)))

    async def _found(self, condition: Any) -> Card | None:
        p = persons.c

        def work(connection: Connection) -> Card | None:
            found = _cards(connection, cards.c.ledger_id == self.store.ledger_id, condition)
            if not found:
                return None
            state = connection.execute(
                select(p.state).where(p.ledger_id == self.store.ledger_id, p.person_id == found[0].person_id)
            ).scalar()
            return found[0] if state == "active" else None

        return await self.store.read(work)

    def _freeze(self, connection: Connection, person_id: str, by: str, now: int) -> int:
        return connection.execute(
            update(cards)
            .where(self._of(person_id), cards.c.state == "active")
            .values(state="frozen", changed_at=now, changed_by=by)
        ).rowcount

    def _of(self, person_id: str) -> Any:
        return and_(cards.c.ledger_id == self.store.ledger_id, cards.c.person_id == person_id)

    def _digest(self, what: str, text: str) -> bytes:
        return self.store.vault.indexes.request_digest(what, text)


def new_token() -> str:
    """What a new card holds: 80 random bits as text that a reader can type for it."""
    return PREFIX + b32encode(secrets.token_bytes(TOKEN_BYTES)).decode()


def token_in(text: str) -> str | None:
    """A token in its one written form, from what a reader gave; None if it is none."""
    plain = text.strip().replace("-", "").upper()
    is_token = (
        len(plain) == len(PREFIX) + 16 and plain.startswith(PREFIX) and plain.isascii() and plain.isalnum()
    )
    return plain if is_token else None


def new_number() -> str:
    """What is printed on a new card: random digits, the last of which checks the others (Luhn)."""
    digits = [secrets.randbelow(10) for _ in range(NUMBER_DIGITS - 1)]
    total = sum(
        sum(divmod(2 * digit, 10)) if at % 2 == 0 else digit for at, digit in enumerate(reversed(digits))
    )
    return "".join(map(str, [*digits, -total % 10]))


def _cards(connection: Connection, *conditions: Any) -> list[Card]:
    t = cards.c
    query = (
        select(t.card_id, t.person_id, t.state, t.issued_at, t.effective_at)
        .where(*conditions)
        .order_by(t.card_id)
        .limit(100)
    )
    return [Card(*row) for row in connection.execute(query)]
