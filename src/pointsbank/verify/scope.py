"""What a check may use: the ledger to read, where to start, and where to report."""

from __future__ import annotations

from typing import NamedTuple

from pointsbank.verify.report import Findings
from pointsbank.verify.source import Source


class Scope(NamedTuple):
    """One verification as its checks see it."""

    source: Source
    findings: Findings
    since: int
    """0 for the whole journal."""
    head: int
    tables: frozenset[str]
    """Tables that the database has: the rooms' documents are checked where they are kept."""
    kinds: frozenset[str]
    """Kinds of accounts of the ledger's chart."""
