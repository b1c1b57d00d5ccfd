"""The invented service records of a day: activities with their participants, and the mishaps of sheets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from random import Random
from typing import Final

from pointsbank.demo.people import number_of
from pointsbank.demo.places import station_codes
from pointsbank.demo.plan import Plan
from pointsbank.policy.model import Policy

Line = tuple[int, tuple[str, ...]]

OPENING: Final = 8 * 60
CLOSING: Final = 20 * 60
"""Minutes of a day between which records are typed in."""

_LENGTHS: Final = (60, 90, 120, 150, 180, 240, 300, 480)
_LENGTH_WEIGHTS: Final = (6, 9, 24, 12, 24, 16, 6, 3)
"""Minutes of a session: 2.8 h on average, as the 3.1 h a person and time of Ningbo's report for 2022."""

_LAGS: Final = (0, 1, 2, 3, 4, 6, 9, 20)
_LAG_WEIGHTS: Final = (34, 34, 12, 8, 5, 4, 2, 1)
"""Days from the session to the record; the last is too late."""

_HONOUR_PERCENT: Final = 10
_MISHAPS: Final = 0.028

_POPULAR: Final = {
    "ELDER": 16,
    "CIVIL": 14,
    "ENV": 14,
    "TRANSIT": 10,
    "AID": 9,
    "CULTURE": 8,
    "EDU": 7,
    "THEORY": 6,
    "EVENT": 5,
    "PATROL": 4,
    "HEALTH": 3,
    "TECH": 3,
    "MIGRANT": 3,
    "LAW": 1,
    "MEDIATE": 1,
    "EMERG": 1,
}
_ACTIVITIES: Final = {
    "ELDER": "陪伴空巢老人",
    "CIVIL": "路口文明引导",
    "ENV": "清冰雪、环境整治",
    "TRANSIT": "哈尔滨站驿站服务",
    "AID": "困难家庭帮扶",
    "CULTURE": "社区文艺演出",
    "EDU": "四点半课堂",
    "THEORY": "理论宣讲进社区",
    "EVENT": "冰雪节服务保障",
    "PATROL": "夜间平安巡防",
    "HEALTH": "社区义诊",
    "TECH": "教老人用手机",
    "MIGRANT": "关爱务工子女",
    "LAW": "法律咨询日",
    "MEDIATE": "邻里纠纷调解",
    "EMERG": "应急救援",
}
_CLOCK: Final = tuple(f"{minute // 60:02}:{minute % 60:02}" for minute in range(24 * 60))


def record_id(number: int) -> str:
    """The id of the record with this number (0 and up)."""
    return f"JL{number + 1:09}"


class Sheets:
    """Makes the sheets of service records of a demo city, day by day, always the same for the same plan."""

    def __init__(self, plan: Plan, policy: Policy) -> None:
        self._plan = plan
        self._stations = station_codes()
        self._categories = list(policy.categories.values())
        self._weights = [_POPULAR.get(category.code, 2) for category in self._categories]
        classes = sorted(policy.hour_classes.values(), key=lambda hours: not hours.earns_points)
        self._credit, self._honour = classes[0].name, classes[-1].name

    def day(self, at: int, until: int = CLOSING) -> Iterator[Line]:
        """The records typed in on the day at this place of the plan, up to this minute of the day."""
        plan = self._plan
        numbers = plan.records_of(at)
        today, dice, opens = plan.days[at], plan.dice("records", at), min(OPENING, until)
        number = numbers.start
        while number < numbers.stop:
            typed = opens + (until - opens) * (number - numbers.start) // len(numbers)
            people = min(_people(dice, len(numbers)), numbers.stop - number)
            for fields in self._activity(dice, today, typed, number, people):
                number += 1
                yield number, fields

    def _activity(
        self, dice: Random, today: date, typed: int, number: int, people: int
    ) -> Iterator[tuple[str, ...]]:
        """The records of one activity, typed in together."""
        category = dice.choices(self._categories, self._weights)[0]
        name = _ACTIVITIES.get(category.code, category.name)
        station = self._stations[int(len(self._stations) * dice.random() ** 1.6)]
        start, end, lag = _session(dice, typed)
        day = (today - timedelta(days=lag)).isoformat()
        starts, ends, recorded = f"{day} {_CLOCK[start]}", f"{day} {_CLOCK[end]}", f"{today} {_CLOCK[typed]}"
        by = f"OP{station}"
        # hours from paper sheets are of the honour class: nobody measured them
        hour_class = self._honour if dice.random() * 100 < _HONOUR_PERCENT else self._credit
        activity, chance, last = f"A{number + 1:09}", dice.random, (end - start) // 3
        for n, who in enumerate(self._participants(dice, people), number + 1):
            # one in thirty goes long before the end, and misses the floor for points
            early = last if chance() < 0.033 else -11
            check_in, check_out = start - 10 + int(chance() * 18), end - early - int(chance() * 11)
            fields = (
                f"JL{n:09}",
                number_of(who),
                activity,
                name,
                category.code,
                station,
                starts,
                ends,
                f"{day} {_CLOCK[check_in]}",
                f"{day} {_CLOCK[check_out]}",
                hour_class,
                by,
                recorded,
            )
            mishap = chance()
            yield fields if mishap >= _MISHAPS else _mishap(fields, mishap / _MISHAPS)

    def _participants(self, dice: Random, people: int) -> Iterator[int]:
        pick, chance = self._plan.pick, dice.random
        chosen: set[int] = set()
        for _ in range(people):
            who = pick(chance())
            if who in chosen:
                who = pick(chance())
            chosen.add(who)
            yield who


def _people(dice: Random, records_of_day: int) -> int:
    """How many take part: most activities are small, some have a hundred people; 17 on average."""
    most = max(3, min(150, records_of_day // 8))
    return min(most, int(4 / (1 - dice.random()) ** 0.8))


def _session(dice: Random, typed: int) -> tuple[int, int, int]:
    """First and last minute of a session, and how many days before the record it took place."""
    length = dice.choices(_LENGTHS, _LENGTH_WEIGHTS)[0]
    lag = dice.choices(_LAGS, _LAG_WEIGHTS)[0]
    earliest, latest = 7 * 60, 21 * 60 - length
    if lag == 0:
        latest = min(latest, typed - length)
        if latest < earliest:
            lag, latest = 1, 21 * 60 - length
    start = earliest + 30 * dice.randrange((latest - earliest) // 30 + 1)
    return start, start + length, lag


def _mishap(fields: tuple[str, ...], kind: float) -> tuple[str, ...]:
    """The record as somebody typed it in wrong, who did not look twice."""
    (id_, who, activity, name, category, station, starts, ends, came, went, hour_class, by, recorded) = fields
    if kind < 0.18:
        came, went = went, came
    elif kind < 0.32:
        by = who
    elif kind < 0.44:
        who = "V2399" + who[5:]
    elif kind < 0.54:
        recorded = starts
    elif kind < 0.64:
        category = category.lower()
    elif kind < 0.72:
        starts = starts.replace("-", "/")
    elif kind < 0.78:
        station = "230199" + station[6:]
    elif kind < 0.86:
        starts, ends = ends, starts
    else:  # a line of the sheet before, typed in again: with its old number
        id_ = f"JL{max(1, int(id_[2:]) - 1):09}"
    return (id_, who, activity, name, category, station, starts, ends, came, went, hour_class, by, recorded)
