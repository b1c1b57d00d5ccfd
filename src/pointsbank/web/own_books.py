"""What the books hold of somebody, for the export of one's own data: every list that leads to the person's id.

Of others only random ids stand here, as everywhere in the books. Times are ISO 8601 in the city's zone, points and
minutes as in the API. A list of more than `MOST` lines is cut and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Select, Table, select

from pointsbank.access.standing import ZONE
from pointsbank.access.tables import role_grants, staff_accounts
from pointsbank.activities.tables import (
    activities,
    activity_sessions,
    attendances,
    evidence,
    papers,
    sign_ups,
)
from pointsbank.hours.case_tables import clawback_lines, gifts
from pointsbank.hours.postings import own_words
from pointsbank.hours.tables import objections, record_steps, record_trails, service_records
from pointsbank.market.tables import receipt_lines, receipts
from pointsbank.people.export import Typed
from pointsbank.places.tables import memberships, places
from pointsbank.readers.moments import sequence_now
from pointsbank.readers.statements import MAX_LINES, StatementPage, statement
from pointsbank.recognition.tables import award_candidates, award_lists, honours
from pointsbank.record_sheets.tables import record_sheets
from pointsbank.store.lists import is_one_of

MOST: Final = 10_000
"""Most lines of each list."""

ACCOUNTS: Final = ("available", "pending", "merit", "recovery")


def own_books(
    connection: Connection, ledger_id: int, ids: Sequence[str]
) -> tuple[dict[str, Any], list[Typed]]:
    """All that stands in the books under any id of a person, as of one sequence number; and what is sealed there."""
    session, activity, record, place = activity_sessions.c, activities.c, service_records.c, places.c
    of_session = sign_ups.c.session_id == session.session_id
    at_session = attendances.c.session_id == session.session_id

    def rows(query: Select[Any]) -> list[dict[str, Any]]:
        return [_plain(dict(row._mapping)) for row in connection.execute(query.limit(MOST))]

    def mine(table: Table, column: str) -> Any:
        return (table.c.ledger_id == ledger_id) & is_one_of(connection, table.c[column], ids)

    with_place = (place.ledger_id == memberships.c.ledger_id) & (place.place_id == memberships.c.group_id)
    with_activity = (activity.ledger_id == session.ledger_id) & (activity.activity_id == session.activity_id)
    told: dict[str, Any] = {
        "as_of": sequence_now(connection, ledger_id),
        "memberships": rows(
            select(place.code, place.kind, place.name, *_of(memberships, "from_day", "to_day", "role"))
            .join_from(memberships, places, with_place)
            .where(mine(memberships, "person_id"))
            .order_by(memberships.c.from_day, place.code)
        ),
        "sign_ups": rows(
            select(activity.title, session.session_id, *_of(sign_ups, "signed_at", "state"))
            .select_from(
                sign_ups.join(activity_sessions, (sign_ups.c.ledger_id == session.ledger_id) & of_session).join(
                    activities, with_activity
                )
            )
            .where(mine(sign_ups, "person_id"))
            .order_by(sign_ups.c.signed_at)
        ),
        "attendance": rows(
            select(
                activity.title,
                session.session_id,
                session.station,
                *_of(attendances, "in_at", "in_way", "out_at", "out_way", "hour_class", "reason", "state"),
            )
            .select_from(
                attendances.join(
                    activity_sessions, (attendances.c.ledger_id == session.ledger_id) & at_session
                ).join(activities, with_activity)
            )
            .where(mine(attendances, "person_id"))
            .order_by(attendances.c.in_at)
        ),
        "papers": rows(
            select(*_of(papers, "kind", "code", "valid_from", "valid_to", "state"))
            .where(mine(papers, "person_id"))
            .order_by(papers.c.kind, papers.c.valid_from)
        ),
        "evidence": rows(
            select(*_of(evidence, "session_id", "kind", "reference", "filed_at"))
            .where(mine(evidence, "person_id"))
            .order_by(evidence.c.filed_at, evidence.c.session_id)
        ),
        "service_records": rows(
            select(
                record.record_id, record.day, activity.title, record.category, record.station, record.minutes,
                record.points, record.verdict, record.state, record.available_on, record.policy, record.sequence,
            )
            .select_from(
                service_records.outerjoin(
                    record_trails,
                    (record_trails.c.ledger_id == record.ledger_id)
                    & (record_trails.c.record_id == record.record_id),
                ).outerjoin(
                    activities,
                    (activity.ledger_id == record.ledger_id)
                    & (activity.activity_id == record_trails.c.activity_id),
                )
            )
            .where(mine(service_records, "volunteer"))
            .order_by(record.day, record.record_id)
        ),
        "steps_of_records": rows(
            select(*_of(record_steps, "record_id", "number", "step", "at", "place", "device", "reason"))
            .join_from(
                record_steps,
                service_records,
                (record_steps.c.ledger_id == record.ledger_id)
                & (record_steps.c.record_id == record.record_id),
            )
            .where(mine(service_records, "volunteer"))
            .order_by(record_steps.c.record_id, record_steps.c.number)
        ),
        "objections": rows(
            select(*_of(objections, "record_id", "reason", "opened_at", "due_on", "decision", "decided_at", "state"))
            .join_from(
                objections,
                service_records,
                (objections.c.ledger_id == record.ledger_id) & (objections.c.record_id == record.record_id),
            )
            .where(mine(service_records, "volunteer"))
            .order_by(objections.c.record_id, objections.c.number)
        ),
        "baskets": rows(
            select(*_of(receipts, "reference", "at", "station", "price", "verdict", "state"))
            .where(mine(receipts, "volunteer"))
            .order_by(receipts.c.at, receipts.c.reference)
        ),
        "goods": rows(
            select(*_of(receipt_lines, "reference", "sku", "pieces", "unit_price", "state"))
            .where(mine(receipt_lines, "volunteer"))
            .order_by(receipt_lines.c.month, receipt_lines.c.reference, receipt_lines.c.sku)
        ),
        "gifts": rows(
            select(*_of(gifts, "giver", "taker", "points", "proposed_at", "ready_at", "state", "sequence"))
            .where(mine(gifts, "giver") | mine(gifts, "taker"))
            .order_by(gifts.c.proposed_at)
        ),
        "record_sheets": rows(
            select(*_of(record_sheets, "issuer", "year", "number", "from_day", "to_day", "minutes", "issued_at", "state"))
            .where(mine(record_sheets, "person_id"))
            .order_by(record_sheets.c.issued_at)
        ),
        "taken_back": rows(
            select(*_of(clawback_lines, "case_id", "record_id", "guilty", "minutes", "points", "taken", "owed", "state"))
            .where(mine(clawback_lines, "person_id"))
            .order_by(clawback_lines.c.line_id)
        ),
        "staff_account": rows(
            select(*_of(staff_accounts, "login", "created_at", "state")).where(mine(staff_accounts, "person_id"))
        ),
        "roles": rows(
            select(*_of(role_grants, "role", "place_id", "from_day", "to_day", "proposed_at", "state"))
            .where(mine(role_grants, "person_id"))
            .order_by(role_grants.c.proposed_at)
        ),
        "honours": rows(
            select(*_of(honours, "title", "granted_on", "granted_by", "document_no", "state"))
            .where(mine(honours, "subject"))
            .order_by(honours.c.granted_on)
        ),
        "candidate_lists": rows(
            select(*_of(award_lists, "scheme", "year"), *_of(award_candidates, "rank", "minutes", "level", "tied"))
            .join_from(
                award_candidates,
                award_lists,
                (award_lists.c.ledger_id == award_candidates.c.ledger_id)
                & (award_lists.c.list_id == award_candidates.c.list_id),
            )
            .where(mine(award_candidates, "subject"))
            .order_by(award_lists.c.year, award_lists.c.scheme)
        ),
        "accounts": [
            account for id_ in ids for what in ACCOUNTS if (account := _account(connection, ledger_id, id_, what))
        ],
    }  # fmt: skip
    for group in told["memberships"]:
        if group["kind"] == "household":  # called after whoever heads it, as likely as not
            group["name"] = ""
    told["is_cut"] = any(isinstance(lines, list) and len(lines) >= MOST for lines in told.values())
    sealed = connection.execute(
        select(record.record_id, record.sealed)
        .where(mine(service_records, "volunteer"), record.sealed != b"")
        .limit(MOST)
    )
    return told, [Typed(f"record {record_id}", bytes(text), own_words) for record_id, text in sealed]


def _account(connection: Connection, ledger_id: int, person_id: str, what: str) -> dict[str, Any] | None:
    """An account with every posting on it, newest first; None if there is no such account."""
    path, lines, cursor = f"volunteer:{person_id}:{what}", list[dict[str, Any]](), ""
    while len(lines) < MOST:
        page = statement(connection, ledger_id, path, cursor=cursor, limit=MAX_LINES)
        if not isinstance(page, StatementPage):
            return None
        lines += [
            {
                "entry": line.sequence,
                "kind": line.kind,
                "date": _when(line.effective_at),
                "commodity": line.commodity,
                "lot": line.lot,
                "amount": line.amount,
                "balance": line.balance,
                "reason": line.reason,
                "reverses": line.reverses,
            }
            for line in page.lines
        ]
        if page.next is None:
            break
        cursor = page.next
    return {"account": path, "is_cut": len(lines) >= MOST, "postings": lines}


def _of(table: Table, *names: str) -> list[Any]:
    return [table.c[name] for name in names]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row as people read it: moments in the city's time."""
    return {
        name: _when(value) if name.endswith("_at") and isinstance(value, int) else value
        for name, value in row.items()
    }


def _when(micros: int) -> str | None:
    if not micros:
        return None
    return datetime.fromtimestamp(micros // 1_000_000, UTC).astimezone(ZoneInfo(ZONE)).isoformat()
