"""The table of rights, read once from rights.toml and compiled so that a question costs a look-up or two."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal, get_args

import msgspec

Relation = Literal["self", "ward", "same-household", "present-here", "own-place", "foreign"]
Effect = Literal["allow", "deny", "step-up"]

RELATIONS: Final[tuple[Relation, ...]] = get_args(Relation)


class Subject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody or something that acts. A subject with `role` can be granted to a natural person."""

    name: str
    zh: str
    en: str
    role: bool = False


class Action(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be done, and every route, page and command that does it."""

    name: str
    zh: str
    en: str
    doors: tuple[str, ...]


class LogInRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The figures of logging in; the units stand in the names."""

    password_shortest: int
    password_longest: int
    code_drift_steps: int
    idle_minutes: int
    longest_hours: int
    step_up_minutes: int
    most_sessions: int
    """of one person at a time; a further one ends the oldest"""
    touch_seconds: int
    enrolment_hours: int
    window_minutes: int
    most_failures_here: int
    """of one account from one address within the window"""
    most_failures_account: int
    most_failures_address: int
    events_days: int
    """how long what happened at the door is kept"""


class PinRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The figures of PINs; the units stand in the names."""

    failures_to_pause: int
    pause_minutes: int
    failures_to_freeze: int
    cards_to_stop: int
    """different cards that fail at one terminal within the window"""
    window_hours: int


class VisitRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The figures of sessions of volunteers; the units stand in the names."""

    card_seconds: int
    pin_choice_minutes: int
    """how long after its confirmation a PIN may be chosen"""
    terminal_code_hours: int
    phone_idle_minutes: int
    phone_longest_hours: int
    code_minutes: int
    code_tries: int
    codes_phone_hour: int
    codes_phone_day: int
    codes_address_hour: int
    codes_day: int
    """of the whole city: what a flood may cost at most"""
    send_seconds: int


class _Right(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"step_up": "step-up"}):
    role: str
    relation: tuple[Literal[Relation, "any"], ...]
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    step_up: tuple[str, ...] = ()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    subject: tuple[Subject, ...]
    action: tuple[Action, ...]
    right: tuple[_Right, ...]
    log_in: LogInRules
    pin: PinRules
    visit: VisitRules


class Row(msgspec.Struct, frozen=True):
    """One line of the table as people read it."""

    role: str
    action: str
    relation: str
    effect: Effect


Effects = Mapping[Relation, Effect]


class Rights(msgspec.Struct, frozen=True):
    """The compiled table. `effects` leads from subject and action to the effect of each relation."""

    subjects: Mapping[str, Subject]
    actions: Mapping[str, Action]
    rows: tuple[Row, ...]
    effects: Mapping[tuple[str, str], Effects]
    log_in: LogInRules
    pin: PinRules
    visit: VisitRules

    @property
    def roles(self) -> frozenset[str]:
        """What can be granted to a natural person."""
        return frozenset(subject.name for subject in self.subjects.values() if subject.role)


class RightsError(ValueError):
    """The table of rights contradicts itself; the message names the line."""


@lru_cache(maxsize=1)
def rights() -> Rights:
    """The table that comes with the program."""
    return compiled((Path(__file__).parent / "rights.toml").read_text(encoding="utf-8"))


def compiled(text: str) -> Rights:
    """Read a table. Raises RightsError or msgspec.ValidationError if it is not one."""
    file = msgspec.convert(tomllib.loads(text), _File)
    subjects = {subject.name: subject for subject in file.subject}
    actions = {action.name: action for action in file.action}
    rows: list[Row] = []
    effects: dict[tuple[str, str], dict[Relation, Effect]] = {}
    for right in file.right:
        if right.role not in subjects:
            raise RightsError(f"there is no subject {right.role}")
        for action, effect in _granted(right):
            if action not in actions:
                raise RightsError(f"{right.role}: there is no action {action}")
            known = effects.setdefault((right.role, action), {})
            for relation in _relations(right):
                if relation in known and known[relation] != effect and "any" not in right.relation:
                    raise RightsError(f"{right.role} · {action} · {relation} stands there twice")
                known[relation] = effect
            rows += [Row(right.role, action, relation, effect) for relation in right.relation]
    return Rights(subjects, actions, tuple(rows), effects, file.log_in, file.pin, file.visit)


def _granted(right: _Right) -> Iterator[tuple[str, Effect]]:
    for action in right.allow:
        yield action, "allow"
    for action in right.deny:
        yield action, "deny"
    for action in right.step_up:
        yield action, "step-up"


def _relations(right: _Right) -> tuple[Relation, ...]:
    return RELATIONS if "any" in right.relation else tuple(r for r in RELATIONS if r in right.relation)
