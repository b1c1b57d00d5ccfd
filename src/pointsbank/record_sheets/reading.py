"""What the people store is asked for a sheet: whether it may be opened, and the words that records keep sealed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import msgspec
from sqlalchemy import Connection

from pointsbank.intake.lines import parts_of
from pointsbank.people import identity
from pointsbank.people.access_log import note
from pointsbank.people.refusals import MinorProtected, ReasonNeeded
from pointsbank.people.sealing import SealBroken
from pointsbank.people.store import PeopleStore
from pointsbank.people.vault import PersonKey, Vault
from pointsbank.record_sheets.figures import Counted

UNNAMED = "志愿服务"
"""What a sheet says of service whose activity nobody has named."""

_NAME = 1
"""Where the activity's name stands in the sealed words of a record from a file."""


class Opening(msgspec.Struct, frozen=True):
    """Who makes or opens a sheet, why, and whether a manager gave leave to open minors' profiles."""

    by: str
    reason: str = ""
    may_open_minors: bool = False


async def open_for(
    people: PeopleStore, person_id: str, opening: Opening, today: date, field: str
) -> MinorProtected | ReasonNeeded | None:
    """Write down that a sheet is opened. Of a minor it takes the right and a reason, and is refused without."""

    def work(connection: Connection) -> MinorProtected | ReasonNeeded | None:
        vault = people.vault
        born = vault.values_of(connection, [person_id], ("birth",)).get(person_id, {}).get("birth")
        is_minor = born is not None and today < identity.turns(date.fromisoformat(born), identity.FULL_AGE)
        if is_minor and not opening.may_open_minors:
            return MinorProtected(person_id)
        if is_minor and not opening.reason.strip():
            return ReasonNeeded()
        key = vault.keys_of(connection, [person_id]).get(person_id)
        note(
            connection, vault, at=people.clock.now(), actor=opening.by, action="record-sheet", field=field,
            person=key, reason=opening.reason.strip(),
        )  # fmt: skip
        return None

    return await people.write(work)


async def with_names(people: PeopleStore, records: Sequence[Counted], ids: Sequence[str]) -> list[Counted]:
    """The records with the names of their activities: what a file called it stands sealed under the person's key.

    `ids` are all that the person has had. Raises SealBroken for words that none of their keys opens.
    """
    if all(record.activity for record in records):
        return list(records)

    def work(connection: Connection) -> list[Counted]:
        keys = list(people.vault.keys_of(connection, ids).values())
        return [
            record
            if record.activity
            else msgspec.structs.replace(record, activity=_opened(people.vault, keys, record) or UNNAMED)
            for record in records
        ]

    return await people.read(work)


def _opened(vault: Vault, keys: Sequence[PersonKey], record: Counted) -> str:
    if not record.sealed:
        return ""
    broken: SealBroken | None = None
    for key in keys:  # of who was merged the text may be under either key
        try:
            words = parts_of(vault.open(key, f"text record {record.record_id}", record.sealed))
        except SealBroken as error:
            broken = error
        else:
            return words[_NAME].strip() if len(words) > _NAME else ""
    if broken is not None:
        raise broken
    return ""
