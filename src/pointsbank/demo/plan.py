"""What a demo city is made of: sizes, seed and days. The ledger keeps the plan, so a later run follows it."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cached_property
from itertools import accumulate
from math import gcd, sqrt
from random import Random
from typing import Final

import msgspec

QUARTER: Final = 91
"""Days of history before today."""

FIRST_BASKETS: Final = 9
"""Days until the first points have come off their public notice: no shop sells before."""

RECORDS_PER_VOLUNTEER: Final = 5
BASKETS_PER_4_VOLUNTEERS: Final = 3

_ACTIVE_PERCENT: Final = 65
"""Most who are registered do little or nothing in a quarter; the others follow the tail below."""

_TAIL: Final = 0.001
"""Where the tail ends. The share of volunteers above h hours falls as h to the power of -2, as in the figures
of Heilongjiang for 2013 (18,032 at 100 h and more, 4,372 at 200 h); the busiest reach some 25 times the mean.
"""


class Plan(msgspec.Struct, frozen=True, dict=True):
    """The sizes of a demo city. Everything but the random ids follows from it."""

    volunteers: int
    records: int
    baskets: int
    shops: int
    seed: int
    today: date

    @property
    def text(self) -> str:
        """The plan as the name of the step that keeps it."""
        sizes = f"{self.volunteers} {self.records} {self.baskets} {self.shops} {self.seed}"
        return f"plan {sizes} {self.today.isoformat()}"

    @staticmethod
    def read(text: str) -> Plan | None:
        """The plan in the name of a step, None if the step is another."""
        word, *parts = text.split(" ")
        if word != "plan":
            return None
        volunteers, records, baskets, shops, seed = map(int, parts[:5])
        return Plan(volunteers, records, baskets, shops, seed, date.fromisoformat(parts[5]))

    @cached_property
    def days(self) -> tuple[date, ...]:
        """The days of the demo, the first to today."""
        return tuple(self.today - timedelta(days=QUARTER - n) for n in range(QUARTER + 1))

    @property
    def weeks(self) -> list[range]:
        """Places in `days`: the weeks of the quarter, and today."""
        return [*(range(n, n + 7) for n in range(0, QUARTER, 7)), range(QUARTER, QUARTER + 1)]

    @cached_property
    def _ends(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return (
            _shares(self.records, [_record_weight(day, day == self.today) for day in self.days]),
            _shares(
                self.baskets,
                [0 if n < FIRST_BASKETS else _basket_weight(day) for n, day in enumerate(self.days)],
            ),
        )

    def records_of(self, at: int) -> range:
        """Numbers of the records that are typed in on the day at this place of `days`."""
        ends = self._ends[0]
        return range(ends[at], ends[at + 1])

    def baskets_of(self, at: int) -> range:
        """Numbers of the baskets of the day at this place of `days`."""
        ends = self._ends[1]
        return range(ends[at], ends[at + 1])

    def dice(self, *purpose: object) -> Random:
        """A source of chance for each purpose, so that any part of the city can be made again alone."""
        return Random(":".join(map(str, (self.seed, *purpose))))  # noqa: S311 - invented people, no secrets

    def pick(self, chance: float) -> int:
        """A volunteer (0 and up) for a chance in [0, 1): few are picked often, most seldom, some never."""
        reach = sqrt(_TAIL) + chance * (sqrt(1 + _TAIL) - sqrt(_TAIL))
        rank = int((reach * reach - _TAIL) * self._active)
        return (min(rank, self._active - 1) * self._stride + self.seed) % self.volunteers

    @cached_property
    def _active(self) -> int:
        return max(1, self.volunteers * _ACTIVE_PERCENT // 100)

    @cached_property
    def _stride(self) -> int:
        """Spreads the busy over all numbers: any step without a common divisor walks through all of them."""
        stride = int(self.volunteers * 0.618) | 1
        while gcd(stride, self.volunteers) != 1:
            stride += 2
        return stride


def _record_weight(day: date, is_today: bool) -> int:
    """People serve at weekends, and records are typed in on them and on the days after; today is not over."""
    weight = (12, 10, 9, 9, 10, 13, 14)[day.weekday()]
    return weight // 3 if is_today else weight


def _basket_weight(day: date) -> int:
    """Shops have their redemption days in the middle and at the end of a month, and sell little between."""
    if day.day in (15, 28):
        return 60
    return (4, 4, 4, 4, 5, 12, 12)[day.weekday()]


def _shares(total: int, weights: list[int]) -> tuple[int, ...]:
    """Where each day's share of `total` ends, the first entry being 0."""
    sums = [0, *accumulate(weights)]
    return tuple(total * part // sums[-1] for part in sums)
