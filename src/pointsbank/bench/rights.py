"""What a question about rights costs: `authorize`, for somebody with every role at the city and at a station."""

from __future__ import annotations

import time

from pointsbank.access.authorize import Resource, authorize
from pointsbank.access.model import Actor, Grant
from pointsbank.access.rights import rights

QUESTIONS = 2000
MOST_MICROSECONDS = 20


def questions_a_second(seconds: float) -> float:
    """Questions per second, without a database: the median of many short windows."""
    roles = sorted(rights().roles)
    grants = tuple(Grant(role, place) for role in roles for place in ("", "station"))
    actor = Actor("bench", "bench", frozenset(), "me", "staff", grants, "session", True)
    resource = Resource(
        places=("station", "centre", "city"), person="you", relations=frozenset({"present-here"})
    )
    actions = ("market:sell", "hours:verify", "ledger:read", "places:manage", "no-such-action")
    windows: list[float] = []
    stop = time.perf_counter() + seconds
    while time.perf_counter() < stop:
        started = time.perf_counter()
        for number in range(QUESTIONS):
            authorize(actor, actions[number % len(actions)], resource)
        windows.append((time.perf_counter() - started) / QUESTIONS)
    windows.sort()
    return 1 / windows[len(windows) // 2]
