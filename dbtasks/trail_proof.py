"""Verifying the trail: is every entry the one that was written, in its place?

A chain without anchors proves that nothing between the first and the last entry was edited, removed, added or moved.
It cannot show that the last entries were cut off, or that the whole file was written anew: `Verdict.anchored` says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from dbtasks.errors import TrailError
from dbtasks.trail_file import START, parse_link, stable_size
from dbtasks.values import dataclass

_BUFFER_BYTES = 1 << 18
_HASH_BYTES = len(b',"hash":"') + 64 + len(b'"}\n')


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What verifying found. `count` entries are proved, the last of them being `last` with the hash `head`.

    `bad_line` is the number of the first line that breaks the chain and `why` says how. `torn` are the numbers of
    lines that a crash or a full disk cut short: they hold no entry and prove nothing against anybody.
    """

    count: int
    last: int
    head: str
    torn: tuple[int, ...] = ()
    bad_line: int | None = None
    why: str | None = None
    anchored: bool = False

    @property
    def ok(self) -> bool:
        return self.bad_line is None


def verify(path: Path) -> Verdict:
    """Return the verdict over the whole trail. A trail that does not exist yet is whole, with no entry.

    TrailError: it cannot be read.
    """
    try:
        with path.open("rb", buffering=_BUFFER_BYTES) as file:
            return _verify(_lines(file, stable_size(file.fileno())))
    except FileNotFoundError:
        return Verdict(count=0, last=0, head=START.hash)
    except OSError as error:
        reason = error.strerror or str(error)
        raise TrailError(f"The trail {path} cannot be read: {reason}. Nothing is proved about it.") from error


def _lines(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield the lines of the first `size` bytes, each with a newline, also a last one that lacks it."""
    for line in file:
        if size <= 0:  # what came since may be in the middle of being written
            return
        size -= len(line)
        yield line if line.endswith(b"\n") else line + b"\n"


def _verify(lines: Iterator[bytes]) -> Verdict:
    """Walk the chain. Each line is compared with the only one that may stand there; no other is looked into."""
    number, head = START.entry, START.hash.encode("ascii")
    torn: list[int] = []
    doubtful: list[int] = []
    for at, line in enumerate(lines, 1):
        found = sha256(line[:-_HASH_BYTES]).hexdigest().encode("ascii")
        right_end = line.endswith(b',"prev":"%b","hash":"%b"}\n' % (head, found))
        if right_end and line.startswith(b'{"entry":%d,"time":"' % (number + 1)):
            number, head = number + 1, found
            if doubtful:  # the chain goes on behind them, so no entry was lost with them
                torn, doubtful = torn + doubtful, []
        elif _is_torn(line[:-1], number + 1):
            doubtful.append(at)
        else:
            whole = Verdict(count=number, last=number, head=head.decode("ascii"), torn=tuple(torn))
            return _blame(whole, line[:-1], at, tuple(doubtful))
    return Verdict(count=number, last=number, head=head.decode("ascii"), torn=(*torn, *doubtful))


def _is_torn(line: bytes, number: int) -> bool:
    """Return whether a line is what a crash leaves of entry `number`: its beginning, or zero bytes in it.

    >>> _is_torn(b'{"entry":4,"time":"2026', 4), _is_torn(b'{"ent', 4), _is_torn(b'{"entry":5,"time":"2026', 4)
    (True, True, False)
    """
    if b"\0" in line:
        return True
    head = b'{"entry":%d,"time":"' % number
    return parse_link(line) is None and (line.startswith(head) or head.startswith(line))


def _blame(whole: Verdict, line: bytes, at: int, doubtful: tuple[int, ...]) -> Verdict:
    """Return the verdict that names the line which breaks the chain behind what is `whole`."""
    link, awaited = parse_link(line), whole.last + 1
    follows = link is not None and link.entry == awaited and _prev(line) == whole.head
    if doubtful and not follows:
        why = f"entry {awaited} was cut short or overwritten, and what comes next does not continue entry {whole.last}"
        return replace(whole, bad_line=doubtful[0], why=why)
    torn = (*whole.torn, *doubtful)
    if link is None:
        why = "this is no entry"
    elif sha256(line[: 1 - _HASH_BYTES]).hexdigest() != link.hash:
        why = f"the bytes of entry {link.entry} were changed: they do not give its hash any more"
    elif link.entry > awaited:
        why = f"entry {awaited} is missing: entry {link.entry} stands in its place"
    elif link.entry < awaited:
        why = f"entry {link.entry} stands where entry {awaited} belongs: it was moved, copied or put in"
    else:
        why = f"entry {awaited} was not written after this entry {whole.last}: one of the two was replaced"
    return replace(whole, torn=torn, bad_line=at, why=why)


def _prev(line: bytes) -> str:
    return line[: 1 - _HASH_BYTES][-65:-1].decode("ascii")
