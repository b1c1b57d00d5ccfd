"""The verbs of the room: issue a sheet, withdraw it, print it, and what the public page may ask.

Nothing that a sheet prints is stored in plain, and no page that was set is stored at all.
"""

from __future__ import annotations

import asyncio
import secrets
from datetime import date, timedelta
from hashlib import sha256
from typing import Final

import msgspec
from sqlalchemy import Connection

from pointsbank.engine.commands import Command, new_salt, request_digest
from pointsbank.engine.registry import Ledger
from pointsbank.ledger.model import RECORDED_AT, Change, Draft, Receipt, Row
from pointsbank.ledger.refusals import KeyConflict, Refusal, StaleRead
from pointsbank.people.aliases import aliases
from pointsbank.people.store import PeopleStore
from pointsbank.people.texts import mac_of, open_texts, seal_texts
from pointsbank.places.model import PlaceOnDay
from pointsbank.places.tree import places_on
from pointsbank.policy.calendar import city_day
from pointsbank.readers.moments import head
from pointsbank.record_sheets.content import SheetContent, as_typed, canonical_text
from pointsbank.record_sheets.figures import Counted, at_or_below, by_activity, counted, names_of_stations
from pointsbank.record_sheets.model import REASONS, NameCheck, Printed, PublicSheet, Sheet, SheetOrder
from pointsbank.record_sheets.on_file import OnFile, by_id, by_token, of_person, version_of
from pointsbank.record_sheets.passbook import Passbook, set_passbook
from pointsbank.record_sheets.pdf import set_page
from pointsbank.record_sheets.reading import Opening, open_for, with_names
from pointsbank.record_sheets.refusals import (
    IssuerUnknown,
    NothingToCertify,
    NotPrintable,
    PeriodInvalid,
    PersonWithoutName,
    SheetForgotten,
    TooManyLooks,
    UnknownSheet,
)
from pointsbank.record_sheets.rules import SheetRules
from pointsbank.record_sheets.signing import PublicKey, Signer
from pointsbank.record_sheets.tries import Tries

RECORD_SHEETS = frozenset(["record-sheets"])
ATTEMPTS: Final = 10
TOKEN_BYTES: Final = 16
"""128 random bits: nobody finds a page by guessing."""

_CONTENT: Final = "record sheet"
_NAME: Final = "name on a record sheet"


class UnknownReason(Refusal, frozen=True, tag="reason-invalid"):
    """There is no such code for withdrawing a sheet."""

    reason: str


class _Facts(msgspec.Struct, frozen=True):
    """What a sheet rests on, read on one snapshot."""

    issuer: PlaceOnDay | None
    records: list[Counted]
    stations: dict[str, str]
    served_there: bool
    as_of: int
    issued: int
    """how many sheets this issuer has issued this year"""
    versions: tuple[tuple[str, int], ...]


class RecordSheets:
    """Record sheets of one ledger."""

    def __init__(
        self,
        ledger: Ledger,
        people: PeopleStore,
        tries: Tries,
        signer: Signer | None,
        rules: SheetRules,
        *,
        zone: str,
        public_url: str,
        fonts: str = "",
    ) -> None:
        self._ledger = ledger
        self._people = people
        self._tries = tries
        self._signer = signer
        self._rules = rules
        self._zone = zone
        self._public_url = public_url.rstrip("/")
        self._fonts = fonts
        self._desk = asyncio.Lock()
        """Sheets are issued one after the other: each rests on the number before. Other processes are met by `reads`."""
        self._press = asyncio.Semaphore(1)
        """One page is set at a time: it takes a core for a fraction of a second."""

    @property
    def public_keys(self) -> tuple[PublicKey, ...]:
        """What signatures are checked with, the key in use first."""
        return self._signer.public_keys if self._signer else ()

    async def issue(
        self, order: SheetOrder, command: Command, opening: Opening | None = None
    ) -> Sheet | Refusal:
        """Issue a sheet with the issuer's next number. The same command again gives the same sheet.

        The issuer must be at or above a station at which something of the period was served. A sheet of a minor takes
        the right and the reason of `opening`, which are written down.
        """
        today = self._today()
        if not order.first <= order.last <= today:
            return PeriodInvalid(order.first.isoformat(), order.last.isoformat())
        sheet_id = request_digest("record-sheet", command.client, command.key).hex()
        opening = opening or Opening(command.actor)
        refused = await open_for(self._people, order.person_id, opening, today, "issue")
        if refused is not None:
            return refused
        async with self._desk:
            return await self._issue(sheet_id, order, today, command)

    async def withdraw(self, sheet_id: str, reason: str, command: Command) -> Sheet | Refusal:
        """Take a sheet back: from now on its page says so. The reason is a code."""
        if reason not in REASONS:
            return UnknownReason(reason)
        found = await self._ledger.database.read(by_id, self._ledger.id, sheet_id)
        if found is None:
            return UnknownSheet()
        # a sheet that was superseded by itself is valid on file
        old = found.state if found.state != "withdrawn" else "valid"
        ended = (("ended_by", command.actor), ("ended_at", RECORDED_AT), ("reason", reason))
        draft = Draft(
            "withdraw-record-sheet",
            command.key,
            command.client,
            request_digest("withdraw-record-sheet", sheet_id, reason),
            0,
            actor=command.actor,
            changes=(Change("record_sheets", (sheet_id,), old, "withdrawn", ended),),
        )
        [result] = await self._ledger.submit([draft], RECORD_SHEETS)
        if isinstance(result, Refusal):
            return result
        return await self.sheet(sheet_id) or UnknownSheet()

    async def sheet(self, sheet_id: str) -> Sheet | None:
        """A sheet as it stands now, without anybody's name."""
        found = await self._ledger.database.read(by_id, self._ledger.id, sheet_id)
        return found.sheet if found else None

    async def of_person(self, person_id: str, limit: int = 100) -> list[Sheet]:
        """The sheets of a person, newest first."""
        return await self._ledger.database.read(of_person, self._ledger.id, person_id, limit)

    async def set_passbook(self, book: Passbook) -> bytes | NotPrintable:
        """A passbook as PDF, made anew each time and kept nowhere."""
        async with self._press:
            return await asyncio.to_thread(set_passbook, book, self._rules.fonts, self._fonts)

    async def print(self, sheet_id: str, opening: Opening) -> Printed | Refusal:
        """A sheet as PDF, as it was issued; made anew each time. That its name was seen is written down first.

        Refused once the person is forgotten, and of a minor without the right and a reason.
        """
        found = await self._ledger.database.read(by_id, self._ledger.id, sheet_id)
        if found is None:
            return UnknownSheet()
        if self._signer is None:
            return NotPrintable("key")
        content = await self._content(found)
        if content is None:
            return SheetForgotten()
        refused = await open_for(self._people, found.sheet.person_id, opening, self._today(), "name")
        if refused is not None:
            return refused
        text = canonical_text(content)
        signature = self._signer.sign(text)
        async with self._press:
            page = await asyncio.to_thread(
                set_page, content, text, signature, self._rules, self._page_of(content.token), self._fonts
            )
        if isinstance(page, NotPrintable):
            return page
        return Printed(content.number, page, text, signature.octets, signature.key_id)

    async def look(self, token: str, address: str) -> PublicSheet | UnknownSheet | TooManyLooks:
        """What the public page says. An unknown token and one that has expired are looked up and answered alike."""
        found = await self._found(token, address)
        if not isinstance(found, OnFile):
            return found
        s = found.sheet
        return PublicSheet(s.number, s.issuer_name, s.from_day, s.to_day, s.minutes, s.state)

    async def check_name(
        self, token: str, name: str, address: str
    ) -> NameCheck | UnknownSheet | TooManyLooks:
        """Whether this is the name that is printed on the sheet; nothing else is told.

        Of somebody whose account is closed no name matches any more.
        """
        found = await self._found(token, address)
        if not isinstance(found, OnFile):
            return found
        sheet_id = found.sheet.sheet_id
        seconds = await self._tries.of_name(sheet_id, self._rules.name_tries_an_hour)
        if seconds:
            return TooManyLooks(seconds)
        mac = await self._mac(found.sheet.person_id, found.salt, sheet_id, name)
        matches = mac is not None and secrets.compare_digest(mac, found.name_mac)
        return "matches" if matches else "does-not-match"

    async def _issue(
        self, sheet_id: str, order: SheetOrder, today: date, command: Command
    ) -> Sheet | Refusal:
        refusal: Refusal = UnknownSheet()
        for _ in range(ATTEMPTS):
            earlier = await self.sheet(sheet_id)
            if earlier is not None:
                return earlier if _is_same(earlier, order) else KeyConflict(command.key)
            draft = await self._draft(sheet_id, order, today, command)
            if isinstance(draft, Refusal):
                return draft
            [result] = await self._ledger.submit([draft], RECORD_SHEETS)
            if isinstance(result, Receipt):
                issued = await self.sheet(sheet_id)
                return issued if issued is not None else KeyConflict(command.key)
            refusal = result
            if not isinstance(refusal, StaleRead):
                break
        return refusal

    async def _found(self, token: str, address: str) -> OnFile | UnknownSheet | TooManyLooks:
        seconds = await self._tries.of_address(address, self._rules.looks_an_hour)
        if seconds:
            return TooManyLooks(seconds)
        today = self._today().isoformat()
        found = await self._ledger.database.read(by_token, self._ledger.id, token_hash(token), today)
        return found or UnknownSheet()

    async def _draft(
        self, sheet_id: str, order: SheetOrder, today: date, command: Command
    ) -> Draft | Refusal:
        people = await self._people.read(lambda c: self._every_id(c, order.person_id))
        facts = await self._ledger.database.read(_facts, self._ledger.id, order, people, today)
        first, last = order.first.isoformat(), order.last.isoformat()
        if facts.issuer is None:
            return IssuerUnknown(order.issuer)
        if not facts.records or not facts.served_there:
            return NothingToCertify(first, last)
        replaced = None
        if order.replaces:
            replaced = await self.sheet(order.replaces)
            if replaced is None or replaced.person_id != order.person_id:
                return UnknownSheet()
        person = order.person_id
        values = await self._people.read(
            lambda c: self._people.vault.values_of(c, [person], ("name", "volunteer-number"))
        )
        known = values.get(person, {})
        if not as_typed(known.get("name", "")):
            return PersonWithoutName(person)
        records = await with_names(self._people, facts.records, people)
        issuer, number = facts.issuer, facts.issued + 1
        expires = (today + timedelta(days=self._rules.valid_days)).isoformat()
        content = SheetContent(
            number=printed_number(issuer.code, today.year, number),
            title=self._rules.title,
            title_en=self._rules.title_en,
            name=known["name"],
            volunteer_number=known.get("volunteer-number", ""),
            issuer_code=issuer.code,
            issuer=issuer.name or issuer.code,
            from_day=first,
            to_day=last,
            minutes=sum(record.minutes for record in facts.records),
            records=len(facts.records),
            as_of=facts.as_of,
            issued_on=today.isoformat(),
            expires_on=expires,
            token=secrets.token_urlsafe(TOKEN_BYTES),
            lines=by_activity(records, facts.stations),
        )
        salt = new_salt()
        mac = await self._mac(person, salt, sheet_id, content.name)
        text = msgspec.json.encode(content).decode()
        [sealed] = await seal_texts(self._people, [(person, f"{_CONTENT} {sheet_id}", text)])
        if mac is None or sealed is None:
            return PersonWithoutName(person)
        served_as = f" {' '.join(people)} "
        row = (
            sheet_id, person, served_as, issuer.id, today.year, number, first, last, content.minutes, content.records,
            facts.as_of, token_hash(content.token), salt, mac, sealed, expires, command.actor, RECORDED_AT,
            order.replaces, "", 0, "", "valid",
        )  # fmt: skip
        ended = (("ended_by", command.actor), ("ended_at", RECORDED_AT), ("reason", "replaced"))
        return Draft(
            "issue-record-sheet",
            command.key,
            command.client,
            request_digest("issue-record-sheet", person, order.issuer, first, last, order.replaces),
            0,
            actor=command.actor,
            place=issuer.id,
            reads=facts.versions,
            touches=(_numbers(issuer.id, today.year),),
            rows=(Row("record_sheets", row),),
            changes=(Change("record_sheets", (order.replaces,), "valid", "superseded", ended),)
            if order.replaces
            else (),
        )

    def _every_id(self, connection: Connection, person_id: str) -> tuple[str, ...]:
        """The ids under which a person has served: one's own, and those that were merged into it."""
        return person_id, *aliases(connection, self._ledger.id, person_id)

    async def _content(self, found: OnFile) -> SheetContent | None:
        what = f"{_CONTENT} {found.sheet.sheet_id}"
        [text] = await open_texts(self._people, [(found.sheet.person_id, what, found.sealed)])
        return None if text is None else msgspec.json.decode(text, type=SheetContent)

    async def _mac(self, person_id: str, salt: bytes, sheet_id: str, name: str) -> bytes | None:
        return await mac_of(self._people, person_id, _NAME, salt.hex(), sheet_id, as_typed(name))

    def _page_of(self, token: str) -> str:
        return f"{self._public_url}/record-sheet?token={token}"

    def _today(self) -> date:
        return city_day(self._ledger.writer.clock.now(), self._zone)


def printed_number(issuer_code: str, year: int, number: int) -> str:
    """The number that people read: issuer, year, and the count of the year's sheets."""
    return f"{issuer_code}-{year}-{number:06}"


def token_hash(token: str) -> str:
    """What is kept of a token. It is 128 random bits, so one plain SHA-256 is enough."""
    return sha256(b"pointsbank record sheet\0" + token.encode("utf-8", "replace")).hexdigest()


def _numbers(issuer: str, year: int) -> str:
    """The subject whose version is the number of an issuer's last sheet of a year: it moves with every accepted
    sheet and with nothing else, so the numbers have no gap."""
    return f"record-sheets:{issuer}:{year}"


def _is_same(sheet: Sheet, order: SheetOrder) -> bool:
    return (sheet.person_id, sheet.issuer_code, sheet.from_day, sheet.to_day, sheet.replaces) == (
        order.person_id, order.issuer, order.first.isoformat(), order.last.isoformat(), order.replaces,
    )  # fmt: skip


def _facts(
    connection: Connection, ledger_id: int, order: SheetOrder, people: tuple[str, ...], today: date
) -> _Facts:
    issuer = places_on(connection, ledger_id, [order.issuer], today).get(order.issuer)
    if issuer is not None and issuer.state != "open":
        issuer = None
    records = counted(connection, ledger_id, people, order.first, order.last)
    codes = {record.station for record in records}
    now = head(connection, ledger_id)
    subjects = [f"volunteer:{person}" for person in people]
    if issuer is not None:
        subjects.append(_numbers(issuer.id, today.year))
    versions = tuple((subject, version_of(connection, ledger_id, subject)) for subject in subjects)
    return _Facts(
        issuer,
        records,
        names_of_stations(connection, ledger_id, codes, today),
        issuer is not None and at_or_below(connection, ledger_id, issuer.id, codes, today),
        now.sequence if now else 0,
        versions[-1][1] if issuer is not None else 0,
        versions,
    )
