"""The benchmark's own small town: its chart, its hundred thousand accounts, the transfers between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from random import Random

from pointsbank.engine.registry import Ledger
from pointsbank.ledger.chart import AccountKind, AllowedMovement, Chart
from pointsbank.ledger.model import Commodity, Draft, Movement, OpenAccount

ACCOUNTS = 100_000
ROOM = frozenset(["bench"])
HOT = "hot:1"
REQUEST = bytes(16)

CHART = Chart(
    "bench/1",
    (
        AccountKind("wallet", "wallet:{}", "liability", floor="none"),
        AccountKind("hot", "hot:{}", "equity", floor="none"),
    ),
    (
        AllowedMovement("transfer", "wallet", "wallet", "POINT", "bench"),
        AllowedMovement("transfer", "hot", "wallet", "POINT", "bench"),
    ),
    reversible={},
    commodities=(Commodity("POINT", 2, has_lots=False),),
)


def wallet(number: int) -> str:
    return f"wallet:{number}"


async def open_accounts(ledger: Ledger, accounts: int = ACCOUNTS) -> None:
    """Open every account and give each a balance row, so that a measurement creates none."""
    paths = [HOT, *(wallet(n) for n in range(1, accounts))]
    for start in range(0, accounts, 5_000):
        drafts = []
        for first in range(start, min(start + 5_000, accounts), 500):
            group = paths[first : first + 500]
            movements = [Movement(group[0], path, "POINT", 5) for path in group[1:]]
            opens = tuple(OpenAccount(path) for path in group)
            drafts.append(
                Draft("transfer", f"open/{first}", "bench", REQUEST, 0, tuple(movements), opens=opens)
            )
        await ledger.submit(drafts, ROOM)


async def remember_accounts(ledger: Ledger, accounts: int = ACCOUNTS) -> None:
    """Let the writer load every account of the town."""
    await remember(ledger, [HOT, *(wallet(n) for n in range(1, accounts))])


async def remember(ledger: Ledger, paths: Sequence[str]) -> None:
    """Let the writer load accounts, by drafts that it refuses: nothing is written."""
    for start in range(0, len(paths), 10_000):
        part = paths[start : start + 10_000]
        movements = [Movement(a, b, "POINT", 1) for a, b in zip(part[::2], part[1::2], strict=False)]
        drafts = [
            Draft("warm-up", f"{start}/{i}", "bench", REQUEST, 0, tuple(movements[i : i + 500]))
            for i in range(0, len(movements), 500)
        ]
        await ledger.submit(drafts, ROOM)


def transfers(mode: str, prefix: str, accounts: int = ACCOUNTS) -> Callable[[], Draft]:
    """A maker of simple transfers. `hot`: every one debits one account; `spread`: random pairs.

    `prefix` keeps the keys of several processes and runs apart.
    """
    numbers = count()
    pick = Random(prefix).random  # noqa: S311 - load, not secrets
    wallets = [wallet(n) for n in range(1, accounts)]
    size = len(wallets)

    def next_transfer() -> Draft:
        to = int(pick() * size)
        source = HOT if mode == "hot" else wallets[to - 1 - int(pick() * (size - 1))]
        return Draft(
            "transfer",
            f"{prefix}{next(numbers)}",
            "bench",
            REQUEST,
            1_795_000_000_000_000,
            (Movement(source, wallets[to], "POINT", 5),),
        )

    return next_transfer
