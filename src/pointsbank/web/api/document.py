"""The API's document (OpenAPI 3.1) and the routes under /api/v1."""

from __future__ import annotations

from typing import Any

from litestar import Response, Router
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from pointsbank.web.api import (
    accounts,
    activities,
    awaiting,
    cases,
    evidence,
    funds,
    health,
    hours,
    jobs,
    journal,
    keys,
    market,
    me,
    oidc,
    own_market,
    own_records,
    people_acts,
    places,
    policies,
    projects,
    recognition,
    record_sheets,
    records,
    risks,
    session_people,
    sessions,
    staff,
    terminals,
    trial_balance,
    visits,
    volunteers,
)
from pointsbank.web.guard import PUBLIC, STAFF_COOKIE, VISIT_COOKIE
from pointsbank.web.problems import ProblemError

VERSION = "1"

DESCRIPTION = """\
志愿者积分银行的接口。Every command carries an `Idempotency-Key`; repeating it changes nothing and gives
the first answer again, marked `Idempotency-Replayed: true`. Every refusal is a problem document (RFC 9457)
with a stable `type`; `detail` says in Chinese what happened and what to do, `detail_en` in English.
Amounts are integers in minor units (hundredths of a point, minutes, pieces)."""


def api_router() -> Router:
    """Everything under /api/v1."""
    return Router(
        "/api/v1",
        route_handlers=[
            accounts.router,
            volunteers.router,
            journal.router,
            trial_balance.router,
            hours.router,
            records.router,
            awaiting.router,
            activities.router,
            activities.sessions_router,
            session_people.router,
            activities.projects_router,
            evidence.router,
            projects.router,
            activities.papers_router,
            cases.router,
            risks.router,
            funds.router,
            policies.router,
            market.router,
            jobs.router,
            places.router,
            record_sheets.router,
            recognition.router,
            keys.router,
            sessions.router,
            *staff.routers,
            people_acts.people_router,
            people_acts.cards_router,
            terminals.router,
            visits.router,
            me.router,
            oidc.router,
            own_market.router,
            own_market.code_router,
            own_records.router,
            health.verification,
        ],
        security=[{"apiKey": []}, {"staffSession": []}, {"ownSession": []}],
    )


def openapi_config() -> OpenAPIConfig:
    """The document at /api/openapi.json. The page for people is our own, at /api-docs."""
    scheme = SecurityScheme(
        type="http", scheme="bearer", bearer_format="pbk_<id>_<secret>", description="API 密钥 / an API key"
    )
    session = SecurityScheme(
        type="apiKey",
        security_scheme_in="cookie",
        name=STAFF_COOKIE,
        description="工作人员登录（写入时另带 X-CSRF-Token）/ a logged-in member of staff; commands carry X-CSRF-Token",
    )
    own_session = SecurityScheme(
        type="apiKey",
        security_scheme_in="cookie",
        name=VISIT_COOKIE,
        description="志愿者本人登录（/me 之下）/ a volunteer's own session, for what lies under /me",
    )
    return OpenAPIConfig(
        title="积分银行 pointsbank",
        version=VERSION,
        description=DESCRIPTION,
        components=Components(
            security_schemes={"apiKey": scheme, "staffSession": session, "ownSession": own_session}
        ),
        openapi_router=Router(
            "/api",
            route_handlers=[],
            opt=PUBLIC,
            include_in_schema=False,
            after_request=_refuse_unknown_documents,
        ),
        render_plugins=[JsonRenderPlugin(path="/openapi.json")],
    )


def _refuse_unknown_documents(response: Response[Any]) -> Response[Any]:
    """The framework has a page of its own for what it does not find beside the document; ours is like all
    others."""
    if response.status_code == 404:
        raise ProblemError("not-found")
    return response
