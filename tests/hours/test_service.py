"""The hours room books each record once, in order, under the policy of its day, and can take it back."""

import asyncio
from datetime import date

import pytest
from tests.people_of import enrol
from tests.points.town import Town, book, followed_by, open_town, policy, record

from pointsbank.engine.commands import Command
from pointsbank.hours.refusals import RecordRefused
from pointsbank.hours.service import HoursService
from pointsbank.intake.lines import lines_done
from pointsbank.ledger.refusals import AlreadyReversed, InsufficientBalance, Refusal, UnknownEntry
from pointsbank.people.directory import directory_of
from pointsbank.people.forgetting import forget
from pointsbank.store.database import Database


async def test_of_two_overlapping_records_in_two_uploads_at_a_time_exactly_one_counts(
    database: Database,
) -> None:
    async with open_town(database) as town:
        for day in range(1, 9):
            at = f"2026-02-{day:02}"
            services = [HoursService(town.ledger, town.policies) for _ in range(2)]
            told = await asyncio.gather(
                *(
                    service.submit(
                        f"upload-{day}-{n}", [(1, record(f"R{day}-{n}", "V1", at))], Command("test", "x")
                    )
                    for n, service in enumerate(services)
                )
            )
            assert sorted(verdicts[0].verdict for verdicts in told) == ["accepted", "overlap"]


async def test_of_two_records_with_one_id_at_a_time_one_takes_it(database: Database) -> None:
    async with open_town(database) as town:
        told = await asyncio.gather(
            *(
                HoursService(town.ledger, town.policies).submit(
                    f"upload-{n}", [(1, record("R1", f"V{n}", "2026-02-02"))], Command("test", "x")
                )
                for n in (1, 2)
            )
        )
    assert sorted(verdicts[0].verdict for verdicts in told) == ["accepted", "conflict"]


async def test_caps_hold_when_uploads_come_at_a_time(database: Database) -> None:
    async with open_town(database) as town:
        starts = ["08:00", "12:00", "16:00", "20:00"]
        told = await asyncio.gather(
            *(
                HoursService(town.ledger, town.policies).submit(
                    f"upload-{n}",
                    [(1, record(f"R{n}", "V1", "2026-02-02", start=start, minutes=180))],
                    Command("test", "x"),
                )
                for n, start in enumerate(starts)
            )
        )
        assert sorted(verdicts[0].points for verdicts in told) == [0, 2000, 3000, 3000]
        assert await town.lots("V1") == {"2027-12-31": 8000}


async def test_the_same_lines_again_get_the_same_verdicts_and_book_nothing(database: Database) -> None:
    lines = [
        (2, record("R1", "V1", "2026-02-02")),
        (3, record("R2", "V1", "2026-02-02")),
        (4, ("R3",)),
        (5, record("R1", "V1", "2026-02-02")),
        (6, record("R4", "V9", "2026-02-02")),
    ]
    async with open_town(database) as town:
        first = await town.hours.submit("file", lines, Command("test", "a"))
        assert [v.verdict for v in first] == [
            "accepted",
            "overlap",
            "malformed",
            "duplicate",
            "unknown_volunteer",
        ]
        head = await town.ledger.writer.store.head()
        other = HoursService(town.ledger, town.policies)
        assert await other.submit("file", lines, Command("another", "b")) == first
        assert await other.preview("file", lines) == first
        assert await town.ledger.writer.store.head() == head


async def test_two_calls_with_the_same_lines_at_a_time_agree(database: Database) -> None:
    lines = [(n, record(f"R{n % 9}", "V1", f"2026-02-{n % 20 + 1:02}")) for n in range(60)]
    async with open_town(database) as town:
        told = await asyncio.gather(
            *(
                HoursService(town.ledger, town.policies).submit("file", lines, Command("test", "a"))
                for _ in range(3)
            )
        )
        assert told[0] == told[1] == told[2]
        assert len(await database.read(lines_done, town.ledger.id, "file")) == 60


async def test_who_registers_later_is_known_then(database: Database) -> None:
    async with open_town(database) as town:
        [verdict] = await town.hours.submit(
            "a", [(1, record("R1", "V7", "2026-02-02"))], Command("test", "a")
        )
        assert verdict.verdict == "unknown_volunteer"
        await enrol(town.ledger, {"V7": date(1990, 1, 1)})
        [verdict] = await town.hours.submit(
            "b", [(1, record("R2", "V7", "2026-02-02"))], Command("test", "b")
        )
        assert verdict.verdict == "accepted"


async def test_who_is_forgotten_earns_nothing_more_at_a_desk_that_knew_them(database: Database) -> None:
    async with open_town(database) as town:
        assert await town.earn("V1", "2026-02-02") == "accepted"
        person, store = await town.person("V1"), directory_of(town.ledger).store
        await store.write(lambda c: forget(c, town.ledger.id, [person.id], 0))
        assert await town.earn("V1", "2026-02-03") == "unknown_volunteer"
        assert await town.earn("V2", "2026-02-03") == "accepted"


async def test_points_on_notice_are_pending_until_their_day_and_are_released_once(database: Database) -> None:
    async with open_town(database, book(policy(public_notice_days=5))) as town:
        await town.earn("V1", "2026-02-02")
        await town.earn("V1", "2026-02-03", minutes=60)
        assert (await town.lots("V1"), await town.lots("V1", pending=True)) == ({}, {"2027-12-31": 5000})
        assert (
            await _released(town, date(2026, 3, 9)) == 0
        )  # Monday to Friday are the five days, Tuesday is free
        assert await _released(town, date(2026, 3, 10)) == 2
        assert await _released(town, date(2026, 3, 10)) == 0
        assert (await town.lots("V1"), await town.lots("V1", pending=True)) == ({"2027-12-31": 5000}, {})


async def test_a_release_that_was_broken_off_goes_on(database: Database) -> None:
    caps = {"activity_minutes": 240, "day_minutes": 960, "year_minutes": 100_000}
    async with open_town(database, book(policy(public_notice_days=1, caps=caps))) as town:
        days = [f"2024-{n % 12 + 1:02}-{n // 12 % 28 + 1:02}" for n in range(4400)]
        starts = [f"{8 + n // 336:02}:00" for n in range(4400)]
        lines = [
            (n, record(f"R{n:04}", f"V{n % 3 + 1}", day, start=start, minutes=60))
            for n, (day, start) in enumerate(zip(days, starts, strict=True))
        ]
        await town.hours.submit("file", lines, Command("test", "a"))
        first = town.hours.release(date(2026, 4, 1))
        await anext(first)
        await first.aclose()
        assert await _released(town, date(2026, 4, 1)) > 0
        assert await town.lots("V1", pending=True) == {}
        assert (
            sum([sum((await town.lots(volunteer)).values()) for volunteer in ("V1", "V2", "V3")])
            == 4400 * 1000
        )


async def test_a_record_is_reversed_and_counts_no_longer(database: Database) -> None:
    async with open_town(database) as town:
        sequence = await _booked(town, "R1", "2026-02-02")
        command = Command("test", "reverse-1")
        receipts = await town.hours.reverse(sequence, "wrong-person", command)
        assert isinstance(receipts, list)
        assert await town.lots("V1") == {}
        again = await town.hours.reverse(sequence, "wrong-person", command)
        assert isinstance(again, list)
        assert [r.sequence for r in again] == [r.sequence for r in receipts]
        assert isinstance(
            await town.hours.reverse(sequence, "again", Command("test", "reverse-2")), AlreadyReversed
        )
        assert (
            await town.earn("V1", "2026-02-02") == "accepted"
        )  # neither overlap nor caps: it never happened
        assert isinstance(
            await town.hours.reverse(10_000, "none", Command("test", "reverse-3")), UnknownEntry
        )


async def test_a_reversal_repeated_after_a_restart_is_the_first_one(database: Database) -> None:
    command = Command("test", "reverse")
    async with open_town(database) as town:
        sequence = await _booked(town, "R1", "2026-02-02")
        first = await town.hours.reverse(sequence, "wrong", command)
    async with open_town(database) as town:
        again = await town.hours.reverse(sequence, "wrong", command)
        assert isinstance(await town.hours.reverse(sequence, "other", command), Refusal)
    assert isinstance(first, list)
    assert isinstance(again, list)
    assert [r.sequence for r in again] == [r.sequence for r in first]


async def test_a_released_record_and_a_pending_one_are_reversed_whole(database: Database) -> None:
    async with open_town(database, book(policy(public_notice_days=1))) as town:
        released = await _booked(town, "R1", "2026-02-02")
        await _released(town, date(2026, 4, 1))
        pending = await _booked(town, "R2", "2026-02-03")
        for n, (sequence, entries) in enumerate(((released, 2), (pending, 1))):
            receipts = await town.hours.reverse(sequence, "wrong", Command("test", f"reverse-{n}"))
            assert isinstance(receipts, list)
            assert len(receipts) == entries
        assert (await town.lots("V1"), await town.lots("V1", pending=True)) == ({}, {})
        assert await _released(town, date(2026, 4, 1)) == 0


async def test_a_record_whose_points_are_spent_is_not_reversed(database: Database) -> None:
    async with open_town(database) as town:
        sequence = await _booked(town, "R1", "2026-02-02")
        await town.stock("RICE", 5)
        await town.sell("V1", "2026-03-02 09:00:00", ("RICE", 1))
        refused = await town.hours.reverse(sequence, "wrong", Command("test", "reverse"))
        assert isinstance(refused, InsufficientBalance)
        assert await town.lots("V1") == {"2027-12-31": 2000}
        assert await town.earn("V1", "2026-02-02") == "overlap"


async def test_the_policy_of_the_day_of_service_applies(database: Database) -> None:
    policies = followed_by(
        ("2025-01-01", "2026-01-31", policy("old", points_per_hour=10)),
        (
            "2026-02-01",
            "2027-12-31",
            policy("new", points_per_hour=20, hour_classes={"信用": {"earns_points": True}}),
        ),
    )
    async with open_town(database, policies) as town:
        lines = [
            (1, record("R1", "V1", "2026-01-31", minutes=60)),
            (2, record("R2", "V1", "2026-02-01", minutes=60)),
            (3, record("R3", "V1", "2024-12-31")),
            (4, (*record("R4", "V1", "2026-01-30")[:10], "荣誉", "OP1", "2026-01-30 12:00")),
        ]
        told = await town.hours.submit("file", lines, Command("test", "a"))
        assert [(v.verdict, v.points) for v in told] == [
            ("accepted", 1000),
            ("accepted", 2000),
            ("malformed", 0),
            ("accepted", 0),
        ]


async def test_a_fund_without_budget_stops_the_upload_at_a_line_and_leaves_nothing_half_done(
    database: Database,
) -> None:
    poor = book(policy(fund={"code": "poor", "budget_points": 50}))
    lines = [(n, record(f"R{n}", f"V{n}", "2026-02-02", minutes=180 if n == 2 else 120)) for n in (1, 2, 3)]
    async with open_town(database, poor) as town:
        await town.earn("V3", "2026-02-01", minutes=60)
        with pytest.raises(RecordRefused) as refused:
            await town.hours.submit("file", lines, Command("test", "a"))
        assert refused.value.line == 2
        assert isinstance(refused.value.refusal, InsufficientBalance)
        assert await town.lots("V1") == {"2027-12-31": 2000}
        assert await town.lots("V2") == {}
        assert await town.lots("V3") == {"2027-12-31": 1000}
        assert await database.read(lines_done, town.ledger.id, "file") == {1}
        again = await town.hours.submit("file", [lines[0], lines[2]], Command("test", "a"))
        assert [v.verdict for v in again] == ["accepted", "accepted"]


async def test_baskets_between_the_judging_and_the_booking_do_not_disturb(database: Database) -> None:
    async with open_town(database) as town:
        await town.earn("V1", "2026-02-01")
        await town.stock("RICE", 50)
        lines = [(n, record(f"R{n}", "V1", f"2026-02-{n + 2:02}")) for n in range(20)]
        sales = (town.sell("V1", "2026-03-02 09:00:00", ("RICE", 1)) for _ in range(2))
        told, *_ = await asyncio.gather(town.hours.submit("file", lines, Command("test", "a")), *sales)
        assert {v.verdict for v in told} == {"accepted"}
        assert await town.lots("V1") == {"2027-12-31": 21 * 4000 - 2 * 2000}


async def _booked(town: Town, record_id: str, day: str) -> int:
    [verdict] = await town.hours.submit(
        record_id, [(1, record(record_id, "V1", day))], Command("test", record_id)
    )
    assert verdict.sequence > 0
    return verdict.sequence


async def _released(town: Town, as_of: date) -> int:
    return sum([count async for count in town.hours.release(as_of)])


async def test_who_brings_his_own_time_only_may_record_what_is_still_to_come(database: Database) -> None:
    """The town's clock stands at 2 March, 08:00; a replay's files may be of any time, an upload may not."""
    ends_now = record("R1", "V1", "2026-03-02", start="04:00")
    still_to_come = record("R2", "V1", "2026-03-02", start="09:00", minutes=60)
    async with open_town(database) as town:
        told = await town.hours.submit("upload", [(1, ends_now), (2, still_to_come)], Command("test", "a"))
        assert [v.verdict for v in told] == ["accepted", "recorded_early"]
        replayed = HoursService(town.ledger, town.policies, brings_own_time=True)
        [verdict] = await replayed.submit("replay", [(1, still_to_come)], Command("test", "b"))
        assert verdict.verdict == "duplicate", "the first upload took the id"
        other = ("R3", *still_to_come[1:])
        [verdict] = await replayed.submit("replay", [(2, other)], Command("test", "b"))
        assert verdict.verdict == "accepted"
