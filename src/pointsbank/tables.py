"""Every table of the bank in one metadata: importing this module imports every room's tables."""

from pointsbank.access import tables as access
from pointsbank.activities import tables as activities
from pointsbank.funds import tables as funds
from pointsbank.hours import case_tables as cases
from pointsbank.hours import tables as hours
from pointsbank.intake import tables as intake
from pointsbank.market import tables as market
from pointsbank.people import merged_tables as merged
from pointsbank.people import tables as people
from pointsbank.places import tables as places
from pointsbank.recognition import tables as recognition
from pointsbank.record_sheets import tables as record_sheets
from pointsbank.store.tables import metadata

ROOMS = (
    access, activities, cases, funds, hours, intake, market, merged, people, places, recognition, record_sheets,
)  # fmt: skip

__all__ = ["ROOMS", "metadata"]
