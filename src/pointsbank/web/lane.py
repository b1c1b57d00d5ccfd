"""The fast lane: the hottest requests, answered before the framework looks at them.

It takes a single journal entry, a bulk of them, a balance of now, a till's basket, and who comes and leaves at a
terminal, when everything about the request is in order: then a request costs a third of what it costs through the
framework. Whatever is out of order goes on to the ordinary handlers, which answer the same; a test compares the two.
Deleting this file changes no answer.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar, cast

import msgspec
from litestar.types import Message, Receive, Send

from pointsbank.access.authorize import authorize
from pointsbank.access.model import Actor, Scope
from pointsbank.people.directory import directory_of
from pointsbank.readers.balances import AccountBalance
from pointsbank.readers.hot import BalancesUnavailableError
from pointsbank.web.api.activities import SESSIONS_PATH, meet
from pointsbank.web.api.activity_shapes import CheckIn
from pointsbank.web.api.market import BASKETS_PATH, BasketIn, sell_at_till
from pointsbank.web.api.shapes import BulkIn, EntryIn, receipt_out
from pointsbank.web.bank import Bank
from pointsbank.web.errors import problem_answer
from pointsbank.web.posting import BULK_PATH, ENTRIES_PATH, post_bulk, post_entry

T = TypeVar("T")

Header = tuple[bytes, bytes]

Answer = tuple[int, bytes, list[Header]]
"""Status, body, headers."""

ONE_ENTRY_BYTES: Final = 64 * 1024
BULK_BYTES: Final = 32 * 1024 * 1024

_ACCOUNTS: Final = "/api/v1/accounts/"
_BALANCE: Final = "/balance"
_BALANCE_ROUTE: Final = "/api/v1/accounts/{path:str}/balance"

_JSON: Final = (b"content-type", b"application/json")
_NO_STORE: Final = (b"cache-control", b"no-store")
_REVALIDATE: Final = (b"cache-control", b"private, no-cache")
_REPLAYED: Final = (b"idempotency-replayed", b"true")

_encode = msgspec.json.Encoder().encode
_meeting = re.compile(f"{SESSIONS_PATH}/([A-Za-z0-9._-]{{1,64}})/(check-ins|check-outs)").fullmatch


def decoder(shape: type[T]) -> Callable[[bytes], T]:
    """What reads a body of this shape."""
    return msgspec.json.Decoder(shape).decode


@dataclass(frozen=True, slots=True)
class Errand(Generic[T]):
    """A command that the lane takes: its route, the scope it asks for, what reads its body, what does it.

    One that is bounded by place the lane takes from machines alone, which were judged at the door.
    """

    route: str
    scope: Scope
    most_bytes: int
    decode: Callable[[bytes], T]
    act: Callable[[Bank, Actor, str, T, str], Awaitable[Answer]]
    is_bounded: bool = False


class FastLane:
    """Answers what it can; `bank` gives the open bank, or None while there is none."""

    def __init__(self, bank: Callable[[], Bank | None]) -> None:
        self._bank = bank

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> Receive | None:
        """Answer, or give back where the framework shall read the request from, nothing of its body lost."""
        method, path = scope["method"], scope["path"]
        if method == "GET":
            if path.endswith(_BALANCE) and path.startswith(_ACCOUNTS) and not scope["query_string"]:
                answered = await self._balance(scope, path[len(_ACCOUNTS) : -len(_BALANCE)], send)
                return None if answered else receive
        elif method == "POST":
            if path == ENTRIES_PATH:
                return await self._command(scope, receive, send, _ENTRY)
            if path == BULK_PATH:
                return await self._command(scope, receive, send, _BULK)
            if path == BASKETS_PATH:
                return await self._command(scope, receive, send, _BASKET)
            if (meeting := _meeting(path)) is not None:
                return await self._command(scope, receive, send, _MEETINGS[meeting[2]], meeting[1])
        return receive

    def _actor(self, bank: Bank, headers: dict[bytes, bytes], scope: Scope) -> Actor | None:
        """Who calls, if the key is remembered and has the scope."""
        authorization = headers.get(b"authorization", b"")
        if not authorization.startswith(b"Bearer "):
            return None
        key = bank.ring.remembered(authorization[7:].decode("latin-1"))
        if key is None or authorize(key.actor, scope) is not None:
            return None
        return key.actor

    async def _balance(self, scope: MutableMapping[str, Any], path: str, send: Send) -> bool:
        bank = self._bank()
        headers = dict(scope["headers"])
        if (
            bank is None
            or not path
            or "/" in path
            or b"if-none-match" in headers
            or len(headers) != len(scope["headers"])
        ):
            return False
        actor = self._actor(bank, headers, "ledger:read")
        if actor is None:
            return False
        try:
            held = await bank.balances.get(path)
        except BalancesUnavailableError:
            return False  # the framework asks once more, and says so if that fails too
        if not isinstance(held, AccountBalance):
            return False
        scope["path_template"] = _BALANCE_ROUTE
        scope["state"]["actor"] = actor
        await _answer(send, 200, _encode(held), _JSON, _REVALIDATE, (b"etag", b'"%d"' % held.sequence))
        return True

    async def _command(
        self,
        scope: MutableMapping[str, Any],
        receive: Receive,
        send: Send,
        errand: Errand[T],
        where: str = "",
    ) -> Receive | None:
        bank = self._bank()
        headers = dict(scope["headers"])
        key = headers.get(b"idempotency-key", b"")
        length = headers.get(b"content-length", b"")
        if (
            bank is None
            or len(headers) != len(scope["headers"])  # a header twice: which one counts is not ours to say
            or headers.get(b"content-type") != b"application/json"
            or not 0 < len(length) < 16
            or not length.isdigit()
            or int(length) > errand.most_bytes
            or not 0 < len(key) <= 255
            or not is_printable(key)
        ):
            return receive
        actor = self._actor(bank, headers, errand.scope)
        if actor is None or (errand.is_bounded and actor.person):
            return receive  # whether a person may do it there is a longer question
        messages, body = await _read(receive)
        if len(body) != int(length):  # whoever sent it went away in the midst
            return _again(messages, receive)
        try:
            data = errand.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return _again(messages, receive)
        scope["path_template"] = errand.route
        scope["state"]["actor"] = actor
        try:
            status, content, more = await errand.act(bank, actor, key.decode("ascii"), data, where)
        except Exception as error:
            status, content, named = problem_answer(
                error, scope["state"]["request_id"], scope["path_template"]
            )
            more = _as_bytes(named)
        else:
            more += [_JSON, _NO_STORE]
        await _answer(send, status, content, *more)
        return None


async def _post(bank: Bank, actor: Actor, key: str, entry: EntryIn, _: str) -> Answer:
    receipt = await post_entry(bank, actor, key, entry)
    headers = [(b"location", b"%s/%d" % (ENTRIES_PATH.encode(), receipt.sequence))]
    if receipt.replayed:
        headers.append(_REPLAYED)
    return 201, _encode(receipt_out(receipt)), headers


async def _bulk(bank: Bank, actor: Actor, key: str, bulk: BulkIn, _: str) -> Answer:
    out = await post_bulk(bank, actor, key, bulk)
    return 200, _encode(out), [_REPLAYED] if out.is_replayed else []


async def _sell(bank: Bank, actor: Actor, key: str, basket: BasketIn, _: str) -> Answer:
    known = (await directory_of(bank.ledger).by_number([basket.volunteer])).get(basket.volunteer)
    slip, headers = await sell_at_till(bank, actor, basket, known, key)
    return 201, _encode(slip), _as_bytes(headers)


async def _come(bank: Bank, actor: Actor, key: str, data: CheckIn, session: str) -> Answer:
    noted, headers = await meet(bank, actor, session, data, key, is_in=True)
    return 201, _encode(noted), _as_bytes(headers)


async def _leave(bank: Bank, actor: Actor, key: str, data: CheckIn, session: str) -> Answer:
    noted, headers = await meet(bank, actor, session, data, key, is_in=False)
    return 201, _encode(noted), _as_bytes(headers)


def _as_bytes(headers: Mapping[str, str]) -> list[Header]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


_ENTRY: Final = Errand(ENTRIES_PATH, "journal:post", ONE_ENTRY_BYTES, decoder(EntryIn), _post)
_BULK: Final = Errand(BULK_PATH, "journal:post", BULK_BYTES, decoder(BulkIn), _bulk)
_BASKET: Final = Errand(
    BASKETS_PATH, "market:sell", ONE_ENTRY_BYTES, decoder(BasketIn), _sell, is_bounded=True
)
_MEETINGS: Final = {
    way: Errand(
        f"{SESSIONS_PATH}/{{session_id:str}}/{way}",
        "attendance:record",
        ONE_ENTRY_BYTES,
        decoder(CheckIn),
        act,
        is_bounded=True,
    )
    for way, act in (("check-ins", _come), ("check-outs", _leave))
}


def is_printable(key: bytes) -> bool:
    """Whether a key is printable ASCII without blanks at its ends."""
    return key.isascii() and key.decode("ascii").isprintable() and key.strip() == key


async def _read(receive: Receive) -> tuple[list[Any], bytes]:
    """The messages of a request, and its body."""
    messages = [await receive()]
    while messages[-1].get("more_body"):
        messages.append(await receive())
    return messages, b"".join(cast("bytes", message.get("body", b"")) for message in messages)


def _again(messages: list[Any], receive: Receive) -> Receive:
    """A `receive` that begins with messages that were read before."""
    left = iter(messages)

    async def receive_again() -> Any:
        for message in left:
            return message
        return await receive()

    return receive_again


async def _answer(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send(
        cast("Message", {"type": "http.response.start", "status": status, "headers": [length, *headers]})
    )
    await send(cast("Message", {"type": "http.response.body", "body": body, "more_body": False}))
