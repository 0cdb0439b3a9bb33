"""How many records a CSV's bytes hold, counted at the speed of reading: line ends outside of quotes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dbtasks.seeders import csv_file

_BLOCK_BYTES = 1 << 18
_LINE_FEED, _RETURN = b"\n", b"\r"


@dataclass(slots=True, kw_only=True)
class Counter:
    """Counts the records in blocks of bytes that come one after the other, the header being no part of them."""

    end: bytes = _LINE_FEED
    records: int = 0
    _quoted: bool = False
    _open: bool = False

    def feed(self, block: bytes) -> None:
        r"""Count the records that end here.

        >>> counter = Counter(); counter.feed(b'1,"a\n'); counter.feed(b'""b"\n2,c'); (counter.records, counter.total)
        (1, 2)
        """
        if not block:
            return
        self._open = not block.endswith(self.end)
        if b'"' not in block and not self._quoted:
            self.records += block.count(self.end)
            return
        # What is left: quotes and line ends. Two quotes in a row enclose no line end.
        skeleton = block.translate(None, _ALL_BUT[self.end]).replace(b'""', b"")
        parts = skeleton.split(b'"')
        self.records += sum(len(part) for part in parts[int(self._quoted) :: 2])
        self._quoted ^= len(parts) % 2 == 0

    @property
    def total(self) -> int:
        """The records, if the bytes end here: the last one may lack its line end."""
        return self.records + (self._open and not self._quoted)


_ALL_BUT = {end: bytes(set(range(256)) - {ord(end), ord('"')}) for end in (_LINE_FEED, _RETURN)}


def counter(header: bytes) -> Counter:
    """Return a counter for a file with this header, whose line end is that of all records."""
    return Counter(end=_RETURN if header.endswith(_RETURN) else _LINE_FEED)


def count(path: Path) -> int:
    """Return how many records a CSV file holds."""
    found: Counter | None = None
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            data = block
            if found is None:
                length = csv_file.header_bytes(block)
                found, data = counter(block[:length]), block[length:]
            found.feed(data)
    return found.total if found else 0
