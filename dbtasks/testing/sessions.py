"""The few connections to the registry that one process holds, each used by one thread at a time.

They hold the locks of what was registered with them, for as long as the process lives.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from dbtasks.errors import ServerUnreachableError
from dbtasks.registry import Registry

# Servers allow a hundred connections, and many runs share one. Two make nearly as many databases as eight would.
MOST = 2


@dataclass(eq=False, slots=True, kw_only=True)
class Session:
    """One connection to the registry. Whoever has its `turn` may use it."""

    registry: Registry
    turn: threading.Lock = field(default_factory=threading.Lock)


class Sessions:
    """The sessions of this process; `connect` makes another."""

    def __init__(self, connect: Callable[[], Registry]) -> None:
        self._connect = connect
        self._opening = threading.Lock()
        self._opened: list[Session] = []
        self._round = itertools.cycle(range(MOST))

    @contextmanager
    def any(self) -> Iterator[Session]:
        """Take a session that no other thread uses, a new one where there may be one more, else wait for one."""
        session = self._free_or_new()
        if session is None:
            session = self._opened[next(self._round) % len(self._opened)]
            session.turn.acquire()
        try:
            yield session
        finally:
            session.turn.release()

    def close(self) -> None:
        """End all of them, and with them their locks."""
        for session in self._opened:
            session.registry.connection.close()
        self._opened.clear()

    def _free_or_new(self) -> Session | None:
        with self._opening:
            for session in self._opened:
                if session.turn.acquire(blocking=False):
                    return session
            if len(self._opened) >= MOST:
                return None
            try:
                session = Session(registry=self._connect())
            except ServerUnreachableError:  # it may have no connection to spare
                if self._opened:
                    return None
                raise
            session.turn.acquire()
            self._opened.append(session)
            return session
