"""The room's nouns: what is asked for, a sheet as it is on file, what its public page says."""

from __future__ import annotations

from datetime import date
from typing import Final, Literal

import msgspec

State = Literal["valid", "superseded", "withdrawn"]
NameCheck = Literal["matches", "does-not-match"]

REASONS: Final = ("wrong-person", "wrong-period", "wrong-record", "lost", "asked", "misused")
"""Why a sheet is withdrawn, as a code: free text could name somebody."""


class SheetOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A sheet that somebody asks for: whose, issued by which place (its code), from the first to the last day.

    `replaces` is the sheet, if any, in whose place it comes.
    """

    person_id: str
    issuer: str
    first: date
    last: date
    replaces: str = ""


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    """A sheet as it is on file. `state` is what holds now: reversals after `as_of` supersede it by themselves."""

    sheet_id: str
    person_id: str
    number: str
    issuer: str
    """the place's id"""
    issuer_code: str
    issuer_name: str
    from_day: str
    to_day: str
    minutes: int
    records: int
    as_of: int
    expires_on: str
    issued_by: str
    issued_at: int
    replaces: str
    ended_by: str
    ended_at: int
    reason: str
    state: State


class PublicSheet(msgspec.Struct, frozen=True):
    """What everybody who holds the paper may know: no name, no activity."""

    number: str
    issuer: str
    from_day: str
    to_day: str
    minutes: int
    state: State


class Printed(msgspec.Struct, frozen=True):
    """A sheet set as PDF, with the text that is signed and the signature."""

    number: str
    pdf: bytes
    content: bytes
    signature: bytes
    key_id: str
