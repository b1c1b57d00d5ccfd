"""Opens the desk of record sheets with what it needs: people, counters of tries, the key that signs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from pointsbank.access.logins import LoginStore
from pointsbank.engine.registry import Ledger
from pointsbank.people.store import PeopleStore
from pointsbank.record_sheets.rules import rules_at
from pointsbank.record_sheets.service import RecordSheets
from pointsbank.record_sheets.signing import Signer, key_path, make_key, signer_at
from pointsbank.record_sheets.tries import Tries
from pointsbank.settings import Settings


@asynccontextmanager
async def open_sheets(
    settings: Settings, ledger: Ledger, people: PeopleStore, zone: str
) -> AsyncIterator[RecordSheets]:
    """The desk, with people who are open already. Raises SheetKeyError, PolicyErrors."""
    async with AsyncExitStack() as stack:
        counters = LoginStore(ledger.database)
        stack.push_async_callback(counters.close)
        await counters.open()
        clock = ledger.writer.clock
        yield RecordSheets(
            ledger,
            people,
            Tries(counters, people, clock),
            signer_of(settings),
            rules_at(settings.record_sheets),
            zone=zone,
            public_url=settings.public_url or f"http://{settings.host}:{settings.port}",
            fonts=settings.fonts,
        )


def signer_of(settings: Settings) -> Signer | None:
    """The keys of the settings; None where none was named or made. The demo makes its own."""
    path = key_path(settings)
    if path is None:
        return None
    if not path.exists() and not settings.sheet_key:
        return make_key(path) if settings.demo else None
    return signer_at(path)
