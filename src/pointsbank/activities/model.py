"""Nouns of activities: what is planned, who signs up, and how somebody shows that they were there."""

from __future__ import annotations

from datetime import date
from typing import Final, Literal

import msgspec

CREDIT: Final = "信用"
HONOUR: Final = "荣誉"
"""Classes of hours: measured by checking in and out, or written down afterwards."""

Way = Literal["session-code", "own-code", "card", "device", "by-hand"]
"""How somebody checked in or out. `device` is a card that a terminal took without a connection, `by-hand` a line of
a paper sheet typed in later."""

MEASURED: Final = frozenset({"session-code", "own-code", "card", "device"})

MEETING_MICROS: Final = 3600 * 1_000_000
"""People check in from an hour before a session and check out until an hour after it: what lies outside the session
is cut off anyway, and who forgets to check out gets no end for nothing."""


def class_of(way_in: str, way_out: str) -> str:
    """The class of hours: credit if both ends were measured, else honour."""
    return CREDIT if {way_in, way_out} <= MEASURED else HONOUR


class ActivityPlan(msgspec.Struct, frozen=True, kw_only=True):
    """An activity as it is proposed. Times are microseconds UTC; `minimum_age` adds to that of the category."""

    title: str
    category: str
    station: str
    starts_at: int
    ends_at: int
    project_id: str = ""
    fund: str = ""
    """Empty is the policy's fund."""
    campaign: str = ""
    organiser: str = ""
    minimum_age: int = 0
    training: str = ""
    insured: bool = False


class SessionPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A session as it is opened; times in microseconds UTC, on whole minutes. An empty station is the activity's."""

    starts_at: int
    ends_at: int
    capacity: int
    station: str = ""


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """An activity on file."""

    activity_id: str
    project_id: str
    title: str
    category: str
    fund: str
    campaign: str
    station: str
    organiser: str
    starts_at: int
    ends_at: int
    minimum_age: int
    training: str
    insured: int
    proposed_by: str
    proposed_at: int
    decided_by: str
    decided_at: int
    reason: str
    state: str


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A session on file."""

    session_id: str
    activity_id: str
    station: str
    starts_at: int
    ends_at: int
    capacity: int
    opened_by: str
    opened_at: int
    state: str


class Attendance(msgspec.Struct, frozen=True, kw_only=True):
    """When somebody came and went, and how they showed it."""

    session_id: str
    person_id: str
    in_at: int
    in_way: str
    in_by: str
    in_device: str
    in_stated_at: int
    out_at: int
    out_way: str
    out_by: str
    out_device: str
    out_stated_at: int
    hour_class: str
    reason: str
    round: int
    state: str


class Paper(msgspec.Struct, frozen=True):
    """A training, an insurance or a guardian's consent, with its first and last day."""

    person_id: str
    kind: Literal["training", "insurance", "consent"]
    code: str
    valid_from: date
    valid_to: date


class Evidence(msgspec.Struct, frozen=True):
    """What shows that somebody was there, by its reference; who filed it, when (microseconds UTC)."""

    kind: str
    reference: str
    filed_by: str
    filed_at: int


class DeviceEvent(msgspec.Struct, frozen=True):
    """What a terminal noted while it had no connection: its own number, and its own clock (microseconds UTC)."""

    number: int
    is_in: bool
    session_id: str
    person_id: str
    stated_at: int
