"""The project library (项目库): what a city has on offer, by brand and sector, a page at a time."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, select

from pointsbank.activities.tables import projects
from pointsbank.store.lists import fetched


class Project(msgspec.Struct, frozen=True):
    """A project of the library; `brand` are its tags. `state`: open, closed."""

    id: str
    name: str
    brand: tuple[str, ...]
    sector: str
    state: str


def projects_in(
    connection: Connection,
    ledger_id: int,
    *,
    brand: str = "",
    sector: str = "",
    after: str = "",
    limit: int = 100,
) -> list[Project]:
    """Projects in the order of their ids, from the one after `after`: all, or those with a tag or of a sector."""
    t = projects.c
    query = select(t.project_id, t.name, t.brand, t.sector, t.state).where(
        t.ledger_id == ledger_id, t.project_id > after
    )
    if brand:  # a whole tag: they stand between blanks
        query = query.where(t.brand.contains(f" {brand} ", autoescape=True))
    if sector:
        query = query.where(t.sector == sector)
    rows = fetched(connection, query.order_by(t.project_id).limit(limit))
    return [
        Project(row[0], row[1], tuple(row[2].split()), row[3], row[4])
        for row in sorted(rows, key=lambda row: str(row[0]))
    ]


def is_open_project(connection: Connection, ledger_id: int, project_id: str) -> bool:
    """Whether the library has this project, open."""
    t = projects.c
    state = connection.scalar(select(t.state).where(t.ledger_id == ledger_id, t.project_id == project_id))
    return state == "open"
