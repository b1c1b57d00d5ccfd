"""API keys: what is kept of them, what opens, what no longer opens."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, select

from pointsbank.access.authorize import Forbidden, Unauthenticated, authorize
from pointsbank.access.model import NEVER, SCOPES, parse_token
from pointsbank.access.service import (
    REMEMBERED_SECONDS,
    ExpiredAlready,
    IssuedKey,
    KeyDesk,
    KeyRing,
    UnknownKey,
)
from pointsbank.access.sessions import LIFETIME_SECONDS, Sessions
from pointsbank.access.tables import api_keys, sessions
from pointsbank.access.verifications import Verification, latest_verification, record_verification
from pointsbank.engine.clock import FixedClock
from pointsbank.engine.commands import Command
from pointsbank.engine.registry import Ledger, open_ledger
from pointsbank.ledger.model import Receipt
from pointsbank.ledger.refusals import KeyConflict, StateChanged
from pointsbank.store.database import Database

NOON = 1_795_000_000_000_000


def command(key: str) -> Command:
    return Command("office", key, "key:office")


async def issue(desk: KeyDesk, key: str = "1", expires_at: int = NEVER) -> IssuedKey:
    issued = await desk.issue(
        "till-0421", "the till", ["market:sell", "ledger:read"], expires_at, command(key)
    )
    assert isinstance(issued, IssuedKey)
    return issued


def everything_stored(connection: Connection, ledger: Ledger) -> str:
    rows = connection.execute(select(api_keys)).all() + connection.execute(select(sessions)).all()
    return repr(rows)


async def test_a_key_is_not_born_expired_and_a_repetition_is_answered_after_its_end(
    database: Database,
) -> None:
    clock = FixedClock(NOON)
    async with open_ledger(database, clock=clock) as ledger:
        desk = KeyDesk(ledger, KeyRing(ledger, clock))
        assert await desk.issue("till", "", [], NOON, command("1")) == ExpiredAlready()
        first = await issue(desk, "2", NOON + 1)
        clock.time += 10
        assert (await issue(desk, "2", NOON + 1)).key == first.key


async def test_a_key_is_shown_once_and_only_its_hash_is_kept(database: Database) -> None:
    clock = FixedClock(NOON)
    async with open_ledger(database, clock=clock) as ledger:
        ring = KeyRing(ledger, clock)
        desk = KeyDesk(ledger, ring)
        first = await issue(desk)
        again = await issue(desk)
        assert first.token is not None
        assert again.token is None
        assert again.key == first.key
        secret = parse_token(first.token)
        assert secret is not None
        assert secret[1] not in await database.read(everything_stored, ledger)
        found = await ring.recognise(first.token)
        assert found is not None
        assert found.actor.scopes == {"market:sell", "ledger:read"}
        assert found.actor.client == "till-0421"
        other = await desk.issue("till-0421", "another till", [], NEVER, command("1"))
        assert other == KeyConflict("1")


async def test_a_revoked_or_expired_or_wrong_key_opens_nothing(database: Database) -> None:
    clock = FixedClock(NOON)
    async with open_ledger(database, clock=clock) as ledger:
        ring = KeyRing(ledger, clock)
        desk = KeyDesk(ledger, ring)
        lasting, passing = await issue(desk), await issue(desk, "2", expires_at=NOON + 1)
        assert lasting.token is not None
        assert passing.token is not None
        assert await ring.recognise(passing.token) is not None
        assert ring.remembered(passing.token) is not None
        clock.time += 1
        assert await ring.recognise(passing.token) is None
        assert ring.remembered(passing.token) is None

        assert await ring.recognise(lasting.token) is not None
        wrong_secret = lasting.token[:20] + ("a" if lasting.token[20] != "a" else "b") + lasting.token[21:]
        assert await ring.recognise(wrong_secret) is None
        assert await ring.recognise(lasting.token + "x") is None

        assert isinstance(await desk.revoke(lasting.key.id, command("3")), Receipt)
        assert await ring.recognise(lasting.token) is None
        assert isinstance(await desk.revoke(lasting.key.id, command("4")), StateChanged)
        assert await desk.revoke("nobody", command("5")) == UnknownKey("nobody")
        assert [key.state for key in await desk.list()].count("revoked") == 1


async def test_a_revocation_by_another_process_holds_within_seconds(database: Database) -> None:
    clock = FixedClock(NOON)
    async with open_ledger(database, clock=clock) as ledger:
        here, elsewhere = KeyRing(ledger, clock), KeyRing(ledger, clock)
        issued = await issue(KeyDesk(ledger, elsewhere))
        assert issued.token is not None
        assert await here.recognise(issued.token) is not None
        await KeyDesk(ledger, elsewhere).revoke(issued.key.id, command("2"))
        clock.time += REMEMBERED_SECONDS * 1_000_000
        assert here.remembered(issued.token) is None
        assert await here.recognise(issued.token) is None


async def test_a_session_ends_by_log_out_by_time_and_with_its_key(database: Database) -> None:
    clock = FixedClock(NOON)
    async with open_ledger(database, clock=clock) as ledger:
        ring = KeyRing(ledger, clock)
        desk, seats = KeyDesk(ledger, ring), Sessions(ledger, ring)
        issued = await issue(desk)
        one, two = await seats.open(issued.key), await seats.open(issued.key)
        assert one != two
        assert one not in await database.read(everything_stored, ledger)
        actor = await seats.actor(one)
        assert actor is not None
        assert actor.id == issued.key.id
        await seats.end(one)
        await seats.end(one)
        assert await seats.actor(one) is None
        assert await seats.actor(two) is not None
        assert await seats.actor("made up") is None
        clock.time += LIFETIME_SECONDS * 1_000_000
        assert await seats.actor(two) is None
        three = await seats.open(issued.key)
        await desk.revoke(issued.key.id, command("2"))
        assert await seats.actor(three) is None


async def test_the_newest_verification_is_the_one_shown(database: Database) -> None:
    async with open_ledger(database) as ledger:
        assert await database.read(latest_verification, ledger.id) is None
        await record_verification(ledger, Verification(NOON, 1, 10, 10, 2, 5))
        await record_verification(ledger, Verification(NOON + 1, 1, 12, 12, 0, 5))
        newest = await database.read(latest_verification, ledger.id)
        assert newest is not None
        assert newest.holds
        assert newest.to_sequence == 12


@pytest.mark.parametrize("scope", SCOPES)
def test_nothing_is_allowed_that_is_not_granted(scope: str) -> None:
    from pointsbank.access.model import Actor

    others = frozenset(SCOPES) - {scope}
    assert authorize(None, scope) == Unauthenticated()  # type: ignore[arg-type]
    assert authorize(Actor("a", "b", others), scope) == Forbidden(scope)  # type: ignore[arg-type]
    for_persons = {
        "hours:verify", "hours:object", "hours:decide", "activities:approve", "cases:read", "cases:manage",
        "funds:manage",
    }  # fmt: skip
    alone = Forbidden(scope) if scope in for_persons else None
    assert authorize(Actor("a", "b", frozenset([scope])), scope) == alone  # type: ignore[arg-type]
