"""What became of lines that were submitted: a line keeps its first verdict, the rest stands in its record."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec
from sqlalchemy import Connection, select

from pointsbank.hours.tables import service_records
from pointsbank.intake.lines import LineVerdict
from pointsbank.store.lists import fetched, is_one_of


def accepted_since(
    connection: Connection, ledger_id: int, lines: Mapping[int, LineVerdict], policies: Collection[str]
) -> tuple[dict[int, LineVerdict], list[str]]:
    """Verdicts of lines, those accepted whose record was; and the ids of records that still wait, in order.

    Only of records under these policies (their versions). Points are those of the acceptance.
    """
    submitted = {v.id: n for n, v in lines.items() if v.verdict == "submitted"}
    told, waiting = dict(lines), list[str]()
    if not submitted:
        return told, waiting
    t = service_records.c
    rows = fetched(
        connection,
        select(t.record_id, t.verdict, t.state, t.points, t.sequence, t.policy).where(
            t.ledger_id == ledger_id, is_one_of(connection, t.record_id, submitted)
        ),
    )
    for record_id, verdict, state, points, sequence, policy in rows:
        if policy not in policies:
            continue
        line = submitted[record_id]
        if verdict == "accepted":
            told[line] = msgspec.structs.replace(
                lines[line], verdict=verdict, points=points, sequence=sequence
            )
        elif state == "submitted":
            waiting.append(record_id)
    return told, sorted(waiting, key=submitted.__getitem__)
