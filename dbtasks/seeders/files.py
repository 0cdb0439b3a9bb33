"""Seed files as values: what they are called, what they weigh, and their bytes, checked against the digest."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn, Protocol

from dbtasks.errors import Mistake, SeedError
from dbtasks.values import dataclass

LONGEST_QUOTE = 60
MOST_MISTAKES = 20
_BLOCK_BYTES = 1 << 18
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Mode(enum.StrEnum):
    """What happens to a row whose key exists: it stays as people left it, or it follows the file."""

    MISSING = "missing"
    MATCH = "match"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A position in a file, counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedFile:
    """One file of a seed set. `table` is `None` for SQL; `digest` is the sha256 of its bytes, in hexadecimal."""

    set: str
    path: Path
    format: str
    table: str | None
    digest: str
    size_bytes: int

    @property
    def name(self) -> str:
        """The path as it is shown, with forward slashes everywhere."""
        return self.path.as_posix()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeds:
    """The files of the chosen sets, set by set in the order asked for, by name within a set."""

    files: tuple[SeedFile, ...]
    root: Path
    modes: tuple[tuple[str, Mode], ...] = ()

    @property
    def digest(self) -> str:
        """One sha256 over sets, modes, names and digests, in hexadecimal."""
        lines = [f"{name}\0{mode}" for name, mode in self.modes]
        lines += [f"{file.set}\0{file.name}\0{file.digest}" for file in self.files]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def mode(self, name: str) -> Mode:
        return dict(self.modes).get(name, Mode.MISSING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A seed file that can be opened. Its bytes must still be those that were planned."""

    file: SeedFile
    root: Path

    @property
    def path(self) -> Path:
        return self.root / self.file.path

    def text(self) -> str:
        """Return the whole text without byte order mark; line ends stay as they are."""
        data = self.path.read_bytes()
        self._check(hashlib.sha256(data).hexdigest())
        try:
            return data.removeprefix(_BYTE_ORDER_MARK).decode()
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            column = error.start - data.rfind(b"\n", 0, error.start)
            text = f"byte 0x{data[error.start]:02x} is not UTF-8. Save the file as UTF-8."
            raise SeedError([Mistake(file=self.file.name, line=line, column=column, text=text)]) from None

    def lines(self) -> Iterator[str]:
        """Yield the lines with their ends. What is not UTF-8 is replaced, since this is for pointing at places."""
        with self.path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
            yield from stream

    def blocks(self) -> Iterator[bytes]:
        """Yield the bytes without byte order mark, and raise at their end if they are not what was planned."""
        seen = hashlib.sha256()
        with self.path.open("rb") as stream:
            first = True
            while block := stream.read(_BLOCK_BYTES):
                seen.update(block)
                yield block.removeprefix(_BYTE_ORDER_MARK) if first else block
                first = False
        self._check(seen.hexdigest())

    def fail(self, text: str, place: Place | None = None, path: str | None = None) -> NoReturn:
        raise SeedError([self.mistake(text, place, path)])

    def mistake(self, text: str, place: Place | None = None, path: str | None = None) -> Mistake:
        """Return a mistake of this file; a secret in the text is hidden."""
        from dbtasks.conninfo import mask

        line, column = (place.line, place.column) if place else (None, None)
        return Mistake(file=self.file.name, line=line, column=column, path=path, text=mask(text))

    def _check(self, digest: str) -> None:
        if digest != self.file.digest:
            self.fail("the file has changed since the plan was made. Run the command again.")


class RowFormat(Protocol):
    """A module that reads one format of rows. A value is JSON text, so that no number or date is read twice."""

    @property
    def EXTENSIONS(self) -> tuple[str, ...]:  # noqa: N802  # a module's constant
        """The endings of file names in this format."""

    def records(self, source: Source) -> Iterator[dict[str, str]]:
        """Yield one mapping from column to JSON text a row; `SeedError` at the first mistake of form."""

    def place(self, source: Source, number: int, column: str | None) -> Place:
        """Return where row `number`, counted from 1, has the value of `column`, or where the row begins."""


def shorten(value: str) -> str:
    """Return a value in quotes, at most 60 characters of it.

    >>> shorten("x" * 70) == "'" + "x" * 59 + "…'"
    True
    >>> shorten("five")
    "'five'"
    """
    line = " ".join(value.split())
    return f"'{line if len(line) <= LONGEST_QUOTE else line[: LONGEST_QUOTE - 1] + '…'}'"
