"""Whatever a file holds, each line gets its verdict, and the real bank ends where the bank of dictionaries does."""

import json
from pathlib import Path

import pytest
from tests.people_of import store_of
from tests.replay.dictionary_bank import play, verdict_file
from tests.replay.odd_town import make_town

from pointsbank.replay.run import replay
from pointsbank.store.database import Database

SOURCES = ("hours", "redemptions", "returns")


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_town_where_much_goes_wrong_ends_as_the_rules_say(
    database: Database, tmp_path: Path, seed: int
) -> None:
    folder = make_town(tmp_path / "town", seed)
    expected = play(folder)
    outcome = await replay(folder, tmp_path / "out", database, lambda id_: store_of(database.url, id_))
    assert outcome.changed
    for source in SOURCES:
        written = (tmp_path / "out" / f"verdicts-{source}.csv").read_bytes()
        assert written == verdict_file(expected[source]), source
    summary = json.loads((tmp_path / "out" / "summary.json").read_text("utf-8"))
    for key, value in expected["summary"].items():
        assert summary[key] == value, key
