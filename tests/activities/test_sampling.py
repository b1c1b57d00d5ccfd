"""Sampling: the seed comes after the batch, before the sample, once; an auditor draws the same again."""

from __future__ import annotations

from datetime import date

import pytest
from msgspec.structs import replace
from tests.activities.centre import (
    GUARDED,
    HEAD,
    JUDGE,
    RECORDER,
    TERMINAL,
    VERIFIER,
    Centre,
    done,
    guarded,
    open_centre,
    refused,
)

from pointsbank.activities.ports import By
from pointsbank.activities.refusals import FourEyes
from pointsbank.hours.refusals import BatchOpen, ReasonInvalid, UnknownCase, UnknownRecord, WrongState
from pointsbank.hours.sampling import Batch, Sample, Sampling, batch_of, chosen, digest_of
from pointsbank.store.database import Database

MONDAY = date(2026, 3, 2)


def sampling(centre: Centre) -> Sampling:
    return Sampling(centre.ledger, centre.policies, centre.homes)


async def batch(centre: Centre) -> dict[str, str]:
    """Three records that one recorder submitted on Monday."""
    session = await centre.attended(["V1", "V2", "V3"], "2026-03-02")
    return {name: line.record_id for name, line in (await centre.submit(session)).items()}


async def drawn(centre: Centre, by: By = JUDGE) -> Sample:
    return done(await sampling(centre).draw(RECORDER.person, MONDAY, by, centre.key()))


async def test_a_sample_is_drawn_after_the_batch_is_closed_and_only_once(database: Database) -> None:
    async with open_centre(database) as centre:
        ids = await batch(centre)
        for time in ("2026-03-02 23:59:59", "2026-03-03 00:14:59"):
            centre.at(time)
            answer = refused(await sampling(centre).draw(RECORDER.person, MONDAY, JUDGE, centre.key()))
            assert answer == BatchOpen(RECORDER.person, "2026-03-02")
        centre.at("2026-03-03 00:15:00")
        assert await sampling(centre).waiting(MONDAY) == [Batch(RECORDER.person, "2026-03-02", 3)]
        first = await drawn(centre)
        assert (first.lines, first.percent, len(first.chosen)) == (3, 5, 1), "five hundredths, rounded up"
        assert first.digest == digest_of(list(ids.values()))
        assert await sampling(centre).waiting(MONDAY) == []
        for by in (JUDGE, HEAD):
            assert await drawn(centre, by) == first, "nobody draws until they like it"
        await centre.holds()


async def test_an_auditor_draws_the_same_sample_from_the_seed(database: Database) -> None:
    async with open_centre(database, guarded(guard=replace(GUARDED, sample_percent=50))) as centre:
        await batch(centre)
        centre.at("2026-03-03 08:00:00")
        sample = await drawn(centre)
        ids = await database.read(batch_of, centre.ledger.id, sample.recorder, sample.day)
        assert digest_of(ids) == sample.digest
        assert [line.record_id for line in sample.chosen] == chosen(sample.seed, ids, sample.percent)
        assert len(sample.chosen) == 2


def test_every_seed_chooses_by_itself_and_the_share_is_kept() -> None:
    ids = [f"R{n}" for n in range(200)]
    samples = [chosen(f"{n:064x}", ids, 5) for n in range(50)]
    assert {len(sample) for sample in samples} == {10}
    assert len({id_ for sample in samples for id_ in sample}) > 150, "no record is out of reach"
    assert chosen("a", ids, 0) == []
    assert chosen("a", ids, 100) == sorted(ids)
    assert chosen("a", list(reversed(ids)), 5) == chosen("a", ids, 5), "the order of the ids says nothing"


async def test_who_had_a_hand_in_a_record_neither_draws_nor_notes_it(database: Database) -> None:
    async with open_centre(database, guarded(guard=replace(GUARDED, sample_percent=100))) as centre:
        ids = await batch(centre)
        await centre.verify(*ids.values())
        centre.at("2026-03-03 08:00:00")
        desk = sampling(centre)

        async def draw(by: By) -> object:
            return await desk.draw(RECORDER.person, MONDAY, by, centre.key())

        assert refused(await draw(RECORDER)) == FourEyes("verifier-is-recorder")
        assert refused(await draw(TERMINAL)) == FourEyes("machine-source")
        sample = await drawn(centre)

        async def note(by: By, outcome: str = "confirmed", record: str = ids["V1"]) -> object:
            return await desk.note(sample.sample_id, record, outcome, by, centre.key())

        for by, rule in (
            (RECORDER, "verifier-is-recorder"),
            (VERIFIER, "approver-is-verifier"),
            (centre.by("V1"), "verifier-is-beneficiary"),
            (TERMINAL, "machine-source"),
        ):
            assert refused(await note(by)) == FourEyes(rule)
        assert refused(await note(JUDGE, "fine")) == ReasonInvalid("fine")
        assert refused(await note(JUDGE, record="another")) == UnknownRecord("another")
        noted = await note(JUDGE, "not-present")
        assert isinstance(noted, Sample)
        [line] = [line for line in noted.chosen if line.record_id == ids["V1"]]
        assert (line.outcome, line.noted_by) == ("not-present", JUDGE.person)
        assert refused(await note(HEAD)) == WrongState(ids["V1"], "not-present"), "what was noted stands"


@pytest.mark.parametrize(("percent", "count"), [(0, 0), (1, 1), (34, 2)])
async def test_how_much_is_looked_at_again_is_policy(database: Database, percent: int, count: int) -> None:
    async with open_centre(database, guarded(guard=replace(GUARDED, sample_percent=percent))) as centre:
        await batch(centre)
        centre.at("2026-03-03 08:00:00")
        assert len((await drawn(centre)).chosen) == count


async def test_nobody_submitted_anything_and_there_is_no_batch(database: Database) -> None:
    async with open_centre(database) as centre:
        centre.at("2026-03-04 08:00:00")
        answer = refused(await sampling(centre).draw("nobody", MONDAY, JUDGE, centre.key()))
        assert answer == UnknownCase("nobody")
        assert refused(await sampling(centre).sample("x")) == UnknownCase("x")
