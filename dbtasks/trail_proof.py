"""Verifying the trail: is every entry the one that was written, in its place?

A chain alone proves that nothing between the first and the last entry was edited, removed, added or moved. That the
last entries were not cut off, and the whole not written anew, only heads show that are known from elsewhere: anchors on
a server, signatures of people. `Verdict.proved` says up to which entry they do.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from dbtasks.errors import TrailError
from dbtasks.rotation import opened, trail_files
from dbtasks.trail_file import START, first_hash, parse_link, stable_size
from dbtasks.values import dataclass

_BATCH = 1_000
_HEAD, _TAIL = b'{"entry":%d,"time":"', ',"prev":"{}","hash":"{}"}}\n'
_TAIL_BYTES = len(_TAIL.format("0" * 64, "0" * 64))
_HASH_BYTES = len(b',"hash":"') + 64 + len(b'"}\n')


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What verifying found. The chain holds for `count` entries, the last of them being `last` with the hash `head`.

    `proved` is the last entry that a known head confirms, 0 where none does. `bad_line` is the number of the first
    line, in `bad_file`, that breaks the chain or contradicts a known head, and `why` says how. `torn` are the numbers
    of lines that a crash or a full disk cut short, of all files together: they hold no entry and prove nothing
    against anybody.
    """

    count: int
    last: int
    head: str
    torn: tuple[int, ...] = ()
    bad_line: int | None = None
    bad_file: str = ""
    why: str | None = None
    proved: int = 0

    @property
    def ok(self) -> bool:
        return self.bad_line is None

    @property
    def anchored(self) -> bool:
        return self.proved > 0


NOTHING = Verdict(count=0, last=0, head=START.hash)


def verify(path: Path, heads: Mapping[int, str] | None = None) -> Verdict:
    """Return the verdict over the whole trail. A trail that does not exist yet is whole, with no entry.

    `heads` are hashes of entries that are known from elsewhere. TrailError: it cannot be read.
    """
    wanted = _Wanted(heads or {})
    found = NOTHING
    before = lines = 0  # lines of the files before this one, of this one
    name = path.name
    try:
        for file in opened(path):
            name, before = Path(file.name).name, before + lines
            found, lines = _verify(_lines(file, stable_size(file.fileno())), found, before, wanted)
            if not found.ok:
                return replace(found, bad_file=name, proved=wanted.proved)
        return _reaches(replace(found, proved=wanted.proved), heads or {}, (name, lines + 1))
    except OSError as error:
        raise _unreadable(path, error) from error


def chain_of(path: Path) -> str:
    """Return the hash of the trail's first entry, empty where that is not there. TrailError: it cannot be read."""
    try:
        return first_hash(path) or ""
    except OSError as error:
        raise _unreadable(path, error) from error


def writable_by_others(path: Path) -> tuple[Path, ...]:
    """Return the trail's files that others than their owner may write."""
    there = (file for file in trail_files(path) if file.exists())
    return tuple(file for file in there if os.name != "nt" and file.stat().st_mode & 0o022)


def _unreadable(path: Path, error: OSError) -> TrailError:
    reason = error.strerror or str(error)
    return TrailError(f"The trail {path} cannot be read: {reason}. Nothing is proved about it.")


def _lines(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield the lines of the first `size` bytes, each with a newline, also a last one that lacks it."""
    for line in file:
        if size <= 0:  # what came since may be in the middle of being written
            return
        size -= len(line)
        yield line if line.endswith(b"\n") else line + b"\n"


class _Wanted:
    """The heads that are known from elsewhere, met one after the other."""

    def __init__(self, heads: Mapping[int, str]) -> None:
        self._heads, self._numbers = heads, iter(sorted(number for number in heads if number > 0))
        self.next, self.proved = next(self._numbers, 0), 0

    def meet(self, head: str) -> bool:
        """Return whether the entry that is `next` has the hash that is known of it."""
        if self._heads[self.next] != head:
            return False
        self.proved, self.next = self.next, next(self._numbers, 0)
        return True


def _reaches(found: Verdict, heads: Mapping[int, str], end: tuple[str, int]) -> Verdict:
    """Return the verdict, which is bad where entries are known that come after the last one; `end` is past it."""
    furthest = max(heads, default=0)
    if furthest <= found.last:
        return found
    there = f"the last one here is {found.last}" if found.count else "none is here"
    why = f"entry {furthest} was there, and {there}: the end was cut off, or an older copy stands in its place"
    return replace(found, bad_file=end[0], bad_line=end[1], why=why)


def _verify(lines: Iterator[bytes], whole: Verdict, before: int, wanted: _Wanted) -> tuple[Verdict, int]:
    """Walk the chain on from what is whole, and return the verdict with the number of lines.

    Each line is compared with the only one that may stand there; no other is looked into.
    """
    number, head = whole.last, whole.head
    torn: list[int] = []
    doubtful: list[int] = []
    at = 0
    while batch := list(islice(lines, _BATCH)):
        if not doubtful and (last := _all_follow(batch, number, head, wanted)):
            number, head, at = number + len(batch), last, at + len(batch)
            continue
        for line in batch:
            at += 1
            found = sha256(line[:-_HASH_BYTES]).hexdigest()
            if line.endswith(_TAIL.format(head, found).encode()) and line.startswith(_HEAD % (number + 1)):
                if number + 1 == wanted.next and not wanted.meet(found):
                    anew = f"the trail was written anew behind entry {wanted.proved}"
                    why = f"entry {number + 1} is another one than was there: {anew}"
                    return replace(_upto(whole, number, head, torn), bad_line=at, why=why), at
                number, head = number + 1, found
                if doubtful:  # the chain goes on behind them, so no entry was lost with them
                    torn, doubtful = torn + doubtful, []
            elif _is_torn(line[:-1], number + 1):
                doubtful.append(before + at)
            else:
                return _blame(_upto(whole, number, head, torn), line[:-1], (before, at), tuple(doubtful)), at
    return _upto(whole, number, head, [*torn, *doubtful]), at


def _all_follow(batch: list[bytes], number: int, head: str, wanted: _Wanted) -> str:
    """Return the last line's hash if each line is the only one that may stand there, all looked at at once; else ""."""
    found = [sha256(line[:-_HASH_BYTES]).hexdigest() for line in batch]
    tails = "".join([_TAIL.format(*pair) for pair in zip([head, *found], found, strict=False)])
    if b"".join([line[-_TAIL_BYTES:] for line in batch]) != tails.encode():
        return ""
    heads = [_HEAD % each for each in range(number + 1, number + 1 + len(batch))]
    if not all(map(bytes.startswith, batch, heads)):
        return ""
    while number < wanted.next <= number + len(batch):
        if not wanted.meet(found[wanted.next - number - 1]):
            return ""
    return found[-1]


def _upto(whole: Verdict, number: int, head: str, torn: list[int]) -> Verdict:
    return replace(whole, count=number, last=number, head=head, torn=(*whole.torn, *torn))


def _is_torn(line: bytes, number: int) -> bool:
    """Return whether a line is what a crash leaves of entry `number`: its beginning, or zero bytes in it.

    >>> _is_torn(b'{"entry":4,"time":"2026', 4), _is_torn(b'{"ent', 4), _is_torn(b'{"entry":5,"time":"2026', 4)
    (True, True, False)
    """
    if b"\0" in line:
        return True
    head = b'{"entry":%d,"time":"' % number
    return parse_link(line) is None and (line.startswith(head) or head.startswith(line))


def _blame(whole: Verdict, line: bytes, place: tuple[int, int], doubtful: tuple[int, ...]) -> Verdict:
    """Return the verdict that names the line which breaks the chain behind what is `whole`.

    `place`: how many lines the files before hold, and which one of its own file this is.
    """
    before, at = place
    link, awaited = parse_link(line), whole.last + 1
    follows = link is not None and link.entry == awaited and _prev(line) == whole.head
    if doubtful and not follows:
        why = f"entry {awaited} was cut short or overwritten, and what comes next does not continue entry {whole.last}"
        return replace(whole, bad_line=doubtful[0] - before, why=why)
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
