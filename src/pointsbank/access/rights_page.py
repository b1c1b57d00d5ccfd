"""The table of rights as a page of the documentation: docs/rights.md is this text, a test compares them.

`make rights` writes it anew.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator

from pointsbank.access.rights import RELATIONS, Rights, rights

_HEAD = """\
# 权限表 / Who may do what

This page is made from `src/pointsbank/access/rights.toml`, which is the rule itself: `authorize` reads it, and a test
enumerates every route, page and command against it. What does not stand here is denied. docs/security.md tells how
people log in and how a role is given.

- **relation**: what the person who acts is to the one, or to the place, that the act is about. `own-place`: the place
  of the act (shop, session, stock, record) is the place of the role or lies below it; an act without a place is about
  the whole city. `foreign`: none of the others. `any`: all of them.
- **effect**: `allow`; `deny`, which beats every allow, also of another role; `step-up`, allowed after a fresh code.
- Besides its own lines every member of staff has those of `staff`.
"""


def rights_page(table: Rights) -> str:
    """The whole page."""
    return "\n".join(_lines(table)) + "\n"


def _lines(table: Rights) -> Iterator[str]:
    yield _HEAD
    yield "## 主体 / Subjects\n"
    yield "| subject | 中文 | who | a role for natural persons |"
    yield "|---|---|---|---|"
    for subject in table.subjects.values():
        yield f"| `{subject.name}` | {subject.zh} | {subject.en} | {'yes' if subject.role else ''} |"
    yield "\n## 权限 / Rights\n"
    yield "| role | action | relation | effect |"
    yield "|---|---|---|---|"
    found: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for row in table.rows:
        found[row.role, row.action, row.effect].append(row.relation)
    order = list(table.subjects)
    for (role, action, effect), relations in sorted(found.items(), key=lambda item: order.index(item[0][0])):
        named = ", ".join(r for r in ("any", *RELATIONS) if r in relations)
        yield f"| `{role}` | `{action}` | {named} | {effect} |"
    yield "\n## 入口 / Doors\n"
    yield "| action | 中文 | what | doors |"
    yield "|---|---|---|---|"
    for act in table.actions.values():
        doors = " · ".join(f"`{door}`" for door in act.doors)
        yield f"| `{act.name}` | {act.zh} | {act.en} | {doors} |"


if __name__ == "__main__":
    sys.stdout.write(rights_page(rights()))
