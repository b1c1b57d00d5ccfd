"""Staff and roles: two persons for every right, whoever asks and through whichever account or key."""

from __future__ import annotations

import asyncio
from datetime import date

import pytest
from sqlalchemy import Connection, select

from pointsbank.access.authorize import Forbidden, Resource, authorize
from pointsbank.access.model import NEVER, Actor, Grant
from pointsbank.access.refusals import (
    AlreadyFounded,
    LastAdministrators,
    LoginTaken,
    NotPermitted,
    OwnRole,
    RoleDays,
    SecondPersonNeeded,
    StepUpNeeded,
    UnknownEnrolment,
    UnknownGrant,
    UnknownRole,
    UnknownRolePlace,
    UnknownStaff,
)
from pointsbank.access.roles import Granted, RoleIn
from pointsbank.access.service import IssuedKey
from pointsbank.access.staff import Half
from pointsbank.engine.commands import Command
from pointsbank.ledger.model import Receipt
from pointsbank.ledger.refusals import KeyConflict, StateChanged
from pointsbank.places.stations import PLACES, opening
from pointsbank.places.tables import places
from pointsbank.store.database import Database
from pointsbank.verify import verify

from .office import Office, open_office


async def propose(office: Office, by: str, to: str, role: str = "verifier", **more: object) -> object:
    actor = office.actor(by)
    wanted = RoleIn(office.people.get(to, to), role, **more)  # type: ignore[arg-type]
    return await office.roles.propose(actor, wanted, office.command(actor))


async def test_the_founding_makes_two_administrators_and_works_once(database: Database) -> None:
    async with open_office(database, founded=False) as office:
        assert not await office.staff.is_founded()
        assert await office.staff.found(("ann", "ann"), office.command()) == LoginTaken("ann")
        halves = await office.staff.found(("ann", "bo"), office.command())
        assert isinstance(halves, tuple)
        assert len({half.person for half in halves}) == 2
        assert await office.staff.is_founded()
        assert await office.staff.found(("cy", "di"), office.command()) == AlreadyFounded()
        found = [await office.ring.standing(half.person) for half in halves]
        assert [s.grants for s in found if s] == [(Grant("administrator"),)] * 2
        assert [account.login for account in await office.staff.accounts()] == ["ann", "bo"]


async def test_keys_made_before_the_founding_become_machine_sources(database: Database) -> None:
    async with open_office(database, founded=False) as office:
        scopes = ["keys:manage", "reverse", "market:sell"]
        issued = await office.keys.issue("old", "", scopes, NEVER, office.command())
        assert isinstance(issued, IssuedKey)
        assert issued.token is not None
        before = await office.ring.recognise(issued.token)
        assert before is not None
        assert [authorize(before.actor, scope) for scope in scopes] == [None] * 3
        await office.staff.found(("ann", "bo"), office.command())
        after = await office.ring.recognise(issued.token)
        assert after is not None
        assert authorize(after.actor, "market:sell") is None
        for scope in ("keys:manage", "reverse"):
            assert authorize(after.actor, scope) == Forbidden(scope)
        again = await office.keys.issue("x", "", ["market:sell"], NEVER, office.command())
        assert again == NotPermitted("keys:manage"), "nobody makes a key from nowhere any more"


async def test_a_role_is_proposed_by_one_confirmed_by_another_and_given_to_a_third(
    database: Database,
) -> None:
    async with open_office(database) as office:
        person = await office.add("cy")
        proposed = await propose(office, "ann", "cy")
        assert isinstance(proposed, Granted)
        assert proposed.grant.state == "proposed"
        standing = await office.ring.standing(person)
        assert standing is not None
        assert standing.grants == ()
        ann, bo = office.actor("ann"), office.actor("bo")
        assert await office.roles.confirm(ann, proposed.grant.id, office.command(ann)) == SecondPersonNeeded()
        command = office.command(bo)
        confirmed = await office.roles.confirm(bo, proposed.grant.id, command)
        assert isinstance(confirmed, Granted)
        assert (confirmed.grant.state, confirmed.grant.confirmed_by) == ("active", office.people["bo"])
        again = await office.roles.confirm(bo, proposed.grant.id, command)
        assert isinstance(again, Granted)
        assert again.is_replayed
        assert isinstance(await office.roles.confirm(bo, proposed.grant.id, office.command(bo)), StateChanged)
        standing = await office.ring.standing(person)
        assert standing is not None
        assert standing.grants == (Grant("verifier"),)


async def test_nobody_gives_a_right_to_themselves(database: Database) -> None:
    async with open_office(database) as office:
        assert await propose(office, "ann", "ann") == OwnRole()
        proposed = await propose(office, "ann", "bo")
        assert isinstance(proposed, Granted)
        bo = office.actor("bo")
        assert await office.roles.confirm(bo, proposed.grant.id, office.command(bo)) == OwnRole()


async def test_two_keys_or_two_sessions_of_one_person_are_one_person(database: Database) -> None:
    async with open_office(database) as office:
        await office.add("cy")
        proposed = await propose(office, "ann", "cy")
        assert isinstance(proposed, Granted)
        person = office.people["ann"]
        another = Actor("k2", "other", frozenset(), person, "staff", (), "another session", True)
        verdict = await office.roles.confirm(another, proposed.grant.id, office.command(another))
        assert verdict == SecondPersonNeeded()
        key = Actor("k3", "other", frozenset(["roles:confirm"]), office.people["bo"], "staff")
        verdict = await office.roles.confirm(key, proposed.grant.id, office.command(key))
        assert verdict == NotPermitted("roles:confirm"), "a key shows no fresh code"


async def test_giving_needs_a_fresh_code_and_the_right(database: Database) -> None:
    async with open_office(database) as office:
        await office.add("cy")
        stale = office.actor("ann", is_stepped_up=False)
        wanted = RoleIn(office.people["cy"], "verifier")
        assert await office.roles.propose(stale, wanted, office.command(stale)) == StepUpNeeded(
            "roles:propose"
        )
        await office.give("cy", "verifier")
        cy = office.actor("cy", "administrator")  # what the actor says of its roles counts for nothing
        verdict = await office.roles.propose(cy, RoleIn(office.people["bo"], "auditor"), office.command(cy))
        assert verdict == NotPermitted("roles:propose")
        nobody = Actor("k", "c", frozenset(["roles:propose"]))
        verdict = await office.roles.propose(nobody, wanted, office.command(nobody))
        assert verdict == NotPermitted("roles:propose")


async def test_what_cannot_be_a_role_is_refused(database: Database) -> None:
    async with open_office(database) as office:
        await office.add("cy")
        assert await propose(office, "ann", "cy", "king") == UnknownRole("king")
        assert await propose(office, "ann", "cy", "staff") == UnknownRole("staff")
        assert await propose(office, "ann", "cy", place="nowhere") == UnknownRolePlace("nowhere")
        assert await propose(office, "ann", "stranger") == UnknownStaff("stranger")
        past = {"from_day": date(2020, 1, 1), "to_day": date(2020, 2, 1)}
        assert await propose(office, "ann", "cy", **past) == RoleDays()
        turned = {"from_day": date(2027, 2, 1), "to_day": date(2027, 1, 1)}
        assert await propose(office, "ann", "cy", **turned) == RoleDays()
        ann = office.actor("ann")
        assert await office.roles.confirm(ann, "x", office.command(ann)) == UnknownGrant("x")
        assert await office.roles.revoke(ann, "x", office.command(ann)) == UnknownGrant("x")


async def test_a_role_holds_from_its_first_day_to_its_last(database: Database) -> None:
    async with open_office(database) as office:
        person = await office.add("cy")
        days = {"from_day": date(2026, 11, 20), "to_day": date(2026, 11, 21)}
        proposed = await propose(office, "ann", "cy", **days)
        assert isinstance(proposed, Granted)
        bo = office.actor("bo")
        await office.roles.confirm(bo, proposed.grant.id, office.command(bo))
        held = []
        for _ in range(5):  # from 2026-11-18, once a day
            office.ring.forget_all()
            standing = await office.ring.standing(person)
            held.append(bool(standing and standing.grants))
            office.clock.time += 86_400_000_000
        assert held == [False, False, True, True, False]


async def test_a_role_reaches_its_place_and_what_lies_below(database: Database) -> None:
    async with open_office(database) as office:
        for kind, code, parent in (("city", "C", ""), ("centre", "D", "C"), ("station", "S", "D")):
            await office.ledger.submit([opening(kind, code, "", parent, Command("t", code))], PLACES)
        await office.ledger.submit([opening("centre", "E", "", "C", Command("t", "E"))], PLACES)
        ids = await database.read(_place_ids, office.ledger.id)
        person = await office.add("cy")
        await office.give("cy", "administrator", ids["D"])
        await office.add("di")
        cy = office.actor("cy")
        below = await office.roles.propose(
            cy, RoleIn(office.people["di"], "cashier", ids["S"]), office.command(cy)
        )
        assert isinstance(below, Granted)
        for place in (ids["E"], ids["C"], ""):
            beside = await office.roles.propose(
                cy, RoleIn(office.people["di"], "cashier", place), office.command(cy)
            )
            assert beside == NotPermitted("roles:propose"), place
        standing = await office.ring.standing(person)
        assert standing is not None
        actor = Actor("a", "b", frozenset(), person, "staff", standing.grants, "s", True)
        assert authorize(actor, "staff:read", Resource(places=(ids["S"], ids["D"], ids["C"]))) is None
        assert authorize(actor, "staff:read", Resource(places=(ids["E"], ids["C"]))) is not None


def _place_ids(connection: Connection, ledger_id: int) -> dict[str, str]:
    query = select(places.c.code, places.c.place_id).where(places.c.ledger_id == ledger_id)
    return {row.code: row.place_id for row in connection.execute(query)}


async def test_a_revoked_role_is_gone_at_once_and_its_holder_acts_no_more(database: Database) -> None:
    async with open_office(database) as office:
        person = await office.add("cy")
        grant = await office.give("cy", "administrator")
        cy = office.actor("cy")
        bo = office.actor("bo")
        revoked = await office.roles.revoke(bo, grant, office.command(bo))
        assert isinstance(revoked, Granted)
        assert (revoked.grant.state, revoked.grant.revoked_by) == ("revoked", office.people["bo"])
        standing = await office.ring.standing(person)
        assert standing is not None
        assert standing.grants == ()
        assert await office.staff.add(cy, "di", office.command(cy)) == NotPermitted("staff:manage")
        assert isinstance(await office.roles.revoke(bo, grant, office.command(bo)), StateChanged)


async def test_two_administrators_always_remain(database: Database) -> None:
    async with open_office(database) as office:
        ann, bo = office.actor("ann"), office.actor("bo")
        [founding] = await office.roles.list(person=office.people["bo"])
        assert await office.roles.revoke(ann, founding.id, office.command(ann)) == LastAdministrators()
        assert (
            await office.staff.close_account(ann, office.people["bo"], office.command(ann))
            == LastAdministrators()
        )
        await office.add("cy")
        await office.give("cy", "administrator")
        closed = await office.staff.close_account(ann, office.people["bo"], office.command(ann))
        assert isinstance(closed, Receipt)
        assert await office.staff.add(bo, "di", office.command(bo)) == NotPermitted("staff:manage")
        assert await propose(office, "ann", "bo") == UnknownStaff(office.people["bo"])


async def test_of_two_administrators_who_throw_each_other_out_at_once_one_stays(database: Database) -> None:
    async with open_office(database) as office:
        await office.add("cy")
        await office.give("cy", "administrator")
        ann, bo = office.actor("ann"), office.actor("bo")
        verdicts = await asyncio.gather(
            office.staff.close_account(ann, office.people["bo"], office.command(ann)),
            office.staff.close_account(bo, office.people["ann"], office.command(bo)),
        )
        assert sum(isinstance(verdict, Receipt) for verdict in verdicts) == 1, verdicts


async def test_a_ring_of_closures_at_once_leaves_two_administrators(database: Database) -> None:
    async with open_office(database) as office:
        await office.add("cy")
        await office.give("cy", "administrator")
        ring = [("ann", "bo"), ("cy", "ann"), ("bo", "cy")]
        verdicts = await asyncio.gather(
            *(
                office.staff.close_account(
                    office.actor(by), office.people[of], office.command(office.actor(by))
                )
                for by, of in ring
            )
        )
        assert sum(isinstance(verdict, Receipt) for verdict in verdicts) == 1, verdicts


async def test_a_person_has_one_account_and_a_login_name_one_person(database: Database) -> None:
    async with open_office(database) as office:
        ann = office.actor("ann")
        assert await office.staff.add(ann, "bo", office.command(ann)) == LoginTaken("bo")
        person = office.people["bo"]
        assert await office.staff.add(ann, "bo2", office.command(ann), person) == LoginTaken("bo2")
        command = office.command(ann)
        first = await office.staff.add(ann, "cy", command)
        again = await office.staff.add(ann, "cy", command)
        assert isinstance(first, Half)
        assert again == Half(first.enrolment, first.person, None)
        assert await office.staff.add(ann, "di", command) == KeyConflict(command.key)


async def test_of_two_who_take_one_login_name_at_once_one_gets_it(database: Database) -> None:
    async with open_office(database) as office:
        ann, bo = office.actor("ann"), office.actor("bo")
        verdicts = await asyncio.gather(
            office.staff.add(ann, "cy", office.command(ann)), office.staff.add(bo, "cy", office.command(bo))
        )
        assert sorted(type(verdict).__name__ for verdict in verdicts) == ["Half", "LoginTaken"]
        assert len({account.person for account in await office.staff.accounts()}) == 3


async def test_an_enrolment_needs_two_administrators_who_hold_half_of_its_code_each(
    database: Database,
) -> None:
    async with open_office(database) as office:
        ann, bo = office.actor("ann"), office.actor("bo")
        first = await office.staff.add(ann, "cy", office.command(ann))
        assert isinstance(first, Half)
        refused = await office.staff.confirm_enrolment(ann, first.enrolment, office.command(ann))
        assert refused == SecondPersonNeeded()
        assert await office.staff.confirm_enrolment(bo, "x", office.command(bo)) == UnknownEnrolment()
        second = await office.staff.confirm_enrolment(bo, first.enrolment, office.command(bo))
        assert isinstance(second, Half)
        for code in (f"{first.code}-{first.code}", f"{second.code}-{first.code}", str(first.code), "", "é-é"):
            assert await office.staff.use_enrolment("cy", code, office.command()) == UnknownEnrolment()
        whole = f"{first.code}-{second.code}"
        assert await office.staff.use_enrolment("bo", whole, office.command()) == UnknownEnrolment()
        assert await office.staff.use_enrolment("nobody", whole, office.command()) == UnknownEnrolment()
        used = await office.staff.use_enrolment("cy", whole.lower(), office.command())
        assert not isinstance(used, UnknownEnrolment)
        assert await office.staff.use_enrolment("cy", whole, office.command()) == UnknownEnrolment()


async def test_a_code_of_an_enrolment_grows_old(database: Database) -> None:
    async with open_office(database) as office:
        await office.add("cy")
        office.clock.time += 72 * 60 * 60_000_000
        assert (
            await office.staff.use_enrolment("cy", office.codes["cy"], office.command()) == UnknownEnrolment()
        )


async def test_nobody_recovers_or_confirms_their_own_account(database: Database) -> None:
    async with open_office(database) as office:
        ann, bo = office.actor("ann"), office.actor("bo")
        assert await office.staff.begin_recovery(ann, ann.person, office.command(ann)) == OwnRole()
        first = await office.staff.begin_recovery(ann, bo.person, office.command(ann))
        assert isinstance(first, Half)
        assert await office.staff.confirm_enrolment(bo, first.enrolment, office.command(bo)) == OwnRole()
        unknown = await office.staff.begin_recovery(ann, "stranger", office.command(ann))
        assert unknown == UnknownStaff("stranger")


async def test_a_key_opens_nothing_before_a_second_person_has_confirmed_it(database: Database) -> None:
    async with open_office(database) as office:
        ann, bo = office.actor("ann"), office.actor("bo")
        issued = await office.keys.issue("till-1", "", ["market:sell"], NEVER, office.command(ann), actor=ann)
        assert isinstance(issued, IssuedKey)
        assert issued.token is not None
        assert (issued.key.state, issued.key.owner) == ("proposed", "machine")
        assert await office.ring.recognise(issued.token) is None
        assert await office.keys.confirm(ann, issued.key.id, office.command(ann)) == SecondPersonNeeded()
        confirmed = await office.keys.confirm(bo, issued.key.id, office.command(bo))
        assert getattr(confirmed, "state", None) == "active", confirmed
        key = await office.ring.recognise(issued.token)
        assert key is not None
        assert authorize(key.actor, "market:sell") is None


@pytest.mark.parametrize("scope", ["reverse", "keys:manage", "roles:confirm", "hours:release"])
async def test_a_machine_source_never_verifies_releases_or_grants(sqlite_url: str, scope: str) -> None:
    database = Database(sqlite_url)
    async with open_office(database) as office:
        ann = office.actor("ann")
        refused = await office.keys.issue("x", "", [scope], NEVER, office.command(ann), actor=ann)
        assert refused == NotPermitted(scope)
    await database.close()
    machine = Actor("k", "c", frozenset([scope]), subject="machine-source")
    assert authorize(machine, scope) == Forbidden(scope)


async def test_a_persons_key_opens_what_the_persons_roles_allow_and_ends_with_them(
    database: Database,
) -> None:
    async with open_office(database) as office:
        await office.add("cy")
        grant = await office.give("cy", "auditor")
        cy, ann = office.actor("cy"), office.actor("ann")
        scopes = ["ledger:read", "journal:post"]
        issued = await office.keys.issue(
            "cy-laptop", "", scopes, NEVER, office.command(cy), actor=cy, owner="person"
        )
        assert isinstance(issued, IssuedKey)
        assert issued.token is not None
        assert await office.keys.confirm(cy, issued.key.id, office.command(cy)) == OwnRole()
        await office.keys.confirm(ann, issued.key.id, office.command(ann))
        key = await office.ring.recognise(issued.token)
        assert key is not None
        assert key.actor.person == office.people["cy"]
        assert key.actor.name == f"person:{office.people['cy']}"
        assert authorize(key.actor, "ledger:read") is None
        assert authorize(key.actor, "journal:post") == Forbidden("journal:post")
        await office.roles.revoke(ann, grant, office.command(ann))
        key = await office.ring.recognise(issued.token)
        assert key is not None
        assert authorize(key.actor, "ledger:read") == Forbidden("ledger:read")
        await office.staff.close_account(ann, office.people["cy"], office.command(ann))
        assert await office.ring.recognise(issued.token) is None


async def test_a_key_is_revoked_by_a_person_with_the_right(database: Database) -> None:
    async with open_office(database) as office:
        ann, bo = office.actor("ann"), office.actor("bo")
        issued = await office.keys.issue("t", "", ["market:sell"], NEVER, office.command(ann), actor=ann)
        assert isinstance(issued, IssuedKey)
        assert await office.keys.revoke(issued.key.id, office.command()) == NotPermitted("keys:manage")
        revoked = await office.keys.revoke(issued.key.id, office.command(bo), actor=bo)
        assert isinstance(revoked, Receipt)
        assert isinstance(await office.keys.confirm(bo, issued.key.id, office.command(bo)), StateChanged)


async def test_the_books_with_staff_in_them_hold(database: Database) -> None:
    async with open_office(database) as office:
        await office.add("cy")
        await office.give("cy", "cashier")
        report = await verify(database, office.ledger.id)
        assert not report.findings
