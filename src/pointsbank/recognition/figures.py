"""Merit minutes of people: over a lifetime out of the books, of a calendar year out of the service records."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date

from sqlalchemy import ColumnElement, Connection, FromClause, Subquery, func, select

from pointsbank.hours.tables import service_records
from pointsbank.ledger.chart import MINUTE
from pointsbank.people.merged import any_merged, groups, roots
from pointsbank.places.tables import memberships, places
from pointsbank.recognition.belonging import belonging, counted
from pointsbank.store.lists import fetched, is_one_of
from pointsbank.store.tables import accounts, balances, lots

COUNTS = ("pending", "credited")
"""States of a record whose minutes are merit: from its acceptance until it is reversed."""


def lifetime_minutes(connection: Connection, ledger_id: int, people: Iterable[str]) -> dict[str, int]:
    """Merit minutes of people (by id) as the books hold them now; who has none is listed with 0."""
    paths = {f"volunteer:{person}:merit": person for person in people}
    found = fetched(
        connection,
        select(accounts.c.account, accounts.c.path).where(
            accounts.c.ledger_id == ledger_id, is_one_of(connection, accounts.c.path, paths)
        ),
    )
    holders = {account: paths[path] for account, path in found}
    lot = connection.scalar(
        select(lots.c.lot).where(lots.c.ledger_id == ledger_id, lots.c.commodity == MINUTE.code)
    )
    rows = fetched(
        connection,
        select(balances.c.account, balances.c.balance).where(
            balances.c.ledger_id == ledger_id,
            is_one_of(connection, balances.c.account, holders),
            balances.c.lot == lot,
        ),
    )
    return dict.fromkeys(paths.values(), 0) | {holders[account]: balance for account, balance in rows}


def year_minutes(connection: Connection, ledger_id: int, year: int, people: Iterable[str]) -> dict[str, int]:
    """Merit minutes that people (by id) served in a calendar year, by the date of service, under any of their ids."""
    t, wanted = service_records.c, list(people)
    shared = groups(connection, ledger_id, wanted)
    everybody = {one for members in shared.values() for one in members} | set(wanted)
    rows = fetched(
        connection,
        select(t.volunteer, func.sum(t.minutes))
        .where(
            t.ledger_id == ledger_id,
            is_one_of(connection, t.volunteer, everybody),
            t.state.in_(COUNTS),
            *within(year),
        )
        .group_by(t.volunteer),
    )
    served = {str(person): int(minutes or 0) for person, minutes in rows}
    return {one: sum(served.get(id_, 0) for id_ in shared.get(one, (one,))) for one in wanted}


def best_of_year(
    connection: Connection, ledger_id: int, year: int, wanted: int, without: Collection[str] = ()
) -> list[tuple[str, int]]:
    """People (by id) with the most merit minutes of a year, the most first; all who share the last place too.

    Who was merged stands once, under the id that goes on, with the hours of all ids. Reads the year's records once, in
    the database: for the yearly job, not for a page.
    """
    t = service_records.c
    minutes = func.sum(t.minutes).label("minutes")
    source: FromClause = service_records
    subject: ColumnElement[str] = t.volunteer
    if any_merged(connection, ledger_id):
        merged = roots(ledger_id)
        source = service_records.outerjoin(merged, merged.c.old_id == t.volunteer)
        subject = func.coalesce(merged.c.root, t.volunteer)
    served = (
        select(subject.label("subject"), minutes)
        .select_from(source)
        .where(t.ledger_id == ledger_id, t.state.in_(COUNTS), *within(year))
        .group_by(subject)
        .having(minutes > 0)
        .subquery("served")
    )
    return _most(connection, served, wanted, without)


def best_groups(
    connection: Connection, ledger_id: int, kind: str, year: int, wanted: int, without: Collection[str] = ()
) -> list[tuple[str, int]]:
    """Groups of a kind (household, team, village, unit) with the most minutes of a year, all of a tie at the end.

    A record counts for the groups to which its volunteer belonged on the date of service, under whichever id.
    """
    t, m, p = service_records.c, memberships.c, places.c
    if any_merged(connection, ledger_id):
        of_kind = select(p.place_id).where(p.ledger_id == ledger_id, p.kind == kind)
        member = belonging(ledger_id)
        each = counted(
            ledger_id, member, kind, member.c.group_id.in_(of_kind), t.state.in_(COUNTS), *within(year)
        )
        together = func.sum(each.c.minutes).label("minutes")
        added = select(each.c.group_id.label("subject"), together).group_by(each.c.group_id)
        return _most(connection, added.having(together > 0).subquery("served"), wanted, without)
    minutes = func.sum(t.minutes).label("minutes")
    served = (
        select(m.group_id.label("subject"), minutes)
        .join_from(
            service_records,
            memberships,
            (m.ledger_id == t.ledger_id)
            & (m.person_id == t.volunteer)
            & (m.from_day <= t.day)
            & (m.to_day > t.day),
        )
        .join(places, (p.ledger_id == t.ledger_id) & (p.place_id == m.group_id) & (p.kind == kind))
        .where(t.ledger_id == ledger_id, t.state.in_(COUNTS), *within(year))
        .group_by(m.group_id)
        .having(minutes > 0)
        .subquery("served")
    )
    return _most(connection, served, wanted, without)


def _most(
    connection: Connection, served: Subquery, wanted: int, without: Collection[str]
) -> list[tuple[str, int]]:
    """The subjects with the most minutes, the most first, but for some; all who share the last place too."""
    may = ~is_one_of(connection, served.c.subject, without)
    edge = connection.scalar(
        select(served.c.minutes).where(may).order_by(served.c.minutes.desc()).offset(wanted - 1).limit(1)
    )
    rows = connection.execute(
        select(served.c.subject, served.c.minutes)
        .where(served.c.minutes >= (edge or 0), may)
        .order_by(served.c.minutes.desc(), served.c.subject)
    )
    return [(subject, int(minutes)) for subject, minutes in rows]


def on_notice(connection: Connection, ledger_id: int, year: int) -> int:
    """How many records of a year still stand on public notice."""
    t = service_records.c
    return connection.execute(
        select(func.count()).where(t.ledger_id == ledger_id, t.state == "pending", *within(year))
    ).scalar_one()


def within(year: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """That a record is of a calendar year."""
    day = service_records.c.day
    return day >= date(year, 1, 1).isoformat(), day <= date(year, 12, 31).isoformat()
