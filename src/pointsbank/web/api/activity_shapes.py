"""What goes in and out of the doors of activities: shapes with their limits."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from pointsbank.hours.submission import LineOutcome

Id = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[A-Za-z0-9._-]+$")]
MaybeId = Annotated[str, Meta(max_length=64, pattern="^[A-Za-z0-9._-]*$")]
Title = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        pattern="^[^\\u0000-\\u001f\\u007f\\u0085\\u2028\\u2029\\ud800-\\udfff]*$",
    ),
]
Reason = Annotated[str, Meta(max_length=64, pattern="^[a-z0-9-]*$")]
Time = Annotated[datetime, Meta(tz=True)]
Tags = Annotated[
    str,
    Meta(max_length=200, pattern="^[^\\u0000-\\u001f\\u007f\\u0085\\u2028\\u2029\\ud800-\\udfff]*$"),
]


class ActivityIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An activity as it is proposed; `starts_at` to `ends_at` holds all its sessions."""

    title: Title
    category: Id
    station: Id
    starts_at: Time
    ends_at: Time
    project_id: MaybeId = ""
    fund: MaybeId = ""
    campaign: MaybeId = ""
    organiser: MaybeId = ""
    minimum_age: Annotated[int, Meta(ge=0, le=150)] = 0
    training: MaybeId = ""
    insured: bool = False


class Made(msgspec.Struct, frozen=True):
    """The id of what was made."""

    id: str


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Approve or refuse, with a reason as a code."""

    approve: bool
    reason: Reason = ""


class SessionIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A session; an empty station is the activity's."""

    starts_at: Time
    ends_at: Time
    capacity: Annotated[int, Meta(ge=1, le=100_000)]
    station: MaybeId = ""


class ActivityOut(msgspec.Struct, frozen=True):
    """An activity and where its approval stands: proposed, approved or refused."""

    id: str
    title: str
    category: str
    station: str
    fund: str
    campaign: str
    starts_at: datetime
    ends_at: datetime
    proposed_by: str
    decided_by: str
    state: str
    sessions: list[SessionOut]


class SessionOut(msgspec.Struct, frozen=True):
    """A session of an activity."""

    id: str
    station: str
    starts_at: datetime
    ends_at: datetime
    capacity: int
    state: str


class SignUpIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who signs up, and who comes along with a child."""

    person: Id
    companion: MaybeId = ""


class CheckIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is there, and how that is shown. `code` is what was scanned; a card is read by a terminal."""

    person: Id
    way: Literal["session-code", "own-code", "card"]
    code: Annotated[str, Meta(max_length=200, pattern="^[A-Za-z0-9._-]*$")] = ""
    stated_at: Time | None = None


class WrittenIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Times from a paper sheet or of a forgotten check: honour class."""

    person: Id
    in_at: Time
    out_at: Time
    reason: Reason


class SubmissionIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose attendance becomes records; null for everybody who has left. `reason` if it is late."""

    people: Annotated[list[Id], Meta(max_length=1000)] | None = None
    reason: Reason = ""


class EventIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a terminal noted without connection: its own number, and its own clock."""

    number: Annotated[int, Meta(ge=0, le=2**53)]
    is_in: bool
    session: Id
    person: Id
    stated_at: Time


class UploadIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A terminal's notes, taken in the order of their numbers, each once."""

    events: Annotated[list[EventIn], Meta(min_length=1, max_length=1000)]


class EventOut(msgspec.Struct, frozen=True):
    """What became of a note: empty `refusal` if it counts; `again` if it had come before."""

    number: int
    refusal: str
    again: bool


class UploadOut(msgspec.Struct, frozen=True):
    """Answers in the order of the events."""

    events: list[EventOut]


class ProjectIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A project of the library; `brand` are tags with blanks between them."""

    name: Title
    brand: Tags = ""
    sector: MaybeId = ""


class PaperIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A training, an insurance or a guardian's consent, with its first and last day.

    `station` is the code of the place at which it was shown; without it only a role of the whole city files it.
    """

    person: Id
    kind: Literal["training", "insurance", "consent"]
    valid_from: date
    valid_to: date
    code: MaybeId = ""
    station: MaybeId = ""


class Code(msgspec.Struct, frozen=True):
    """The session's code; it is taken for 30 to 60 seconds."""

    code: str


class Noted(msgspec.Struct, frozen=True):
    """The server's time of a step."""

    recorded_at: datetime


class Submitted(msgspec.Struct, frozen=True):
    """What became of each line, in the order of the people's ids."""

    lines: list[LineOutcome]
