"""A long load looks for garbage seldom, and only as long as it lasts."""

from __future__ import annotations

import gc

import pytest

from pointsbank.engine.collecting import OFTEN_ENOUGH, collecting_seldom


def test_python_collects_as_before_once_the_load_has_ended_however_it_did() -> None:
    before = gc.get_threshold()

    def load() -> None:
        with collecting_seldom():
            assert gc.get_threshold() == OFTEN_ENOUGH
            raise ValueError("broken off")

    with pytest.raises(ValueError, match="broken off"):
        load()
    assert gc.get_threshold() == before
