"""Who is expected at a session or has come, for the staff of its place: masked, while the session is near."""

from __future__ import annotations

from typing import Final

import msgspec
from litestar import Response, Router, get
from litestar.di import NamedDependency
from sqlalchemy import Connection

from pointsbank.activities.present import Expected, expected_at, lacking
from pointsbank.hours.whereabouts import of_sessions
from pointsbank.ledger.chart import POINT
from pointsbank.people.directory import directory_of
from pointsbank.policy.calendar import city_day
from pointsbank.readers.balances import balances_now, wallet_paths
from pointsbank.web.api.activities import PathId
from pointsbank.web.api.answers import answered
from pointsbank.web.api.describe import READING, operation, problems
from pointsbank.web.bank import Bank
from pointsbank.web.bounds import require_found
from pointsbank.web.guard import actor_in, needs
from pointsbank.web.problems import ProblemError
from pointsbank.web.validation import BankRequest

DAY: Final = 24 * 3_600_000_000


class ParticipantOut(msgspec.Struct, frozen=True):
    """Somebody of the session, masked, with the points that may be spent (hundredths). `sign_up` and `attendance` say
    how far it is; `lacks` which check fails (empty: none), as at the sign-up."""

    person: str
    name: str
    sign_up: str
    attendance: str
    available: int
    lacks: str


class SessionPeopleOut(msgspec.Struct, frozen=True):
    """Everybody who signed up or came, as of a sequence number. Names and points are gone a day after the end."""

    as_of: int
    session: str
    people: list[ParticipantOut]


@get(
    "/{session_id:str}/people",
    opt=needs("attendance:record", bounded=True),
    responses=problems(*READING, "not-found"),
    **operation("Who signed up for a session or came to it, masked.", "场次参与者（脱敏）"),
)
async def session_people(
    bank: NamedDependency[Bank], request: BankRequest, session_id: PathId
) -> Response[SessionPeopleOut]:
    actor = actor_in(request)
    await require_found(bank, actor, "attendance:record", of_sessions, [session_id], about=False)
    as_of, told = await bank.as_of(_expected, session_id)
    if told is None:
        raise ProblemError("not-found")
    expected, points = told
    ids = [one.person_id for one in expected.people]
    now, session = bank.clock.now(), expected.session
    # who stands at the door sees who comes to it; a device that nobody is logged in at, or later on, nobody's name
    is_near = bool(actor.person) and now < session.ends_at + DAY
    names = await bank.people.registry.masked_names(ids) if is_near else {}
    known = await directory_of(bank.ledger).by_id({*ids, *(one.companion for one in expected.people)} - {""})
    zone = bank.policies.policies[-1].timezone
    day = city_day(session.starts_at, zone)
    policy = bank.policies.in_force(day)
    return answered(
        SessionPeopleOut(
            as_of,
            session_id,
            [
                ParticipantOut(
                    one.person_id, names.get(one.person_id, ""), one.sign_up, one.attendance,
                    points.get(one.person_id, 0) if is_near else 0,
                    lacking(one, known, expected.activity, day, policy),
                )
                for one in expected.people
            ],
        )
    )  # fmt: skip


def _expected(
    connection: Connection, ledger_id: int, session_id: str
) -> tuple[Expected, dict[str, int]] | None:
    found = expected_at(connection, ledger_id, session_id)
    if found is None:
        return None
    wallets = {wallet_paths(one.person_id)[0]: one.person_id for one in found.people}
    held = balances_now(connection, ledger_id, wallets) if wallets else {}
    return found, {wallets[path]: balance.total(POINT.code) for path, balance in held.items()}


router = Router("/activity-sessions", route_handlers=[session_people], tags=["activities 活动"])
