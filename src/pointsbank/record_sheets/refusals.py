"""Why this room says no. Each has a heading in docs/errors.md; none repeats a name or a token."""

from __future__ import annotations

from typing import ClassVar

from pointsbank.ledger.refusals import Refusal


class UnknownSheet(Refusal, frozen=True, tag="unknown-record-sheet"):
    """There is no sheet with this id; or its token is unknown or has expired, which nobody is told apart."""


class PeriodInvalid(Refusal, frozen=True, tag="period-invalid"):
    """The period ends before it begins, or has not ended yet."""

    from_day: str
    to_day: str


class IssuerUnknown(Refusal, frozen=True, tag="issuer-unknown"):
    """There is no open place with this code to issue the sheet."""

    issuer: str


class NothingToCertify(Refusal, frozen=True, tag="nothing-to-certify"):
    """No record of the period counts, or none was served at the issuer or below it."""

    from_day: str
    to_day: str


class PersonWithoutName(Refusal, frozen=True, tag="person-without-name"):
    """The person is not on file, is forgotten, or has no name on file to print."""

    person: str


class SheetForgotten(Refusal, frozen=True, tag="record-sheet-forgotten"):
    """The person's account was closed: nobody can print the sheet again."""


class NotPrintable(Refusal, frozen=True, tag="not-printable"):
    """The machine has no font with Chinese characters, or no program that sets pages: which of the two."""

    missing: str


class TooManyLooks(Refusal, frozen=True, tag="too-many-looks"):
    """The public page, or the name of one sheet, was tried too often within the hour."""

    retry: ClassVar[bool] = True
    seconds: int
