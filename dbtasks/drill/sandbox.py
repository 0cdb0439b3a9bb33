"""The folder in which everything of a drill lies, servers included, and which is gone with it.

A lock tells a drill that runs from one that was killed: the next one clears up after that.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from dbtasks import embedded
from dbtasks.embedded import locks, places
from dbtasks.errors import DbtasksError

_PREFIX, _ALIVE, _PROJECT = "dbtasks-drill-", "alive", "project"
_BEGINNING_S = 3600.0  # without a lock yet, it was killed while it was made


@contextmanager
def sandbox() -> Iterator[Path]:
    """Make a sandbox and yield the folder of its project; nothing of it, and of earlier ones, is left."""
    sweep()
    base = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_memory()))
    base.chmod(0o755)  # every account may enter: as root the servers run under another
    with locks.opened(base / f"{_ALIVE}.new") as alive, _ended_by_signals():
        locks.acquire(alive, 0)
        (base / f"{_ALIVE}.new").rename(base / _ALIVE)
        (base / _PROJECT).mkdir()
        try:
            yield base / _PROJECT
        finally:
            clear(base)


def sweep() -> None:
    """Clear up what killed drills have left."""
    for folder in {Path(tempfile.gettempdir()), _memory() or Path(tempfile.gettempdir())}:
        for base in folder.glob(f"{_PREFIX}*"):
            with suppress(OSError, DbtasksError):
                if _is_left(base):
                    clear(base)


def clear(base: Path) -> None:
    """Stop a sandbox's servers and remove it."""
    for kind in embedded.Kind:
        server = embedded.look(base / _PROJECT, kind)
        embedded.stop(base / _PROJECT, kind)
        if server is not None and not server.data.is_relative_to(base):
            shutil.rmtree(server.data.parent, ignore_errors=True)
    shutil.rmtree(base, ignore_errors=True)


def _is_left(base: Path) -> bool:
    found = base.lstat()
    if not base.is_dir() or base.is_symlink() or (hasattr(os, "geteuid") and found.st_uid != os.geteuid()):
        return False
    if not (base / _ALIVE).exists():
        return time.time() - found.st_mtime > _BEGINNING_S
    with locks.opened(base / _ALIVE) as alive:
        return locks.acquire(alive, 0)


def _memory() -> Path | None:
    """Return the memory file system where there is room on it: a sandbox needs no disk."""
    there = places.MEMORY.is_dir() and shutil.disk_usage(places.MEMORY).free > 2 * places.MEMORY_NEEDED_BYTES
    return places.MEMORY if there else None


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let what ends a process from outside clear up, too, as Ctrl-C does."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, end) for number in (getattr(signal, name) for name in names)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
