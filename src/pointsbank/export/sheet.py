"""The journal as a sheet: one CSV row (RFC 4180) for each leg, in the bank's own names."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta, timezone
from io import StringIO
from typing import Final
from zoneinfo import ZoneInfo

from pointsbank.export.journal import Account, Entry, Posting
from pointsbank.export.page import CITY_ZONE, Book
from pointsbank.export.text import cell, decimal_text
from pointsbank.ledger.model import NO_LOT, Commodity

COLUMNS: Final = (
    "sequence", "posting", "side", "effective_date", "effective_at", "recorded_at", "kind",
    "account", "account_type", "commodity", "lot", "amount",
    "reverses", "actor", "place", "reason", "key_hash", "leaf",
)  # fmt: skip
