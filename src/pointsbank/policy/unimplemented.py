"""What a policy may rule one day and not yet: named at load, and refused where it would matter."""

from typing import Final

from pointsbank.policy.reading import TableReader

NEUTRAL: Final[dict[str, object]] = {
    "offline.volunteer_day_points": 0,
    "offline.terminal_day_points": 0,
    "offline.hours": 0,
    "auth_ttl.till_seconds": 0,
    "auth_ttl.preorder_days": 0,
}
"""Each declared key with the one value under which it changes nothing."""


def read_unimplemented(top: TableReader) -> tuple[str, ...]:
    """The declared keys that stand in the file; a value other than the neutral one is noted as an error."""
    found: list[str] = []
    for section in dict.fromkeys(path.partition(".")[0] if "." in path else "" for path in NEUTRAL):
        table = top.table(section, required=False) if section else top
        if table is None:
            continue
        for path, neutral in NEUTRAL.items():
            owner, _, key = path.rpartition(".")
            if owner == section and table.raw(key) is not None:
                found.append(path)
                _refuse_unless_neutral(table, key, neutral)
        if section:
            table.finish()
    return tuple(sorted(found))


def _refuse_unless_neutral(table: TableReader, key: str, neutral: object) -> None:
    value = table.raw(key)
    if type(value) is not type(neutral) or value != neutral:  # the type too: 0 is not false
        shown = "false" if neutral is False else neutral
        table.wrong(
            key,
            f"本版本尚未实现，只能为 {shown} (not implemented yet: only {shown} is allowed, is {value!r})",
        )
