"""Where an act takes place and whom it is about: asked before a person with a role of some places acts.

The place bounds the act, not the volunteer's home: who stands at the counter is served there. The tree is that of
today, by which whoever runs a centre today answers for its stations; a closed place keeps the parent it closed under.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import date
from typing import Final, Protocol

import msgspec
from sqlalchemy import Connection

from pointsbank.access.authorize import Denial, Resource, authorize
from pointsbank.access.model import Actor
from pointsbank.access.rights import Relation
from pointsbank.activities.attempts import Attempt, Attempts
from pointsbank.activities.ports import By
from pointsbank.engine.registry import Ledger
from pointsbank.places import model as places
from pointsbank.places.membership import groups_of
from pointsbank.places.tree import ancestors_of, places_on
from pointsbank.policy.calendar import city_day
from pointsbank.web.bank import Bank
from pointsbank.web.guard import deny

_NOBODY: Final[frozenset[Relation]] = frozenset()


class Act(msgspec.Struct, frozen=True):
    """One act: where, by the place's code (`station`) or id (`place`), and whom it is about, by id.

    Without a place it is about the whole city, and so is one at a place that nobody knows.
    """

    station: str = ""
    place: str = ""
    person: str = ""


class Found(Protocol):
    """What a room tells of a thing: at which station it is, and whom it is about, empty for nobody."""

    @property
    def station(self) -> str: ...

    @property
    def person(self) -> str: ...


async def require_at(
    bank: Bank, actor: Actor, action: str, *, station: str = "", place: str = "", person: str = ""
) -> None:
    """Raise ProblemError unless a person may do this at this place and for this person, by id.

    An unknown place is nobody's: only a role of the whole city goes on to hear that it is unknown. A source without a
    person was judged at the door.
    """
    await require_each(bank, actor, action, [Act(station, place, person)])


async def require_each(bank: Bank, actor: Actor, action: str, acts: Iterable[Act]) -> None:
    """As `require_at`, for many acts at once: all or none."""
    if actor.person:
        denied = await _first_denial(bank, actor, action, tuple(dict.fromkeys(acts)) or (Act(),))
        if denied is not None:
            resource, denial = denied
            await note_denied(bank.ledger, bank.policies.policies[-1].timezone, actor, action, resource)
            deny(denial, action)


async def note_denied(ledger: Ledger, zone: str, actor: Actor, action: str, resource: Resource) -> None:
    """Leave a line for the auditor if what the table of rights denied was an attempt against four eyes."""
    rule = _four_eyes(actor, action, resource)
    if rule:
        await Attempts(ledger, zone).note(By(actor.id, actor.person), [Attempt(rule, resource.person)])


async def require_found(
    bank: Bank,
    actor: Actor,
    action: str,
    query: Callable[..., Sequence[Found]],
    ids: Collection[str] | Collection[int],
    *,
    person: str = "",
    about: bool = True,
) -> None:
    """As `require_each`, for acts on things that a query finds by id; it is asked only for a person.

    What is not found is no place of anybody's. `person` is whom the acts are about, if not those whom the query finds;
    without `about` only the place is judged: where lines are judged one by one, the room itself refuses one's own.
    """
    if actor.person:
        found: Sequence[Found] = await bank.ask(query, ids)
        acts = [Act(thing.station, person=person or (thing.person if about else "")) for thing in found]
        if len(found) < len(set(ids)) or not acts:
            acts.append(Act())
        await require_each(bank, actor, action, acts)


def acts_on_places(act: places.Act | places.MemberAct) -> list[Act]:
    """Where a change of the tree or of a group takes place: in each place that it touches."""
    match act:
        case places.Opening():
            return [Act(act.parent)]
        case places.Moving():
            return [Act(act.code), Act(act.parent)]
        case places.Merging():
            return [Act(act.code), Act(act.into)]
        case places.Transfer():
            return [Act(act.group, person=act.person), Act(act.into, person=act.person)]
        case places.Joining() | places.Leaving():
            return [Act(act.group, person=act.person)]
        case _:
            return [Act(act.code)]


async def may_at(bank: Bank, actor: Actor, action: str, acts: Sequence[Act]) -> list[bool]:
    """Which of these acts the actor may do: for lists that show each reader what is the reader's."""
    if not actor.person:
        return [True] * len(acts)
    resources = await bank.ask(resources_of, acts, actor.person, today(bank))
    return [authorize(actor, action, resources[act]) is None for act in acts]


def today(bank: Bank) -> date:
    """The city's date by the server's clock."""
    return city_day(bank.clock.now(), bank.policies.policies[-1].timezone)


async def _first_denial(
    bank: Bank, actor: Actor, action: str, acts: tuple[Act, ...]
) -> tuple[Resource, Denial] | None:
    resources = await bank.ask(resources_of, acts, actor.person, today(bank))
    for act in acts:
        denial = authorize(actor, action, resources[act])
        if denial is not None:
            return resources[act], denial
    return None


def _four_eyes(actor: Actor, action: str, resource: Resource) -> str:
    """The rule under which an auditor sees that somebody tried this with hours of one's own, or of the household's."""
    if not action.startswith("hours:") or action in ("hours:read", "hours:object"):
        return ""
    if resource.person == actor.person:
        return "own-hours"
    return "same-household" if "same-household" in resource.relations else ""


def resources_of(
    connection: Connection, ledger_id: int, acts: Sequence[Act], actor: str, day: date
) -> dict[Act, Resource]:
    """Acts as `authorize` takes them: the places above each, who it is about, and what that person is to the actor."""
    codes = {act.station for act in acts if act.station and act.station.isprintable()}
    ids = (
        {code: place.id for code, place in places_on(connection, ledger_id, codes, day).items()}
        if codes
        else {}
    )
    lines = ancestors_of(connection, ledger_id, {*ids.values(), *(a.place for a in acts if a.place)}, day)
    household = _household(
        connection, ledger_id, actor, {act.person for act in acts if act.person and act.person != actor}, day
    )
    return {
        act: Resource(
            places=lines.get(act.place or ids.get(act.station, ""), ()),
            person=act.person,
            relations=frozenset({"same-household"}) if act.person in household else _NOBODY,
        )
        for act in acts
    }


def _household(
    connection: Connection, ledger_id: int, actor: str, people: set[str], day: date
) -> frozenset[str]:
    """Who of these people lives with the actor on this day."""
    if not people:
        return frozenset()
    groups = groups_of(connection, ledger_id, {actor, *people}, day)
    own = {group for group in groups[actor] if group[0] == "household"}
    return frozenset(person for person in people if own & groups[person]) if own else frozenset()
