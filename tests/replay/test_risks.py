"""What an auditor sees of a replay: what the files say of people, and not that a machine has read them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.people_of import store_of
from tests.replay.odd_town import make_town

from pointsbank.engine.registry import ledger_to_read
from pointsbank.hours import risks as odd
from pointsbank.replay.run import RECORDER, replay
from pointsbank.store.database import Database


async def test_the_lists_of_a_replay_do_not_name_the_machine_for_every_line(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(odd, "HONOUR_MINUTES", 1)
    monkeypatch.setattr(odd, "NIGHT", range(24))
    outcome = await replay(
        make_town(tmp_path / "town", 3), tmp_path / "out", database, lambda id_: store_of(database.url, id_)
    )
    ledger_id = ledger_to_read(database, outcome.ledger).id
    [recorder] = await database.read(odd.honour_recorders, ledger_id, "2000-01-01")
    assert recorder.people == (RECORDER.name,), "asked by itself, the list is there"
    assert await database.read(odd.night_records, ledger_id, "Asia/Shanghai", 0)
    found = await database.read(odd.risks, ledger_id, "Asia/Shanghai", "2000-01-01", 0)
    assert found, "lines that were refused, long days"
    assert not [risk for risk in found if RECORDER.name in risk.people]
    assert not {"night", "honour-recorder"} & {risk.kind for risk in found}
