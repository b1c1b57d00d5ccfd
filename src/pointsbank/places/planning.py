"""What a change of the tree writes, or why it may not be: pure functions from an atlas and a wish to a plan."""

from __future__ import annotations

from datetime import date

from msgspec.structs import replace

from pointsbank.engine.ids import new_id
from pointsbank.ledger.model import Change, Row
from pointsbank.ledger.refusals import Refusal
from pointsbank.places.atlas import (
    FOUNDED,
    Atlas,
    Plan,
    children_subject,
    members_subject,
    membership_row,
    person_subject,
    place_subject,
    term_row,
)
from pointsbank.places.model import (
    KIND_NAMES,
    KINDS,
    MAX_CODE,
    MAX_LEVELS,
    MAX_PLACE_NAME,
    OPEN_END,
    PARENTS,
    TOP,
    Act,
    Closing,
    HouseholdNeedsTwo,
    LaterChange,
    Membership,
    Merging,
    Moving,
    NothingChanges,
    Opening,
    PlaceCycle,
    PlaceExists,
    PlaceHistory,
    PlaceInUse,
    PlaceMalformed,
    PlaceNotOpen,
    PlaceTooDeep,
    Renaming,
    Term,
    UnknownPlace,
    UnknownSector,
    WrongParent,
    WrongSuccessor,
)
from pointsbank.places.sectors import SECTORS
from pointsbank.places.stations import place_rows, shop_accounts


def plan(atlas: Atlas, act: Act, today: date) -> Plan | Refusal:
    """Work out a change of the tree on what the atlas knows. `today` is the city's date.

    Refusals: those of `places.model`, in docs/errors.md.
    """
    match act:
        case Opening():
            return _open(atlas, act, today)
        case Renaming():
            return _rename(atlas, act, today)
        case Moving():
            return _move(atlas, act, today)
        case Closing():
            return _close(atlas, act.code, act.day, today, None)
        case Merging():
            return _merge(atlas, act, today)


def _open(atlas: Atlas, act: Opening, today: date) -> Plan | Refusal:
    if not is_code(act.code):
        return PlaceMalformed("code")
    if act.kind not in KINDS:
        return PlaceMalformed("kind")
    if not is_name(act.name):
        return PlaceMalformed("name")
    if act.day == OPEN_END:
        return PlaceMalformed("day")
    if act.sector and act.sector not in SECTORS:
        return UnknownSector(act.sector)
    if atlas.places.get(act.code) is not None:
        return PlaceExists(act.code)
    parent = _parent(atlas, act.kind, act.parent, act.day)
    if isinstance(parent, Refusal):
        return parent
    term = Term(act.day, OPEN_END, act.parent, act.name, act.sector, "open")
    state = "open" if act.day <= today else "planned"
    place = PlaceHistory(act.code, new_id(), act.kind, state, (term,))
    return Plan(
        "open-place",
        rows=place_rows(place),
        opens=shop_accounts(place),
        reads=atlas.read(place_subject(parent.id)) if parent else (),
        touches=(children_subject(parent.id),) if parent else (),
        places=(place,),
    )


def _rename(atlas: Atlas, act: Renaming, today: date) -> Plan | Refusal:
    if not is_name(act.name):
        return PlaceMalformed("name")
    place = _open_place(atlas, act.code, act.day)
    if isinstance(place, Refusal):
        return place
    if place.last.name == act.name:
        return NothingChanges(act.code)
    return _from_then_on(atlas, "rename-place", place, act.day, today, name=act.name)


def _move(atlas: Atlas, act: Moving, today: date) -> Plan | Refusal:
    place = _open_place(atlas, act.code, act.day)
    if isinstance(place, Refusal):
        return place
    parent = _parent(atlas, place.kind, act.parent, act.day)
    if isinstance(parent, Refusal):
        return parent
    if place.last.parent == act.parent:
        return NothingChanges(act.code)
    above = atlas.up(act.parent, act.day) if parent else []
    if any(p.code == place.code for p in above):
        return PlaceCycle(act.code)
    moved = _from_then_on(atlas, "move-place", place, act.day, today, parent=act.parent)
    left = atlas.places.get(place.last.parent)
    return replace(
        moved,
        reads=moved.reads + atlas.read(*(place_subject(p.id) for p in above)),
        touches=(*moved.touches, *(children_subject(p.id) for p in (left, parent) if p is not None)),
    )


def _merge(atlas: Atlas, act: Merging, today: date) -> Plan | Refusal:
    place = _open_place(atlas, act.code, act.day)
    if isinstance(place, Refusal):
        return place
    into = atlas.places.get(act.into)
    if into is None:
        return UnknownPlace(act.into)
    if into.code == place.code or into.kind != place.kind:
        return WrongSuccessor(act.code, act.into)
    if not into.is_open_through(act.day):
        return PlaceNotOpen(act.into, act.day.isoformat())
    return _close(atlas, act.code, act.day, today, into)


def _close(atlas: Atlas, code: str, day: date, today: date, into: PlaceHistory | None) -> Plan | Refusal:
    """Close a place; what it had of members ends with it, or goes on in the place it merges into."""
    place = _open_place(atlas, code, day)
    if isinstance(place, Refusal):
        return place
    if place.kind == "household" and atlas.versions.get(FOUNDED) and atlas.of_group.get(place.id):
        return HouseholdNeedsTwo(code)
    below = sorted(child for child, until in atlas.children.get(code, {}).items() if until > day)
    if below:
        return PlaceInUse(code, len(below), below[0])
    members = [m for m in atlas.of_group.get(place.id, ()) if m.to_day > day]
    if any(m.from_day >= day for m in members):
        return LaterChange(code, max(m.from_day for m in members).isoformat())
    closed = _from_then_on(
        atlas,
        "merge-place" if into else "close-place",
        place,
        day,
        today,
        state="closed",
        successor=into.code if into else "",
    )
    joined = _taken_over(atlas, members, day, into) if into else []
    left = atlas.places.get(place.last.parent)
    reads = [children_subject(place.id), members_subject(place.id)]
    touches = [members_subject(place.id), *(person_subject(m.person_id) for m in members)]
    if into:
        reads += [place_subject(into.id), members_subject(into.id)]
        touches.append(members_subject(into.id))
    if left:
        touches.append(children_subject(left.id))
    return replace(
        closed,
        rows=closed.rows + tuple(membership_row(m) for m in joined),
        changes=closed.changes + tuple(ending(m, day) for m in members),
        reads=closed.reads + atlas.read(*reads),
        touches=closed.touches + tuple(dict.fromkeys(touches)),
        ended=tuple(members),
        joined=tuple(joined) + tuple(replace(m, to_day=day, state="ended") for m in members),
    )


def _taken_over(atlas: Atlas, members: list[Membership], day: date, into: PlaceHistory) -> list[Membership]:
    """What goes on in the other place: for whom belongs to it already, nothing new."""
    there = atlas.of_group.get(into.id, ())
    taken = []
    for member in members:
        goes_on = replace(member, group_id=into.id, from_day=day, state="open")
        if not any(m.person_id == member.person_id and m.meets(day, member.to_day) for m in there):
            taken.append(goes_on)
    return taken


def _open_place(atlas: Atlas, code: str, day: date) -> PlaceHistory | Refusal:
    """The place, if it is open on the day and nothing later is on file."""
    place = atlas.places.get(code)
    if place is None:
        return UnknownPlace(code)
    if not place.last.is_open or day < place.terms[0].from_day:
        return PlaceNotOpen(code, day.isoformat())
    if day < place.last.from_day:
        return LaterChange(code, place.last.from_day.isoformat())
    if day == OPEN_END:
        return PlaceMalformed("day")
    return place


def _parent(atlas: Atlas, kind: str, code: str, day: date) -> PlaceHistory | Refusal | None:
    """The parent under which a place of this kind may stand from a day on; None for the top."""
    if code == TOP:
        return None if TOP in PARENTS[kind] else WrongParent(kind, "top", KIND_NAMES[kind], "顶层")
    parent = atlas.places.get(code)
    if parent is None:
        return UnknownPlace(code)
    if parent.kind not in PARENTS[kind]:
        return WrongParent(kind, parent.kind, KIND_NAMES[kind], KIND_NAMES.get(parent.kind, parent.kind))
    if not parent.is_open_through(day):
        return PlaceNotOpen(code, day.isoformat())
    if len(atlas.up(code, day)) > MAX_LEVELS:
        return PlaceTooDeep(code, MAX_LEVELS)
    return parent


def _from_then_on(
    atlas: Atlas, kind: str, place: PlaceHistory, day: date, today: date, **values: str
) -> Plan:
    """The last term ends and one with these values begins. What began on this very day is written anew."""
    last = place.last
    new = replace(last, from_day=day, **values)
    key = (place.id, last.from_day.isoformat())
    if last.from_day == day:
        terms = (*place.terms[:-1], new)
        rows: tuple[Row, ...] = ()
        changes = [Change("place_terms", key, last.state, new.state, _columns(values))]
    else:
        terms = (*place.terms[:-1], replace(last, to_day=day), new)
        rows = (term_row(place.id, new),)
        changes = [Change("place_terms", key, last.state, last.state, (("to_day", day.isoformat()),))]
    state = place.state
    if day <= today:
        state = new.state
        changes.append(
            Change("places", (place.code,), place.state, state, (("name", new.name), ("parent", new.parent)))
        )
    subject = place_subject(place.id)
    return Plan(
        kind,
        rows=rows,
        changes=tuple(changes),
        reads=atlas.read(subject),
        touches=(subject,),
        places=(replace(place, state=state, terms=terms),),
    )


def _columns(values: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in values.items() if name != "state")


def ending(membership: Membership, day: date) -> Change:
    """The guarded change that ends a membership on a day."""
    key = (membership.group_id, membership.person_id, membership.from_day.isoformat())
    return Change("memberships", key, membership.state, "ended", (("to_day", day.isoformat()),))


def is_code(text: str) -> bool:
    """Whether a text can be a place's code: short, printable, no blanks at its ends."""
    return 0 < len(text) <= MAX_CODE and text.isprintable() and text == text.strip()


def is_name(text: str) -> bool:
    """Whether a text can be a place's name."""
    return 0 < len(text) <= MAX_PLACE_NAME and text.isprintable() and text == text.strip()
