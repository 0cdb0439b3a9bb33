"""Reading the trail: the entries that fit filters, oldest or newest first.

Bytes are searched first and only what can fit is parsed. A line that could fit and is no entry is passed over, and the
reader is told; whether the lines are the ones that were written is `trail_proof`'s question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from dbtasks.trail_detail import encode
from dbtasks.trail_reading import backwards, forwards, is_whole
from dbtasks.values import dataclass

REFUSED = "refused"
NOTED = "noted"
_TIME_BYTES = len("2026-01-31T09:00:00.000000Z")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the trail. `time` is UTC; `of` is the number of the intent that a result belongs to."""

    entry: int
    time: str
    kind: str
    of: int | None = None
    operation: str = ""
    tier: str | None = None
    target: str | None = None
    person: str = ""
    host: str = ""
    pid: int = 0
    started: str = ""
    surroundings: str = ""
    plan: str | None = None
    effect: str | None = None
    outcome: str | None = None
    duration_ms: int | None = None
    commit: str | None = None
    detail: dict[str, Any] = msgspec.field(default_factory=dict)
    version: str | None = None
    prev: str
    hash: str

    @property
    def moment(self) -> datetime:
        return datetime.fromisoformat(self.time)

    @property
    def run(self) -> int:
        """The number under which people know what this entry belongs to: the intent's, else its own."""
        return self.of if self.of is not None else self.entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What to keep; `None` keeps all. `since` is included, `until` is not; both know their time zone.

    `entry` finds an entry and its results. `outcome` is a result's outcome, "refused", a refusal's code, or "noted".
    `text` is looked for in every value, without regard to case. `surroundings` is what the process was: `agent`, say.
    """

    tier: str | None = None
    operation: str | None = None
    outcome: str | None = None
    person: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    entry: int | None = None
    text: str | None = None
    surroundings: str | None = None


# Called for each line that could fit and is no entry: torn by a crash, or not JSON.
Passed = Callable[[bytes], None]


def read(path: Path, filters: Filters, passed: Passed | None = None) -> Iterator[Entry]:
    """Yield the entries that fit, oldest first. TrailError: the trail cannot be read; without one, nothing comes."""
    search = Search(filters, passed)
    for block in forwards(path):
        yield from search.entries(search.candidates(block))


def newest(path: Path, filters: Filters, passed: Passed | None = None) -> Iterator[Entry]:
    """Yield the same entries newest first, reading no further back than somebody asks."""
    search = Search(filters, passed)
    for block in backwards(path):
        yield from search.entries(reversed(list(search.candidates(block))))


def last(path: Path, n: int) -> list[Entry]:
    """Return the last `n` entries, oldest first, read from the end."""
    return list(islice(newest(path, Filters()), n))[::-1]


def parse_entry(line: bytes) -> Entry | None:
    """Return a line's entry, or `None` where it is no entry."""
    try:
        return _DECODER.decode(line) if is_whole(line) else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


class Search:
    """Filters, made ready for looking through bytes."""

    def __init__(self, filters: Filters, passed: Passed | None = None) -> None:
        self._filters, self._passed = filters, passed
        self._needles = _needles(filters)
        self._since, self._until = _stamp(filters.since), _stamp(filters.until)
        self._text = encode(filters.text.lower())[1:-1] if filters.text and filters.text.isascii() else b""

    def candidates(self, block: bytes) -> Iterator[bytes]:
        """Yield the lines of a block that hold what a line that fits must hold."""
        if not self._needles and not self._text:
            yield from filter(None, block.split(b"\n"))
            return
        rarest, *others = self._needles or [self._text]
        searched = block if self._needles else block.lower()
        at = searched.find(rarest)
        while at >= 0:
            end = block.find(b"\n", at)
            end = len(block) if end < 0 else end
            line = block[block.rfind(b"\n", 0, at) + 1 : end]
            if not others or all(needle in line for needle in others):
                yield line
            at = searched.find(rarest, end)

    def entries(self, lines: Iterator[bytes]) -> Iterator[Entry]:
        """Yield the entries among candidates that fit."""
        for line in lines:
            if (self._since or self._until) and not self._in_time(line):
                continue
            if self._text and self._text not in line.lower():
                continue
            entry = parse_entry(line)
            if entry is None:
                if self._passed is not None:
                    self._passed(line)
            elif fits(entry, self._filters):
                yield entry

    def _in_time(self, line: bytes) -> bool:
        """Return whether a line's time fits; what shows no time may."""
        begin = line.find(b'"time":"', 0, 64) + len(b'"time":"')
        moment = line[begin : begin + _TIME_BYTES]
        if not moment.endswith(b"Z"):
            return True
        return moment >= self._since and not (self._until and moment >= self._until)


def _stamp(moment: datetime | None) -> bytes:
    """Return a moment as entries write it, so that comparing bytes compares times; empty for none."""
    if moment is None:
        return b""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z").encode("ascii")


def _needles(filters: Filters) -> list[bytes]:
    """Return byte strings that every line which fits must hold, the rarest kind first.

    Without the quotation mark behind a value: each value of a line ends so, and the search would stop at each.
    """
    needles = [] if filters.entry is None else [b":%d," % filters.entry]  # "entry" or "of"
    named = {"surroundings": filters.surroundings, "person": filters.person, "operation": filters.operation}
    for key, value in (*named.items(), ("tier", filters.tier)):
        if value is not None:
            needles.append(b'"%s":%s' % (key.encode("ascii"), encode(value)[:-1]))
    if filters.outcome is not None:
        kind = {REFUSED: b'"kind":"refusal"', NOTED: b'"kind":"note"'}.get(filters.outcome)
        needles.insert(0, kind or b'"outcome":' + encode(filters.outcome)[:-1])
    return needles


def fits(entry: Entry, filters: Filters) -> bool:
    """Return whether an entry fits, whenever it was written."""
    if (
        filters.tier not in (None, entry.tier)
        or filters.operation not in (None, entry.operation)
        or filters.person not in (None, entry.person)
        or filters.surroundings not in (None, entry.surroundings)
        or filters.outcome not in (None, entry.outcome, _BY_KIND.get(entry.kind))
        or filters.entry not in (None, entry.entry, entry.of)
    ):
        return False
    return not filters.text or _holds(entry, filters.text.lower())


def _holds(entry: Entry, text: str) -> bool:
    values = (entry.operation, entry.tier, entry.target, entry.person, entry.host, entry.pid, entry.surroundings)
    more = (entry.plan, entry.effect, entry.outcome, entry.commit, *_leaves(entry.detail))
    return any(text in str(value).lower() for value in (*values, *more) if value is not None)


def _leaves(value: object) -> Iterator[object]:
    match value:
        case dict():
            for key, item in value.items():
                yield key
                yield from _leaves(item)
        case list():
            for item in value:
                yield from _leaves(item)
        case _:
            yield value


_BY_KIND = {"refusal": REFUSED, "note": NOTED}
_DECODER = msgspec.json.Decoder(Entry)
