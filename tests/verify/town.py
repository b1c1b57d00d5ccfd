"""A small town whose ledger has something of everything: records, baskets, returns, expiry, reversals."""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from pointsbank.engine.clock import FixedClock
from pointsbank.engine.commands import attach, request_digest
from pointsbank.engine.registry import Ledger, open_ledger
from pointsbank.ledger.model import (
    RECORDED_AT,
    SEQUENCE,
    Cell,
    Change,
    Commodity,
    Draft,
    Movement,
    OpenAccount,
    Receipt,
    Row,
    number_of,
)
from pointsbank.store.database import Database

ROOMS = frozenset(["hours", "market", "points", "people", "places", "journal"])
NOON = 1_790_000_000_000_000
EARLY, LATE = "2027-12-31/fund1", "2028-12-31/fund1"
RICE, OIL = "SKU:RICE", "SKU:OIL"


class Town(NamedTuple):
    """What was posted, by a name of its own."""

    entries: dict[str, Receipt]
    accounts: dict[str, int]
    lots: dict[tuple[str, str], int]
    batches: dict[str, int]

    def entry(self, name: str) -> str:
        return f"entries/{self.entries[name].sequence}"

    def sequence(self, name: str) -> int:
        return self.entries[name].sequence

    def posting(self, name: str, index: int = 0) -> int:
        return self.entries[name].postings[index].number


class _Builder:
    def __init__(self, ledger: Ledger, clock: FixedClock) -> None:
        self.ledger = ledger
        self.clock = clock
        self.receipts: dict[str, Receipt] = {}
        self.batches: dict[str, int] = {}

    async def post(self, name: str, kind: str, *movements: Movement, **fields: object) -> None:
        """One command, one commit, a second later."""
        draft = Draft(
            kind=kind,
            key=f"key-{name}",
            client="town",
            request=request_digest(name),
            effective_at=NOON + len(self.receipts) * 1_000_000,
            movements=movements,
            **fields,  # type: ignore[arg-type]
        )
        self.clock.time += 1_000_000
        [result] = await self.ledger.submit([draft], ROOMS)
        assert isinstance(result, Receipt), (name, result)
        self.receipts[name] = result
        self.batches[name] = len(self.batches) + 1


def _salt(name: str) -> bytes:
    return sha256(name.encode()).digest()[:16]


def _paid(debit: str, credit: str, amount: int, lot: str = "") -> Movement:
    return Movement(debit, credit, "POINT", amount, lot)


async def build_town(database: Database) -> Town:
    """Post the town's first days through the real writer."""
    clock = FixedClock(NOON)
    async with open_ledger(database, clock=clock) as ledger:
        builder = _Builder(ledger, clock)
        await _found(builder)
        await _serve(builder)
        await _shop(builder)
        await _take_back(builder)
        await _settle(builder)
        ids = await database.read(_numbers, ledger.id)
    return Town(builder.receipts, *ids, builder.batches)


def _numbers(connection: object, ledger_id: int) -> tuple[dict[str, int], dict[tuple[str, str], int]]:
    rows = connection.exec_driver_sql(  # type: ignore[attr-defined]
        f"SELECT path, account FROM accounts WHERE ledger_id = {ledger_id}"
    ).fetchall()
    lots = connection.exec_driver_sql(  # type: ignore[attr-defined]
        f"SELECT commodity, code, lot FROM lots WHERE ledger_id = {ledger_id}"
    ).fetchall()
    return dict(tuple(row) for row in rows), {(commodity, code): lot for commodity, code, lot in lots}


async def _found(b: _Builder) -> None:
    await b.post(
        "fund",
        "open-fund",
        opens=(OpenAccount("fund:fund1:issued", -1_000_000), OpenAccount("fund:fund1:expired")),
    )
    await b.post("category", "open-categories", opens=(OpenAccount("category:care:given"),))
    shop = tuple(OpenAccount(f"station:s1:{what}") for what in ("stock", "handed-out", "redeemed"))
    await b.post("station", "open-place", opens=shop)
    for person in ("v1", "v2"):
        await b.post(
            f"register-{person}",
            "register-volunteer",
            opens=tuple(
                OpenAccount(f"volunteer:{person}:{what}") for what in ("available", "pending", "merit")
            ),
            rows=(Row("volunteers", (person, RECORDED_AT, "active")),),
        )
    content = ("s1", "donor1", "2027-06-30", "RICE=50")
    await b.post(
        "delivery",
        "receive",
        Movement("station:s1:stock", "donor:donor1:given", RICE, 50, "2027-06-30/donor1"),
        Movement("station:s1:stock", "donor:donor1:given", OIL, 20, "never/donor1"),
        commodities=(Commodity(RICE, 0, has_lots=True), Commodity(OIL, 0, has_lots=True)),
        opens=(OpenAccount("donor:donor1:given"),),
        documents=(attach("delivery", "D1", _salt("D1"), *content),),
        rows=(
            Row(
                "deliveries", ("D1", "s1", "donor1", "\x1f".join(content), SEQUENCE, _salt("D1"), RECORDED_AT)
            ),
        ),
    )


async def _earn(
    b: _Builder, name: str, person: str, minutes: int, points: int, lot: str, wallet: str = "available"
) -> None:
    fields = (name, person, "2026-11-20", "care", str(minutes))
    state = "pending" if wallet == "pending" else "credited"
    values: tuple[Cell, ...] = (
        name, person, "\x1f".join(fields), "accepted", state,
        "2026-11-20", 0, minutes, minutes, minutes, points, "care", "s1", "harbin-2026/1", lot,
        "2026-12-01" if wallet == "pending" else "", SEQUENCE, 0, _salt(name), RECORDED_AT, b"", b"",
    )  # fmt: skip
    await b.post(
        name,
        "earn",
        Movement("category:care:given", f"volunteer:{person}:merit", "MINUTE", minutes),
        _paid("fund:fund1:issued", f"volunteer:{person}:{wallet}", points, lot),
        place="s1",
        metadata=(("policy", "harbin-2026/1"), ("category", "care"), ("credited", minutes)),
        documents=(attach("service-record", name, _salt(name), "\x1f".join(fields)),),
        touches=(f"volunteer:{person}",),
        rows=(Row("service_records", values),),
    )


async def _serve(b: _Builder) -> None:
    await _earn(b, "R1", "v1", 120, 1200, EARLY)
    await _earn(b, "R2", "v1", 60, 600, LATE)
    await _earn(b, "R3", "v2", 60, 600, LATE, "pending")
    await _release(b, "release", "R3", 600)
    await _earn(b, "R4", "v2", 30, 300, EARLY)
    await b.post(
        "R4-reversed",
        "reversal",
        reverses=b.receipts["R4"].sequence,
        reason="mistake",
        changes=(Change("service_records", ("R4",), "credited", "reversed"),),
    )


async def _sell(b: _Builder, name: str, person: str, price: int, **pieces: int) -> None:
    values: tuple[Cell, ...] = (
        name, f"basket {name}", "accepted", "sold", "2026-11-21 10:00:00", "T1", number_of("receipt:T1"),
        "s1", person, price, "harbin-2026/1", SEQUENCE, _salt(name), RECORDED_AT,
    )  # fmt: skip
    lines = (
        Row("receipt_lines", (name, sku, count, 1, person, "2026-11", "sold"), key_length=2)
        for sku, count in pieces.items()
    )
    await b.post(
        name,
        "basket",
        _paid(f"volunteer:{person}:available", "station:s1:redeemed", price),
        *(
            Movement("station:s1:handed-out", "station:s1:stock", f"SKU:{sku}", n)
            for sku, n in pieces.items()
        ),
        place="s1",
        actor="cashier",
        metadata=(("policy", "harbin-2026/1"),),
        documents=(attach("receipt", name, _salt(name), f"basket {name}"),),
        counters=("receipt:T1",),
        rows=(Row("receipts", values), *lines),
    )


async def _shop(b: _Builder) -> None:
    await _sell(b, "B1", "v1", 1500, RICE=2, OIL=1)
    await _sell(b, "B2", "v2", 300, RICE=1)
    content = ("2026-11-22 09:00:00", "B1", "RICE", "1")
    values: tuple[Cell, ...] = (
        "RT1", "\x1f".join(content), "accepted", "taken", "2026-11-22 09:00:00", "B1", "T1",
        number_of("return:T1"), "RICE", 1, 500, SEQUENCE, _salt("RT1"), RECORDED_AT,
    )  # fmt: skip
    await b.post(
        "RT1",
        "return",
        _paid("station:s1:redeemed", "volunteer:v1:available", 300, LATE),
        _paid("station:s1:redeemed", "volunteer:v1:available", 200, EARLY),
        Movement("station:s1:stock", "station:s1:handed-out", RICE, 1, "2027-06-30/donor1"),
        metadata=(("receipt", "B1"),),
        documents=(attach("return", "RT1", _salt("RT1"), "\x1f".join(content)),),
        counters=("return:T1",),
        rows=(Row("returns", values),),
    )
    await b.post(
        "B2-reversed",
        "reversal",
        reverses=b.receipts["B2"].sequence,
        changes=(
            Change("receipts", ("B2",), "sold", "reversed"),
            Change("receipt_lines", ("B2", "RICE"), "sold", "reversed"),
        ),
    )


async def _take_back(b: _Builder) -> None:
    """R6 was spent and does not count: R5, on notice, answers for it. R7 is taken back while on notice itself."""
    await _earn(b, "R5", "v2", 60, 600, LATE, "pending")
    await _earn(b, "R6", "v2", 30, 300, EARLY)
    await _earn(b, "R7", "v2", 10, 100, EARLY, "pending")
    await _clawback(b, "R6", 30, 300, "credited", LATE, withheld="R5")
    await _clawback(b, "R7", 10, 100, "pending", EARLY)
    await _release(b, "release-R5", "R5", 300)


async def _release(b: _Builder, key: str, record: str, points: int) -> None:
    """An hour of care that v2 has served comes off its notice, with so many of its points."""
    content = "\x1f".join((record, "v2", "2026-11-20", "care", "60"))
    await b.post(
        key,
        "release",
        _paid("volunteer:v2:pending", "volunteer:v2:available", points, LATE),
        documents=(attach("service-record", record, _salt(record), content),),
        changes=(Change("service_records", (record,), "pending", "credited", (("released_by", SEQUENCE),)),),
    )


async def _clawback(
    b: _Builder, record: str, minutes: int, points: int, state: str, lot: str, withheld: str = ""
) -> None:
    line = f"C1.{record}"
    values: tuple[Cell, ...] = (
        line, "C1", record, "v2", 1, f"taken {record}", minutes, points, points, 0, 0, SEQUENCE, _salt(line), "done",
    )  # fmt: skip
    noted = (Row("withheld_points", (line, withheld, points, SEQUENCE, "taken"), key_length=2),)
    await b.post(
        f"{record}-taken",
        "clawback",
        Movement("volunteer:v2:merit", "category:care:given", "MINUTE", minutes),
        _paid("volunteer:v2:pending", "fund:fund1:issued", points, lot),
        documents=(attach("clawback", line, _salt(line), f"taken {record}"),),
        rows=(Row("clawback_lines", values), *(noted if withheld else ())),
        changes=(Change("service_records", (record,), state, "clawed-back"),),
    )


async def _settle(b: _Builder) -> None:
    await b.post(
        "expire",
        "expire",
        _paid("volunteer:v1:available", "fund:fund1:expired", 200, EARLY),
        metadata=(("as-of", "2028-01-01"),),
    )
    for n in range(1, 9):
        await b.post(
            f"memo-{n}",
            "memo",
            Movement("memo:a", "memo:b", "CNY", 10 * n),
            opens=(OpenAccount("memo:a"), OpenAccount("memo:b")),
        )
    await _sell(b, "B3", "v1", 100, OIL=2)
