"""What a change of membership writes, or why it may not be: pure functions from an atlas and a wish to a plan."""

from __future__ import annotations

from msgspec.structs import replace

from pointsbank.ledger.refusals import Refusal
from pointsbank.places.atlas import (
    FOUNDED,
    Atlas,
    Plan,
    members_subject,
    membership_row,
    person_subject,
    place_subject,
)
from pointsbank.places.model import (
    GROUPS,
    KIND_NAMES,
    OPEN_END,
    ROLES,
    AlreadyMember,
    HouseholdNeedsTwo,
    InAnotherHousehold,
    Joining,
    Leaving,
    MemberAct,
    Membership,
    NotAGroup,
    NotAMember,
    PlaceHistory,
    PlaceMalformed,
    PlaceNotOpen,
    Transfer,
    UnknownPlace,
)
from pointsbank.places.planning import ending


def plan_membership(atlas: Atlas, act: MemberAct, *, by_two: bool = False) -> Plan | Refusal:
    """Work out a change of membership on what the atlas knows.

    Once the ledger has staff, only what two of them decided (`by_two`) changes a household: it says who may act for
    whom and where points may go. Refusals: those of `places.model`, in docs/errors.md.
    """
    if not by_two and atlas.versions.get(FOUNDED):
        for code in (act.group, act.into) if isinstance(act, Transfer) else (act.group,):
            group = atlas.places.get(code)
            if group is not None and group.kind == "household":
                return HouseholdNeedsTwo(code)
    match act:
        case Joining():
            return _join(atlas, act, atlas.of_person.get(act.person, []))
        case Leaving():
            return _leave(atlas, act)
        case Transfer():
            return _transfer(atlas, act)


def _join(atlas: Atlas, act: Joining, others: list[Membership]) -> Plan | Refusal:
    group = _group(atlas, act.group)
    if isinstance(group, Refusal):
        return group
    if act.role not in ROLES:
        return PlaceMalformed("role")
    if act.day >= act.until:
        return PlaceMalformed("until")
    if not group.is_open_through(act.day, act.until):
        return PlaceNotOpen(act.group, act.day.isoformat())
    wanted = Membership(group.id, act.person, act.day, act.until, act.role)
    meeting = [m for m in others if m.meets(act.day, act.until)]
    if any(m.group_id == group.id for m in meeting):
        return AlreadyMember(act.group)
    if group.kind == "household" and any(atlas.kinds.get(m.group_id) == "household" for m in meeting):
        return InAnotherHousehold(act.group)
    person = person_subject(act.person)
    return Plan(
        "join-group",
        rows=(membership_row(wanted),),
        reads=atlas.read(person, place_subject(group.id)),
        touches=(person, members_subject(group.id)),
        joined=(wanted,),
    )


def _leave(atlas: Atlas, act: Leaving) -> Plan | Refusal:
    group = _group(atlas, act.group)
    if isinstance(group, Refusal):
        return group
    membership = next(
        (
            m
            for m in atlas.of_person.get(act.person, ())
            # a membership that has its end keeps it
            if m.group_id == group.id and m.from_day < act.day and m.to_day == OPEN_END
        ),
        None,
    )
    if membership is None:
        return NotAMember(act.group, act.day.isoformat())
    person = person_subject(act.person)
    return Plan(
        "leave-group",
        changes=(ending(membership, act.day),),
        reads=atlas.read(person),
        touches=(person, members_subject(group.id)),
        ended=(membership,),
        joined=(replace(membership, to_day=act.day, state="ended"),),
    )


def _transfer(atlas: Atlas, act: Transfer) -> Plan | Refusal:
    """Both halves on the same reading: the second is judged as if the first had been done."""
    left = _leave(atlas, Leaving(act.group, act.person, act.day))
    if isinstance(left, Refusal):
        return left
    others = [m for m in atlas.of_person.get(act.person, ()) if m not in left.ended] + list(left.joined)
    joined = _join(atlas, Joining(act.into, act.person, act.day, act.role), others)
    if isinstance(joined, Refusal):
        return joined
    return Plan(
        "change-group",
        rows=joined.rows,
        changes=left.changes,
        reads=joined.reads,
        touches=tuple(dict.fromkeys(left.touches + joined.touches)),
        ended=left.ended,
        joined=left.joined + joined.joined,
    )


def _group(atlas: Atlas, code: str) -> PlaceHistory | Refusal:
    place = atlas.places.get(code)
    if place is None:
        return UnknownPlace(code)
    return (
        place if place.kind in GROUPS else NotAGroup(code, place.kind, KIND_NAMES.get(place.kind, place.kind))
    )
