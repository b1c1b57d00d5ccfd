"""The judge: what a toy bank must answer, in a hundred lines that share nothing with the ledger.

It keeps balances by (path, commodity, lot) with wallets and the till never under 0 and a budget for the fund.
"""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field

BUDGET = -2000
GROWS_ON_CREDIT = ("mint", "fund", "wallet", "till")  # every kind of account of this bank

Posted = tuple[str, str, str, str, int]
"""debit, credit, commodity, lot, amount"""


@dataclass(frozen=True)
class Command:
    """What is asked of the bank. An empty lot: the bank chooses. `undoes` is an earlier command's key."""

    kind: str
    key: str
    moves: tuple[Posted, ...] = ()
    undoes: str = ""
    request: int = 0


@dataclass
class Judge:
    """Answers each command with a code and the postings that it makes."""

    balances: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    done: dict[str, tuple[int, tuple[Posted, ...]]] = field(default_factory=dict)
    sequences: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    undone: set[str] = field(default_factory=set)

    def judge(self, command: Command) -> tuple[str, tuple[Posted, ...]]:
        if command.key in self.done:
            request, postings = self.done[command.key]
            return ("replayed", postings) if request == command.request else ("idempotency-conflict", ())
        before = self.balances.copy()
        code, postings = self._undo(command) if command.undoes else self._move(command.moves)
        if code != "accepted":
            self.balances = before
            return code, ()
        self.done[command.key] = command.request, postings
        self.sequences[command.key] = len(self.sequences) + 1
        self.kinds[command.key] = "undo" if command.undoes else command.kind
        if command.undoes:
            self.undone.add(command.undoes)
        return code, postings

    def judge_group(self, commands: list[Command]) -> list[tuple[str, tuple[Posted, ...]]]:
        """All or nothing: one refusal takes the others along."""
        before = deepcopy(vars(self))
        answers = []
        for command in commands:
            answers.append(self.judge(command))
            if answers[-1][0] not in ("accepted", "replayed"):
                vars(self).update(before)
                return [answers[-1] if c is command else ("group-refused", ()) for c in commands]
        return answers

    def _move(self, moves: tuple[Posted, ...]) -> tuple[str, tuple[Posted, ...]]:
        posted: list[Posted] = []
        for debit, credit, commodity, lot, amount in moves:
            rest = amount
            for name in [lot] if lot else self._lots(debit, commodity):
                part = rest if lot else min(rest, self.balances[debit, commodity, name])
                if part > 0 and not self._post(debit, credit, commodity, name, part, posted):
                    return "insufficient-balance", ()
                rest -= part
            if rest:
                return "insufficient-balance", ()
        return "accepted", tuple(posted)

    def _undo(self, command: Command) -> tuple[str, tuple[Posted, ...]]:
        if command.undoes not in self.done:
            return "unknown-entry", ()
        if command.undoes in self.undone:
            return "already-reversed", ()
        if self.kinds[command.undoes] not in ("issue", "pay"):
            return "not-reversible", ()
        posted: list[Posted] = []
        for debit, credit, commodity, lot, amount in reversed(self.done[command.undoes][1]):
            if not self._post(credit, debit, commodity, lot, amount, posted):
                return "insufficient-balance", ()
        return "accepted", tuple(posted)

    def _lots(self, path: str, commodity: str) -> list[str]:
        """Lots of an account, the first to expire first: dates sort as text, `never` comes after all."""
        return sorted(lot for p, c, lot in self.balances if (p, c) == (path, commodity))

    def _post(
        self, debit: str, credit: str, commodity: str, lot: str, amount: int, posted: list[Posted]
    ) -> bool:
        self.balances[debit, commodity, lot] -= amount
        self.balances[credit, commodity, lot] += amount
        posted.append((debit, credit, commodity, lot, amount))
        if debit.startswith("mint:"):
            return True
        if debit.startswith("fund:"):
            return sum(b for (p, c, _), b in self.balances.items() if (p, c) == (debit, commodity)) >= BUDGET
        return self.balances[debit, commodity, lot] >= 0
