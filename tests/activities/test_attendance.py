"""Checking in and out: by the session's rotating code, by one's own code, by card; and what is no proof."""

from __future__ import annotations

import pytest
from tests.activities.centre import RECORDER, TERMINAL, done, open_centre, refused

from pointsbank.activities.attendance import Shown
from pointsbank.activities.codes import PERIOD_SECONDS, RotatingCodes
from pointsbank.activities.refusals import CheckInRefused
from pointsbank.store.database import Database

SECOND_MICROS = 1_000_000
START = 1_772_413_200 * SECOND_MICROS // (PERIOD_SECONDS * SECOND_MICROS) * (PERIOD_SECONDS * SECOND_MICROS)
"""A moment at which a code begins."""


@pytest.mark.parametrize(
    ("made", "read", "good"),
    [
        (0, 0, True),
        (0, 59, True),
        (29, 59, True),
        (29, 60, False),
        (0, 60, False),
        (30, 29, False),
        (0, 3600, False),
    ],
)
def test_a_code_lives_thirty_to_sixty_seconds(made: int, read: int, *, good: bool) -> None:
    codes = RotatingCodes("city", b"k" * 32)
    code = codes.code("s", "session-1", START + made * SECOND_MICROS)
    found = codes.holder("s", code, START + read * SECOND_MICROS)
    assert found == ("session-1" if good else None)


def test_a_code_of_another_kind_ledger_key_or_text_is_none() -> None:
    codes = RotatingCodes("city", b"k" * 32)
    code = codes.code("s", "session-1", START)
    assert codes.holder("v", code, START) is None
    assert RotatingCodes("other", b"k" * 32).holder("s", code, START) is None
    assert RotatingCodes("city", b"x" * 32).holder("s", code, START) is None
    forged = ("", ".", "s...", "s.x.-1.y", "s.x.²." + "0" * 32, "s.x.9" + "9" * 40 + ".y")
    for wrong in (*forged, code + ".", code[:-1], code.replace("1", "2")):
        assert codes.holder("s", wrong, START) is None


async def test_a_volunteer_checks_in_and_out_by_the_sessions_code_and_earns_credit(
    database: Database,
) -> None:
    async with open_centre(database) as centre:
        session = await centre.session("2026-03-02")
        other = await centre.session("2026-03-02")
        for name in ("V1", "V2"):
            done(await centre.activities.sign_up(session, centre.id(name), centre.by(name), centre.key()))
        early = await centre.attendance.session_code(session)
        assert refused(early) == CheckInRefused("outside-session"), "no code long before the session"
        centre.at("2026-03-02 09:00:00")
        code = done(await centre.attendance.session_code(session))
        wrong = done(await centre.attendance.session_code(other))
        for shown, by, rule in (
            (Shown("session-code", wrong), centre.by("V1"), "code-invalid"),
            (Shown("session-code", code), centre.by("V2"), "code-invalid"),
            (Shown("session-code", code), TERMINAL, "code-invalid"),
            (Shown("card"), RECORDER, "code-invalid"),
        ):
            answer = await centre.attendance.check_in(session, centre.id("V1"), shown, by, centre.key())
            assert refused(answer) == CheckInRefused(rule)
        shown = Shown("session-code", code)
        done(await centre.attendance.check_in(session, centre.id("V1"), shown, centre.by("V1"), centre.key()))
        twice = await centre.attendance.check_in(
            session, centre.id("V1"), shown, centre.by("V1"), centre.key()
        )
        assert refused(twice) == CheckInRefused("came-already")
        centre.at("2026-03-02 11:00:00")
        old = await centre.attendance.check_out(
            session, centre.id("V1"), shown, centre.by("V1"), centre.key()
        )
        assert refused(old) == CheckInRefused("code-invalid"), "a photograph of this morning's code"
        shown = Shown("session-code", done(await centre.attendance.session_code(session)))
        done(
            await centre.attendance.check_out(session, centre.id("V1"), shown, centre.by("V1"), centre.key())
        )
        absent = await centre.attendance.check_out(
            session, centre.id("V2"), shown, centre.by("V2"), centre.key()
        )
        assert refused(absent) == CheckInRefused("not-checked-in")
        [outcome] = await centre.verify((await centre.submit(session))["V1"].record_id)
        assert outcome.points == 2000


async def test_staff_read_a_volunteers_own_code_and_nobody_reads_their_own(database: Database) -> None:
    async with open_centre(database) as centre:
        session = await centre.session("2026-03-02")
        done(await centre.activities.sign_up(session, centre.id("V1"), RECORDER, centre.key()))
        centre.at("2026-03-02 09:00:00")
        shown = Shown("own-code", centre.attendance.own_code(centre.id("V1")))
        own = await centre.attendance.check_in(session, centre.id("V1"), shown, centre.by("V1"), centre.key())
        assert refused(own) == CheckInRefused("code-invalid")
        others = Shown("own-code", centre.attendance.own_code(centre.id("V2")))
        wrong = await centre.attendance.check_in(session, centre.id("V1"), others, RECORDER, centre.key())
        assert refused(wrong) == CheckInRefused("code-invalid")
        done(await centre.attendance.check_in(session, centre.id("V1"), shown, RECORDER, centre.key()))


async def test_nobody_comes_to_a_session_hours_before_or_after_it(database: Database) -> None:
    async with open_centre(database) as centre:
        session = await centre.session("2026-03-02")
        done(await centre.activities.sign_up(session, centre.id("V1"), RECORDER, centre.key()))
        for at, rule in (("07:59", "outside-session"), ("12:01", "outside-session")):
            centre.at(f"2026-03-02 {at}:00")
            answer = await centre.attendance.check_in(
                session, centre.id("V1"), Shown("card"), TERMINAL, centre.key()
            )
            assert refused(answer) == CheckInRefused(rule)
