"""Real stores, driven through the writer, answer every command as a hundred-line model does."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from tests.ledger.toy import CHART, TOY
from tests.simulate.audit import audit
from tests.simulate.bank import LOTS, OPENING, WALLETS, as_draft, compare, same_books
from tests.simulate.model import Command, Judge

from pointsbank.engine.registry import Ledger, open_ledger
from pointsbank.store.database import Database

wallets = st.sampled_from(WALLETS)
lots = st.sampled_from(LOTS)
amounts = st.integers(1, 150)


class Bank(RuleBasedStateMachine):
    """The program and the judge side by side. Each run has a ledger of its own in one database."""

    url: str

    def __init__(self) -> None:
        super().__init__()
        self.name = f"toy-{uuid.uuid4().hex}"
        self.judge = Judge()
        self.commands: list[Command] = []
        self.runner = asyncio.Runner()
        self.database = Database(self.url)
        self.stack = AsyncExitStack()
        self.ledger: Ledger = self.runner.run(self._enter())

    async def _enter(self) -> Ledger:
        ledger = await self.stack.enter_async_context(open_ledger(self.database, self.name, CHART))
        await ledger.submit([OPENING], TOY)
        return ledger

    def key(self) -> str:
        return f"key {len(self.commands)}"

    def post(self, *commands: Command) -> None:
        """Submit each command by itself, all before the first is answered; the judge goes in that order."""

        async def submit() -> list[Any]:
            drafts = [as_draft(command, self.judge) for command in commands]
            return await asyncio.gather(*(self.ledger.submit([d], TOY) for d in drafts))

        results = self.runner.run(submit())
        answers = [self.judge.judge(command) for command in commands]
        compare(commands, [result for (result,) in results], answers, self.judge)
        self.commands += commands

    @initialize(amount=amounts)
    def fill_a_wallet(self, amount: int) -> None:
        self.post(Command("issue", self.key(), (("mint:m", "wallet:a", "POINT", LOTS[1], 300 + amount),)))

    @rule(wallet=wallets, lot=lots, amount=amounts)
    def issue(self, wallet: str, lot: str, amount: int) -> None:
        self.post(Command("issue", self.key(), (("mint:m", wallet, "POINT", lot, amount),)))

    @rule(wallet=wallets, lot=lots, amount=st.integers(1, 900))
    def issue_from_the_budget(self, wallet: str, lot: str, amount: int) -> None:
        self.post(Command("issue", self.key(), (("fund:f", wallet, "POINT", lot, amount),)))

    @rule(wallet=wallets, amount=amounts)
    def credit_minutes(self, wallet: str, amount: int) -> None:
        self.post(Command("issue", self.key(), (("mint:m", wallet, "MINUTE", "-", amount),)))

    @rule(data=st.data(), count=st.integers(1, 6), batch=st.booleans())
    def pay(self, data: st.DataObject, count: int, batch: bool) -> None:
        """Several payments in flight at once, some of them of two movements."""
        commands = [self._payment(data.draw, f"{self.key()}.{n}") for n in range(count)]
        if batch:
            self._in_one_call(commands)
        else:
            self.post(*commands)

    def _payment(self, draw: Callable[[Any], Any], key: str) -> Command:
        moves = []
        for _ in range(draw(st.integers(1, 2))):
            debit, credit = draw(st.permutations(WALLETS))[:2]
            moves.append((debit, credit, "POINT", draw(st.sampled_from(["", "", *LOTS])), draw(amounts)))
        return Command("pay", key, tuple(moves))

    def _in_one_call(self, commands: list[Command]) -> None:
        async def submit() -> Any:
            return await self.ledger.submit([as_draft(c, self.judge) for c in commands], TOY)

        results = self.runner.run(submit())
        compare(commands, results, [self.judge.judge(c) for c in commands], self.judge)
        self.commands += commands

    @rule(wallet=wallets, lot=lots)
    def expire(self, wallet: str, lot: str) -> None:
        due = self.judge.balances[wallet, "POINT", lot]
        self.post(Command("expire", self.key(), ((wallet, "till:t", "POINT", lot, max(due, 1)),)))

    @rule(data=st.data())
    def reverse(self, data: st.DataObject) -> None:
        earlier = data.draw(st.sampled_from(self.commands)).key
        self.post(Command("undo", self.key(), undoes=earlier))

    @rule(data=st.data(), other=st.booleans())
    def repeat(self, data: st.DataObject, other: bool) -> None:
        """The same key again, at once with a new command; now and then with another request."""
        earlier = data.draw(st.sampled_from(self.commands))
        again = Command(earlier.kind, earlier.key, earlier.moves, earlier.undoes, int(other))
        self.post(again, self._payment(data.draw, self.key()))

    @rule(data=st.data(), count=st.integers(2, 4))
    def all_or_nothing(self, data: st.DataObject, count: int) -> None:
        commands = [self._payment(data.draw, f"{self.key()}.{n}") for n in range(count)]
        follower = self._payment(data.draw, f"{self.key()}.after")

        async def submit() -> Any:
            group = self.ledger.submit([as_draft(c, self.judge) for c in commands], TOY, atomic=True)
            alone = self.ledger.submit([as_draft(follower, self.judge)], TOY)
            return await group + await alone

        results = self.runner.run(submit())
        answers = [*self.judge.judge_group(commands), self.judge.judge(follower)]
        compare([*commands, follower], results, answers, self.judge)
        self.commands += [*commands, follower]

    @rule()
    def forget_the_working_set(self) -> None:
        """What is loaded from the database must be what was remembered."""
        self.ledger.writer._books = None

    @invariant()
    def the_writer_runs(self) -> None:
        assert self.ledger.writer.is_running

    def teardown(self) -> None:
        async def leave() -> None:
            await self.stack.aclose()
            same_books(await audit(self.database, self.name), self.judge)
            await self.database.close()

        try:
            self.runner.run(leave())
        finally:
            self.runner.close()


def test_the_bank_answers_as_the_model_does(database_url: str) -> None:
    machine = type("BankHere", (Bank,), {"url": database_url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=15,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_judge_refuses_what_a_bank_must_refuse() -> None:
    """The judge is judged by hand, or it could agree with anything."""
    judge = Judge()
    fill = Command("issue", "1", (("mint:m", "wallet:a", "POINT", LOTS[1], 10),))
    assert judge.judge(fill)[0] == "accepted"
    assert judge.judge(fill)[0] == "replayed"
    over = Command("pay", "2", (("wallet:a", "wallet:b", "POINT", "", 11),), request=1)
    assert judge.judge(over)[0] == "insufficient-balance"
    budget = Command("issue", "3", (("fund:f", "wallet:a", "POINT", LOTS[0], 2001),))
    assert judge.judge(budget)[0] == "insufficient-balance"
    pay = Command("pay", "2", (("wallet:a", "wallet:b", "POINT", "", 4),))
    assert [code for code, _ in judge.judge_group([pay, over, Command("undo", "4", undoes="1")])] == [
        "group-refused",
        "idempotency-conflict",
        "group-refused",
    ]
    assert judge.judge(pay)[0] == "accepted"
    assert judge.judge(Command("undo", "4", undoes="1"))[0] == "insufficient-balance"
    assert judge.judge(Command("undo", "4", undoes="2"))[0] == "accepted"
    assert judge.judge(Command("undo", "5", undoes="4"))[0] == "not-reversible"
    assert judge.judge(Command("undo", "5", undoes="2"))[0] == "already-reversed"
    assert +judge.balances == {("wallet:a", "POINT", LOTS[1]): 10}
