"""Following a trail that grows, from file to file where it is rotated."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO, Self

from dbtasks.errors import TrailError
from dbtasks.rotation import trail_files
from dbtasks.trail_reading import telling


class Following:
    """A place in a trail. Made at its end: what was there before is others' to show."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stack = ExitStack()
        self._file: BinaryIO | None = None
        self._rest = b""
        self._read = 0

    def __enter__(self) -> Self:
        self._open(self._path)
        if self._file is not None:
            self._read = self._file.seek(0, os.SEEK_END)
            # A last line without its end may be in the middle of being written, and is then still to come.
            begin = self._file.seek(max(0, self._read - _LONGEST_BYTES))
            self._rest = self._file.read(self._read - begin).rpartition(b"\n")[2]
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def lines(self) -> Iterator[bytes]:
        """Yield the lines that were added since the last call, without their newlines.

        TrailError: a file cannot be read, or has become shorter than what was read of it.
        """
        while True:
            yield from self._added()
            following = self._following()
            if following is None:
                return
            yield from self._added()  # what came before it was given another name
            if self._rest:
                yield self._rest  # torn: nobody will end it there
            self._open(following)

    def _open(self, path: Path) -> None:
        self._stack.close()
        self._file, self._rest, self._read = None, b"", 0
        with telling(path), suppress(FileNotFoundError):
            self._file = self._stack.enter_context(path.open("rb"))

    def _added(self) -> Iterator[bytes]:
        if self._file is None:
            return
        if os.fstat(self._file.fileno()).st_size < self._read - len(self._rest):
            raise TrailError(
                f"The trail {self._path} has become shorter while it was read: entries were cut off. "
                "See: invoke audit --verify"
            )
        self._file.seek(self._read)
        while data := self._file.read(_BLOCK_BYTES):
            self._read += len(data)
            *lines, self._rest = (self._rest + data).split(b"\n")
            yield from lines

    def _following(self) -> Path | None:
        """Return the file that comes after the one that was read; `None` while that is the newest."""
        if self._file is None:
            return self._path if self._path.exists() else None
        if _is_named(self._file, self._path):
            return None
        files = [each for each in trail_files(self._path) if each.exists()]
        here = next((at for at, each in enumerate(files) if _is_named(self._file, each)), None)
        # A file that somebody else has moved away is none of them: then the newest begins anew.
        later = files[here + 1 :] if here is not None else files[-1:]
        return later[0] if later else None


def _is_named(file: BinaryIO, path: Path) -> bool:
    """Return whether an open file bears this name now."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


# More than a line may have.
_LONGEST_BYTES = 1 << 17
_BLOCK_BYTES = 1 << 20
