"""One function decides who may do what. Today by the scopes of an API key; people, roles and places come
here."""

from __future__ import annotations

import msgspec

from pointsbank.access.model import Actor, Scope


class Resource(msgspec.Struct, frozen=True):
    """What an action is about. `place` will bound what a person with a role sees and does."""

    kind: str = ""
    id: str = ""
    place: str = ""


ANYTHING = Resource()


class Unauthenticated(msgspec.Struct, frozen=True):
    """Nobody has shown who they are."""


class Forbidden(msgspec.Struct, frozen=True):
    """The actor is known and may not do this."""

    action: str


Denial = Unauthenticated | Forbidden


def authorize(actor: Actor | None, action: Scope, resource: Resource = ANYTHING) -> Denial | None:
    """Whether the actor may do this to that: None if so, else why not."""
    if actor is None:
        return Unauthenticated()
    return None if action in actor.scopes else Forbidden(action)
