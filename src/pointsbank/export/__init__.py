"""The journal in formats that other people's programs read: hledger, beancount and CSV (docs/export.md)."""

from pointsbank.export.service import FORMATS, Exported, ExportError, Format, export_journal

__all__ = ["FORMATS", "ExportError", "Exported", "Format", "export_journal"]
