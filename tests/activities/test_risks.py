"""The auditor's lists: late records, people who credit each other, days too long to be true."""

from __future__ import annotations

from msgspec.structs import replace
from tests.activities.centre import GUARDED, RECORDER, guarded, open_centre

from pointsbank.hours.risks import risks
from pointsbank.store.database import Database


async def test_h5_late_records_mutual_credits_and_long_days_stand_on_the_auditors_list(
    database: Database,
) -> None:
    policy = guarded(guard=replace(GUARDED, reciprocal_days=0))
    async with open_centre(database, policy) as centre:
        one = await centre.attended(["V1"], "2026-03-02", "07:00", "12:00")
        two = await centre.attended(["V1"], "2026-03-02", "12:05", "23:55")
        three = await centre.attended(["V2"], "2026-03-03")
        await centre.submit(one, centre.by("V2"))
        await centre.submit(two)
        await centre.submit(three, centre.by("V1"))
        late = await centre.attended(["V3"], "2026-03-04")
        centre.at("2026-04-01 08:00:00")
        record = (await centre.submit(late, reason="illness"))["V3"].record_id
        found = await database.read(risks, centre.ledger.id, "2026-03-01", 0)
        assert [(risk.kind, risk.record_id, set(risk.people)) for risk in found] == [
            ("late", record, {RECORDER.person, centre.id("V3")}),
            ("mutual", "", {centre.id("V1"), centre.id("V2")}),
            ("long-day", "", {centre.id("V1")}),
        ]
        assert found[2].minutes == 300 + 710
        assert await database.read(risks, centre.ledger.id, "2026-03-05", centre.clock.time + 1) == []
