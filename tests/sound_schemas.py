"""A schema that `verify` has found sound once in a run is not looked through again.

Many tests end by verifying their whole ledger, and its tables are those of the template: to look at sixty tables takes
longer than to recompute the books of a test. Whatever is different about a schema, down to one index, makes it another.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection
from tests.databases import SHAPE

from pointsbank.verify import run
from pointsbank.verify.report import Findings
from pointsbank.verify.schema import check_schema

_OF_SQLITE = "SELECT group_concat(concat_ws('|', type, name, tbl_name, sql), x'0a' ORDER BY type, name) FROM sqlite_master"


@contextmanager
def sound_schemas_remembered() -> Iterator[None]:
    """Verifications meanwhile look through a schema until it was found sound."""
    sound: dict[str, dict[str, int]] = {}

    def check_once(connection: Connection, ledger_id: int, findings: Findings) -> dict[str, int]:
        is_sqlite = connection.dialect.name == "sqlite"
        schema = str(connection.exec_driver_sql(_OF_SQLITE if is_sqlite else SHAPE).scalar_one())
        if schema not in sound:
            before = findings.counts.total()
            counts = check_schema(connection, ledger_id, findings)
            if findings.counts.total() > before:
                return counts
            sound[schema] = counts
        return dict(sound[schema])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "check_schema", check_once)
        yield
