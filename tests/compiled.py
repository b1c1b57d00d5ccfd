"""What SQLAlchemy has compiled for one engine serves the next of its kind.

It compiles a statement once for each engine, and a service has its engines for as long as it lives; a test has new ones,
and would spend a third of its time on what the test before it has compiled. What comes out is the same: engines of one
kind are made by the same code for the same server, and a statement's key names all that it depends on besides.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.util import LRUCache

MOST = 4_000
"""Statements of a kind; all rooms together have fewer."""


class _OfOneKind:
    """The cache of engines whose dialects are made alike. SQLAlchemy's key begins with the dialect itself."""

    def __init__(self) -> None:
        self._compiled: LRUCache[Any, Any] = LRUCache(MOST)

    def get(self, key: tuple[Any, ...]) -> Any:
        return self._compiled.get(key[1:])

    def __setitem__(self, key: tuple[Any, ...], compiled: Any) -> None:
        self._compiled[key[1:]] = compiled


@contextmanager
def compiled_once() -> Iterator[None]:
    """Engines that are made meanwhile share what they compile with those of their kind."""
    caches: dict[object, _OfOneKind] = {}

    class SharingEngine(Engine):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            cache = caches.setdefault(_kind(self.dialect), _OfOneKind())
            self.update_execution_options(compiled_cache=cache)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sqlalchemy.engine.base.Engine", SharingEngine)
        yield


def _kind(dialect: Dialect) -> object:
    driver = dialect.loaded_dbapi
    return type(dialect), driver if isinstance(driver, ModuleType) else type(driver), dialect.paramstyle
