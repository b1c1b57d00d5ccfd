"""Fixtures: the outside programs that judge our exports."""

from __future__ import annotations

import pytest
from tests.export.outside import Tool, tool


@pytest.fixture
def hledger() -> Tool:
    return tool("hledger")


@pytest.fixture
def bean_check() -> Tool:
    return tool("bean-check")


@pytest.fixture
def bean_query() -> Tool:
    return tool("bean-query")
