"""The desk for people: who may see and do what about whom, and every theft by one insider that fails."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest
from tests.people.conftest import id_number

from pointsbank.access.model import Actor
from pointsbank.access.refusals import NotPermitted, RoleDays, StepUpNeeded
from pointsbank.access.roles import Granted, RoleIn
from pointsbank.access.standing import FOUNDING
from pointsbank.engine.commands import Command
from pointsbank.ledger.model import Receipt
from pointsbank.people.acts import Act, effective_from
from pointsbank.people.changes import Change
from pointsbank.people.links import Link
from pointsbank.people.model import NewPerson, Profile, Registered
from pointsbank.people.notices import waiting
from pointsbank.people.refusals import (
    ClosingWaits,
    LinkNotAllowed,
    MinorProtected,
    PersonNotActive,
    ReasonNeeded,
    SearchLimitReached,
    SecondPersonNeeded,
    UnknownCard,
    UnknownChange,
)
from pointsbank.people.registry import Revealed
from pointsbank.places.atlas import FOUNDED
from pointsbank.places.membership import groups_of
from pointsbank.places.model import (
    Closing,
    HouseholdNeedsTwo,
    Joining,
    Leaving,
    Merging,
    NotAGroup,
    Transfer,
    UnknownPlace,
)
from pointsbank.places.service import PlacesService

from .bureau import DAY, HOUR, TODAY, Bureau

PHONE = "13845670123"
GROWN = date(1980, 1, 1)


# seeing


async def test_a_station_sees_its_own_people_and_no_others(bureau: Bureau) -> None:
    person = await bureau.person("王芳", phone=PHONE)
    near, far = bureau.staff("op"), bureau.staff("far")
    assert isinstance(await bureau.desk.profile(near, person), Profile)
    assert await bureau.desk.profile(far, person) == NotPermitted("people:read")
    found = await bureau.desk.find(near, "phone", PHONE)
    assert isinstance(found, list)
    assert [one.person_id for one in found] == [person]
    assert await bureau.desk.find(far, "phone", PHONE) == [], "who is at home elsewhere is not told"
    assert isinstance(await bureau.desk.profile(bureau.staff("mgr"), person), Profile)
    assert await bureau.desk.profile(bureau.staff("cashier"), person) == NotPermitted("people:read")


async def test_a_revoked_role_sees_nothing_from_that_moment_on(bureau: Bureau) -> None:
    person = await bureau.person()
    operator = bureau.staff("op")
    assert isinstance(await bureau.desk.profile(operator, person), Profile)
    [grant] = [g for g in await bureau.office.roles.list() if g.person == operator.person]
    ann = bureau.office.actor("ann")
    assert isinstance(await bureau.office.roles.revoke(ann, grant.id, bureau.office.command(ann)), Granted)
    assert await bureau.desk.profile(operator, person) == NotPermitted("people:read")


async def test_searches_count_for_the_person_who_searches_whatever_the_session(bureau: Bureau) -> None:
    operator = bureau.staff("op")
    for number in range(30):
        assert await bureau.desk.find(operator, "phone", f"139{number:08}") == []
    again = msgspec.structs.replace(operator, id="another", session="another")
    refused = await bureau.desk.find(again, "phone", PHONE)
    assert isinstance(refused, SearchLimitReached)
    assert refused.limit == 30


async def test_unmasking_needs_the_right_a_fresh_code_and_a_reason(bureau: Bureau) -> None:
    person = await bureau.person("王芳", phone=PHONE)
    assert await bureau.desk.unmask(bureau.staff("op"), person, "phone", "x") == NotPermitted("people:unmask")
    stale = bureau.staff("mgr", is_stepped_up=False)
    assert await bureau.desk.unmask(stale, person, "phone", "x") == StepUpNeeded("people:unmask")
    assert await bureau.desk.unmask(bureau.staff("mgr"), person, "phone", " ") == ReasonNeeded()
    shown = await bureau.desk.unmask(bureau.staff("mgr"), person, "phone", "核对证件")
    assert isinstance(shown, Revealed)
    assert shown.value == "+8613845670123"
    assert (await bureau.desk.registry.who_saw(person))[0].reason == "核对证件"
    assert await bureau.desk.export(bureau.staff("op"), person, "x") == NotPermitted("people:unmask")
    exported = await bureau.desk.export(bureau.staff("mgr"), person, "本人申请")
    assert isinstance(exported, bytes)
    assert "王芳" in exported.decode()


async def test_a_minors_profile_opens_with_a_right_from_a_manager_for_at_most_90_days(bureau: Bureau) -> None:
    child = await bureau.person("周小小", born=date(2014, 1, 2))
    operator, manager, office = bureau.staff("op"), bureau.staff("mgr"), bureau.office
    assert await bureau.desk.profile(operator, child, "家访") == MinorProtected(child)
    station = bureau.places["S1"]
    wanted = RoleIn(operator.person, "minors-desk", station, to_day=date(2027, 2, 15))
    ann = office.actor("ann")
    assert await office.roles.propose(ann, wanted, office.command(ann)) == NotPermitted("roles:minors")
    for to_day in (None, date(2027, 2, 16)):
        long = msgspec.structs.replace(wanted, to_day=to_day)
        assert await office.roles.propose(manager, long, office.command(manager)) == RoleDays()
    made = await office.roles.propose(manager, wanted, office.command(manager))
    assert isinstance(made, Granted), made
    assert await bureau.desk.profile(operator, child, "家访") == MinorProtected(child), "nobody has confirmed"
    assert isinstance(await office.roles.confirm(ann, made.grant.id, office.command(ann)), Granted)
    assert await bureau.desk.profile(operator, child) == ReasonNeeded()
    assert isinstance(await bureau.desk.profile(operator, child, "家访"), Profile)
    assert (await bureau.desk.registry.who_saw(child))[0].reason == "家访"
    office.clock.time += 92 * DAY
    assert await bureau.desk.profile(operator, child, "家访") == MinorProtected(child)


async def test_an_auditor_sees_who_saw_whom_and_nobody_else_does(bureau: Bureau) -> None:
    person = await bureau.person("王芳")
    await bureau.desk.profile(bureau.staff("op"), person)
    await bureau.office.add("audit")
    await bureau.office.give("audit", "auditor")
    found = await bureau.desk.sightings(bureau.staff("audit"), person)
    assert isinstance(found, list)
    assert [(one.actor, one.action) for one in found] == [(bureau.staff("op").person, "profile")]
    assert await bureau.desk.profile(bureau.staff("audit"), person) == NotPermitted("people:read")
    for login in ("op", "mgr", "ann"):
        assert await bureau.desk.sightings(bureau.staff(login), person) == NotPermitted("people:audit")


async def test_registering_is_at_the_own_place(bureau: Bureau) -> None:
    person = NewPerson(name="赵敏")
    operator = bureau.staff("op")
    assert await bureau.desk.register(operator, person) == NotPermitted("people:register")
    elsewhere = await bureau.desk.register(operator, person, bureau.places["S2"])
    assert elsewhere == NotPermitted("people:register")
    assert isinstance(await bureau.desk.register(operator, person, bureau.places["S1"]), Registered)


# thefts by one insider: each plays ruling 8


async def attempts(bureau: Bureau, person: str, actor: Actor) -> dict[str, str]:
    """Everything that one actor alone can propose about somebody: the id of each proposal."""
    desk, made = bureau.desk, {}
    changes = {"phone": "13900001111", "name": "王方", "birth": "1960-01-01"}
    for kind, value in changes.items():
        change = await desk.propose_change(actor, person, kind, value)  # type: ignore[arg-type]
        assert isinstance(change, Change), change
        made[kind] = change.id
    for name, proposing in {
        "card": desk.propose_card(actor, person),
        "pin-reset": desk.propose_pin(actor, person),
        "household": desk.propose_household(actor, person, "H1"),
        "closing": desk.propose_closing(actor, person, "household"),
    }.items():
        act = await proposing
        assert isinstance(act, Act), act
        made[name] = act.id
    for kind in ("helper", "guardian"):
        friend = await bureau.person(f"同伙{kind}", team="T2", born=GROWN)
        link = await desk.propose_link(actor, person, kind, friend, "伪造的材料")  # type: ignore[arg-type]
        assert isinstance(link, Link), link
        made[kind] = link.id
    return made


async def confirmed(bureau: Bureau, person: str, actor: Actor, name: str, proposal: str) -> object:
    desk = bureau.desk
    if name in ("phone", "name", "birth"):
        return await desk.confirm_change(actor, person, proposal)
    if name == "card":
        return await desk.confirm_card(actor, person, proposal)
    if name in ("helper", "guardian"):
        return await desk.confirm_link(actor, person, proposal)
    if name == "closing":
        return await desk.confirm_closing(actor, person, proposal, _settle)
    return await desk.confirm_act(actor, person, proposal)


async def _settle(person_id: str, settlement: str, key: str) -> None:
    return None


async def test_whoever_proposes_what_could_rob_somebody_does_not_confirm_it(bureau: Bureau) -> None:
    victim = await bureau.person("王芳", phone=PHONE, born=date(2010, 1, 1))
    thief = bureau.staff("mgr")  # may propose and may confirm
    for name, proposal in (await attempts(bureau, victim, thief)).items():
        for account in (thief, msgspec.structs.replace(thief, id="second account", session="another")):
            verdict = await confirmed(bureau, victim, account, name, proposal)
            assert isinstance(verdict, SecondPersonNeeded), (name, verdict)
    assert await bureau.desk.registry.state(victim) == "active"
    assert await bureau.desk.cards(thief, victim) == []


async def test_an_operator_confirms_nothing_and_a_stranger_proposes_nothing(bureau: Bureau) -> None:
    victim = await bureau.person("王芳", phone=PHONE, born=date(2010, 1, 1))
    made = await attempts(bureau, victim, bureau.staff("op"))
    for name, proposal in made.items():
        verdict = await confirmed(bureau, victim, bureau.staff("op"), name, proposal)
        right = "people:close" if name == "closing" else "people:confirm"
        assert verdict == NotPermitted(right), name
        stale = await confirmed(bureau, victim, bureau.staff("mgr", is_stepped_up=False), name, proposal)
        assert stale == StepUpNeeded(right), name
    for login in ("far", "cashier", "ann"):
        refused = await bureau.desk.propose_card(bureau.staff(login), victim)
        assert refused == NotPermitted("people:propose"), login


async def test_staff_of_the_household_or_themselves_decide_nothing(bureau: Bureau) -> None:
    victim = await bureau.person("王芳", phone=PHONE, born=GROWN)
    manager = bureau.staff("mgr")
    await bureau.join(victim, "H1")
    await bureau.join(manager.person, "H1")
    assert await bureau.desk.propose_card(manager, victim) == NotPermitted("people:propose")
    act = await bureau.desk.propose_card(bureau.staff("op"), victim)
    assert isinstance(act, Act)
    assert await bureau.desk.confirm_card(manager, victim, act.id) == NotPermitted("people:confirm")
    itself = await bureau.desk.registry.register(NewPerson(name="主任", person_id=manager.person), "clerk")
    assert isinstance(itself, Registered)
    assert await bureau.desk.propose_card(manager, manager.person) == NotPermitted("people:propose")


async def test_a_new_card_phone_or_pin_is_told_to_the_old_phone_and_the_helper_and_waits_a_day(
    bureau: Bureau,
) -> None:
    victim = await bureau.person("王芳", phone=PHONE, born=GROWN)
    helper = await bureau.person("李强", team="T2", phone="13700002222", born=GROWN)
    await bureau.linked("helper", helper, victim)
    now = bureau.office.clock.time
    issued = await bureau.card(victim)
    assert issued.card.effective_at == now + DAY
    await bureau.leave_for_pin(victim)
    assert await effective_from(bureau.store, victim, ("pin-reset",)) == now + DAY
    phone = await bureau.desk.propose_change(bureau.staff("op"), victim, "phone", "13900001111")
    assert isinstance(phone, Change)
    done = await bureau.desk.confirm_change(bureau.staff("mgr"), victim, phone.id)
    assert isinstance(done, Change)
    assert done.effective_at == now + DAY
    told = [(one.phone, one.template) for one in await waiting(bureau.store)]
    for template in ("card-issue", "pin-reset", "phone-changed"):
        assert ("+8613845670123", template) in told, "the old phone hears of it"
        assert ("+8613700002222", f"ward-{template}") in told, "the helper hears of it"
    assert "+8613900001111" not in [number for number, _ in told]


async def test_a_helper_is_never_staff_of_the_persons_station(bureau: Bureau) -> None:
    ward = await bureau.person("奶奶", born=date(1940, 1, 1))
    for login, is_allowed in (
        ("op", False),
        ("cashier", False),
        ("mgr", False),
        ("ann", False),
        ("far", True),
    ):
        holder = bureau.staff(login).person
        await bureau.desk.registry.register(NewPerson(name="员工", born=GROWN, person_id=holder), "clerk")
        made = await bureau.desk.propose_link(bureau.staff("second"), ward, "helper", holder, "委托书")
        assert isinstance(made, Link if is_allowed else LinkNotAllowed), (login, made)


async def test_a_helper_who_becomes_staff_before_the_confirmation_is_refused(bureau: Bureau) -> None:
    ward = await bureau.person("奶奶", born=date(1940, 1, 1))
    holder = await bureau.office.add("new")
    await bureau.desk.registry.register(NewPerson(name="员工", born=GROWN, person_id=holder), "clerk")
    made = await bureau.desk.propose_link(bureau.staff("op"), ward, "helper", holder, "委托书")
    assert isinstance(made, Link)
    await bureau.office.give("new", "cashier", bureau.places["S1"])
    refused = await bureau.desk.confirm_link(bureau.staff("mgr"), ward, made.id)
    assert isinstance(refused, LinkNotAllowed)


async def test_a_helper_has_so_many_wards_and_no_more(bureau: Bureau) -> None:
    helper = await bureau.person("李强", team="T2", born=GROWN)
    for number in range(5):
        await bureau.linked("helper", helper, await bureau.person(f"奶奶{number}", born=date(1940, 1, 1)))
    one_more = await bureau.person("奶奶六", born=date(1940, 1, 1))
    refused = await bureau.desk.propose_link(bureau.staff("op"), one_more, "helper", helper, "委托书")
    assert isinstance(refused, LinkNotAllowed)


async def test_staff_decide_nothing_about_their_own_ward(bureau: Bureau) -> None:
    ward = await bureau.person("周小小", born=date(2014, 1, 2))
    manager = bureau.staff("mgr")
    await bureau.desk.registry.register(NewPerson(name="主任", born=GROWN, person_id=manager.person), "clerk")
    made = await bureau.desk.propose_link(bureau.staff("op"), ward, "guardian", manager.person, "户口本")
    assert isinstance(made, Link)
    assert isinstance(await bureau.desk.confirm_link(bureau.staff("second"), ward, made.id), Link)
    bureau.office.clock.time += DAY
    assert await bureau.desk.propose_card(manager, ward) == NotPermitted("people:propose")


async def test_a_household_changes_by_two_and_what_it_gives_waits_a_day(bureau: Bureau) -> None:
    person = await bureau.person("王芳")
    operator, manager = bureau.staff("op"), bureau.staff("mgr")
    for wrong in ("T1", "nowhere"):
        refused = await bureau.desk.propose_household(operator, person, wrong)
        assert isinstance(refused, NotAGroup | UnknownPlace)
    proposed = await bureau.desk.propose_household(operator, person, "H1")
    assert isinstance(proposed, Act)
    assert await _household(bureau, person) == set()
    now = bureau.office.clock.time
    assert isinstance(await bureau.desk.confirm_act(manager, person, proposed.id), Act)
    assert await _household(bureau, person) == {bureau.places["H1"]}
    assert await effective_from(bureau.store, person, ("household",)) == now + DAY
    again = await bureau.desk.confirm_act(manager, person, proposed.id)
    assert again == UnknownChange(proposed.id)
    other = await bureau.desk.propose_household(operator, person, "H2")
    assert isinstance(other, Act)
    refused = await bureau.desk.confirm_act(manager, person, other.id)
    assert isinstance(refused, msgspec.Struct)
    assert type(refused).__name__ == "InAnotherHousehold"
    leaving = await bureau.desk.propose_household(operator, person, "H1", leaves=True)
    assert isinstance(leaving, Act)
    bureau.office.clock.time += DAY
    assert isinstance(await bureau.desk.confirm_act(manager, person, leaving.id), Act)


async def test_nobody_changes_a_household_alone_through_another_door(bureau: Bureau) -> None:
    person = await bureau.person("王芳")
    service = PlacesService(bureau.office.ledger)
    alone = await service.change_membership(Joining("H1", person, TODAY), Command("t", "alone"))
    assert alone == HouseholdNeedsTwo("H1")
    await bureau.join(person, "H1")
    for act in (Leaving("H1", person, date(2026, 11, 20)), Transfer("H1", "H2", person, date(2026, 11, 20))):
        assert await service.change_membership(act, Command("t", repr(act))) == HouseholdNeedsTwo("H1")
    assert isinstance(
        await service.change_membership(Joining("T2", person, TODAY), Command("t", "t")), Receipt
    )
    for ending in (Closing("H1", date(2026, 11, 20)), Merging("H1", "H2", date(2026, 11, 20))):
        assert await service.change(ending, Command("t", repr(ending))) == HouseholdNeedsTwo("H1")
    assert isinstance(
        await service.change(Closing("H2", date(2026, 11, 20)), Command("t", "close H2")), Receipt
    )
    assert FOUNDED == FOUNDING


async def _household(bureau: Bureau, person: str) -> set[str]:
    found = await bureau.office.ledger.database.read(groups_of, bureau.office.ledger.id, [person], TODAY)
    return {group for kind, group in found[person] if kind == "household"}


async def test_closing_with_points_takes_two_a_notice_and_a_day(bureau: Bureau) -> None:
    person = await bureau.person("王芳", phone=PHONE)
    settled: list[tuple[str, str]] = []

    async def settle(person_id: str, settlement: str, key: str) -> None:
        settled.append((person_id, settlement))

    act = await bureau.desk.propose_closing(bureau.staff("op"), person, "donate")
    assert isinstance(act, Act)
    waits = await bureau.desk.confirm_closing(bureau.staff("mgr"), person, act.id, settle)  # type: ignore[arg-type]
    assert isinstance(waits, ClosingWaits)
    assert [one.template for one in await waiting(bureau.store)] == ["closing-asked"]
    assert settled == []
    assert await bureau.desk.propose_card(bureau.staff("op"), person) == PersonNotActive(person, "closing")
    bureau.office.clock.time += DAY - HOUR
    assert isinstance(
        await bureau.desk.confirm_closing(bureau.staff("mgr"), person, act.id, settle),  # type: ignore[arg-type]
        ClosingWaits,
    )
    bureau.office.clock.time += HOUR
    done = await bureau.desk.confirm_closing(bureau.staff("mgr"), person, act.id, settle)  # type: ignore[arg-type]
    assert (done.step, settled) == ("done", [(person, "donate")])  # type: ignore[union-attr]


async def test_a_closing_that_waits_is_called_off_by_one(bureau: Bureau) -> None:
    person = await bureau.person("王芳", phone=PHONE)
    act = await bureau.desk.propose_closing(bureau.staff("op"), person, "donate")
    assert isinstance(act, Act)
    await bureau.desk.confirm_closing(bureau.staff("mgr"), person, act.id, _settle)
    assert await bureau.desk.call_closing_off(bureau.staff("op"), person) is None
    assert await bureau.desk.registry.state(person) == "active"


@pytest.mark.parametrize("login", ["op", "cashier"])
async def test_freezing_takes_one_and_holds_at_once(bureau: Bureau, login: str) -> None:
    person = await bureau.person("王芳")
    assert await bureau.desk.freeze(bureau.staff(login), person) is None
    assert await bureau.desk.registry.state(person) == "frozen"
    assert await bureau.desk.freeze_card(bureau.staff(login), person) == UnknownCard()


async def test_an_id_number_is_found_only_as_a_whole_one(bureau: Bureau) -> None:
    number = id_number("1980-01-01")
    person = await bureau.person("王芳", id_number=number)
    found = await bureau.desk.find(bureau.staff("op"), "id-number", number)
    assert isinstance(found, list)
    assert [one.person_id for one in found] == [person]
    assert not isinstance(await bureau.desk.find(bureau.staff("op"), "id-number", number[-4:]), list)
