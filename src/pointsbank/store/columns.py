"""A batch as rows: what each accepted draft writes to each table, computed once for both engines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from pointsbank.ledger.books import Accepted, Effect
from pointsbank.ledger.model import Change, Marker, lot_expiry
from pointsbank.store.port import Written
from pointsbank.store.tables import metadata


class Writing:
    """What the drafts of a batch write, gathered while they are decided: what was just looked at is at hand."""

    def __init__(self, types: Mapping[str, str]) -> None:
        self.accepted: list[Accepted] = []
        self._types = types  # of the kinds of accounts
        self._written = Written([], [], [], [], [], [], [], [], {}, {}, [])
        self._touched: dict[str, int] = {}
        self._debited: dict[int, Effect] = {}
        self._credited: dict[int, Effect] = {}
        self._made: Made = {}
        self._rounds: dict[tuple[str, tuple[int | str, ...]], int] = {}
        self._changes: dict[tuple[int, str, tuple[str, ...]], list[tuple[Any, ...]]] = {}

    def add(self, drafts: Sequence[Accepted]) -> None:
        """Drafts that were accepted, in the order in which they were."""
        w, touched, debited, credited = self._written, self._touched, self._debited, self._credited
        self.accepted += drafts
        for accepted in drafts:
            for e in accepted.effects:
                lot = e.lot.number
                debited[e.debit.number << 32 | lot] = e
                credited[e.credit.number << 32 | lot] = e
            draft = accepted.draft
            if accepted.new_accounts or accepted.new_lots or accepted.new_commodities:
                _opened(w, accepted, self._types)
            if not accepted.effects:
                w.keys.append(
                    (accepted.key_digest, draft.client, draft.key, draft.request, accepted.recorded_at)
                )
            for subject in draft.touches:
                touched[subject] = touched.get(subject, 0) + 1
            if draft.rows or draft.changes or accepted.numbers:
                self._document(accepted)

    def written(self, subjects: Mapping[str, int]) -> Written:
        """Everything that they write; `subjects` are the versions afterwards.

        Asked for once, right after the last was added: it marks new balance rows as stored.
        """
        w = self._written
        for subject, times in self._touched.items():
            version = subjects[subject]
            if version == times:
                w.new_subjects.append((subject, version))
            else:
                w.raised_subjects.append((subject, version - times, version))
        _balanced(w, self._debited, self._credited)
        w.changes = [
            (table, names, self._changes[number, table, names])
            for number, table, names in sorted(self._changes)
        ]
        return w

    def _document(self, accepted: Accepted) -> None:
        draft, w, made = accepted.draft, self._written, self._made
        for counter, number in accepted.numbers:
            w.counters[counter] = number
        for row in draft.rows:
            values = [_resolve(cell, accepted) if type(cell) is Marker else cell for cell in row.values]
            rows = w.rows.setdefault(row.table, [])
            if row.state:
                made[row.table, row.key] = (rows, len(rows))
            rows.append(tuple(values))
        for change in draft.changes:
            moved = [_resolve(cell, accepted) if type(cell) is Marker else cell for _, cell in change.values]
            document = (change.table, change.key)
            place = made.get(document)
            if place is not None:
                _move_on(change, moved, *place)
                continue
            # one statement sees a row once: a document that changes twice in the batch goes in two rounds
            number = self._rounds[document] = self._rounds.get(document, 0) + 1
            alike = (number, change.table, tuple([name for name, _ in change.values]))
            self._changes.setdefault(alike, []).append((*change.key, change.old, change.new, *moved))


def _balanced(w: Written, debited: dict[int, Effect], credited: dict[int, Effect]) -> None:
    """The newest state of each balance, in the order of the rows: in order, an engine finds them in half the time."""
    for place in sorted(debited.keys() | credited.keys()):
        e, last_credit = debited.get(place), credited.get(place)
        if e is None or (last_credit is not None and last_credit.number > e.number):
            assert last_credit is not None
            e = last_credit
            account, balance, version = e.credit, e.credit_balance, e.credit_version
        else:
            account, balance, version = e.debit, e.debit_balance, e.debit_version
        lot = e.lot.number
        line = (account.number, lot, balance, version, e.number)
        if lot in account.fresh:
            account.fresh -= {lot}
            w.new_balances.append(line)
        else:
            w.changed_balances.append(line)


Made = dict[tuple[str, tuple[int | str, ...]], tuple[list[tuple[Any, ...]], int]]
"""Documents of this batch that may still change in it: where their rows stand."""


def _move_on(change: Change, moved: list[Any], rows: list[tuple[Any, ...]], at: int) -> None:
    """A document that is made and changed in one batch is written once, as it ends: `decide` has kept its guard."""
    places, values = _places(change.table), list(rows[at])
    values[places["state"]] = change.new
    for (name, _), value in zip(change.values, moved, strict=True):
        values[places[name]] = value
    rows[at] = tuple(values)


@lru_cache(maxsize=64)
def _places(table: str) -> dict[str, int]:
    """Where each column stands in a row without `ledger_id`."""
    return {c.name: at for at, c in enumerate(metadata.tables[table].columns, start=-1)}


def _opened(w: Written, accepted: Accepted, types: Mapping[str, str]) -> None:
    for a in accepted.new_accounts:
        w.accounts.append((a.number, a.path, a.kind, types[a.kind], a.floor, accepted.recorded_at))
    for lot in accepted.new_lots:
        w.lots.append((lot.number, lot.commodity, lot.code, lot_expiry(lot.code)))
    for c in accepted.new_commodities:
        w.commodities.append((c.code, c.scale, int(c.has_lots)))


def _resolve(cell: Marker, accepted: Accepted) -> Any:
    if cell.name == "sequence":
        return accepted.sequence
    if cell.name == "recorded_at":
        return accepted.recorded_at
    return dict(accepted.numbers)[cell.counter]


def key_columns(table: str) -> tuple[str, ...]:
    """Names of the primary-key columns of a table, without `ledger_id`."""
    return tuple(c.name for c in metadata.tables[table].primary_key.columns)[1:]
