"""One function decides who may do what: `authorize(actor, action, resource)`, by the table of rights.

It asks no database: the roles that hold today stand in the actor, and the place of the act in the resource. What
the table does not allow is denied.
"""

from __future__ import annotations

from typing import Final

import msgspec

from pointsbank.access.model import CITY, Actor, Grant
from pointsbank.access.rights import Effect, Effects, Relation, rights


class Resource(msgspec.Struct, frozen=True):
    """What an action is about. `places` are the place of the act and those above it, the city last.

    Without places the act is about the whole city: only a role that holds there reaches it. `person` is whom the
    act is about or gives something to; `relations` are what the caller has found out about that person.
    """

    kind: str = ""
    id: str = ""
    places: tuple[str, ...] = ()
    person: str = ""
    relations: frozenset[Relation] = frozenset()


ANYTHING: Final = Resource()


class Unauthenticated(msgspec.Struct, frozen=True):
    """Nobody has shown who they are."""


class Forbidden(msgspec.Struct, frozen=True):
    """The actor is known and may not do this."""

    action: str


class StepUpRequired(msgspec.Struct, frozen=True):
    """The actor may do this after showing a fresh code."""

    action: str


Denial = Unauthenticated | Forbidden | StepUpRequired

_EFFECTS: Final = rights().effects
_FOREIGN: Final[frozenset[Relation]] = frozenset({"foreign"})
_HERE: Final[frozenset[Relation]] = frozenset({"own-place"})
_SELF: Final[frozenset[Relation]] = frozenset({"self"})
_WARD: Final[frozenset[Relation]] = frozenset({"ward"})


def authorize(actor: Actor | None, action: str, resource: Resource = ANYTHING) -> Denial | None:
    """Whether the actor may do this to that: None if so, else why not."""
    if actor is None:
        return None if _effect("anonymous", action, _FOREIGN) == "allow" else Unauthenticated()
    if not actor.session and action not in actor.scopes:
        return Forbidden(action)
    if not actor.person:
        relations = resource.relations or _FOREIGN
        return None if _effect(actor.subject, action, relations) == "allow" else Forbidden(action)
    known = resource.relations
    if resource.person and resource.person == actor.person:
        known |= _SELF
    if resource.person and resource.person == actor.ward:
        known |= _WARD
    effects = {_effect(actor.subject, action, known or _FOREIGN)}
    for grant in actor.grants:
        if (grant.role, action) in _EFFECTS:
            reached = known | _HERE if _reaches(grant, resource) else known or _FOREIGN
            effects.add(_effect(grant.role, action, reached))
    if "deny" in effects:
        return Forbidden(action)
    if "allow" in effects:
        return None
    if "step-up" in effects and actor.session:
        return None if actor.is_stepped_up else StepUpRequired(action)
    return Forbidden(action)


def may_somewhere(actor: Actor | None, action: str) -> Denial | None:
    """Whether there is any place at which the actor may do this: for a door whose handler asks again with the place.

    None if so, else why not. It never stands in for `authorize`.
    """
    if actor is None or not actor.person:
        return authorize(actor, action)
    if not actor.session and action not in actor.scopes:
        return Forbidden(action)
    found = {effect for role in (actor.subject, *actor.roles) for effect in _of(role, action).values()} - {
        "deny"
    }
    if "allow" in found:
        return None
    if found and actor.session:
        return None if actor.is_stepped_up else StepUpRequired(action)
    return Forbidden(action)


def _reaches(grant: Grant, resource: Resource) -> bool:
    return grant.place == CITY or grant.place in resource.places


def _of(subject: str, action: str) -> Effects:
    return _EFFECTS.get((subject, action), {})


def _effect(subject: str, action: str, relations: frozenset[Relation]) -> Effect | None:
    """What the table says of a subject in these relations: a denial before a permission before a code."""
    effects = _EFFECTS.get((subject, action))
    if effects is None:
        return None
    found = {effects.get(relation) for relation in relations}
    for effect in _IN_ORDER:
        if effect in found:
            return effect
    return None


_IN_ORDER: Final[tuple[Effect, ...]] = ("deny", "allow", "step-up")
