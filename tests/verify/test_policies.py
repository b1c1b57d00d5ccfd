"""`verify` names a book of policies that was changed, or decided, beside the two people whom the journal knows."""

from __future__ import annotations

import pytest
from tests.access.office import Office, open_office
from tests.access.test_policies import richer
from tests.verify.uncommitted import close_engines, uncommitted

from pointsbank.access.policies import PolicyChange, PolicyDesk, admit_policies, digest_of
from pointsbank.engine.registry import CITY_LEDGER, open_ledger
from pointsbank.policy.shipped import policies_at
from pointsbank.store.database import Database
from pointsbank.verify import verify


async def decided(office: Office, *, approve: bool = True) -> PolicyChange:
    """A book that cy proposed and dee decided, a minute later."""
    desk = PolicyDesk(office.ledger, office.ring)
    cy, dee = (office.actor(login, "policy-owner") for login in ("cy", "dee"))
    office.clock.time += 1
    proposed = await desk.propose(cy, richer(), office.command(cy), document_no="9")
    assert isinstance(proposed, PolicyChange), proposed
    office.clock.time += 60_000_000
    done = await desk.decide(dee, proposed.change_id, office.command(dee), approve=approve)
    assert isinstance(done, PolicyChange), done
    return done


async def with_owners(office: Office) -> None:
    await admit_policies(office.ledger, policies_at())
    for login in ("cy", "dee"):
        await office.add(login)
        await office.give(login, "policy-owner")


async def test_books_that_two_people_decided_hold(database: Database) -> None:
    async with open_office(database) as office:
        await with_owners(office)
        done = [await decided(office), await decided(office, approve=False), await decided(office)]
        assert [one.number for one in done] == [2, 0, 3]
        desk, cy = PolicyDesk(office.ledger, office.ring), office.actor("cy", "policy-owner")
        assert isinstance(await desk.propose(cy, policies_at(), office.command(cy)), PolicyChange)
    report = await verify(database, CITY_LEDGER)
    assert report.findings == ()
    assert report.checked["policy changes"] == 5


async def test_books_that_were_noted_before_the_founding_or_by_an_older_program_hold(
    database: Database,
) -> None:
    async with open_ledger(database) as ledger:
        for book in (richer(), policies_at()):
            await admit_policies(ledger, book)
    report = await verify(database, CITY_LEDGER)
    assert (report.findings, report.checked["policy changes"]) == ((), 2)


APPROVED = "state = 'approved' AND number = 2"


@pytest.mark.parametrize(
    ("where", "change", "named"),
    [
        (APPROVED, "digest = '{digest}'", {"policy-request"}),
        (APPROVED, "document_no = '10'", {"policy-request"}),
        (APPROVED, "decided_by = proposed_by", {"policy-four-eyes", "policy-request"}),
        (APPROVED, "proposed_by = '{other}'", {"policy-request"}),
        (APPROVED, "decided_by = '{other}'", {"policy-request"}),
        (APPROVED, "decided_by = ''", {"policy-four-eyes", "policy-request"}),
        (APPROVED, "decided_by = 'founding'", {"policy-four-eyes", "policy-request"}),
        (APPROVED, "decided_at = proposed_at - 1", {"policy-times", "policy-request"}),
        (APPROVED, "number = 3", {"policy-number"}),
        ("number = 1", "digest = '{digest}'", {"policy-request"}),
        ("state = 'refused'", "state = 'approved', number = 3", {"policy-request", "policy-number"}),
        ("state = 'proposed'", "decided_by = '{other}'", {"policy-four-eyes"}),
        (
            "state = 'proposed'",
            "state = 'approved', number = 3, proposed_by = 'founding', decided_by = 'founding', decided_at = proposed_at",
            {"policy-times", "policy-request", "policy-number"},
        ),
    ],
)
async def test_a_book_that_was_changed_beside_the_bank_is_named(
    database: Database, where: str, change: str, named: set[str]
) -> None:
    async with open_office(database) as office:
        await with_owners(office)
        await decided(office)
        await decided(office, approve=False)
        desk, cy = PolicyDesk(office.ledger, office.ring), office.actor("cy", "policy-owner")
        assert isinstance(await desk.propose(cy, policies_at(), office.command(cy)), PolicyChange)
        change = change.format(digest=digest_of(policies_at())[::-1], other=office.people["ann"])
    async with uncommitted(database.url) as books:
        if books.dialect == "postgresql":
            await books.execute(
                "ALTER TABLE policy_changes DROP CONSTRAINT policy_changes_four_eyes_check",
                "ALTER TABLE policy_changes DROP CONSTRAINT policy_changes_number_check",
            )
        await books.corrupt(f"UPDATE policy_changes SET {change} WHERE {where}")
        found = (await verify(books, CITY_LEDGER)).findings
    await close_engines()
    assert {one.code for one in found if one.code.startswith("policy")} == named, found


async def test_books_that_were_deleted_beside_the_bank_are_missed(database: Database) -> None:
    async with open_office(database) as office:
        await with_owners(office)
        await decided(office)
    for where in ("number = 2", "number = 1", "number > 0"):
        async with uncommitted(database.url) as books:
            await books.execute(f"DELETE FROM policy_changes WHERE {where}")
            found = (await verify(books, CITY_LEDGER)).findings
        assert [one.code for one in found] == ["policy-number"], where
    await close_engines()


async def test_two_ids_that_are_one_person_are_not_two_people(database: Database) -> None:
    async with open_office(database) as office:
        await with_owners(office)
        change = await decided(office)
        cy, dee = office.people["cy"], office.people["dee"]
    async with uncommitted(database.url) as books:
        await books.execute(
            "INSERT INTO merged_people (ledger_id, merge_id, old_id, into_id, content, sequence, undone_by, salt,"
            f" merged_at, state) SELECT ledger_id, 'm', '{cy}', '{dee}', '', 0, 0, {_nothing(books.dialect)}, 0,"
            " 'merged' FROM policy_changes WHERE number = 1"
        )
        found = (await verify(books, CITY_LEDGER)).findings
    await close_engines()
    assert [(one.code, one.place) for one in found if one.code.startswith("policy")] == [
        ("policy-four-eyes", f"policy-change/{change.change_id}")
    ]


def _nothing(dialect: str) -> str:
    return "x''" if dialect == "sqlite" else "''::bytea"
