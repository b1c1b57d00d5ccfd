"""Logging in: password and code, alike answers, throttles, sessions that end when they should."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from pointsbank.access import log_in_rows as rows
from pointsbank.access.common_passwords import known_of, made
from pointsbank.access.log_in import OpenedSession
from pointsbank.access.logins import credentials, events, sessions, throttles
from pointsbank.access.passwords import MOST_WAITING, Passwords, PasswordsBusy, weakness
from pointsbank.access.pepper import Pepper, PepperError, make_pepper, read_pepper
from pointsbank.access.refusals import (
    CodeRefused,
    LogInRefused,
    TooManyAttempts,
    UnknownEnrolment,
    UnknownSession,
    WeakPassword,
)
from pointsbank.access.rights import rights
from pointsbank.access.staff import Half
from pointsbank.access.totp import code_at, matching_step, step_of, uri_of
from pointsbank.store.database import Database

from .office import ADDRESS, MINUTE, NOON, PASSWORD, Office, open_office, secret_in

RULES = rights().log_in
SEED = b"12345678901234567890"


# one-time codes


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_codes_are_those_of_rfc_6238(seconds: int, code: str) -> None:
    assert code_at(SEED, step_of(seconds * 1_000_000), 8) == code


@pytest.mark.parametrize(("steps", "is_good"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_clock_may_be_one_step_off(steps: int, is_good: bool) -> None:
    step = step_of(NOON) + steps
    assert (matching_step(SEED, code_at(SEED, step), NOON, 1) == step) is is_good


@given(st.text(max_size=12))
def test_what_is_no_code_matches_nothing(text: str) -> None:
    codes = {code_at(SEED, step_of(NOON) + drift) for drift in (-1, 0, 1)}
    assert (matching_step(SEED, text, NOON, 1) is not None) == (text in codes)


def test_an_authenticator_app_gets_the_secret_back() -> None:
    assert secret_in(uri_of("积分银行", "ann b", SEED)) == SEED


# passwords and the pepper


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short", "short"),
        ("x" * 129, "long"),
        ("Password12345", "common"),
        ("aaaaaaaaaaaaaaa", "plain"),
        ("abcdefghijklmnop", "plain"),
        ("zyxwvutsrqponm", "plain"),
        ("abababababababab", "plain"),
        ("this is Ann-Lee 1", "login"),
        ("我爱志愿者积分银行一生一世", "ours"),
        ("PointsBank-2026!", "ours"),
        ("correct horse battery", ""),
        ("正确的马电池订书钉很好用啊", ""),
    ],
)
def test_a_password_is_long_and_not_one_of_the_known(password: str, why: str) -> None:
    assert weakness(password, "ann-lee", RULES) == why


def test_tens_of_thousands_of_common_passwords_are_refused_and_those_of_a_citys_list(tmp_path: Path) -> None:
    long = [one for one in made() if len(one) >= RULES.password_shortest]
    assert len(long) > 30_000
    assert all(weakness(one, "ann", RULES) for one in long[::50])
    for one in (
        "Woaini5201314",
        "P@ssword123456",
        "1qaz2wsx3edc",
        "QWERTYuiop123",
        "haerbin888888",
        "changeme2026",
    ):
        assert weakness(one, "ann", RULES) == "common", one
    file = tmp_path / "common.txt"
    file.write_text("Ice Lantern Park\n\n冰雪大世界二〇二六年冬天\n", encoding="utf-8")
    known = known_of(str(file))
    assert weakness("ice lantern park", "ann", RULES) == ""
    assert weakness("ICE lantern park", "ann", RULES, known) == "common"
    assert weakness("冰雪大世界二〇二六年冬天", "ann", RULES, known) == "common"
    assert known_of("") == frozenset()


async def test_a_password_fits_itself_alone_and_only_under_its_pepper() -> None:
    one, other = Passwords(Pepper(bytes(32)), workers=1), Passwords(Pepper(bytes(range(32))), workers=1)
    try:
        kept = await one.hash("caf\u00e9 au lait noir")
        assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert await one.check(kept, "caf\u00e9 au lait noir")
        assert not await one.check(kept, "cafe\u0301 au lait noir"), "exactly as it was given"
        assert not await one.check(kept, "Caf\u00e9 au lait noir")
        assert not await one.check(kept, "cafe au lait noir")
        assert not await other.check(kept, "caf\u00e9 au lait noir")
        assert not await one.check(None, "caf\u00e9 au lait noir")
        assert not await one.check("no hash", "caf\u00e9 au lait noir")
    finally:
        one.close()
        other.close()


async def test_no_more_log_ins_wait_than_the_machine_can_hash() -> None:
    passwords = Passwords(Pepper(bytes(32)), workers=1)
    waiting = [asyncio.ensure_future(passwords.hash("x")) for _ in range(MOST_WAITING + 1)]
    await asyncio.sleep(0)
    with pytest.raises(PasswordsBusy):
        await passwords.hash("x")
    for task in waiting[1:]:
        task.cancel()
    await waiting[0]
    passwords.close()


def test_a_pepper_lies_in_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "pepper"
    made = make_pepper(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_pepper(path).derive("a", b"b") == made.derive("a", b"b")
    assert made.derive("a", b"b", b"c") != made.derive("a", b"bc")
    with pytest.raises(FileExistsError):
        make_pepper(path)
    path.chmod(0o640)
    with pytest.raises(PepperError):
        read_pepper(path)
    path.chmod(0o600)
    for text in ("", "zz", "00" * 31, "é"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(PepperError):
            read_pepper(path)
    assert "0" not in repr(made)


# logging in


async def test_who_knows_the_password_and_holds_the_app_gets_in(database: Database) -> None:
    async with open_office(database) as office:
        await office.enrol("ann")
        opened = await office.log_in("ann")
        actor = await office.log_ins.actor(opened.token)
        assert actor is not None
        assert (actor.person, actor.roles, actor.session) == (
            office.people["ann"],
            {"administrator"},
            opened.session,
        )
        assert actor.is_stepped_up
        assert actor.name == f"person:{office.people['ann']}"
        assert opened.token not in await office.store.run(everything)
        assert await office.log_ins.actor("made up") is None
        assert await office.log_ins.actor("") is None


async def test_whatever_is_wrong_the_answer_is_the_same(database: Database) -> None:
    async with open_office(database) as office:
        await office.enrol("ann")
        await office.add("cy")
        good = office.code("ann")
        wrong = "000000" if good != "000000" else "111111"
        attempts = [
            ("ann", "a wrong password indeed", good),
            ("ann", PASSWORD, wrong),
            ("ann", PASSWORD, ""),
            ("nobody", PASSWORD, good),
            ("", "", ""),
            ("cy", PASSWORD, good),  # never enrolled
            ("ann\0\ud800", PASSWORD, "é"),
        ]
        for login, password, code in attempts:
            verdict = await office.log_ins.log_in(login, password, code, "192.0.2.200")
            assert verdict == LogInRefused(), login


async def test_a_code_opens_once(database: Database) -> None:
    async with open_office(database) as office:
        await office.enrol("ann")
        code = office.code("ann")
        verdicts = await asyncio.gather(
            *(office.log_ins.log_in("ann", PASSWORD, code, ADDRESS) for _ in range(3))
        )
        assert sorted(isinstance(v, OpenedSession) for v in verdicts) == [False, False, True]
        earlier = office.code("ann", -1)
        assert await office.log_ins.log_in("ann", PASSWORD, earlier, ADDRESS) == LogInRefused()
        later = office.code("ann", 1)
        assert isinstance(await office.log_ins.log_in("ann", PASSWORD, later, ADDRESS), OpenedSession)


async def test_what_was_replaced_while_it_was_checked_opens_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_office(database) as office:
        await office.enrol("ann")
        check, person = office.log_ins.passwords.check, office.people["ann"]

        async def checked(kept: str | None, password: str) -> bool:
            is_right = await check(kept, password)
            renewed = (await office.log_ins.passwords.hash("another horse battery"), b"another nonce....")
            await office.store.run(rows.keep, office.ledger.id, person, *renewed, NOON, {"h:any": 1})
            return is_right

        monkeypatch.setattr(office.log_ins.passwords, "check", checked)
        assert await office.log_ins.log_in("ann", PASSWORD, office.code("ann"), ADDRESS) == LogInRefused()
        assert await office.log_ins.list(person) == [], (
            "password and app were lost, and two others gave new ones"
        )


async def test_failures_shut_the_door_for_a_while_for_unknown_names_as_well(database: Database) -> None:
    async with open_office(database) as office:
        await office.enrol("ann")
        for login in ("ann", "nobody"):
            for _ in range(RULES.most_failures_here):
                verdict = await office.log_ins.log_in(login, "a wrong password indeed", "1", ADDRESS)
                assert verdict == LogInRefused()
            shut = await office.log_ins.log_in(login, PASSWORD, office.code("ann"), ADDRESS)
            assert isinstance(shut, TooManyAttempts), login
            assert 0 < shut.seconds <= RULES.window_minutes * 60 + 1
        elsewhere = await office.log_ins.log_in("ann", PASSWORD, office.code("ann"), "198.51.100.1")
        assert isinstance(elsewhere, OpenedSession), "the person who comes from elsewhere is not shut out"
        office.clock.time += RULES.window_minutes * MINUTE
        assert isinstance(await office.log_in("ann"), OpenedSession)


async def test_an_account_is_shut_whatever_addresses_the_failures_come_from(database: Database) -> None:
    async with open_office(database) as office:
        await office.enrol("ann")
        for number in range(RULES.most_failures_account):
            await office.log_ins.log_in("ann", "a wrong password indeed", "1", f"10.0.0.{number}")
        shut = await office.log_ins.log_in("ann", PASSWORD, office.code("ann"), "10.0.1.1")
        assert isinstance(shut, TooManyAttempts)


async def test_attempts_at_one_moment_count_as_many(database: Database) -> None:
    async with open_office(database) as office:
        verdicts = await asyncio.gather(
            *(office.log_ins.log_in("ann", "guess", "1", ADDRESS) for _ in range(12))
        )
        refused = [v for v in verdicts if isinstance(v, LogInRefused)]
        assert len(refused) == RULES.most_failures_here


async def test_neither_names_nor_addresses_nor_secrets_stand_in_the_store(
    sqlite_url: str,
) -> None:
    database = Database(sqlite_url)
    async with open_office(database) as office:
        await office.enrol("ann")
        await office.log_ins.log_in("canary-login", "canary password", "1", "203.0.113.99")
        await office.log_in("ann")
        paths = [p for p in office.store.path.parent.iterdir() if p.is_file()]
        assert office.store.path in paths
        assert office.store.path.stat().st_mode & 0o077 == 0
        raw = b"".join(path.read_bytes() for path in paths)
        for canary in ("canary-login", "canary password", "203.0.113.99", PASSWORD):
            assert canary.encode() not in raw
        assert office.apps["ann"] not in raw
        for half in office.codes["ann"].split("-"):
            assert half.encode() not in raw
    await database.close()


async def test_a_password_is_good_for_years(database: Database) -> None:
    async with open_office(database) as office:
        await office.enrol("ann")
        office.clock.time += 5 * 365 * 86_400_000_000
        assert isinstance(await office.log_in("ann"), OpenedSession)


# sessions


async def test_a_session_ends_when_nobody_uses_it_and_after_its_longest_time(database: Database) -> None:
    async with open_office(database) as office:
        await office.enrol("ann")
        idle = await office.log_in("ann")
        office.clock.time += RULES.idle_minutes * MINUTE
        assert await office.log_ins.actor(idle.token) is None
        busy = await office.log_in("ann")
        for _ in range(RULES.longest_hours * 6 - 1):
            office.clock.time += 10 * MINUTE
            assert await office.log_ins.actor(busy.token) is not None
        office.clock.time += 10 * MINUTE
        assert await office.log_ins.actor(busy.token) is None


async def test_a_session_is_touched_at_most_once_a_minute(database: Database) -> None:
    async with open_office(database) as office:
        await office.enrol("ann")
        opened = await office.log_in("ann")
        touched = []
        for seconds in (1, 30, 28, 1, 59):
            office.clock.time += seconds * 1_000_000
            await office.log_ins.actor(opened.token)
            [line] = await office.log_ins.list(opened.person)
            touched.append((line.touched_at - line.opened_at) // 1_000_000)
        assert touched == [0, 0, 0, 60, 60]


async def test_log_in_and_a_fresh_code_change_the_token(database: Database) -> None:
    async with open_office(database) as office:
        await office.enrol("ann")
        first = await office.log_in("ann")
        office.clock.time += MINUTE
        second = await office.log_ins.log_in("ann", PASSWORD, office.code("ann"), ADDRESS, first.token)
        assert isinstance(second, OpenedSession)
        assert await office.log_ins.actor(first.token) is None, "this browser's earlier session ends"
        office.clock.time += RULES.step_up_minutes * MINUTE
        stale = await office.log_ins.actor(second.token)
        assert stale is not None
        assert not stale.is_stepped_up
        used = office.code("ann")
        third = await office.log_ins.step_up(second.token, used, ADDRESS)
        assert isinstance(third, OpenedSession)
        assert (third.session, third.expires_at) == (second.session, second.expires_at)
        assert await office.log_ins.actor(second.token) is None
        fresh = await office.log_ins.actor(third.token)
        assert fresh is not None
        assert fresh.is_stepped_up
        assert await office.log_ins.step_up(third.token, used, ADDRESS) == CodeRefused()
        assert await office.log_ins.step_up(second.token, "1", ADDRESS) == UnknownSession()


async def test_a_person_has_so_many_sessions_and_a_further_one_ends_the_oldest(database: Database) -> None:
    async with open_office(database) as office:
        await office.enrol("ann")
        opened = [await office.log_in("ann") for _ in range(RULES.most_sessions + 1)]
        alive = [await office.log_ins.actor(one.token) is not None for one in opened]
        assert alive == [False] + [True] * RULES.most_sessions


async def test_a_new_password_needs_the_old_one_and_ends_all_other_sessions(database: Database) -> None:
    async with open_office(database) as office:
        await office.enrol("ann")
        other, mine = await office.log_in("ann"), await office.log_in("ann")
        door, new = office.log_ins, "quite another sentence"
        assert await door.change_password(mine.token, "wrong", new, ADDRESS) == LogInRefused()
        weak = await door.change_password(mine.token, PASSWORD, "short", ADDRESS)
        assert isinstance(weak, WeakPassword)
        assert await door.change_password("made up", PASSWORD, new, ADDRESS) == UnknownSession()
        changed = await door.change_password(mine.token, PASSWORD, new, ADDRESS)
        assert isinstance(changed, OpenedSession)
        for token in (other.token, mine.token):
            assert await door.actor(token) is None
        assert await door.actor(changed.token) is not None
        office.clock.time += MINUTE
        assert await door.log_in("ann", PASSWORD, office.code("ann"), ADDRESS) == LogInRefused()
        opened = await door.log_in("ann", new, office.code("ann"), ADDRESS)
        assert isinstance(opened, OpenedSession)


async def test_of_two_new_passwords_at_one_moment_one_is_set_and_the_other_is_told_so(
    database: Database,
) -> None:
    async with open_office(database) as office:
        await office.enrol("ann")
        opened = await office.log_in("ann")
        new = ("another horse battery", "one more horse battery")
        told = await asyncio.gather(
            *(office.log_ins.change_password(opened.token, PASSWORD, one, ADDRESS) for one in new)
        )
        [is_set] = [one for one, answer in zip(new, told, strict=True) if isinstance(answer, OpenedSession)]
        assert LogInRefused() in told or UnknownSession() in told
        office.clock.time += MINUTE
        again = await office.log_ins.log_in("ann", is_set, office.code("ann"), ADDRESS)
        assert isinstance(again, OpenedSession)


async def test_current_passwords_cannot_be_guessed_in_a_session(database: Database) -> None:
    async with open_office(database) as office:
        await office.enrol("ann")
        opened = await office.log_in("ann")
        for _ in range(RULES.most_failures_here):
            wrong = await office.log_ins.change_password(opened.token, "x", "quite another sentence", ADDRESS)
            assert wrong == LogInRefused()
        shut = await office.log_ins.change_password(opened.token, PASSWORD, "quite another sentence", ADDRESS)
        assert isinstance(shut, TooManyAttempts)


async def test_codes_cannot_be_guessed_in_a_session(database: Database) -> None:
    async with open_office(database) as office:
        await office.enrol("ann")
        opened = await office.log_in("ann")
        for _ in range(RULES.most_failures_here):
            assert await office.log_ins.step_up(opened.token, "x", ADDRESS) == CodeRefused()
        office.clock.time += MINUTE
        shut = await office.log_ins.step_up(opened.token, office.code("ann"), ADDRESS)
        assert isinstance(shut, TooManyAttempts)


async def test_ones_own_sessions_are_listed_and_ended_by_oneself_alone(database: Database) -> None:
    async with open_office(database) as office:
        await office.enrol("ann")
        await office.enrol("bo")
        one, two = await office.log_in("ann"), await office.log_in("ann")
        bo = await office.log_in("bo")
        assert [line.id for line in await office.log_ins.list(one.person)] == [two.session, one.session]
        assert await office.log_ins.end(bo.person, one.session) == UnknownSession()
        assert await office.log_ins.end(one.person, one.session) is None
        assert await office.log_ins.end(one.person, one.session) == UnknownSession()
        assert await office.log_ins.actor(one.token) is None
        assert await office.log_ins.actor(two.token) is not None


async def test_a_revoked_role_a_closed_account_and_an_administrators_word_end_sessions(
    database: Database,
) -> None:
    async with open_office(database) as office:
        await office.enrol("ann")
        ann, bo = office.actor("ann"), office.actor("bo")
        await office.add("cy")
        await office.enrol("cy")
        grant = await office.give("cy", "administrator")
        first = await office.log_in("cy")
        office.clock.time += 1
        await office.roles.revoke(bo, grant, office.command(bo))
        assert await office.log_ins.actor(first.token) is None
        assert await office.log_ins.list(first.person) == []
        second = await office.log_in("cy")
        office.clock.time += 1
        await office.staff.end_sessions(ann, office.people["cy"], office.command(ann))
        assert await office.log_ins.actor(second.token) is None
        third = await office.log_in("cy")
        office.clock.time += 1
        await office.staff.close_account(ann, office.people["cy"], office.command(ann))
        assert await office.log_ins.actor(third.token) is None
        office.clock.time += MINUTE
        verdict = await office.log_ins.log_in("cy", PASSWORD, office.code("cy"), ADDRESS)
        assert verdict == LogInRefused()


async def test_a_revocation_by_another_process_ends_sessions_within_seconds(database: Database) -> None:
    from pointsbank.access.ring import REMEMBERED_SECONDS, KeyRing
    from pointsbank.access.roles import RoleDesk
    from pointsbank.policy.shipped import policies_at

    async with open_office(database) as office:
        await office.add("cy")
        await office.enrol("cy")
        grant = await office.give("cy", "auditor")
        opened = await office.log_in("cy")
        elsewhere = RoleDesk(office.ledger, KeyRing(office.ledger, office.clock), policies_at())
        assert await office.log_ins.actor(opened.token) is not None
        office.clock.time += 1
        bo = office.actor("bo")
        await elsewhere.revoke(bo, grant, office.command(bo))
        office.clock.time += REMEMBERED_SECONDS * 1_000_000
        assert await office.log_ins.actor(opened.token) is None


# enrolment and recovery


async def test_credentials_are_set_once_with_a_code_and_weak_passwords_do_not_use_it_up(
    database: Database,
) -> None:
    async with open_office(database) as office:
        weak = await office.log_ins.enrol("ann", office.codes["ann"], "short", ADDRESS, office.command())
        assert weak == WeakPassword("short", RULES.password_shortest)
        await office.enrol("ann")
        again = await office.log_ins.enrol("ann", office.codes["ann"], PASSWORD, ADDRESS, office.command())
        assert again == UnknownEnrolment()
        assert isinstance(await office.log_in("ann"), OpenedSession)


async def test_every_enrolment_gives_another_seed(database: Database) -> None:
    async with open_office(database) as office:
        await office.enrol("ann")
        await office.enrol("bo")
        await office.add("cy")
        await office.enrol("cy")
        assert len(set(office.apps.values())) == 3
        assert all(len(seed) == 20 for seed in office.apps.values())


async def test_codes_of_enrolments_cannot_be_guessed(database: Database) -> None:
    async with open_office(database) as office:
        for _ in range(RULES.most_failures_here):
            guess = await office.log_ins.enrol("ann", "A-B", PASSWORD, ADDRESS, office.command())
            assert guess == UnknownEnrolment()
        shut = await office.log_ins.enrol("ann", office.codes["ann"], PASSWORD, ADDRESS, office.command())
        assert isinstance(shut, TooManyAttempts)


async def test_a_lost_second_factor_is_replaced_by_two_others_and_the_old_one_is_dead(
    database: Database,
) -> None:
    async with open_office(database) as office:
        await office.add("cy")
        await office.enrol("cy")
        opened, old = await office.log_in("cy"), dict(office.apps)
        office.clock.time += 1
        ann, bo = office.actor("ann"), office.actor("bo")
        first = await office.staff.begin_recovery(ann, office.people["cy"], office.command(ann))
        assert isinstance(first, Half)
        second = await office.staff.confirm_enrolment(bo, first.enrolment, office.command(bo))
        assert isinstance(second, Half)
        assert await office.log_ins.actor(opened.token) is None, "sessions end at the confirmation"
        office.codes["cy"] = f"{first.code}-{second.code}"
        await office.enrol("cy", "another good password")
        office.clock.time += MINUTE
        stale = code_at(old["cy"], step_of(office.clock.time))
        for password, code in ((PASSWORD, office.code("cy")), ("another good password", stale)):
            assert await office.log_ins.log_in("cy", password, code, ADDRESS) == LogInRefused()
        verdict = await office.log_ins.log_in("cy", "another good password", office.code("cy"), ADDRESS)
        assert isinstance(verdict, OpenedSession)


async def test_what_happens_at_the_door_is_written_down(database: Database) -> None:
    async with open_office(database) as office:
        await office.enrol("ann")
        await office.log_ins.log_in("ann", "wrong", "1", ADDRESS)
        opened = await office.log_in("ann")
        office.clock.time += MINUTE
        renewed = await office.log_ins.step_up(opened.token, office.code("ann"), ADDRESS)
        assert isinstance(renewed, OpenedSession)
        await office.log_ins.end(opened.person, opened.session)
        assert await office.store.run(happened, office) == [
            "enrolled",
            "refused",
            "opened",
            "stepped-up",
            "ended",
        ]


async def test_what_happened_at_the_door_is_forgotten_after_its_time(database: Database) -> None:
    async with open_office(database) as office:
        await office.enrol("ann")
        office.clock.time += (RULES.events_days + 1) * 86_400_000_000
        await office.log_in("ann")
        assert await office.store.run(happened, office) == ["opened"]


def happened(connection: Connection, office: Office) -> list[str]:
    query = select(events.c.what).where(events.c.person_id == office.people["ann"])
    return list(connection.execute(query.order_by(events.c.event_id)).scalars())


def everything(connection: Connection) -> str:
    tables = (credentials, sessions, throttles, events)
    return repr([connection.execute(select(table)).all() for table in tables])
