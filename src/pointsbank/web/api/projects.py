"""The project library over HTTP."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from pointsbank.activities.projects import Project, projects_in
from pointsbank.web.api.answers import answered
from pointsbank.web.api.describe import READING, Limit, operation, problems
from pointsbank.web.api.staff import After
from pointsbank.web.bank import Bank
from pointsbank.web.guard import needs

Tag = Annotated[
    str,
    QueryParameter(
        max_length=64, pattern="^[^\\s\\u0000-\\u001f\\u007f\\u0085\\u2028\\u2029\\ud800-\\udfff]*$"
    ),
]


class ProjectsOut(msgspec.Struct, frozen=True):
    """Projects in the order of their ids; `next` is the `after` of the next page, null at the end."""

    projects: list[Project]
    next: str | None


@get(
    "/",
    opt=needs("activities:read", bounded=True),
    responses=problems(*READING),
    **operation("Projects of the library: all, with a brand tag, or of a sector.", "项目库"),
)
async def list_projects(
    bank: NamedDependency[Bank],
    brand: Tag = "",
    sector: Annotated[str, QueryParameter(max_length=64, pattern="^[A-Za-z0-9._-]*$")] = "",
    after: After = "",
    limit: Limit = 100,
) -> Response[ProjectsOut]:
    found = await bank.ask(projects_in, brand=brand, sector=sector, after=after, limit=limit)
    return answered(ProjectsOut(found, found[-1].id if len(found) == limit else None))


router = Router("/projects", route_handlers=[list_projects], tags=["activities 活动"])
