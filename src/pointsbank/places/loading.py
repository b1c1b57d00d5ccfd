"""Fills an atlas with what a few changes need, in a handful of look-ups whatever their number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date

from sqlalchemy import Connection, and_, select

from pointsbank.ledger.books import key_digest
from pointsbank.places.atlas import (
    FOUNDED,
    Atlas,
    children_subject,
    members_subject,
    person_subject,
    place_subject,
)
from pointsbank.places.membership import group_memberships, membership_of
from pointsbank.places.model import (
    GROUPS,
    MAX_DEPTH,
    TOP,
    Act,
    Closing,
    MemberAct,
    Merging,
    Moving,
    Opening,
    PlaceHistory,
    Renaming,
    Term,
    Transfer,
)
from pointsbank.places.tables import memberships, place_terms, places
from pointsbank.store.lists import fetched, is_one_of
from pointsbank.store.tables import document_keys, subjects


def atlas_for(connection: Connection, ledger_id: int, acts: Sequence[Act]) -> Atlas:
    """What changes of the tree are planned on."""
    atlas = Atlas()
    _load_places(connection, ledger_id, atlas, {code for act in acts for code in _codes(act)})
    if any(isinstance(act, Opening | Moving | Closing | Merging) for act in acts):
        _load_above(connection, ledger_id, atlas)
    closing = [p for act in acts if isinstance(act, Closing | Merging) and (p := atlas.places.get(act.code))]
    if closing:
        _load_children(connection, ledger_id, atlas, [place.code for place in closing])
        groups = {p.id for p in closing if p.kind in GROUPS}
        groups |= {
            p.id for act in acts if isinstance(act, Merging) and (p := atlas.places.get(act.into)) is not None
        }
        _load_members(connection, ledger_id, atlas, groups)
    _load_versions(connection, ledger_id, atlas)
    return atlas


def member_atlas_for(connection: Connection, ledger_id: int, acts: Sequence[MemberAct]) -> Atlas:
    """What changes of memberships are planned on."""
    atlas = Atlas()
    codes = {act.group for act in acts} | {act.into for act in acts if isinstance(act, Transfer)}
    _load_places(connection, ledger_id, atlas, codes)
    known = group_memberships(connection, ledger_id, {act.person for act in acts})
    atlas.of_person = {person: [m for _, m in mine] for person, mine in known.items()}
    atlas.kinds |= {m.group_id: kind for mine in known.values() for kind, m in mine}
    _load_versions(connection, ledger_id, atlas)
    return atlas


def histories(connection: Connection, ledger_id: int, codes: Iterable[str]) -> dict[str, PlaceHistory]:
    """Places with all their terms, by code; who is not listed is not on file."""
    p, t = places.c, place_terms.c
    rows = fetched(
        connection,
        select(
            p.code,
            p.place_id,
            p.kind,
            p.state,
            t.from_day,
            t.to_day,
            t.parent,
            t.name,
            t.sector,
            t.state.label("term_state"),
            t.successor,
        ).where(
            p.ledger_id == ledger_id,
            is_one_of(connection, p.code, codes),
            t.ledger_id == ledger_id,
            t.place_id == p.place_id,
        ),
    )
    terms: dict[tuple[str, str, str, str], list[Term]] = defaultdict(list)
    for code, id_, kind, state, from_day, to_day, *rest in rows:
        days = date.fromisoformat(str(from_day)), date.fromisoformat(str(to_day))
        terms[str(code), str(id_), str(kind), str(state)].append(Term(*days, *map(str, rest)))
    return {
        who[0]: PlaceHistory(*who, tuple(sorted(found, key=lambda term: term.from_day)))
        for who, found in terms.items()
    }


def earlier_use(connection: Connection, ledger_id: int, client: str, key: str) -> tuple[bytes, int] | None:
    """The request and the time of recording under a key that a change without postings consumed."""
    t = document_keys.c
    row = connection.execute(
        select(t.request, t.recorded_at).where(
            t.ledger_id == ledger_id, t.key_digest == key_digest(client, key)
        )
    ).one_or_none()
    return None if row is None else (bytes(row[0]), int(row[1]))


def _codes(act: Act) -> tuple[str, ...]:
    match act:
        case Opening() | Moving():
            return (act.code, act.parent)
        case Renaming() | Closing():
            return (act.code,)
        case Merging():
            return (act.code, act.into)


def _load_places(connection: Connection, ledger_id: int, atlas: Atlas, codes: set[str]) -> None:
    sought = codes - atlas.places.keys() - {TOP}
    if sought:
        atlas.places |= dict.fromkeys(sought)
        found = histories(connection, ledger_id, sought)
        atlas.places |= found
        atlas.kinds |= {place.id: place.kind for place in found.values()}


def _load_above(connection: Connection, ledger_id: int, atlas: Atlas) -> None:
    """What stands above the places that are known, level by level."""
    for _ in range(MAX_DEPTH):
        parents = {term.parent for place in atlas.places.values() if place for term in place.terms}
        if not parents - atlas.places.keys() - {TOP}:
            return
        _load_places(connection, ledger_id, atlas, parents)


def _load_children(connection: Connection, ledger_id: int, atlas: Atlas, codes: list[str]) -> None:
    p, t = places.c, place_terms.c
    rows = fetched(
        connection,
        select(t.parent, p.code, t.to_day).where(
            t.ledger_id == ledger_id,
            is_one_of(connection, t.parent, codes),
            t.state == "open",
            and_(p.ledger_id == ledger_id, p.place_id == t.place_id),
        ),
    )
    atlas.children |= {code: {} for code in codes}
    for parent, child, to_day in rows:
        until = date.fromisoformat(str(to_day))
        known = atlas.children[str(parent)]
        known[str(child)] = max(until, known.get(str(child), until))


def _load_members(connection: Connection, ledger_id: int, atlas: Atlas, groups: set[str]) -> None:
    t = memberships.c
    rows = fetched(
        connection,
        select(t.group_id, t.person_id, t.from_day, t.to_day, t.role, t.state).where(
            t.ledger_id == ledger_id, is_one_of(connection, t.group_id, groups)
        ),
    )
    atlas.of_group |= {group: [] for group in groups}
    for row in rows:
        atlas.of_group[str(row[0])].append(membership_of(row))


def _load_versions(connection: Connection, ledger_id: int, atlas: Atlas) -> None:
    """Versions of all that is known; read on the same snapshot as the rest."""
    known = [place.id for place in atlas.places.values() if place]
    sought = [of(id_) for id_ in known for of in (place_subject, children_subject, members_subject)]
    sought += [person_subject(person) for person in atlas.of_person] + [FOUNDED]
    t = subjects.c
    rows = fetched(
        connection,
        select(t.subject, t.version).where(
            t.ledger_id == ledger_id, is_one_of(connection, t.subject, sought)
        ),
    )
    atlas.versions = {str(subject): int(version) for subject, version in rows}
