"""The policy that comes with the program, with every safeguard off: lines are booked as they come in."""

from __future__ import annotations

import re
from pathlib import Path

SHIPPED = Path(__file__).parents[2] / "config" / "policy" / "harbin-2026.toml"


def unguarded_policy(folder: Path) -> Path:
    """A file of it in the folder."""
    text = SHIPPED.read_text("utf-8")
    start, end = text.index("[safeguards]"), text.index("[offline]")
    off = re.sub(r"^(\w+) = true", r"\1 = false", text[start:end], flags=re.MULTILINE)
    off = re.sub(r"^(?!decision)(\w+) = \d+", r"\1 = 0", off, flags=re.MULTILINE).replace(
        '"server"', '"stated"'
    )
    path = folder / "unguarded.toml"
    path.write_text(text[:start] + off + text[end:], "utf-8")
    return path
