"""Cards, terminals, PINs and codes by phone: what opens, for whom, for how long, and what never does."""

from __future__ import annotations

import asyncio
import re
from datetime import date

import msgspec
import pytest
from sqlalchemy import Connection, select

from pointsbank.access import logins
from pointsbank.access.authorize import Forbidden, Resource, authorize
from pointsbank.access.leaving import forget_means
from pointsbank.access.model import SELF_ACTIONS
from pointsbank.access.phone_codes import AskedCode
from pointsbank.access.refusals import (
    CardDayLimit,
    CardFrozen,
    CardNotYet,
    GuardianNotPresent,
    NoPinChoice,
    NotAWard,
    NotPermitted,
    OwnCodeRefused,
    PhoneCodeRefused,
    PinPaused,
    PinRefused,
    SecondPersonNeeded,
    TerminalCodeRefused,
    TerminalStopped,
    TooManyAttempts,
    UnknownRolePlace,
    UnknownTerminal,
    WeakPin,
)
from pointsbank.access.rights import rights
from pointsbank.access.terminals import ConfirmedTerminal, Terminal
from pointsbank.access.visits import OpenedVisit, Visit
from pointsbank.people import code_outbox
from pointsbank.people.cards import IssuedCard, new_number, new_token, token_in
from pointsbank.people.closing import Closing, close_account
from pointsbank.people.refusals import PersonDataInvalid, UnknownCard
from pointsbank.people.store_tables import cards, people_metadata
from pointsbank.policy.shipped import policies_at

from .bureau import DAY, HOUR, PIN, Bureau
from .office import MINUTE

PHONE = "13845670123"
ADDRESS = "192.0.2.9"
BORN = date(1958, 3, 9)
RULES = rights().visit
COUNTER = policies_at().policies[-1].counter
PINS = rights().pin
SECOND = 1_000_000


async def opened(bureau: Bureau, key: str, token: str, pin: str = PIN) -> object:
    return await bureau.visits.open_with_card(key, bureau.staff("cashier"), token, pin)


async def visit(bureau: Bureau, found: object) -> Visit:
    assert isinstance(found, OpenedVisit), found
    behind = await bureau.visits.visit(found.token)
    assert behind is not None
    return behind


# cards


def test_a_cards_token_has_80_random_bits_and_its_number_a_check_digit() -> None:
    assert len({new_token() for _ in range(100)}) == 100
    token = new_token()
    assert token_in(f" {token[:7].lower()}-{token[7:]} ") == token
    for wrong in ("", "PBC", token[:-1], token + "A", "X" + token[1:], new_number()):
        assert token_in(wrong) is None
    for _ in range(50):
        digits = [int(digit) for digit in new_number()]
        doubled = [sum(divmod(2 * d, 10)) if at % 2 else d for at, d in enumerate(reversed(digits))]
        assert len(digits) == 12
        assert sum(doubled) % 10 == 0


async def test_nothing_of_a_card_stands_in_the_store_in_plain(bureau: Bureau) -> None:
    issued = await bureau.card(await bureau.person())

    def everything(connection: Connection) -> str:
        return repr([connection.execute(select(t)).all() for t in people_metadata.tables.values()])

    stored = await bureau.store.read(everything)
    assert issued.token not in stored
    assert issued.number not in stored
    assert issued.token not in repr(issued)


async def test_ones_own_data_hold_the_numbers_of_ones_cards(bureau: Bureau) -> None:
    person = await bureau.person()
    issued = await bureau.card(person)
    exported = await bureau.desk.export(bureau.staff("mgr"), person, "本人申请")
    assert isinstance(exported, bytes)
    own = msgspec.json.decode(exported)
    assert [(card["number"], card["state"]) for card in own["cards"]] == [(issued.number, "active")]
    assert [change["kind"] for change in own["changes"]] == ["card-issue"]
    assert issued.token not in exported.decode()


async def test_v2_a_lost_card_is_dead_at_once_and_the_new_one_opens_the_same_account(bureau: Bureau) -> None:
    person, old, key = await bureau.holder()
    found = await visit(bureau, await opened(bureau, key, old.token))
    # any station freezes it, with the printed number or for the person
    assert await bureau.desk.freeze_number(bureau.staff("far"), old.number) == person
    assert await opened(bureau, key, old.token) == PinRefused()
    new = await bureau.card(person)
    assert await opened(bureau, key, old.token) == PinRefused(), "the old one is dead"
    after = await visit(bureau, await opened(bureau, key, new.token))
    assert after.person == found.person == person
    assert after.spends_from == new.card.effective_at == bureau.office.clock.time + DAY
    assert await bureau.desk.freeze_number(bureau.staff("far"), new_number()) == UnknownCard()


async def test_a_card_is_dead_from_the_moment_in_which_another_is_proposed(bureau: Bureau) -> None:
    person, old, key = await bureau.holder()
    await bureau.desk.propose_card(bureau.staff("op"), person)
    assert await opened(bureau, key, old.token) == PinRefused()


async def test_a_frozen_card_opens_again_through_two_and_spends_after_a_day(bureau: Bureau) -> None:
    person, card, key = await bureau.holder()
    assert await bureau.desk.freeze_card(bureau.staff("cashier"), person) is None
    act = await bureau.desk.propose_card(bureau.staff("op"), person, unfreezes=True)
    await bureau.desk.confirm_act(bureau.staff("mgr"), person, act.id)  # type: ignore[union-attr]
    found = await visit(bureau, await opened(bureau, key, card.token))
    assert found.spends_from == bureau.office.clock.time + DAY
    assert await bureau.visits.may_redeem(found, 100) == CardNotYet(found.spends_from)


async def test_two_confirmations_at_one_moment_issue_one_card(bureau: Bureau) -> None:
    person = await bureau.person()
    act = await bureau.desk.propose_card(bureau.staff("op"), person)
    verdicts = await asyncio.gather(
        *(bureau.desk.confirm_card(bureau.staff(login), person, act.id) for login in ("mgr", "second"))  # type: ignore[union-attr]
    )
    assert sum(isinstance(verdict, IssuedCard) for verdict in verdicts) == 1
    found = await bureau.desk.cards(bureau.staff("op"), person)
    assert isinstance(found, list)
    assert [card.state for card in found] == ["active"]


# terminals


async def test_a_terminal_takes_two_persons_a_place_and_a_code_that_is_good_once(bureau: Bureau) -> None:
    ann, bo, office = bureau.office.actor("ann"), bureau.office.actor("bo"), bureau.office
    desk, place = bureau.terminals, bureau.places["S1"]
    assert await desk.propose(ann, "nowhere", "x", office.command(ann)) == UnknownRolePlace("nowhere")
    operator = bureau.staff("op")
    refused = await desk.propose(operator, place, "x", office.command(operator))
    assert refused == NotPermitted("terminals:manage")
    made = await desk.propose(ann, place, "一号", office.command(ann))
    assert isinstance(made, Terminal)
    assert await desk.confirm(ann, made.id, office.command(ann)) == SecondPersonNeeded()
    asked = office.command(bo)
    confirmed = await desk.confirm(bo, made.id, asked)
    assert isinstance(confirmed, ConfirmedTerminal)
    again = await desk.confirm(bo, made.id, asked)
    assert isinstance(again, ConfirmedTerminal)
    assert again.code is None, "the code is shown once"
    code = str(confirmed.code)
    for wrong in ("", made.id, f"{made.id}-AAAA", "x-" + code.partition("-")[2]):
        assert await desk.enrol(wrong) == TerminalCodeRefused()
    enrolled = await desk.enrol(code)
    assert isinstance(enrolled, tuple)
    assert await desk.enrol(code) == TerminalCodeRefused()
    found = await desk.recognise(enrolled[1])
    assert found is not None
    assert (found.id, found.state) == (made.id, "enrolled")
    for wrong in ("", "pbt_", enrolled[1][:-1], enrolled[1] + "x", "é"):
        assert await desk.recognise(wrong) is None


async def test_a_terminals_code_grows_old(bureau: Bureau) -> None:
    ann, bo, office = bureau.office.actor("ann"), bureau.office.actor("bo"), bureau.office
    made = await bureau.terminals.propose(ann, bureau.places["S1"], "一号", office.command(ann))
    assert isinstance(made, Terminal)
    confirmed = await bureau.terminals.confirm(bo, made.id, office.command(bo))
    assert isinstance(confirmed, ConfirmedTerminal)
    office.clock.time += RULES.terminal_code_hours * HOUR
    assert await bureau.terminals.enrol(str(confirmed.code)) == TerminalCodeRefused()


async def test_a_revoked_terminal_is_dead_at_once_and_so_is_what_was_opened_at_it(bureau: Bureau) -> None:
    _, card, key = await bureau.holder()
    found = await opened(bureau, key, card.token)
    assert isinstance(found, OpenedVisit)
    behind = await visit(bureau, found)
    ann = bureau.office.actor("ann")
    await bureau.terminals.revoke(ann, behind.terminal, bureau.office.command(ann))
    assert await bureau.visits.visit(found.token) is None
    assert await opened(bureau, key, card.token) == UnknownTerminal()


# card and PIN


async def test_card_and_pin_open_two_minutes_at_a_terminal_in_front_of_staff(bureau: Bureau) -> None:
    person, card, key = await bureau.holder("李秀英")
    found = await opened(bureau, key, card.token)
    assert isinstance(found, OpenedVisit)
    assert (found.person, found.name) == (person, "李*英")
    assert found.token not in repr(await bureau.office.store.run(_everything))
    bureau.office.clock.time += RULES.card_seconds * SECOND - 1
    assert await bureau.visits.visit(found.token) is not None
    bureau.office.clock.time += 1
    assert await bureau.visits.visit(found.token) is None, "it is not renewed by use"
    assert RULES.card_seconds == 120


async def test_without_a_terminal_or_staff_of_its_place_no_card_opens(bureau: Bureau) -> None:
    _, card, key = await bureau.holder()
    for wrong in ("", "pbt_x_y", key[:-1]):
        assert await opened(bureau, wrong, card.token) == UnknownTerminal()
    visits = bureau.visits
    for login in ("far", "mgr", "ann"):
        refused = await visits.open_with_card(key, bureau.staff(login), card.token, PIN)
        assert refused == NotPermitted("cards:read"), login
    by_key = msgspec.structs.replace(bureau.staff("cashier"), session="")
    assert await visits.open_with_card(key, by_key, card.token, PIN) == UnknownTerminal(), (
        "a key is no session"
    )


async def test_staff_serve_themselves_no_card(bureau: Bureau) -> None:
    from pointsbank.people.model import NewPerson

    cashier = bureau.staff("cashier")
    await bureau.desk.registry.register(NewPerson(name="收银", person_id=cashier.person), "clerk")
    await bureau.join(cashier.person, "T1")
    _, key = await bureau.terminal()
    card = await bureau.card(cashier.person)
    assert await opened(bureau, key, card.token) == NotPermitted("cards:read")


async def test_a_session_by_card_sees_checks_in_and_redeems_and_does_nothing_else(bureau: Bureau) -> None:
    person, card, key = await bureau.holder()
    found = await opened(bureau, key, card.token)
    assert isinstance(found, OpenedVisit)
    actor = await bureau.visits.actor(found.token)
    assert actor is not None
    about = Resource(person=person)
    allowed = {action for action in rights().actions if authorize(actor, action, about) is None}
    assert allowed == {"public", "own:session", "own:balance", "own:check-in", "own:redeem"}
    for action in set(rights().actions) - {"public"}:
        assert authorize(actor, action, Resource(person="somebody else")) == Forbidden(action)
    never = {"own:data", "own:card", "own:consents", "own:ward", "own:code", "own:object", "own:records"}
    assert never <= set(SELF_ACTIONS)
    assert not never & allowed
    assert await bureau.visits.pick_ward(found.token, person) == NotAWard()


async def test_a_pin_is_chosen_after_two_gave_leave_once_and_soon(bureau: Bureau) -> None:
    person = await bureau.person("李秀英", born=BORN)
    card, (_, key) = await bureau.card(person), await bureau.terminal()
    cashier, visits = bureau.staff("cashier"), bureau.visits
    assert await visits.choose_pin(key, cashier, card.token, PIN) == NoPinChoice(), "nobody gave leave"
    await bureau.leave_for_pin(person)
    for weak, why in (("123456", "series"), ("580309", "birthday"), ("12345", "digits")):
        assert await visits.choose_pin(key, cashier, card.token, weak) == WeakPin(why)
    assert await visits.choose_pin(key, cashier, new_token(), PIN) == NoPinChoice()
    assert await visits.choose_pin(key, cashier, card.token, PIN) is None
    assert await visits.choose_pin(key, cashier, card.token, "417092") == NoPinChoice(), "leave is good once"
    assert isinstance(await opened(bureau, key, card.token), OpenedVisit)
    await bureau.leave_for_pin(person)
    bureau.office.clock.time += RULES.pin_choice_minutes * MINUTE
    assert await visits.choose_pin(key, cashier, card.token, "417092") == NoPinChoice()
    assert isinstance(await opened(bureau, key, card.token), OpenedVisit), "the old PIN goes on"


async def test_a_new_pin_opens_and_spends_after_a_day(bureau: Bureau) -> None:
    person, card, key = await bureau.holder()
    await bureau.leave_for_pin(person)
    bureau.office.clock.time += 10 * MINUTE
    assert await bureau.visits.choose_pin(key, bureau.staff("cashier"), card.token, "417092") is None
    assert await opened(bureau, key, card.token) == PinRefused()
    found = await visit(bureau, await opened(bureau, key, card.token, "417092"))
    chosen_at = bureau.office.clock.time
    assert found.spends_from == chosen_at + DAY
    assert await bureau.visits.may_redeem(found, 100) == CardNotYet(chosen_at + DAY)
    bureau.office.clock.time += DAY
    found = await visit(bureau, await opened(bureau, key, card.token, "417092"))
    assert await bureau.visits.may_redeem(found, 100) is None


async def test_failures_pause_freeze_and_stop_and_the_desk_helps(bureau: Bureau) -> None:
    person, card, key = await bureau.holder()
    for _ in range(PINS.failures_to_pause):
        assert await opened(bureau, key, card.token, "000000") == PinRefused()
    assert isinstance(await opened(bureau, key, card.token), PinPaused)
    bureau.office.clock.time += PINS.pause_minutes * MINUTE
    for _ in range(PINS.failures_to_freeze - PINS.failures_to_pause):
        assert await opened(bureau, key, card.token, "000000") == PinRefused()
    bureau.office.clock.time += DAY
    assert await opened(bureau, key, card.token) == CardFrozen()
    await bureau.leave_for_pin(person)
    assert await bureau.visits.choose_pin(key, bureau.staff("cashier"), card.token, "417092") is None
    assert isinstance(await opened(bureau, key, card.token, "417092"), OpenedVisit)


async def test_cards_that_nobody_issued_stop_a_terminal_like_wrong_pins(bureau: Bureau) -> None:
    _, card, key = await bureau.holder()
    for _ in range(PINS.cards_to_stop):
        assert await opened(bureau, key, new_token()) == PinRefused()
    assert await opened(bureau, key, card.token) == TerminalStopped()
    terminal = await bureau.terminals.recognise(key)
    assert terminal is not None
    ann = bureau.office.actor("ann")
    assert isinstance(await bureau.terminals.may_restart(ann, terminal.id), Terminal)
    refused = await bureau.terminals.may_restart(bureau.staff("cashier"), terminal.id)
    assert refused == NotPermitted("terminals:manage")
    await bureau.visits.pins.restart(terminal.id)
    assert isinstance(await opened(bureau, key, card.token), OpenedVisit)


async def test_v4_a_card_redeems_up_to_its_daily_limit_whatever_happens_at_one_moment(bureau: Bureau) -> None:
    _, card, key = await bureau.holder()
    found = await visit(bureau, await opened(bureau, key, card.token))
    most = COUNTER.card_day_points * 100
    verdicts = await asyncio.gather(*(bureau.visits.may_redeem(found, most // 4) for _ in range(6)))
    assert sum(verdict is None for verdict in verdicts) == 4
    assert verdicts.count(CardDayLimit("POINT", most, 0)) == 2
    await bureau.visits.not_redeemed(found, most // 4)
    assert await bureau.visits.may_redeem(found, most // 2) == CardDayLimit("POINT", most, most // 4)
    assert await bureau.visits.may_redeem(found, most // 4) is None
    bureau.office.clock.time += DAY
    again = await visit(bureau, await opened(bureau, key, card.token))
    assert await bureau.visits.may_redeem(again, most) is None


async def test_who_lets_a_holder_in_does_not_therefore_hand_goods_out(bureau: Bureau) -> None:
    _, card, key = await bureau.holder()
    found = await visit(bureau, await bureau.visits.open_with_card(key, bureau.staff("op"), card.token, PIN))
    assert await bureau.visits.may_redeem(found, 100) == NotPermitted("market:sell")


async def test_under_14_redeems_only_with_the_guardian_present_at_the_same_terminal(bureau: Bureau) -> None:
    child, card, key = await bureau.holder("周小小", born=date(2014, 1, 2))
    mother, hers, other_key = await bureau.holder("周兰", born=date(1980, 1, 1))
    found = await visit(bureau, await opened(bureau, key, card.token))
    beside = await visit(bureau, await opened(bureau, key, hers.token))
    assert await bureau.visits.may_redeem(found, 100) == GuardianNotPresent()
    assert await bureau.visits.may_redeem(found, 100, beside) == GuardianNotPresent(), "no link"
    await bureau.linked("guardian", mother, child)
    found = await visit(bureau, await opened(bureau, key, card.token))
    elsewhere = await visit(bureau, await opened(bureau, other_key, hers.token))
    assert await bureau.visits.may_redeem(found, 100, elsewhere) == GuardianNotPresent()
    mothers = await opened(bureau, key, hers.token)
    assert isinstance(mothers, OpenedVisit)
    assert await bureau.visits.beside(mothers.session, "another terminal") is None
    beside = await bureau.visits.beside(mothers.session, found.terminal)
    assert await bureau.visits.may_redeem(found, 100, beside) is None
    bureau.office.clock.time += RULES.card_seconds * SECOND
    assert await bureau.visits.beside(mothers.session, found.terminal) is None


async def test_v10_at_14_nobody_needs_to_stand_beside(bureau: Bureau) -> None:
    _, card, key = await bureau.holder("周小小", born=date(2012, 11, 19))
    found = await visit(bureau, await opened(bureau, key, card.token))
    assert await bureau.visits.may_redeem(found, 100) is None, "fourteen since today"


async def test_a_frozen_person_and_a_closed_account_end_every_session(bureau: Bureau) -> None:
    person, card, key = await bureau.holder()
    found = await opened(bureau, key, card.token)
    assert isinstance(found, OpenedVisit)
    await bureau.desk.freeze(bureau.staff("cashier"), person)
    assert await bureau.visits.visit(found.token) is None

    async def settle(person_id: str, settlement: str, key: str) -> None:
        await forget_means(bureau.office.store, bureau.store.ledger_id, [person_id])

    done = await close_account(bureau.store, person, settle, by="clerk")  # type: ignore[arg-type]
    assert isinstance(done, Closing)
    assert person not in repr(await bureau.office.store.run(_everything))
    kept = await bureau.store.read(lambda c: c.execute(select(cards.c.person_id)).all())
    assert kept == []


# the dynamic code


async def test_v3_a_dynamic_code_lives_a_minute_at_most_and_opens_once(bureau: Bureau) -> None:
    person = await bureau.person("李秀英")
    _, key = await bureau.terminal()
    clock, codes, cashier = bureau.office.clock, bureau.visits.own_codes, bureau.staff("cashier")
    code = codes.code(person, clock.time)
    assert re.fullmatch(r"jf1\.[0-9a-f-]{36}\.\d+\.[A-Z2-7]{16}\.[0-9a-f]{32}", code)
    assert await bureau.visits.read_own_code(key, cashier, code) == (person, "李*英")
    assert await bureau.visits.read_own_code(key, cashier, code) == OwnCodeRefused(), "a photograph of it"
    period = COUNTER.code_step_seconds * SECOND
    clock.time -= clock.time % period
    for wait, is_good in ((period, True), (2 * period - 1, True), (2 * period, False), (-1, False)):
        fresh = codes.code(person, clock.time)
        clock.time += wait
        assert (await bureau.visits.read_own_code(key, cashier, fresh) != OwnCodeRefused()) is is_good, wait
        clock.time -= clock.time % period
    other = await bureau.person("别人")
    fresh = codes.code(person, clock.time)
    for forged in (fresh.replace(person, other), fresh[:-1] + "x", "", "jf1....", fresh.replace("jf1", "v")):
        assert await bureau.visits.read_own_code(key, cashier, forged) == OwnCodeRefused()
    await bureau.desk.freeze(bureau.staff("op"), person)
    assert await bureau.visits.read_own_code(key, cashier, codes.code(person, clock.time)) == OwnCodeRefused()


async def test_v3_of_many_readers_at_one_moment_one_gets_the_code(bureau: Bureau) -> None:
    person = await bureau.person()
    codes, now = bureau.visits.own_codes, bureau.office.clock.time
    code = codes.code(person, now)
    found = await asyncio.gather(*(codes.use(code, now) for _ in range(8)))
    assert sorted(found, key=str) == [person] if len(found) == 1 else found.count(person) == 1
    assert found.count(None) == 7


# codes by phone


async def asked(bureau: Bureau, phone: str = PHONE) -> tuple[str, str]:
    """The browser's cookie and the code that was sent; empty if nothing was."""
    answer = await bureau.visits.ask_code(phone, ADDRESS)
    assert isinstance(answer, AskedCode), answer
    messages = await code_outbox.take(bureau.store)
    for message in messages:
        await code_outbox.sent(bureau.store, message.id)
    assert {(m.phone, m.template) for m in messages} <= {("+8613845670123", "log-in-code")}
    return answer.browser, messages[0].code if messages else ""


async def test_a_code_by_phone_opens_a_session_for_the_one_adult_holder(bureau: Bureau) -> None:
    person = await bureau.person("王芳", phone=PHONE, born=date(1980, 1, 1))
    browser, code = await asked(bureau)
    assert re.fullmatch(r"\d{6}", code)
    kept = repr(await bureau.office.store.run(_everything))
    for secret in (code, PHONE, browser):
        assert secret not in kept
    found = await bureau.visits.open_with_phone(PHONE, browser, code)
    assert isinstance(found, OpenedVisit)
    assert found.person == person
    assert await bureau.visits.open_with_phone(PHONE, browser, code) == PhoneCodeRefused(), "it is used up"
    actor = await bureau.visits.actor(found.token)
    assert actor is not None
    about = Resource(person=person)
    may = {action for action in SELF_ACTIONS if authorize(actor, action, about) is None}
    assert may == set(SELF_ACTIONS) - {"own:redeem"}
    assert all(authorize(actor, a, Resource(person="another")) == Forbidden(a) for a in SELF_ACTIONS)


async def test_a_code_is_bound_to_the_browser_that_asked_to_five_minutes_and_five_tries(
    bureau: Bureau,
) -> None:
    await bureau.person("王芳", phone=PHONE)
    browser, code = await asked(bureau)
    wrong = f"{(int(code) + 1) % 10**6:06}"
    prove = bureau.visits.open_with_phone
    for _ in range(2 * RULES.code_tries):
        assert await prove(PHONE, "another browser", code) == PhoneCodeRefused()
    for _ in range(RULES.code_tries - 1):
        assert await prove(PHONE, browser, wrong) == PhoneCodeRefused()
    assert isinstance(await prove(PHONE, browser, code), OpenedVisit), "strangers use no tries up"
    browser, code = await asked(bureau)
    for _ in range(RULES.code_tries):
        assert await prove(PHONE, browser, wrong) == PhoneCodeRefused()
    assert await prove(PHONE, browser, code) == PhoneCodeRefused()
    browser, code = await asked(bureau)
    bureau.office.clock.time += RULES.code_minutes * MINUTE
    assert await prove(PHONE, browser, code) == PhoneCodeRefused()
    first, second = await asked(bureau), await asked(bureau)
    assert await prove(PHONE, *first) == PhoneCodeRefused(), "one open code a phone"
    assert isinstance(await prove(PHONE, *second), OpenedVisit)
    assert (RULES.code_minutes, RULES.code_tries) == (5, 5)


async def test_tries_at_one_moment_count_as_many(bureau: Bureau) -> None:
    await bureau.person("王芳", phone=PHONE)
    browser, code = await asked(bureau)
    wrong = f"{(int(code) + 1) % 10**6:06}"
    await asyncio.gather(*(bureau.visits.open_with_phone(PHONE, browser, wrong) for _ in range(8)))
    assert await bureau.visits.open_with_phone(PHONE, browser, code) == PhoneCodeRefused()


async def test_whether_anybody_has_a_phone_is_told_to_nobody(bureau: Bureau) -> None:
    await bureau.person("王芳", phone=PHONE)
    known = await bureau.visits.ask_code(PHONE, ADDRESS)
    unknown = await bureau.visits.ask_code("13900000000", ADDRESS)
    assert isinstance(known, AskedCode)
    assert isinstance(unknown, AskedCode)
    assert known.expires_at == unknown.expires_at
    assert len(await code_outbox.take(bureau.store)) == 1
    refused = await bureau.visits.open_with_phone("13900000000", unknown.browser, "123456")
    assert refused == PhoneCodeRefused()
    assert isinstance(await bureau.visits.ask_code("5678", ADDRESS), PersonDataInvalid)


async def test_codes_are_capped_for_a_phone_an_address_and_the_day(bureau: Bureau) -> None:
    clock = bureau.office.clock
    for _ in range(RULES.codes_phone_hour):
        await asked(bureau)
    refused = await bureau.visits.ask_code(PHONE, "198.51.100.1")
    assert isinstance(refused, TooManyAttempts)
    assert 0 < refused.seconds <= 3601
    clock.time += HOUR
    for _ in range(RULES.codes_phone_day - RULES.codes_phone_hour):
        await asked(bureau)
    clock.time += HOUR
    assert isinstance(await bureau.visits.ask_code(PHONE, ADDRESS), TooManyAttempts), "of the day"
    clock.time += DAY
    for number in range(RULES.codes_address_hour):
        assert isinstance(await bureau.visits.ask_code(f"139{number:08}", ADDRESS), AskedCode)
    assert isinstance(await bureau.visits.ask_code("13700000000", ADDRESS), TooManyAttempts)
    assert isinstance(await bureau.visits.ask_code("13700000000", "198.51.100.2"), AskedCode)


async def test_codes_of_the_whole_city_are_capped_for_the_day(
    bureau: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = msgspec.structs.replace(RULES, codes_day=3)
    monkeypatch.setattr(bureau.visits.phone_codes, "_rules", few)
    for number in range(3):
        told = await bureau.visits.ask_code(f"139{number:08}", f"198.51.100.{number}")
        assert isinstance(told, AskedCode)
    refused = await bureau.visits.ask_code("13700000000", "198.51.100.9")
    assert isinstance(refused, TooManyAttempts)
    assert 23 * 3600 < refused.seconds <= 24 * 3600 + 1
    bureau.office.clock.time += DAY
    assert isinstance(await bureau.visits.ask_code("13700000000", "198.51.100.9"), AskedCode)


async def test_a_shared_phone_asks_for_the_volunteer_number_and_a_child_has_no_log_in(bureau: Bureau) -> None:
    both = [
        await bureau.person(f"人{n}", phone=PHONE, volunteer_number=f"N{n}", born=date(1980, 1, 1))
        for n in (1, 2)
    ]
    await bureau.person("孩子", phone=PHONE, volunteer_number="N3", born=date(2015, 1, 1))
    browser, code = await asked(bureau)
    assert await bureau.visits.open_with_phone(PHONE, browser, code) == PhoneCodeRefused()
    browser, code = await asked(bureau)
    found = await bureau.visits.open_with_phone(PHONE, browser, code, "N2")
    assert isinstance(found, OpenedVisit)
    assert found.person == both[1]
    browser, code = await asked(bureau)
    assert await bureau.visits.open_with_phone(PHONE, browser, code, "N3") == PhoneCodeRefused()


async def logged_in(bureau: Bureau, phone: str = PHONE, number: str = "") -> OpenedVisit:
    browser, code = await asked(bureau, phone)
    found = await bureau.visits.open_with_phone(phone, browser, code, number)
    assert isinstance(found, OpenedVisit), found
    return found


async def test_the_holder_picks_a_ward_by_a_recorded_link_and_both_names_are_shown(bureau: Bureau) -> None:
    mother = await bureau.person("周兰", phone=PHONE, born=date(1980, 1, 1))
    child = await bureau.person("周小小", phone=PHONE, born=date(2014, 1, 2))
    stranger = await bureau.person("外人")
    found = await logged_in(bureau)
    assert await bureau.visits.pick_ward(found.token, child) == NotAWard(), "no link is recorded"
    link = await bureau.linked("guardian", mother, child)
    found = await logged_in(bureau)
    assert await bureau.visits.wards(mother) == [(child, "周*小", "guardian")]
    assert await bureau.visits.pick_ward(found.token, stranger) == NotAWard()
    picked = await bureau.visits.pick_ward(found.token, child)
    assert isinstance(picked, Visit)
    assert await bureau.visits.names(picked.person, picked.ward) == {mother: "周*", child: "周*小"}
    actor = await bureau.visits.actor(found.token)
    assert actor is not None
    assert (actor.subject, actor.person, actor.ward) == ("guardian", mother, child)
    assert authorize(actor, "own:balance", Resource(person=child)) is None
    assert authorize(actor, "own:balance", Resource(person=stranger)) == Forbidden("own:balance")
    await bureau.desk.end_link(bureau.staff("op"), child, link.id)
    after = await bureau.visits.actor(found.token)
    assert after is not None
    assert (after.subject, after.ward) == ("volunteer", ""), "the link has ended, and with it the right"


async def test_a_helper_does_less_than_a_guardian(bureau: Bureau) -> None:
    helper = await bureau.person("李强", team="T2", phone=PHONE, born=date(1980, 1, 1))
    ward = await bureau.person("奶奶", born=date(1940, 1, 1))
    await bureau.linked("helper", helper, ward)
    found = await logged_in(bureau)
    await bureau.visits.pick_ward(found.token, ward)
    actor = await bureau.visits.actor(found.token)
    assert actor is not None
    may = {a for a in SELF_ACTIONS if authorize(actor, a, Resource(person=ward)) is None}
    assert may == {"own:session", "own:ward", "own:balance", "own:card"}


async def test_a_session_by_phone_ends_when_idle_after_its_time_and_with_a_new_phone(bureau: Bureau) -> None:
    person = await bureau.person("王芳", phone=PHONE, born=date(1980, 1, 1))
    clock = bureau.office.clock
    found = await logged_in(bureau)
    clock.time += RULES.phone_idle_minutes * MINUTE
    assert await bureau.visits.visit(found.token) is None
    found = await logged_in(bureau)
    for _ in range(RULES.phone_longest_hours * 60 // 10 - 1):
        clock.time += 10 * MINUTE
        assert await bureau.visits.visit(found.token) is not None
    clock.time += 10 * MINUTE
    assert await bureau.visits.visit(found.token) is None
    clock.time += DAY
    found = await logged_in(bureau)
    change = await bureau.desk.propose_change(bureau.staff("op"), person, "phone", "13900001111")
    await bureau.desk.confirm_change(bureau.staff("mgr"), person, change.id)  # type: ignore[union-attr]
    assert await bureau.visits.visit(found.token) is None


@pytest.mark.parametrize("token", ["", "x", "é"])
async def test_what_is_no_token_is_nobody(bureau: Bureau, token: str) -> None:
    assert await bureau.visits.visit(token) is None


def _everything(connection: Connection) -> list[object]:
    return [connection.execute(select(table)).all() for table in logins.metadata.tables.values()]
