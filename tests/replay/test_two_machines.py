"""A replay is two machines: one submits and does the rest, the other accepts records; no person has a hand in it."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, select
from tests.people_of import store_of
from tests.replay.odd_town import make_town

from pointsbank.hours.tables import record_steps, record_trails, service_records
from pointsbank.people.tables import volunteers
from pointsbank.replay.run import RECORDER, VERIFIER, replay
from pointsbank.store.database import Database
from pointsbank.store.tables import document_keys, entries


async def test_the_two_actors_of_a_replay_differ_and_are_machines(database: Database, tmp_path: Path) -> None:
    folder = make_town(tmp_path / "town", 3)
    await replay(folder, tmp_path / "out", database, lambda id_: store_of(database.url, id_))
    await database.read(_assert_two_machines)


def _assert_two_machines(connection: Connection) -> None:
    entry, key = entries.c, document_keys.c
    earned = set(connection.execute(select(entry.client, entry.actor).where(entry.kind == "earn").distinct()))
    assert earned == {(VERIFIER.id, VERIFIER.name)}
    others = connection.execute(
        select(entry.client, entry.actor)
        .where(entry.kind.not_in(("earn", "open-ledger", "expire", "release")))
        .distinct()
    )
    assert VERIFIER.name not in {actor for _, actor in others}
    filed = connection.scalars(select(key.client).where(key.key.startswith("hours:")).distinct())
    assert set(filed) == {RECORDER.id}, "a line is submitted, never booked"
    assert RECORDER.name != VERIFIER.name
    assert RECORDER.name.startswith("machine:")
    assert VERIFIER.name.startswith("machine:")
    assert not RECORDER.person
    assert not VERIFIER.person
    people = set(connection.scalars(select(volunteers.c.volunteer_id)))
    assert not people & {RECORDER.name, VERIFIER.name, RECORDER.id, VERIFIER.id}
    _assert_every_record_went_both_steps(connection)


def _assert_every_record_went_both_steps(connection: Connection) -> None:
    step, trail, record = record_steps.c, record_trails.c, service_records.c
    lives: dict[str, list[tuple[str, str]]] = {}
    for record_id, taken, who in connection.execute(
        select(step.record_id, step.step, step.person_id).order_by(step.record_id, step.number)
    ):
        lives.setdefault(record_id, []).append((taken, who))
    accepted = set(connection.scalars(select(record.record_id).where(record.verdict == "accepted")))
    assert accepted
    assert lives == {id_: [("submitted", RECORDER.name), ("verified", VERIFIER.name)] for id_ in accepted}
    recorders = connection.execute(select(trail.recorder, trail.stated_by, trail.level).distinct())
    assert set(recorders) == {(RECORDER.name, "", 1)}, "a name in the file is text, and nobody's"
