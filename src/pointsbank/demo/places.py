"""The places of the demo city: Harbin's 18 centres by their names and codes; all below them is invented."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

CENTRES: Final = (
    # code (GB/T 2260), name, sub-centres
    ("230102", "道里区", 24),
    ("230103", "南岗区", 23),
    ("230104", "道外区", 25),
    ("230108", "平房区", 9),
    ("230109", "松北区", 12),
    ("230110", "香坊区", 26),
    ("230111", "呼兰区", 19),
    ("230112", "阿城区", 20),
    ("230113", "双城区", 21),
    ("230123", "依兰县", 9),
    ("230124", "方正县", 8),
    ("230125", "宾县", 18),
    ("230126", "巴彦县", 19),
    ("230127", "木兰县", 8),
    ("230128", "通河县", 8),
    ("230129", "延寿县", 9),
    ("230183", "尚志市", 19),
    ("230184", "五常市", 26),
)
SUB_CENTRES: Final = 303
STATIONS: Final = 2930
TEAMS: Final = 4107
PLACES: Final = len(CENTRES) + SUB_CENTRES + STATIONS + TEAMS
"""Counts of the city's report on its 新时代文明实践中心, 所, 站 and volunteer teams."""

STANDING_TEAMS: Final = (
    "理论政策宣讲",
    "文化文艺服务",
    "助学支教",
    "医疗健身",
    "科学普及",
    "法律服务",
    "卫生环保",
    "扶贫帮困",
)  # the eight kinds of team that every centre keeps

_FIRST: Final = "安宝昌春东丰福光广和恒红华吉建金锦康乐利龙民明宁平青庆荣瑞胜顺松太泰通同万文祥新兴永"
_SECOND: Final = "安昌城德发丰福岗光和河华江康利林隆民明宁盛泰田旺祥兴业源远泽"


class NewPlace(msgspec.Struct, frozen=True):
    """A place to be opened: its kind, code, name and the code above it."""

    kind: str
    code: str
    name: str
    parent: str


def all_places() -> Iterator[NewPlace]:
    """Every place of the city, a parent before its children; the same ones in every demo."""
    for code, name, _ in CENTRES:
        yield NewPlace("centre", code, f"{name}新时代文明实践中心", "")
    subs = list(_sub_centres())
    yield from subs
    stations = list(_stations(subs))
    yield from stations
    yield from _teams(subs, stations)


def station_codes() -> list[str]:
    """The codes of all stations, in their order."""
    return [
        f"{sub.code}{n:03}" for at, sub in enumerate(_sub_centres()) for n in range(1, _stations_of(at) + 1)
    ]


def shop_codes(shops: int) -> list[str]:
    """The stations that keep a shop, spread over the whole city; at most one a station."""
    codes = station_codes()
    count = min(shops, len(codes))
    return [codes[n * len(codes) // count] for n in range(count)]


def _sub_centres() -> Iterator[NewPlace]:
    at = 0
    for code, name, count in CENTRES:
        streets = count if name.endswith("区") else 0
        for n in range(1, count + 1):
            # a district's outer third and most of a county are towns and townships
            town = "镇" if n % 3 else "乡"
            ending = "街道" if n <= (streets * 2 + 2) // 3 else town
            yield NewPlace("sub-centre", f"{code}{n:03}", _word(at * 37 + 5) + ending, code)
            at += 1


def _stations(subs: list[NewPlace]) -> Iterator[NewPlace]:
    for at, sub in enumerate(subs):
        ending = "社区" if sub.name.endswith("街道") else "村"
        for n in range(1, _stations_of(at) + 1):
            name = f"{sub.name}{_word(at * 101 + n * 53)}{ending}"
            yield NewPlace("station", f"{sub.code}{n:03}", name, sub.code)


def _teams(subs: list[NewPlace], stations: list[NewPlace]) -> Iterator[NewPlace]:
    """Eight standing teams a centre, one a sub-centre and station, and second ones to fill the count."""
    for code, name, _ in CENTRES:
        for n, kind in enumerate(STANDING_TEAMS, 1):
            yield NewPlace("team", f"T{code}-{n:02}", f"{name}{kind}志愿服务队", code)
    for place in (*subs, *stations):
        yield NewPlace("team", f"T{place.code}-01", f"{place.name}志愿服务队", place.code)
    second = TEAMS - len(CENTRES) * len(STANDING_TEAMS) - len(subs) - len(stations)
    for n in range(second):
        place = stations[n * len(stations) // second]
        kind = STANDING_TEAMS[n % len(STANDING_TEAMS)]
        yield NewPlace("team", f"T{place.code}-02", f"{place.name}{kind}志愿服务队", place.code)


def _stations_of(at: int) -> int:
    """How many stations the sub-centre at this place has: 9 or 10, together exactly all."""
    return (at + 1) * STATIONS // SUB_CENTRES - at * STATIONS // SUB_CENTRES


def _word(number: int) -> str:
    """Two characters of good omen; 1,276 follow each other before one comes again."""
    number %= len(_FIRST) * len(_SECOND)
    first, second = divmod(number * 389 % (len(_FIRST) * len(_SECOND)), len(_SECOND))
    return _FIRST[first] + _SECOND[second]
