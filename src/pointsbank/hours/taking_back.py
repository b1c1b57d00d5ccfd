"""What is taken back of a record whose hours do not count, whatever became of its points. Pure.

First what stands on notice, of the guilty that of their other records too, then what is left of the same lot, then
other lots, first-expiring first; for the rest stands somebody: the guilty with a debt, or the fund with a loss. Points
that are held are not touched. Source of the order: docs/verified-hour.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date

import msgspec

from pointsbank.engine.commands import Command, attach, request_digest
from pointsbank.hours.postings import category_account
from pointsbank.intake.lines import kept_text
from pointsbank.ledger.chart import MINUTE, POINT
from pointsbank.ledger.model import SEQUENCE, Attachment, Cell, Change, Draft, Movement, OpenAccount, Row
from pointsbank.people.volunteers import Volunteer
from pointsbank.points.lots import Fund, HeldLot


class Credit(msgspec.Struct, frozen=True):
    """Points that a record brought: in which lot, and whether they still stand on notice."""

    record_id: str
    state: str
    points: int
    lot: str

    @property
    def on_notice(self) -> bool:
        return self.state in ("pending", "objected")

    @property
    def fund(self) -> Fund:
        """The fund that issued them: the source in the lot's name."""
        return Fund(self.lot.partition("/")[2])


class TakenBack(msgspec.Struct, frozen=True):
    """The movements that take a record back. `points` = `taken` + `rest`, in hundredths."""

    movements: tuple[Movement, ...]
    opens: tuple[OpenAccount, ...]
    points: int
    taken: int
    rest: int
    withheld: tuple[tuple[str, str, int], ...] = ()
    """(record, state, points): what was taken of other records on notice."""


def withheld_subject(record_id: str) -> str:
    """What a release reads, and withholding touches: nobody gets what was taken meanwhile."""
    return f"withheld:{record_id}"


def debt_account(person_id: str) -> str:
    """What somebody owes: points that were spent and should not have been earned."""
    return f"volunteer:{person_id}:recovery"


def loss_account(fund: Fund) -> str:
    """What a fund bears itself."""
    return f"fund:{fund.code}:loss"


def uncovered_account(fund: Fund) -> str:
    """What a fund has issued for hours that do not count, and has not got back."""
    return f"fund:{fund.code}:uncovered"


def taken_back(
    person: Volunteer,
    category: str,
    minutes: int,
    earned: Sequence[Credit],
    held: Iterable[HeldLot],
    *,
    guilty: bool,
    today: date,
    others: Sequence[Credit] = (),
) -> TakenBack:
    """The movements for a record's merit and credits. `held` is what the wallet holds, the first-expiring lot first.

    `others` are credits of the person's other records on notice.
    """
    left = {lot.lot: lot.balance for lot in held}
    waiting = {other.record_id: other.points for other in others}
    withheld: Counter[tuple[str, str]] = Counter()
    movements = [Movement(person.merit, category_account(category), MINUTE.code, minutes)]
    opens: list[OpenAccount] = []
    taken = rest = 0
    for credit in earned:
        if not credit.points:
            continue
        if credit.on_notice:
            movements.append(
                Movement(person.pending, credit.fund.issued, POINT.code, credit.points, credit.lot)
            )
            taken += credit.points
            continue
        missing = credit.points
        for other in sorted(
            others, key=lambda other: other.lot != credit.lot
        ):  # its own lot, then as they expire
            amount = min(missing, waiting.get(other.record_id, 0))
            if amount:
                waiting[other.record_id] -= amount
                missing -= amount
                withheld[other.record_id, other.state] += amount
                movements.append(Movement(person.pending, other.fund.issued, POINT.code, amount, other.lot))
        for lot in _in_order(left, credit.lot, today):
            amount = min(missing, left[lot])
            if amount:
                left[lot] -= amount
                missing -= amount
                movements.append(Movement(person.wallet, credit.fund.issued, POINT.code, amount, lot))
        taken += credit.points - missing
        if missing:
            rest += missing
            bearer = debt_account(person.id) if guilty else loss_account(credit.fund)
            uncovered = uncovered_account(credit.fund)
            opens += [OpenAccount(bearer), OpenAccount(uncovered)]
            movements.append(Movement(bearer, uncovered, POINT.code, missing, credit.lot))
    taken_of = tuple((record, state, amount) for (record, state), amount in sorted(withheld.items()))
    return TakenBack(tuple(movements), tuple(opens), taken + rest, taken, rest, taken_of)


def _in_order(left: dict[str, int], own: str, today: date) -> list[str]:
    """The credit's own lot, then the others that are still good, as they expire."""
    others = [lot for lot in left if lot != own and lot[:10] >= today.isoformat()]
    return [lot for lot in (own, *others) if lot in left]


class Line(msgspec.Struct, frozen=True):
    """A record that is taken back within a case, and who stands for what is no longer there."""

    case_id: str
    record_id: str
    person_id: str
    guilty: bool
    decided_by: str
    """Who decided it, and who had proposed it."""

    @property
    def id(self) -> str:
        return f"{self.case_id}.{self.record_id}"

    @property
    def content(self) -> str:
        return kept_text(
            (self.case_id, self.record_id, self.person_id, str(int(self.guilty)), self.decided_by)
        )

    def attached(self, salt: bytes) -> Attachment:
        """The proof of it that the entry carries."""
        return attach("clawback", self.id, salt, self.content)


def waiting_row(line: Line, salt: bytes) -> Row:
    """The document of a line that waits for the decision."""
    values = (line.id, line.case_id, line.record_id, line.person_id, int(line.guilty), "", 0, 0, 0, 0, 0, 0, salt,
              "waiting")  # fmt: skip
    return Row("clawback_lines", values)


def done_row(line: Line, back: TakenBack, minutes: int, salt: bytes) -> Row:
    """The document of a line that is taken back at once, by a decision that stands elsewhere."""
    figures = dict(_figures(line, back, minutes))
    values = (
        line.id,
        line.case_id,
        line.record_id,
        line.person_id,
        int(line.guilty),
        *figures.values(),
        salt,
        "done",
    )
    return Row("clawback_lines", values)


def done_change(line: Line, back: TakenBack, minutes: int) -> Change:
    """The same of a line that has waited."""
    return Change("clawback_lines", (line.id,), "waiting", "done", _figures(line, back, minutes))


def _figures(line: Line, back: TakenBack, minutes: int) -> tuple[tuple[str, Cell], ...]:
    return (
        ("content", line.content),
        ("minutes", minutes),
        ("points", back.points),
        ("taken", back.taken),
        ("owed", back.rest if line.guilty else 0),
        ("lost", 0 if line.guilty else back.rest),
        ("sequence", SEQUENCE),
    )


def clawback_draft(
    line: Line,
    back: TakenBack,
    person: Volunteer,
    version: int,
    *,
    salt: bytes,
    effective_at: int,
    command: Command,
    actor: str,
    place: str,
    reason: str,
    rows: tuple[Row, ...] = (),
    changes: tuple[Change, ...] = (),
) -> Draft:
    """The entry that takes a record back. It rests on the version of the person, whom it touches.

    What it takes of other records must still stand on notice, and is noted with each of them.
    """
    withheld = [
        Row("withheld_points", (line.id, record, points, SEQUENCE, "taken"), key_length=2)
        for record, _, points in back.withheld
    ]
    still = [Change("service_records", (record,), state, state) for record, state, _ in back.withheld]
    return Draft(
        "clawback",
        f"clawback:{line.id}",
        command.client,
        request_digest("clawback", line.content, reason),
        effective_at,
        back.movements,
        actor,
        place=place,
        reason=reason,
        documents=(line.attached(salt),),
        opens=back.opens,
        reads=((person.subject, version),),
        touches=(person.subject, *(withheld_subject(record) for record, _, _ in back.withheld)),
        rows=(*rows, *withheld),
        changes=(*changes, *still),
    )
