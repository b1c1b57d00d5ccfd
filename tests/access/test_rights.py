"""The table of rights and the program say the same: every route, page and command, and every line of the table."""

from __future__ import annotations

import time
from pathlib import Path

import click
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.web.test_rules import any_app, rules

from pointsbank.access.authorize import (
    Forbidden,
    Resource,
    StepUpRequired,
    Unauthenticated,
    authorize,
    may_somewhere,
)
from pointsbank.access.model import SCOPES, SELF_ACTIONS, STAFF_ACTIONS, Actor, Grant
from pointsbank.access.rights import RELATIONS, RightsError, compiled, rights
from pointsbank.cli.main import main

RIGHTS = rights()
DOORS = {door: action.name for action in RIGHTS.actions.values() for door in action.doors}
HERE = Resource(places=("station", "centre", "city"))
ROLES = sorted(RIGHTS.roles)
ACTIONS = sorted(RIGHTS.actions)


def member(
    *grants: Grant, stepped_up: bool = True, session: str = "s", scopes: frozenset[str] = frozenset()
) -> Actor:
    return Actor("a", "c", scopes, "me", "staff", grants, session, stepped_up)


def routes() -> dict[str, dict[str, object]]:
    return {f"{method} {path}": opt for method, path, opt in rules(any_app())}


def commands(group: click.Command, name: str = "cli") -> set[str]:
    if not isinstance(group, click.Group):
        return {name}
    context = click.Context(group)
    found: set[str] = set()
    for verb in group.list_commands(context):
        command = group.get_command(context, verb)
        assert command is not None
        found |= commands(command, f"{name} {verb}")
    return found


def test_every_route_page_and_command_stands_in_the_table_and_the_table_names_no_other() -> None:
    assert set(DOORS) == set(routes()) | commands(main)


def test_a_door_leads_to_one_action() -> None:
    doors = [door for action in RIGHTS.actions.values() for door in action.doors]
    assert len(doors) == len(set(doors))


def test_every_route_asks_for_the_action_under_which_the_table_lists_it() -> None:
    for route, opt in routes().items():
        asked = opt.get("scope") or opt.get("person") or opt.get("page") or opt.get("own")
        assert asked == DOORS[route] or (opt.get("public") and DOORS[route] in ("public", "log-in")), route


def test_what_anybody_may_do_is_what_routes_leave_open() -> None:
    anonymous = {name for name in ACTIONS if authorize(None, name) is None}
    assert anonymous == {"public", "log-in"}
    assert {route for route, opt in routes().items() if opt.get("public")} == {
        door for door, action in DOORS.items() if action in anonymous and not door.startswith("cli")
    }


def test_every_scope_and_every_action_of_staff_is_one_of_the_table() -> None:
    assert set(SCOPES) | set(STAFF_ACTIONS) | set(SELF_ACTIONS) <= set(ACTIONS)
    assert len({*SCOPES, *STAFF_ACTIONS, *SELF_ACTIONS}) == len([*SCOPES, *STAFF_ACTIONS, *SELF_ACTIONS])


def test_every_action_is_somebodys_and_every_role_may_something() -> None:
    allowed = {row.action for row in RIGHTS.rows if row.effect != "deny"}
    assert allowed == set(ACTIONS)
    assert {row.role for row in RIGHTS.rows} == set(RIGHTS.subjects)


def test_the_document_is_the_table() -> None:
    from pointsbank.access.rights_page import rights_page

    path = Path(__file__).parents[2] / "docs" / "rights.md"
    assert path.read_text(encoding="utf-8") == rights_page(RIGHTS), "write docs/rights.md anew from the table"


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("action", ACTIONS)
def test_a_role_does_what_the_table_says_at_its_place_and_nothing_elsewhere(role: str, action: str) -> None:
    effects = RIGHTS.effects.get((role, action), {})
    everybody = RIGHTS.effects.get(("staff", action), {})
    actor = member(Grant(role, "centre"))
    stale = member(Grant(role, "centre"), stepped_up=False)
    expected = effects.get("own-place") or everybody.get("own-place")
    if expected == "allow":
        assert authorize(actor, action, HERE) is None
    elif expected == "step-up":
        assert authorize(actor, action, HERE) is None
        assert authorize(stale, action, HERE) == StepUpRequired(action)
    else:
        assert authorize(actor, action, HERE) == Forbidden(action)
    if not everybody:
        assert authorize(actor, action, Resource(places=("other", "city"))) == Forbidden(action)
        assert authorize(actor, action) == Forbidden(action), "the whole city is not below a centre"
    assert (may_somewhere(actor, action) is None) == (expected in ("allow", "step-up"))


@given(
    st.lists(
        st.builds(Grant, st.sampled_from(ROLES), st.sampled_from(["", "station", "centre", "other"])),
        max_size=4,
    ),
    st.sampled_from(ACTIONS),
    st.sets(st.sampled_from(RELATIONS)),
    st.booleans(),
    st.booleans(),
)
def test_more_roles_never_take_away_a_denial_and_no_roles_allow_nothing(
    grants: list[Grant], action: str, relations: set[str], is_stepped_up: bool, about_me: bool
) -> None:
    resource = Resource(
        places=("station", "centre"), person="me" if about_me else "you", relations=frozenset(relations)
    )  # type: ignore[arg-type]
    verdict = authorize(member(*grants, stepped_up=is_stepped_up), action, resource)
    known = relations | ({"self"} if about_me else set())
    everybody = RIGHTS.effects.get(("staff", action), {})
    if any(everybody.get(relation) == "deny" for relation in known):  # type: ignore[call-overload]
        assert verdict == Forbidden(action)
    if not grants and not everybody:
        assert verdict == Forbidden(action)
    if verdict is None:
        assert everybody or any((grant.role, action) in RIGHTS.effects for grant in grants)
        assert may_somewhere(member(*grants, stepped_up=is_stepped_up), action) is None


def test_whom_an_act_is_about_may_not_be_the_one_who_acts() -> None:
    administrator = member(Grant("administrator"))
    for action in ("roles:propose", "roles:confirm"):
        assert authorize(administrator, action, Resource(person="you")) is None
        assert authorize(administrator, action, Resource(person="me")) == Forbidden(action)
    cashier = member(Grant("cashier"))
    assert authorize(cashier, "market:sell", Resource(person="me")) == Forbidden("market:sell")
    manager = member(Grant("centre-manager"))
    household = Resource(person="you", relations=frozenset({"same-household"}))
    assert authorize(manager, "reverse", household) == Forbidden("reverse")


def test_a_key_of_a_person_does_no_more_than_its_scopes_and_shows_no_code() -> None:
    grants = (Grant("administrator"), Grant("auditor"))
    key = Actor("k", "c", frozenset(["ledger:read", "roles:propose"]), "me", "staff", grants)
    assert authorize(key, "ledger:read") is None
    assert authorize(key, "hours:read") == Forbidden("hours:read")
    assert authorize(key, "roles:propose") == Forbidden("roles:propose")


def test_nobody_is_nobody() -> None:
    assert authorize(None, "ledger:read") == Unauthenticated()
    assert authorize(None, "no such action") == Unauthenticated()
    assert authorize(member(Grant("administrator")), "no such action") == Forbidden("no such action")


def test_authorize_asks_nothing_and_takes_no_time() -> None:
    """Twenty microseconds at most, for somebody with many roles; the best of some rounds, whatever else runs."""
    actor = member(*(Grant(role, place) for role in ROLES for place in ("", "station")))
    resource = Resource(
        places=("station", "centre", "city"), person="you", relations=frozenset({"present-here"})
    )
    rounds = []
    for _ in range(20):
        started = time.perf_counter()
        for _ in range(200):
            authorize(actor, "market:sell", resource)
        rounds.append((time.perf_counter() - started) / 200)
    assert min(rounds) < 20e-6


TABLE = """
[[subject]]
name = "clerk"
zh = "文员"
en = "a clerk"
[[action]]
name = "write"
zh = "写"
en = "write"
doors = []
""" + "\n".join(
    f"[{section}]\n" + "\n".join(f"{name} = 1" for name in figures.__struct_fields__)
    for section, figures in (
        ("log_in", RIGHTS.log_in),
        ("pin", RIGHTS.pin),
        ("visit", RIGHTS.visit),
    )
)


@pytest.mark.parametrize(
    "right",
    [
        'role = "king"\nrelation = ["self"]\nallow = ["write"]',
        'role = "clerk"\nrelation = ["self"]\nallow = ["read"]',
        'role = "clerk"\nrelation = ["self"]\nallow = ["write"]\ndeny = ["write"]',
    ],
)
def test_a_table_that_contradicts_itself_is_an_error(right: str) -> None:
    with pytest.raises(RightsError):
        compiled(TABLE + "\n[[right]]\n" + right)


@pytest.mark.parametrize(
    "right",
    [
        'role = "clerk"\nrelation = ["friend"]\nallow = ["write"]',
        'role = "clerk"\nrelation = ["self"]\nallows = ["write"]',
        'relation = ["self"]\nallow = ["write"]',
    ],
)
def test_a_word_that_the_table_does_not_know_is_an_error(right: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        compiled(TABLE + "\n[[right]]\n" + right)
