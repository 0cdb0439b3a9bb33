"""The trail's bytes for whoever reads: whole lines of all its files, from the oldest on or from the newest back."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import BinaryIO, Self

from dbtasks.errors import TrailError
from dbtasks.rotation import opened
from dbtasks.trail_file import stable_size

_BLOCK_BYTES = 1 << 20
_TAIL_BYTES = 1 << 15
_NUMBER = re.compile(rb'\{"entry":([0-9]{1,18}),"time":"')


def is_whole(line: bytes) -> bool:
    """Return whether a line was written to its end; what a crash cuts is never an entry."""
    return line[-75:-66] == b',"hash":"' and line[-2:] == b'"}' and b"\0" not in line


def forwards(path: Path) -> Iterator[bytes]:
    """Yield blocks of lines, each ended but perhaps the last, oldest first. Without a trail, nothing.

    TrailError: a file of it cannot be read.
    """
    with telling(path):
        for file in opened(path):
            yield from _blocks(file)


def backwards(path: Path) -> Iterator[bytes]:
    """Yield the same lines in blocks from the newest to the oldest, small ones first; in each they stand in order."""
    with telling(path):
        for file in opened(path, newest_first=True):
            yield from _blocks_back(file)


@contextmanager
def telling(path: Path) -> Iterator[None]:
    """Say of what cannot be read that it is the trail."""
    try:
        yield
    except OSError as error:
        raise TrailError(f"The trail {error.filename or path} cannot be read: {error.strerror or error}.") from error


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(_BLOCK_BYTES):
        block += file.readline()
        if not block.endswith(b"\n"):  # somebody may be in the middle of writing it
            stable_size(file.fileno())
            block += file.read()
        yield block


def _blocks_back(file: BinaryIO) -> Iterator[bytes]:
    end, step, rest = _settled_end(file), _TAIL_BYTES, b""
    while end > 0:
        start = max(0, end - step)
        file.seek(start)
        data = file.read(end - start) + rest
        cut = data.find(b"\n") + 1 if start > 0 else 0  # the first line may lack its beginning
        if start > 0 and cut == 0:
            rest, block = data, b""
        else:
            rest, block = data[:cut], data[cut:]
        if block:
            yield block
        end, step = start, min(step * 2, _BLOCK_BYTES)


def _settled_end(file: BinaryIO) -> int:
    """Return the file's size; where its last line has no end, at a moment at which nobody writes."""
    end = file.seek(0, os.SEEK_END)
    if end and (file.seek(end - 1), file.read(1))[1] != b"\n":
        return stable_size(file.fileno())
    return end


class Finder:
    """Finds single lines by their entry's number, in microseconds: the numbers in a trail grow."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stack = ExitStack()
        self._maps: list[mmap] = []

    def __enter__(self) -> Self:
        with ExitStack() as stack, telling(self._path):
            for file in opened(self._path):
                if os.fstat(file.fileno()).st_size:
                    self._maps.append(stack.enter_context(mmap(file.fileno(), 0, access=ACCESS_READ)))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def entry(self, number: int) -> bytes | None:
        """Return the line of an entry; `None` where it does not stand in its place."""
        for data in reversed(self._maps):
            at = _place(data, number)
            if at is not None:
                return _line(data, at)
        return None

    def result(self, number: int) -> bytes | None:
        """Return the line of the result of an intent; `None` where there is none behind it."""
        begin: int | None = None
        for data in self._maps:
            begin = _place(data, number) if begin is None else 0
            if begin is not None:
                at = data.find(b'"kind":"result","of":%d,' % number, begin)
                if at >= 0:
                    return _line(data, at)
        return None


def _place(data: mmap, number: int) -> int | None:
    """Return where the line of an entry begins, by halving; `None` where it is not found so."""
    low, high = 0, len(data)
    while low < high:
        middle = (low + high) // 2
        begin, found = _first_after(data, middle, high)
        if found == number:
            return begin
        if found is None or found > number:
            high = middle
        else:
            low = begin + 1
    return None


def _first_after(data: mmap, at: int, end: int) -> tuple[int, int | None]:
    """Return the first line that begins from `at` on and before `end`, as its place and its entry's number."""
    begin = data.find(b"\n", at - 1) + 1 if at else 0
    while 0 < begin < end or (begin == 0 and at == 0):
        found = _NUMBER.match(data, begin)
        if found:
            return begin, int(found[1])
        begin = data.find(b"\n", begin) + 1 or end
    return end, None


def _line(data: mmap, at: int) -> bytes:
    """Return the whole line around a place, without its newline."""
    end = data.find(b"\n", at)
    return data[data.rfind(b"\n", 0, at) + 1 : len(data) if end < 0 else end]
