"""The rules, played over a whole quarter by a bank of dictionaries, must give the expected result exactly."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.replay.dictionary_bank import play, verdict_file


@pytest.fixture(scope="module")
def played(harbin_quarter: Path) -> dict[str, Any]:
    return play(harbin_quarter)


def test_the_quarter_ends_exactly_as_expected(harbin_quarter: Path, played: dict[str, Any]) -> None:
    expected = json.loads((harbin_quarter / "expected.json").read_text("utf-8"))
    assert sorted(expected) == sorted(played["summary"])
    for key, value in expected.items():
        assert played["summary"][key] == value, key


@pytest.mark.parametrize("kind", ["hours", "redemptions", "returns"])
def test_every_line_gets_the_expected_verdict_byte_for_byte(
    harbin_quarter: Path, played: dict[str, Any], kind: str
) -> None:
    expected = (harbin_quarter / f"verdicts-{kind}.csv").read_bytes()
    assert verdict_file(played[kind]) == expected
