"""Commands on the people store are carried out once: the same key with the same request gives the first answer.

The answer is written in the transaction of the act. It holds ids and dates; what is shown only once is not in it.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, insert, select

from pointsbank.ledger.refusals import Refusal
from pointsbank.people.store import PeopleStore
from pointsbank.people.store_tables import commands

T = TypeVar("T")


class AlreadyDone(Exception):
    """The command was carried out before; `answer` is what was answered then, as JSON."""

    def __init__(self, answer: bytes) -> None:
        super().__init__("already done")
        self.answer = answer


class KeyUsed(Exception):
    """The key stands for another request."""


class RememberingStore(PeopleStore):
    """A people store under one command: its first accepted write is remembered with the command."""

    def __init__(self, store: PeopleStore, client: str, key: str, *asked: str) -> None:
        self.__dict__.update(store.__dict__)
        self._under = store
        self._client, self._key = client, key
        self._request = store.vault.indexes.request_digest("command", *asked)
        self._is_remembered = False

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` and remember it. Raises AlreadyDone or KeyUsed if the key was used before."""
        if self._is_remembered:
            return await self._under.write(work)

        def remembered(connection: Connection) -> T:
            t = commands.c
            row = connection.execute(
                select(t.request, t.answer).where(
                    t.ledger_id == self.ledger_id, t.client == self._client, t.command_key == self._key
                )
            ).one_or_none()
            if row is not None:
                if not hmac.compare_digest(bytes(row.request), self._request):
                    raise KeyUsed
                raise AlreadyDone(bytes(row.answer))
            outcome = work(connection)
            if not _is_refused(outcome):
                connection.execute(
                    insert(commands).values(
                        ledger_id=self.ledger_id, client=self._client, command_key=self._key,
                        request=self._request, answer=msgspec.json.encode(_plain(outcome)), at=self.clock.now(),
                    )
                )  # fmt: skip
            return outcome

        outcome = await self._under.write(remembered)
        self._is_remembered = not _is_refused(outcome)
        return outcome


def _is_refused(outcome: object) -> bool:
    if isinstance(outcome, list):
        return any(isinstance(one, Refusal) for one in outcome)
    return isinstance(outcome, Refusal)


def _plain(outcome: Any) -> Any:
    """What may be kept of an answer: nothing of a new card but its id."""
    return getattr(outcome, "card", outcome)
