"""The first page: what the bank holds now, what happened today, and whether the books were found in order."""

from __future__ import annotations

from litestar import Response, get
from litestar.di import NamedDependency

from pointsbank.access.verifications import latest_verification
from pointsbank.web.bank import Bank
from pointsbank.web.guard import PUBLIC, SESSION_COOKIE, is_open_demo
from pointsbank.web.pages.accounts import example_number
from pointsbank.web.pages.render import city_time, draw
from pointsbank.web.validation import BankRequest


@get("/", opt=PUBLIC, include_in_schema=False)
async def show_overview(bank: NamedDependency[Bank], request: BankRequest) -> Response[bytes]:
    """Aggregates only: nobody's account is on it, so everybody may see it."""
    books = await bank.overviews.get()
    run = await bank.ask(latest_verification)
    zone = bank.policies.policies[-1].timezone
    token = request.cookies.get(SESSION_COOKIE)
    actor = await bank.sessions.actor(token) if token else None
    example = await example_number(bank) if is_open_demo(request, bank) else ""
    return draw(
        request,
        "overview.html",
        keeps=True,
        actor=actor,
        books=books,
        example=example,
        time=city_time(books.recorded_at, zone),
        run=run,
        run_time=city_time(run.finished_at, zone) if run else "",
        behind=max(0, books.sequence - run.to_sequence) if run else 0,
    )
