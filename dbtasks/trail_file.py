"""The trail's bytes: the shape of a line, and adding one under a lock so that nothing is lost or half-counted.

A line is one JSON object. Its first key is `entry`, its last two are `prev` and `hash`, of fixed width, so that
whoever verifies slices bytes and parses nothing:

    {"entry":7,"time":"2026-01-31T09:00:00.000000Z",...,"prev":"<64 hex>","hash":"<64 hex>"}

`hash` is the sha256 of the line's own bytes before `,"hash"`; `prev` is the hash of the entry before (64 zeros for the
first). A file that was put aside (`rotation`) is gone on from by the next: numbers and hashes know no files.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from dbtasks.rotation import NEVER, Rotation, files_aside, name_aside, opened
from dbtasks.trail_lock import LockHeldError, lock, sync, sync_folders, unlock
from dbtasks.values import dataclass

MAX_LINE_BYTES = 64 * 1024
_WINDOW_BYTES = 4 * 1024
_REOPENINGS = 100
_BEGINNING = re.compile(rb'\{"entry":([1-9][0-9]{0,17}),"time":"([0-9T:.-]+Z)"')
_ENTRY = re.compile(rb'\{"entry":([1-9][0-9]{0,17}),"time":"[^\0\n]*,"prev":"([0-9a-f]{64})","hash":"([0-9a-f]{64})"\}')
_SAFE_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | _SAFE_FLAGS


class ForeignFileError(OSError):
    """The file in the trail's place was written by somebody else."""


class LineTooLongError(ValueError):
    """An entry would not fit into a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What the next entry is chained to: the number and the hash of the entry before it."""

    entry: int
    hash: str


START = Link(entry=0, hash="0" * 64)


def parse_link(line: bytes) -> Link | None:
    """Return number and hash that a whole line (without its newline) claims, or `None` if it is no whole line.

    Zero bytes are what a file system leaves of a write that a power failure has cut.

    >>> parse_link(b'{"entry":1,"ti') is None
    True
    """
    found = _ENTRY.fullmatch(line)
    return Link(entry=int(found[1]), hash=found[3].decode("ascii")) if found else None


def seal(after: Link, moment: str, body: bytes) -> bytes:
    """Return the line, newline included, of an entry that follows `after`.

    >>> seal(START, "2026-01-31T09:00:00.000000Z", b'"kind":"note"').startswith(b'{"entry":1,"time":"2026-01-31')
    True
    """
    covered = b'{"entry":%d,"time":"%s",%s,"prev":"%s"' % (
        after.entry + 1,
        moment.encode("ascii"),
        body,
        after.hash.encode("ascii"),
    )
    return covered + b',"hash":"%s"}\n' % sha256(covered).hexdigest().encode("ascii")


def append(path: Path, body: bytes, rotation: Rotation = NEVER) -> Link:
    """Add an entry and return its number and hash; it is on the disk when this returns.

    The disk is waited for after the lock is given back, so that others can write meanwhile: several entries then
    share one wait. Whoever has waited knows the entries before its own to be on the disk too.
    OSError: nothing counts as written. What a full disk let through is cut off again; only a disk that fails
    while it is waited for leaves a line that nobody was told of.
    """
    with _locked(path, rotation) as fd:
        size = os.fstat(fd).st_size
        after, whole = _tail(fd, size, lambda: _end_of_older(path))
        line = seal(after, datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"), body)
        if len(line) > MAX_LINE_BYTES:
            raise LineTooLongError(f"an entry of {len(line):,} bytes is over the limit of {MAX_LINE_BYTES:,}")
        _write(fd, line if whole else b"\n" + line, size)
        if size == 0:  # under the lock: no later entry is on the disk before the file's name is
            sync_folders(path)
        unlock(fd)
        sync(fd)
    return Link(entry=after.entry + 1, hash=line[-67:-3].decode("ascii"))


def first_hash(path: Path) -> str | None:
    """Return the hash of the trail's first entry, by which it is told from every other; `None`: that is not there."""
    for file in opened(path):
        for line in file:
            link = parse_link(line.removesuffix(b"\n"))
            if link is not None:
                return link.hash if link.entry == 1 else None
    return None


def stable_size(fd: int) -> int:
    """Return the file's size at a moment at which nobody is in the middle of a write."""
    lock(fd, shared=True)
    size = os.fstat(fd).st_size
    unlock(fd)
    return size


@contextmanager
def _locked(path: Path, rotation: Rotation) -> Iterator[int]:
    """Yield the locked descriptor of the file that bears the name now; closing it gives the lock back.

    A file that is large or old enough is put aside first.
    """
    for _ in range(_REOPENINGS):
        fd = _open(path)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise ForeignFileError(errno.EINVAL, "it is not a regular file")
            lock(fd)
            if not _still_named(fd, path):
                continue  # renamed or removed between open and lock: the entry belongs into the new file
            if rotation is not NEVER and _put_aside(fd, path, rotation):
                continue
            yield fd
            return
        finally:
            os.close(fd)
    raise LockHeldError(errno.EBUSY, "it is replaced again and again by another process")


def _open(path: Path) -> int:
    try:
        return os.open(path, _FLAGS, 0o600)
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(path, _FLAGS, 0o600)


def _still_named(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.lstat())
    except FileNotFoundError:
        return False


def _put_aside(fd: int, path: Path, rotation: Rotation) -> bool:
    """Rename the locked file if it is due, and return whether that was done.

    Whoever waits for the lock finds the name gone and begins the next file. All of this one is on the disk before any
    entry of the next can be. Where the folder is not ours to change, or the name is taken, the file goes on growing.
    """
    beginning = _BEGINNING.match(_read_at(fd, 0, 80))
    if beginning is None or not _is_due(fd, beginning[2].decode("ascii"), rotation):
        return False
    aside = name_aside(path, int(beginning[1]))
    if os.path.lexists(aside):  # a rename would take its place
        return False
    sync(fd)
    try:
        path.rename(aside)
    except PermissionError:
        return False
    return True


def _is_due(fd: int, begun: str, rotation: Rotation) -> bool:
    if rotation.size_bytes is not None and os.fstat(fd).st_size >= rotation.size_bytes:
        return True
    return rotation.age is not None and datetime.now(UTC) - datetime.fromisoformat(begun) >= rotation.age


def _end_of_older(path: Path) -> Link:
    """Return the last entry of the files that were put aside."""
    for file in reversed(files_aside(path)):
        fd = os.open(file, os.O_RDONLY | _SAFE_FLAGS)
        try:
            return _tail(fd, os.fstat(fd).st_size, lambda: START)[0]
        finally:
            os.close(fd)
    return START


def _tail(fd: int, size: int, before: Callable[[], Link]) -> tuple[Link, bool]:
    """Return what to chain to, and whether the file ends with a newline (or is empty).

    `before` tells what to go on from where the file holds no entry yet. What a crash has torn at the end is passed
    over. A last line that was edited is not: the chain goes on from the hash that it claims, and verifying names it.
    """
    window = _WINDOW_BYTES
    while True:
        start = max(0, size - window)
        data = _read_at(fd, start, size - start)
        lines = data.split(b"\n")
        for line in reversed(lines if start == 0 else lines[1:]):  # the first may lack its beginning
            link = parse_link(line)
            if link is not None:
                return link, data.endswith(b"\n")
        if start == 0:
            link = before()
            if not _could_begin(data, link.entry + 1):
                raise ForeignFileError(errno.EINVAL, "it holds something else than a trail")
            return link, data.endswith(b"\n") or not data
        window *= 16


def _could_begin(data: bytes, number: int) -> bool:
    """Return whether a file without a whole entry is what a crash leaves of entry `number`."""
    first = data.split(b"\n", 1)[0].rstrip(b"\0")
    head = b'{"entry":%d,"time":"' % number
    return first.startswith(head) or head.startswith(first)


def _read_at(fd: int, start: int, count: int) -> bytes:
    os.lseek(fd, start, os.SEEK_SET)
    parts = []
    while count > 0 and (part := os.read(fd, count)):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _write(fd: int, data: bytes, size: int) -> None:
    """Write all of `data` at the end, or none: a short write is cut back. `size` is where the file ends now."""
    written = 0
    try:
        while written < len(data):  # one round; a second one only to learn why the first was short
            count = os.write(fd, data[written:])
            if count == 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            written += count
    except OSError:
        if written:
            os.ftruncate(fd, size)
        raise
