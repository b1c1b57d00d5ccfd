"""Pages for people: drawn on the server, Chinese first, without script and without anything from other
hosts."""

from __future__ import annotations

from typing import Any

from pointsbank.web.pages import accounts, api_page, assets, overview, problem_pages, record_sheet, sign_in


def pages_router() -> list[Any]:
    """Every page's route."""
    return [
        overview.show_overview,
        accounts.search_form,
        accounts.search,
        accounts.show_account,
        sign_in.show_form,
        sign_in.sign_in,
        sign_in.sign_out,
        api_page.show_api,
        problem_pages.list_problems,
        problem_pages.show_problem,
        record_sheet.show_sheet,
        record_sheet.check_printed_name,
        assets.serve_asset,
    ]
