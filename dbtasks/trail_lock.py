"""The trail's lock, and waiting for the disk: what each system has of them.

On a network file system a lock is as good as its server's: NFS of Linux turns `flock` into a lock of the server's since
version 2.6.12, unless it is mounted with `local_lock=flock` or `nolock`; then each machine excludes only its own.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOCK_WAIT_S = 20.0


class LockHeldError(OSError):
    """Another process keeps the trail locked."""


def lock(fd: int, *, shared: bool = False) -> None:
    """Lock the file, for writing or (`shared`) against writers. Locks are held for microseconds: the wait is bounded.

    A lock belongs to an open file, and each append opens its own: threads and forked processes exclude each other too.
    """
    give_up = time.monotonic() + LOCK_WAIT_S
    pause_s = 0.0001
    while not _try_lock(fd, shared):
        if time.monotonic() > give_up:
            raise LockHeldError(errno.EBUSY, f"another process has kept it locked for {LOCK_WAIT_S:.0f} s")
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.01)


if sys.platform == "win32":
    _BEYOND = 1 << 62  # a locked range cannot be read by others there, so it lies where no byte is

    def _try_lock(fd: int, shared: bool) -> bool:  # noqa: ARG001 - that system knows no shared lock
        os.lseek(fd, _BEYOND, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

    def unlock(fd: int) -> None:
        os.lseek(fd, _BEYOND, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)

else:

    def _try_lock(fd: int, shared: bool) -> bool:
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def unlock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_UN)


def sync(fd: int) -> None:
    if sys.platform == "darwin":
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)  # fsync(2) there leaves the data in the drive's own cache
    else:
        wait: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)
        wait(fd)


def sync_folders(path: Path) -> None:
    """Wait until the disk knows a new file's name, and that of the folder that may have been made for it."""
    if sys.platform == "win32":
        return
    for folder in (path.parent, path.parent.parent):
        try:
            fd = os.open(folder, os.O_RDONLY)
        except PermissionError:  # a folder that one may pass through but not list: its owner made it, long ago
            continue
        try:
            os.fsync(fd)
        except OSError as error:
            if error.errno != errno.EINVAL:  # file systems that cannot sync a folder say so
                raise
        finally:
            os.close(fd)
