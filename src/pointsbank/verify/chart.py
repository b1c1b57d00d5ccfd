"""The chart as `verify` reads it: patterns and movements looked up by its own code."""

from __future__ import annotations

import re

from pointsbank.ledger.chart import AccountKind, Chart

_WORD = r"(?=[^:]*[A-Za-z0-9])[A-Za-z0-9._-]{1,64}"
_CREDIT_NORMAL = {"asset": False, "expense": False, "liability": True, "equity": True, "income": True}


def is_credit_normal(account_type: str) -> bool:
    """Whether an account of this type counts its balance on the credit side."""
    return _CREDIT_NORMAL.get(account_type, False)


class ChartReader:
    """Answers what a chart says of a path and of a movement."""

    def __init__(self, chart: Chart) -> None:
        self.name = chart.name
        self.kinds = chart.kinds
        self.reversible = frozenset(chart.reversible)
        self.commodities = {c.code: (c.scale, int(c.has_lots)) for c in chart.commodities}
        self._patterns = [
            (
                re.compile(
                    ":".join(_WORD if part == "{}" else re.escape(part) for part in kind.pattern.split(":"))
                ),
                kind,
            )
            for kind in chart.kinds.values()
        ]
        self._documents = {
            (m.entry, m.debit, m.credit, m.commodity): m.document for m in chart.movements.values()
        }
        self.first_only = frozenset(m.entry for m in chart.movements.values() if m.first)
        """Kinds of entries that may only be the first of a ledger."""
        self._seen: dict[tuple[str, str, str, str], str | None] = {}

    def kind_of(self, path: str) -> AccountKind | None:
        """The kind that a path belongs to."""
        return next((kind for pattern, kind in self._patterns if pattern.fullmatch(path)), None)

    def document_for(self, entry: str, debit: str, credit: str, commodity: str) -> str | None:
        """The kind of document that a movement must carry (empty for none); None if it is not allowed."""
        key = (entry, debit, credit, commodity)
        if key not in self._seen:
            found = self._documents.get(key)
            if found is None and ":" in commodity:
                found = self._documents.get((entry, debit, credit, commodity.split(":", 1)[0] + ":*"))
            if len(self._seen) > 50_000:
                self._seen.clear()
            self._seen[key] = found
        return self._seen[key]
