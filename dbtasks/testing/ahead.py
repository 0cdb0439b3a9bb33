"""Databases made before a test asks for them, and dropped behind its back: a test waits for neither."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from dbtasks.testing.clones import Database

# What one test uses up is made again while it runs; a second one is for a test that does nothing.
_READY = 2

_Result = TypeVar("_Result")


class Ahead:
    """Makes databases of one kind with `make`, a few ahead, in threads of its own."""

    def __init__(self, make: Callable[[], Database]) -> None:
        self._make = make
        self._threads: ThreadPoolExecutor | None = None
        self._turn = threading.Lock()
        self._ready: deque[Future[Database]] = deque()
        self._wanted = 0

    def expect(self, number: int) -> None:
        """Start making what so many tests are going to ask for, a few at a time."""
        with self._turn:
            self._wanted = number
            self._refill()

    def take(self) -> Database:
        """Return a database that nobody has used. Raises what making it raised."""
        with self._turn:
            future = self._ready.popleft() if self._ready else self._submit(self._make)
            self._wanted = max(self._wanted - 1, 0)
            self._refill()
        return future.result()

    def drop(self, database: Database) -> None:
        """Drop a database some time soon. What fails is tried again when its maker is closed."""
        with self._turn:
            self._submit(database.drop)

    def close(self) -> None:
        """Stop making; wait for what is under way."""
        with self._turn:
            self._wanted = 0
            self._ready.clear()
            threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(cancel_futures=True)

    def _refill(self) -> None:
        while len(self._ready) < min(self._wanted, _READY):
            self._ready.append(self._submit(self._make))

    def _submit(self, act: Callable[[], _Result]) -> Future[_Result]:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(max_workers=_READY, thread_name_prefix="dbtasks")
        return self._threads.submit(act)
