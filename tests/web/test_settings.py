"""Settings come from the environment, typed, and every mistake is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pointsbank.settings import Settings, SettingsError, is_loopback, settings_from


def test_the_environment_sets_and_a_command_overrides() -> None:
    found = settings_from(
        {"POINTSBANK_PORT": "9000", "POINTSBANK_DEMO": "true", "PATH": "/bin"}, port=9001, host=None
    )
    assert found == Settings(port=9001, demo=True)


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as error:
        settings_from({"POINTSBANK_PORT": "many", "POINTSBANK_LOG_LEVEL": "loud", "POINTSBANK_DATABSE": "x"})
    for name in ("POINTSBANK_PORT", "POINTSBANK_LOG_LEVEL", "POINTSBANK_DATABSE"):
        assert name in str(error.value)


def test_the_variables_of_tests_are_left_alone() -> None:
    assert settings_from({"POINTSBANK_TEST_FULL": "1"}) == Settings()


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("127.9.9.9", True),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("bank.example", False),
        ("", False),
    ],
)
def test_this_machine_is_told_from_others(host: str, loopback: bool) -> None:
    assert is_loopback(host) == loopback


def test_only_the_settings_read_the_environment() -> None:
    sources = Path(__file__).parents[2] / "src" / "pointsbank"
    readers = [
        path.relative_to(sources).as_posix()
        for path in sources.rglob("*.py")
        if re.search(r"os\.environ|getenv", path.read_text(encoding="utf-8"))
    ]
    # the benchmark hands its environment on to the servers that it starts; it reads nothing from it
    assert set(readers) - {"bench/service.py"} == {"settings.py"}
