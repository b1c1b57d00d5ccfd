"""States and versions that the books do not know are as a draft says, until the store's guards find out better.

Each test begins with a writer that has just come and knows nothing of what it is asked to move.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from sqlalchemy import text
from tests.ledger.toy import CHART, LATE, TOY, draft, issue, move
from tests.simulate.audit import audit

from pointsbank.engine.registry import LedgerHere, open_ledger
from pointsbank.ledger.model import Change, Draft, Receipt, Row
from pointsbank.ledger.refusals import InsufficientBalance, StaleRead, StateChanged
from pointsbank.store.database import Database
from pointsbank.store.port import Wanted

VOLUNTEER = "volunteer:1"


@pytest.fixture
async def prepared(database: Database) -> Database:
    """A rich wallet, a volunteer's document that is active, and a subject at version 1."""
    async with open_ledger(database, "city", CHART) as ledger:
        made = await ledger.submit(
            [
                issue("i", "wallet:rich", 1000),
                draft("open", "o", opens=("wallet:poor",)),
                draft("register", "r", rows=(Row("volunteers", ("V1", 0, "active"), state="active"),)),
                draft("touch", "t", reads=((VOLUNTEER, 0),), touches=(VOLUNTEER,)),
            ],
            TOY,
        )
        assert all(isinstance(result, Receipt) for result in made), made
    return database


@asynccontextmanager
async def newcomer(database: Database) -> AsyncIterator[LedgerHere]:
    """The same ledger, open anew; what it did is audited afterwards."""
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(open_ledger(database, "city", CHART))
    await audit(database, "city")


def pay(key: str, amount: int = 1, version: int | None = None, **fields: object) -> Draft:
    """A payment of the rich, which rests on a version of the volunteer if it says one."""
    if version is not None:
        fields |= {"reads": ((VOLUNTEER, version),), "touches": (VOLUNTEER,)}
    return draft("pay", key, move("wallet:rich", "wallet:poor", amount, LATE), **fields)


def moved(old: str, new: str = "closed") -> tuple[Change, ...]:
    return (Change("volunteers", ("V1",), old, new),)


async def stands(database: Database) -> tuple[str, int]:
    """The state of the document and the version of the subject, as the store has them."""
    return await database.read(
        lambda c: (
            c.execute(text("SELECT state FROM volunteers")).scalar_one(),
            c.execute(text(f"SELECT version FROM subjects WHERE subject = '{VOLUNTEER}'")).scalar_one(),
        )
    )


async def test_what_is_true_is_written_without_being_looked_up(prepared: Database) -> None:
    async with newcomer(prepared) as ledger:
        looked_up: list[Wanted] = []
        load = ledger.writer.store.load

        async def noted(wanted: Wanted) -> object:
            looked_up.append(wanted)
            return await load(wanted)

        ledger.writer.store.load = noted  # type: ignore[assignment]
        done = await ledger.submit([pay("1", version=1, changes=moved("active")), pay("2", version=2)], TOY)
        assert all(isinstance(result, Receipt) for result in done)
        assert not any(wanted.subjects or wanted.changes for wanted in looked_up)
    assert await stands(prepared) == ("closed", 3)


@pytest.mark.parametrize("version", [0, 2, 7])
async def test_a_version_that_is_not_so_is_refused_and_its_neighbours_are_not(
    prepared: Database, version: int
) -> None:
    async with newcomer(prepared) as ledger:
        first, stale, last = await ledger.submit([pay("1"), pay("2", version=version), pay("3")], TOY)
    assert stale == StaleRead(VOLUNTEER, version, 1)
    assert isinstance(first, Receipt)
    assert isinstance(last, Receipt)
    assert await stands(prepared) == ("active", 1)


async def test_a_new_subject_that_is_there_already_is_stale(prepared: Database) -> None:
    async with newcomer(prepared) as ledger:
        (stale,) = await ledger.submit(
            [draft("touch", "again", reads=((VOLUNTEER, 0),), touches=(VOLUNTEER,))], TOY
        )
    assert stale == StaleRead(VOLUNTEER, 0, 1)


async def test_a_state_that_is_not_so_is_refused_and_its_neighbours_are_not(prepared: Database) -> None:
    async with newcomer(prepared) as ledger:
        first, wrong, missing, last = await ledger.submit(
            [
                pay("1"),
                pay("2", changes=moved("registered")),
                pay("3", changes=(Change("volunteers", ("V9",), "active", "closed"),)),
                pay("4"),
            ],
            TOY,
        )
    assert wrong == StateChanged("volunteers", "V1", "registered", "active")
    assert missing == StateChanged("volunteers", "V9", "active", "")
    assert isinstance(first, Receipt)
    assert isinstance(last, Receipt)


async def test_the_word_of_a_refused_draft_is_forgotten(prepared: Database) -> None:
    """It asks for more than there is and says two things that are not so: the next one is right, and is believed."""
    async with newcomer(prepared) as ledger:
        (poor,) = await ledger.submit([pay("1", 10**6, version=5, changes=moved("registered"))], TOY)
        assert isinstance(poor, InsufficientBalance)
        (done,) = await ledger.submit([pay("2", version=1, changes=moved("active"))], TOY)
        assert isinstance(done, Receipt)
    assert await stands(prepared) == ("closed", 2)


async def test_a_word_that_contradicts_itself_is_refused(prepared: Database) -> None:
    async with newcomer(prepared) as ledger:
        two_words = pay("1", reads=((VOLUNTEER, 0), (VOLUNTEER, 1)), touches=(VOLUNTEER,))
        (stale,) = await ledger.submit([two_words], TOY)
    assert isinstance(stale, StaleRead)
    assert await stands(prepared) == ("active", 1)


async def test_why_a_group_was_refused_does_not_rest_on_a_word_of_it(prepared: Database) -> None:
    """The first takes all with an outdated version; were it believed, the second would be told that it is poor."""
    async with newcomer(prepared) as ledger:
        results = await ledger.submit([pay("1", 1000, version=0), pay("2", 1)], TOY, atomic=True)
        assert results[0] == StaleRead(VOLUNTEER, 0, 1)
        done = await ledger.submit([pay("1", 600, version=1), pay("2", 400)], TOY, atomic=True)
        assert all(isinstance(result, Receipt) for result in done)


async def test_one_word_after_the_other_in_one_group_is_followed(prepared: Database) -> None:
    async with newcomer(prepared) as ledger:
        done = await ledger.submit(
            [
                pay(str(n), version=1 + n, changes=moved(*pair))
                for n, pair in enumerate([("active", "b"), ("b", "c")])
            ],
            TOY,
            atomic=True,
        )
        assert all(isinstance(result, Receipt) for result in done)
    assert await stands(prepared) == ("c", 3)


async def test_a_version_that_is_only_read_is_looked_up(prepared: Database) -> None:
    """Nothing is written there, so no guard would find out."""
    async with newcomer(prepared) as ledger:
        stale, fresh = await ledger.submit(
            [pay("1", reads=((VOLUNTEER, 0),)), pay("2", reads=((VOLUNTEER, 1),))], TOY
        )
    assert stale == StaleRead(VOLUNTEER, 0, 1)
    assert isinstance(fresh, Receipt)
