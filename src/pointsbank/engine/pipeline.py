"""Work that is handed to the writer ahead of its results, so that judging, deciding and writing go on side by side."""

from __future__ import annotations

from asyncio import Future
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator
from typing import Final, TypeVar

T = TypeVar("T")

AHEAD: Final = 2
"""Groups under way while the next is made: one is being written, one decided."""


async def landed(futures: AsyncIterable[Future[T]], ahead: int = AHEAD) -> AsyncIterator[T]:
    """The results of futures in their order; so many of them are under way while the next is made."""
    flying: deque[Future[T]] = deque()
    async for future in futures:
        flying.append(future)
        if len(flying) > ahead:
            yield await flying.popleft()
    while flying:
        yield await flying.popleft()
