"""Where verification is no safeguard, in a replay, one machine submits and another accepts: two steps, one commit."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, select
from tests.points.town import Town, book, open_town, policy, record

from pointsbank.activities.ports import By, RegisteredHouseholds
from pointsbank.engine.commands import Command
from pointsbank.hours.four_eyes import Line, Ties, may_not_decide, may_not_verify
from pointsbank.hours.service import MACHINE_VERIFIER, HoursService
from pointsbank.hours.service import Line as FileLine
from pointsbank.hours.tables import record_steps, service_records
from pointsbank.hours.verification import Outcome, Verifying
from pointsbank.policy.model import SAFEGUARDS_OFF
from pointsbank.store.database import Database

RECORDER = By("recorder", "")
COMMAND = Command("recorder", "file", RECORDER.name)
DAY = "2026-02-02"


async def submitted(town: Town, source: str, *lines: FileLine) -> list[str]:
    """The verdicts of lines that are submitted and wait: nobody accepts them in the same commit."""
    waits = HoursService(town.ledger, town.policies, verifier=None)
    return [v.verdict for v in await waits.submit(source, lines, COMMAND, by=RECORDER)]


def verifying(town: Town) -> Verifying:
    return Verifying(town.ledger, town.policies, RegisteredHouseholds(town.ledger))


def done(answer: object) -> list[Outcome]:
    assert isinstance(answer, list), answer
    return answer


async def lives(town: Town) -> dict[str, list[tuple[str, str]]]:
    """Of each record its steps, and who took them."""

    def steps(connection: Connection, ledger_id: int) -> dict[str, list[tuple[str, str]]]:
        t = record_steps.c
        rows = connection.execute(
            select(t.record_id, t.step, t.person_id)
            .where(t.ledger_id == ledger_id)
            .order_by(t.record_id, t.number)
        )
        found: dict[str, list[tuple[str, str]]] = {}
        for record_id, step, who in rows:
            found.setdefault(record_id, []).append((step, who))
        return found

    return await town.ledger.database.read(steps, town.ledger.id)


async def states(town: Town) -> dict[str, tuple[str, int]]:
    """State and used minutes of the caps of each record."""

    def found(connection: Connection, ledger_id: int) -> dict[str, tuple[str, int]]:
        t = service_records.c
        rows = connection.execute(select(t.record_id, t.state, t.creditable).where(t.ledger_id == ledger_id))
        return {row.record_id: (row.state, row.creditable) for row in rows}

    return await town.ledger.database.read(found, town.ledger.id)


async def test_one_machine_submits_and_another_accepts_in_one_commit(database: Database) -> None:
    async with open_town(database) as town:
        before = (await town.ledger.writer.store.head()).batch
        told = await town.hours.submit(
            "file", [(1, record("R1", "V1", DAY)), (2, record("R2", "V1", DAY))], COMMAND, by=RECORDER
        )
        assert [(v.verdict, v.points) for v in told] == [("accepted", 4000), ("overlap", 0)]
        assert (await town.ledger.writer.store.head()).batch == before + 1
        assert await lives(town) == {
            "R1": [("submitted", RECORDER.name), ("verified", MACHINE_VERIFIER.name)]
        }


async def test_the_submit_claims_the_interval_and_uses_no_cap_before_the_acceptance(
    database: Database,
) -> None:
    async with open_town(database) as town:
        assert await submitted(town, "a", (1, record("R1", "V1", DAY))) == ["submitted"]
        assert await submitted(town, "b", (1, record("R2", "V1", DAY, start="11:00"))) == ["overlap"]
        assert await states(town) == {"R1": ("submitted", 0), "R2": ("refused", 0)}
        assert await town.lots("V1") == {}
        [outcome] = done(
            await verifying(town).verify(["R1"], MACHINE_VERIFIER, Command(MACHINE_VERIFIER.id, "v"))
        )
        assert (outcome.state, outcome.points) == ("credited", 4000)
        assert (await states(town))["R1"] == ("credited", 240)


async def test_a_record_refused_at_the_verification_has_freed_its_interval(database: Database) -> None:
    async with open_town(database) as town:
        await submitted(town, "a", (1, record("R1", "V1", DAY)))
        [outcome] = done(
            await verifying(town).reject(
                ["R1"], "not-present", MACHINE_VERIFIER, Command(MACHINE_VERIFIER.id, "r")
            )
        )
        assert outcome.state == "rejected"
        [verdict] = await town.hours.submit("b", [(1, record("R2", "V1", DAY))], COMMAND)
        assert (verdict.verdict, verdict.points) == ("accepted", 4000)


async def test_caps_are_used_in_the_order_of_acceptance_within_one_commit(database: Database) -> None:
    """Of 480 minutes a day the third record finds 120 left, though all three are judged in one batch."""
    lines = [
        (n, record(f"R{n}", "V1", DAY, start=start, minutes=180))
        for n, start in enumerate(("08:00", "12:00", "16:00", "20:00"))
    ]
    async with open_town(database) as town:
        told = await town.hours.submit("file", lines, COMMAND)
        assert [v.points for v in told] == [3000, 3000, 2000, 0]
        assert [minutes for _, minutes in (await states(town)).values()] == [180, 180, 120, 0]


async def test_what_was_submitted_and_not_accepted_is_accepted_when_the_lines_come_again(
    database: Database,
) -> None:
    lines = [(1, record("R1", "V1", DAY)), (2, record("R2", "V9", DAY))]
    async with open_town(database) as town:
        assert await submitted(town, "file", *lines) == ["submitted", "unknown_volunteer"]
        told = await town.hours.submit("file", lines, COMMAND)
        assert [(v.verdict, v.points) for v in told] == [("accepted", 4000), ("unknown_volunteer", 0)]
        assert told[0].sequence > 0
        assert await town.hours.submit("file", lines, COMMAND) == told
        assert await town.lots("V1") == {"2027-12-31": 4000}


async def test_the_machine_that_recorded_does_not_verify(database: Database) -> None:
    async with open_town(database) as town:
        alone = HoursService(town.ledger, town.policies, verifier=RECORDER)
        [verdict] = await alone.submit("file", [(1, record("R1", "V1", DAY))], COMMAND, by=RECORDER)
        assert verdict.verdict == "submitted"
        [outcome] = done(await verifying(town).verify(["R1"], RECORDER, COMMAND))
        assert outcome.refusal == "verifier-is-recorder"
        assert await town.lots("V1") == {}


def test_a_machine_verifies_nowhere_but_in_a_replay_and_never_decides() -> None:
    line = Line("v", frozenset({RECORDER.name}))
    live = msgspec.structs.replace(SAFEGUARDS_OFF, separate_verification=True)
    assert may_not_verify(MACHINE_VERIFIER, line, Ties(), live) == "machine-source"
    assert may_not_verify(MACHINE_VERIFIER, line, Ties(), SAFEGUARDS_OFF) == ""
    assert may_not_verify(RECORDER, line, Ties(), SAFEGUARDS_OFF) == "verifier-is-recorder"
    assert may_not_decide(MACHINE_VERIFIER, line, Ties(), SAFEGUARDS_OFF) == "machine-source"


async def test_what_two_people_must_look_at_waits_for_them_whatever_the_machine_says(
    database: Database,
) -> None:
    large = msgspec.structs.replace(SAFEGUARDS_OFF, second_level_line_minutes=180)
    strict = msgspec.structs.replace(policy(), safeguards=large)
    async with open_town(database, book(strict)) as town:
        lines = [(1, record("R1", "V1", DAY)), (2, record("R2", "V2", DAY, minutes=120))]
        told = await town.hours.submit("file", lines, COMMAND)
        assert [v.verdict for v in told] == ["submitted", "accepted"]
