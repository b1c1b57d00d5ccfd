"""The fast lane: the hottest requests, answered before the framework looks at them.

It takes a single journal entry, a bulk of them, and a balance of now, when everything about the request is
in order: then a request costs a third of what it costs through the framework. Whatever is out of order
goes on to the ordinary handlers, which answer the same; a test compares the two. Deleting this file
changes no answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeVar, cast

import msgspec
from litestar.types import Message, Receive, Send

from pointsbank.access.authorize import authorize
from pointsbank.access.model import Actor, Scope
from pointsbank.readers.balances import AccountBalance
from pointsbank.readers.hot import BalancesUnavailableError
from pointsbank.web.api.shapes import BulkIn, EntryIn, receipt_out
from pointsbank.web.bank import Bank
from pointsbank.web.errors import problem_answer
from pointsbank.web.posting import BULK_PATH, ENTRIES_PATH, post_bulk, post_entry

T = TypeVar("T")

Header = tuple[bytes, bytes]

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
_decode_entry = msgspec.json.Decoder(EntryIn).decode
_decode_bulk = msgspec.json.Decoder(BulkIn).decode


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
                return await self._command(scope, receive, send, ONE_ENTRY_BYTES, _decode_entry, _post)
            if path == BULK_PATH:
                return await self._command(scope, receive, send, BULK_BYTES, _decode_bulk, _bulk)
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
        limit: int,
        decode: Callable[[bytes], T],
        act: Callable[[Bank, Actor, str, T], Awaitable[tuple[int, bytes, list[Header]]]],
    ) -> Receive | None:
        bank = self._bank()
        headers = dict(scope["headers"])
        key = headers.get(b"idempotency-key", b"")
        length = headers.get(b"content-length", b"")
        if (
            bank is None
            or len(headers) != len(scope["headers"])  # a header twice: which one counts is not ours to say
            or headers.get(b"content-type") != b"application/json"
            or not length.isdigit()
            or int(length) > limit
            or not 0 < len(key) <= 255
            or not is_printable(key)
        ):
            return receive
        actor = self._actor(bank, headers, "journal:post")
        if actor is None:
            return receive
        messages, body = await _read(receive)
        try:
            data = decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return _again(messages, receive)
        scope["path_template"] = scope["path"]
        scope["state"]["actor"] = actor
        try:
            status, content, more = await act(bank, actor, key.decode("ascii"), data)
        except Exception as error:
            status, content, named = problem_answer(
                error, scope["state"]["request_id"], scope["path_template"]
            )
            more = [(name.lower().encode(), value.encode()) for name, value in named.items()]
        else:
            more += [_JSON, _NO_STORE]
        await _answer(send, status, content, *more)
        return None


async def _post(bank: Bank, actor: Actor, key: str, entry: EntryIn) -> tuple[int, bytes, list[Header]]:
    receipt = await post_entry(bank, actor, key, entry)
    headers = [(b"location", b"%s/%d" % (ENTRIES_PATH.encode(), receipt.sequence))]
    if receipt.replayed:
        headers.append(_REPLAYED)
    return 201, _encode(receipt_out(receipt)), headers


async def _bulk(bank: Bank, actor: Actor, key: str, bulk: BulkIn) -> tuple[int, bytes, list[Header]]:
    out = await post_bulk(bank, actor, key, bulk)
    return 200, _encode(out), [_REPLAYED] if out.is_replayed else []


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
