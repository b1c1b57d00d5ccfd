"""`verify` finds the documents of some thousand entries by their entries, and reads no table whole for them."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import Connection

from pointsbank.store.database import Database
from pointsbank.verify.documents import DOCUMENTS, naming_statement


def plan_of(connection: Connection, statement: str) -> str:
    if connection.dialect.name == "sqlite":
        turned = statement.replace("$1", "1").replace("$2", "0").replace("$3", "2000")
        return " ".join(row[3] for row in connection.exec_driver_sql("EXPLAIN QUERY PLAN " + turned))
    connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
    turned = statement.replace("$1", "1").replace("$2", "0").replace("$3", "2000")
    [[plan]] = connection.exec_driver_sql("EXPLAIN (FORMAT JSON) " + turned)
    return plan if isinstance(plan, str) else json.dumps(plan)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.table)
async def test_documents_are_found_by_the_entries_that_carry_them(document, database: Database) -> None:  # type: ignore[no-untyped-def]
    plan = await database.read(plan_of, naming_statement(document))
    assert f"{document.table}_sequence_idx" in plan, plan
    assert "sequence>" in plan.replace(" ", ""), plan
