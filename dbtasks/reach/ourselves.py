"""The way through for dbtasks' own connections in a test process, which clone, build and read stamps."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_connecting: ContextVar[bool] = ContextVar("dbtasks_connecting", default=False)


@contextmanager
def without_pg_environment() -> Iterator[None]:
    """Hide every `PG*` variable from libpq, which would fill gaps and redirect even a complete URL (PGHOSTADDR).

    Threads that connect at the same time share this: the last one to leave puts the variables back.
    """
    _hidden.enter()
    try:
        yield
    finally:
        _hidden.leave()


class _Hidden:
    """The environment's `PG*` variables while at least one thread of this process connects."""

    def __init__(self) -> None:
        self._turn, self._inside, self._values = threading.Lock(), 0, dict[str, str]()

    def enter(self) -> None:
        with self._turn:
            self._inside += 1
            for name in [name for name in os.environ if name.startswith("PG")]:
                self._values[name] = os.environ.pop(name)

    def leave(self) -> None:
        with self._turn:
            self._inside -= 1
            if not self._inside:
                os.environ.update(self._values)
                self._values.clear()


_hidden = _Hidden()


@contextmanager
def connecting() -> Iterator[None]:
    """Connect as dbtasks itself while the block runs: in a test, to the default tier's own server and nowhere else."""
    token = _connecting.set(True)
    try:
        with without_pg_environment():
            yield
    finally:
        _connecting.reset(token)


def is_connecting() -> bool:
    return _connecting.get()
