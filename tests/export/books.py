"""A small rich ledger, posted through the real writer: every kind of entry, and texts that mean harm."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import md5, sha256
from typing import NamedTuple, cast

from sqlalchemy import Connection, select

from pointsbank.engine.registry import Ledger, open_ledger
from pointsbank.ledger.chart import SHIPPED, AccountType
from pointsbank.ledger.model import Attachment, Commodity, Draft, Movement, OpenAccount, Receipt
from pointsbank.policy.calendar import city_to_utc_micros, local_second
from pointsbank.readers.trial_balance import AccountLines, account_lines
from pointsbank.store import tables as t
from pointsbank.store.database import Database

ROOMS = frozenset(("hours", "points", "market", "journal"))
DOCUMENT = {"earn": "service-record", "release": "service-record", "basket": "receipt", "return": "return"}
DOCUMENT |= {"receive": "delivery"}

RICE = Commodity("SKU:G001", 0, has_lots=True)
OIL = Commodity("SKU:OIL-5.L", 3, has_lots=True)
LOOKALIKE = Commodity("SKU:OIL:5.L", 3, has_lots=True)
HOSTILE = Commodity('SKU:大米" ; , date:1999-01-01 [2001-01-01] \\', 1, has_lots=True)
LONG = Commodity("SKU:" + "G0" * 40, 0, has_lots=True)
GOODS = (RICE, OIL, LOOKALIKE, HOSTILE, LONG)

PERSON = "0198c3a1-7e42-7b11-9d2f-5a60b3c7e901"
PEOPLE = (PERSON, "V0001", "v0001", "x-1", "X-1", "a_b", "a--5f-b", "a.b", "-1_", "--2d-", "z" * 64)
SHOP = "0421"
LOT = "2027-12-31/2026-city"
HOSTILE_LOT = '2028-01-01/x" , date:1999-01-01 ; [2001-01-01] \\'


def at(time: str) -> int:
    """UTC microseconds of a time in the city, `YYYY-MM-DD HH:MM:SS`."""
    second = local_second(time)
    assert second is not None
    return city_to_utc_micros(second, "Asia/Shanghai")


def draft(kind: str, key: str, time: str, *movements: Movement, reason: str = "", reverses: int = 0) -> Draft:
    carried = DOCUMENT.get(kind)
    return Draft(
        kind,
        key,
        "test",
        md5(key.encode()).digest(),
        at(time),
        movements,
        actor="0198c3a1-0000-7000-8000-000000000001",
        place="station/0421",
        reason=reason,
        reverses=reverses,
        documents=(Attachment(carried, key, sha256(key.encode()).digest()),) if carried else (),
        commodities=GOODS,
        opens=tuple(OpenAccount(p) for p in sorted({p for m in movements for p in (m.debit, m.credit)})),
    )


def wallet(person: str, state: str = "available") -> str:
    return f"volunteer:{person}:{state}"


def earn(person: str, key: str, time: str, points: int, lot: str = LOT, state: str = "available") -> Draft:
    return draft(
        "earn",
        key,
        time,
        Movement("category:home-care:given", wallet(person, "merit"), "MINUTE", 1 + points // 10),
        Movement("fund:2026-city:issued", wallet(person, state), "POINT", points, lot),
        reason='quote" , semicolon; [2001-01-01] date:2001-01-01 (x) = 米 \\',
    )


def goods(
    kind: str, key: str, time: str, commodity: Commodity, amount: int, lot: str = "never/donor"
) -> Draft:
    stock, other = (
        f"station:{SHOP}:stock",
        "donor:d1:given" if kind == "receive" else f"station:{SHOP}:handed-out",
    )
    sides = (other, stock) if kind == "basket" else (stock, other)
    return draft(kind, key, time, Movement(*sides, commodity.code, amount, lot))


RECEIVED = [goods("receive", f"rc-{n}", "2026-01-05 08:00:00", c, 90 + n) for n, c in enumerate(GOODS)]
EARNED = [earn(p, f"hr-{n}", f"2026-01-{n + 6:02} 09:30:00", 1950 + n) for n, p in enumerate(PEOPLE)]


def spent_and_mended() -> list[Draft]:
    redeemed, handed_out, stock = (f"station:{SHOP}:{what}" for what in ("redeemed", "handed-out", "stock"))
    available, pending = wallet(PERSON), wallet(PERSON, "pending")
    return [
        # half an hour into the city's day, still the day before in UTC
        earn(PERSON, "late", "2026-01-03 00:30:00", 1, HOSTILE_LOT, "pending"),
        earn("V0001", "whole", "2026-01-04 23:59:59", 7, "2027-06-30/2026-city"),
        draft("release", "rl", "2026-02-01 00:00:00", Movement(pending, available, "POINT", 1)),
        draft(
            "basket",
            "bk",
            "2026-02-02 12:00:00",
            Movement(available, redeemed, "POINT", 500),
            *(Movement(handed_out, stock, c.code, 2) for c in GOODS),
        ),
        draft(
            "return",
            "rt",
            "2026-02-03 12:00:00",
            Movement(redeemed, available, "POINT", 100, LOT),
            Movement(stock, handed_out, RICE.code, 1, "never/donor"),
        ),
        # all that V0001 has: its balance comes to zero
        draft(
            "expire",
            "ex",
            "2028-01-01 00:10:00",
            Movement(wallet("V0001"), "fund:2026-city:expired", "POINT", 1958),
        ),
        draft("memo", "mm", "2026-03-01 10:00:00", Movement("memo:a", "memo:b", "CNY", 12_345_678_901)),
    ]


@asynccontextmanager
async def small_town(database: Database) -> AsyncIterator[Ledger]:
    """The ledger `town` on the shipped chart, with everything above posted in it and one basket reversed."""
    async with open_ledger(database, "town", SHIPPED) as ledger:
        receipts = await post(ledger, [*RECEIVED, *EARNED, *spent_and_mended()])
        memo = receipts[-1].sequence
        await post(ledger, [draft("undo", "rv", "2026-03-02 10:00:00", reverses=memo)])
        await post(
            ledger, [draft("memo", "m2", "2026-03-03 10:00:00", Movement("memo:a", "memo:b", "CNY", 5))]
        )
        yield ledger


async def post(ledger: Ledger, drafts: list[Draft]) -> list[Receipt]:
    results = await ledger.submit(drafts, ROOMS)
    receipts = [result for result in results if isinstance(result, Receipt)]
    assert len(receipts) == len(drafts), [result for result in results if not isinstance(result, Receipt)]
    return receipts


class Balance(NamedTuple):
    """One line of the trial balance, debit positive, in minor units."""

    path: str
    type: AccountType
    commodity: str
    scale: int
    amount: int


def trial_balance(connection: Connection, ledger_id: int) -> list[Balance]:
    """What the bank itself says stands where, account by account."""
    rows = connection.execute(select(t.commodities.c.commodity, t.commodities.c.scale)).all()
    scales = {code: scale for code, scale in rows}  # noqa: C416 - rows are not pairs to a type checker
    page = account_lines(connection, ledger_id, limit=500)
    assert isinstance(page, AccountLines)
    assert page.next is None
    return [
        Balance(
            line.account,
            cast(AccountType, line.type),
            line.commodity,
            scales[line.commodity],
            line.debit - line.credit,
        )
        for line in page.lines
    ]
