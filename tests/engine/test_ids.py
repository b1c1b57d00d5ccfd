"""Ids of the application are UUIDv7 in the order they were made."""

from __future__ import annotations

from time import time_ns
from unittest.mock import patch
from uuid import RFC_4122, UUID

from pointsbank.engine import ids
from pointsbank.engine.ids import new_id

NOON = 1_795_000_000_000_000_000


def made_at(nanoseconds: int) -> str:
    with patch.object(ids.time, "time_ns", return_value=nanoseconds):
        return new_id()


def test_an_id_is_a_version_7_uuid_of_the_moment_it_was_made() -> None:
    before, made, after = time_ns() // 1_000_000, UUID(new_id()), time_ns() // 1_000_000
    assert (made.version, made.variant) == (7, RFC_4122)
    assert before <= made.int >> 80 <= after


def test_ids_of_one_millisecond_are_in_the_order_they_were_made() -> None:
    made = [made_at(NOON + offset) for offset in range(0, 1_000_000, 250)]
    assert made == sorted(made)
    assert len({i[:14] for i in made}) == 1
    assert made_at(NOON + 999_999) < made_at(NOON + 1_000_000)


def test_ids_of_one_moment_differ() -> None:
    assert len({made_at(NOON) for _ in range(1000)}) == 1000
