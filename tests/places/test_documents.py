"""What docs/places.md says of kinds is what the program does."""

from __future__ import annotations

import re
from pathlib import Path

from pointsbank.places.model import GROUPS, KINDS, PARENTS, TOP

TEXT = (Path(__file__).parents[2] / "docs" / "places.md").read_text("utf-8")


def test_the_table_of_kinds_is_true() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| [^|]+ \|([^|]*)\|([^|]*)\|$", TEXT, re.MULTILINE)
    assert [kind for kind, _, _ in rows] == list(KINDS)
    for kind, under, members in rows:
        named = {word for word in re.findall(r"[a-z-]+", under) if word in KINDS}
        assert named == set(PARENTS[kind]) - {TOP}, kind
        assert ("the top" in under) == (TOP in PARENTS[kind]), kind
        assert (members.strip() == "yes") == (kind in GROUPS), kind
