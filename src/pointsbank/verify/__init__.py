"""The second opinion: recomputes the books by a code path of its own, reports, never mends."""

from pointsbank.verify.report import Finding, Report, render
from pointsbank.verify.run import Progress, UnknownLedger, verify

__all__ = ["Finding", "Progress", "Report", "UnknownLedger", "render", "verify"]
