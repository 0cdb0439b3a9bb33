"""A lock that many processes respect and that ends with its holder, however that ends."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from dbtasks.errors import EmbeddedServerError


@contextlib.contextmanager
def held(path: Path, patience_s: float) -> Iterator[None]:
    """The lock on `path`, waited for. Raises EmbeddedServerError when it does not come free in time."""
    with opened(path) as descriptor:
        if not acquire(descriptor, patience_s):
            raise EmbeddedServerError(
                f"Another process has been working on the private PostgreSQL for {patience_s:.0f} s and holds {path}. "
                "Wait for it or end it, then run this again."
            )
        yield


@contextlib.contextmanager
def opened(path: Path) -> Iterator[int]:
    """A descriptor to lock. Closing it frees the lock, except where a child that inherited it lives on."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def inherited(descriptor: int) -> tuple[int, ...]:
    """The descriptors to hand to a child that shall hold the lock as well; Windows cannot."""
    return () if sys.platform == "win32" else (descriptor,)


def acquire(descriptor: int, patience_s: float, unless: Callable[[], bool] = lambda: False) -> bool:
    """Whether the lock was taken within the time, and before `unless` came true."""
    deadline = time.monotonic() + patience_s
    while not _taken(descriptor):
        if unless() or time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


if sys.platform == "win32":
    import msvcrt

    def _taken(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _taken(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
