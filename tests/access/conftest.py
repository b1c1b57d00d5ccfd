"""The rooms' tables stand on the shared metadata before the first database is migrated."""

import pointsbank.access.tables  # noqa: F401
