"""What a problem's `type` leads to: a page that says what it means and what to do."""

from __future__ import annotations

from typing import Annotated

from litestar import Response, get
from litestar.params import PathParameter

from pointsbank.web.guard import PUBLIC
from pointsbank.web.pages.render import draw
from pointsbank.web.problems import PROBLEMS, ProblemError
from pointsbank.web.validation import BankRequest


@get("/problems", opt=PUBLIC, include_in_schema=False)
async def list_problems(request: BankRequest) -> Response[bytes]:
    """Every problem, in the order of precedence."""
    return draw(request, "problems.html", keeps=True, problems=list(PROBLEMS.values()))


@get("/problems/{slug:str}", opt=PUBLIC, include_in_schema=False)
async def show_problem(
    request: BankRequest, slug: Annotated[str, PathParameter(max_length=64)]
) -> Response[bytes]:
    """One problem."""
    if slug not in PROBLEMS:
        raise ProblemError("not-found")
    return draw(request, "problems.html", keeps=True, problems=[PROBLEMS[slug]])
