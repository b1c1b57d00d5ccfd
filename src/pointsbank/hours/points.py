"""What an accepted record earns: creditable minutes under the caps, and points in hundredths."""

from pointsbank.hours.model import ServiceRecord
from pointsbank.policy.model import MINOR_UNITS_PER_POINT, Category, Policy


def creditable_minutes(record: ServiceRecord, policy: Policy, *, used_of_day: int, used_of_year: int) -> int:
    """Minutes that count for points and use up the caps of the day and the year.

    The cap of one activity comes before rounding, those of day and year after it, without rounding again.
    Records that earn nothing and cases paid per event use up nothing.
    """
    if not earns_points(record, policy) or _category(record, policy).per_event:
        return 0
    caps = policy.caps
    minutes = min(record.minutes, caps.activity_minutes)
    minutes -= minutes % policy.round_down_minutes
    return max(0, min(minutes, caps.day_minutes - used_of_day, caps.year_minutes - used_of_year))


def points_of(record: ServiceRecord, creditable: int, policy: Policy) -> int:
    """Points of the record in hundredths, rounded down; `creditable` is from `creditable_minutes`."""
    category = _category(record, policy)
    if category.per_event:
        case = (category.points_per_event or 0) * MINOR_UNITS_PER_POINT
        return case if earns_points(record, policy) else 0
    # minutes/60 hours x points an hour x coefficient/100, in 1/100 points: the hundreds cancel
    return creditable * (category.coefficient_hundredths or 0) * policy.points_per_hour // 60


def earns_points(record: ServiceRecord, policy: Policy) -> bool:
    """Whether the class of hours earns points, and the attendance reaches the floor (equal is enough)."""
    session = record.session_end - record.session_start
    return (
        policy.hour_classes[record.fields.hour_class].earns_points
        and record.minutes * 100 >= policy.participation_floor_percent * session
    )


def _category(record: ServiceRecord, policy: Policy) -> Category:
    return policy.categories[record.fields.category]
