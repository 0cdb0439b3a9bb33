"""Reading the trail: the entries that fit filters, and the last ones.

Bytes are searched first and only what can fit is parsed. A line that is not whole is passed over; whether the lines
are the ones that were written is `trail_proof`'s question.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec

from dbtasks.errors import TrailError, UsageError
from dbtasks.trail_detail import encode
from dbtasks.values import dataclass

REFUSED = "refused"
_BLOCK_BYTES = 1 << 20
_TAIL_BYTES = 1 << 15
_HEAD = re.compile(rb'\{"entry":([0-9]+),"time":"([^"]*)","kind":"(\w+)"(?:,"of":([0-9]+))?')
_SPAN = re.compile(r"([0-9]{1,6})\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


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


class Head(NamedTuple):  # a dataclass takes three times as long to make, and there may be a million
    """The beginning of a line, read without parsing the rest."""

    entry: int
    time: bytes
    kind: bytes
    of: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What to keep; `None` keeps all. `since` is included, `until` is not; both know their time zone.

    `entry` finds an entry and its results. `outcome` is a result's outcome, "refused", or a refusal's code.
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


def read(path: Path, filters: Filters) -> Iterator[Entry]:
    """Yield the entries that fit, oldest first. TrailError: the trail cannot be read; without one, nothing comes."""
    since, until = _stamp(filters.since), _stamp(filters.until)
    text = encode(filters.text.lower())[1:-1] if filters.text and filters.text.isascii() else b""
    for line in _candidates(path, _needles(filters)):
        if since or until:
            head = parse_head(line)
            if head is None or (since and head.time < since) or (until and head.time >= until):
                continue
        if text and text not in line.lower():
            continue
        entry = parse_entry(line)
        if entry is not None and _fits(entry, filters):
            yield entry


def last(path: Path, n: int) -> list[Entry]:
    """Return the last `n` entries, oldest first, read from the end."""
    return list(islice(_backwards(path), n))[::-1]


def lines(path: Path) -> Iterator[bytes]:
    """Yield the whole lines, oldest first, without their newlines and unparsed."""
    for block in _blocks(path):
        yield from filter(_is_whole, block.split(b"\n"))


def parse_head(line: bytes) -> Head | None:
    """Return the first keys of a line, for a fraction of what parsing all of it costs; `None`: it is no entry."""
    found = _HEAD.match(line)
    if found is None:
        return None
    number, moment, kind, of = found.groups()
    return Head(int(number), moment, kind, None if of is None else int(of))


def parse_entry(line: bytes) -> Entry | None:
    """Return a line's entry, or `None` where it is no entry."""
    try:
        return _DECODER.decode(line) if _is_whole(line) else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def parse_moment(text: str, now: datetime, *, end: bool = False) -> datetime:
    """Return the moment that a person means: "today", "yesterday", "2h" (ago), an ISO date or time.

    Days and times without a zone are those of `now`. A day means its beginning, or with `end` (for "until") its end.
    UsageError: it is none of these.

    >>> parse_moment("3d", datetime(2026, 1, 31, 9, tzinfo=UTC)).isoformat()
    '2026-01-28T09:00:00+00:00'
    >>> parse_moment("yesterday", datetime(2026, 1, 31, 9, tzinfo=UTC), end=True).isoformat()
    '2026-01-31T00:00:00+00:00'
    """
    word = text.strip().lower()
    try:
        span = _SPAN.fullmatch(word)
        if span is not None:
            return now - timedelta(**{_UNITS[span[2]]: int(span[1])})
        days_ago = {"today": 0, "yesterday": 1}.get(word)
        day = now.date() - timedelta(days=days_ago) if days_ago is not None else _day(word)
        if day is not None:
            return _aware(datetime.combine(day + timedelta(days=int(end)), time.min), now)
        return _aware(datetime.fromisoformat(word.upper()), now)
    except (ValueError, OverflowError):
        raise UsageError(
            f"'{text}' is no time. Write for example today, yesterday, 2h, 3d, 2026-01-31 or 2026-01-31T09:30."
        ) from None


def _day(word: str) -> date | None:
    return date.fromisoformat(word) if len(word) == len("2026-01-31") else None


def _aware(moment: datetime, now: datetime) -> datetime:
    """Return the moment with a zone: its own, else that of `now` (on a machine's own clock with that day's offset)."""
    if moment.tzinfo is not None:
        return moment
    return moment.astimezone() if now.tzinfo is None else moment.replace(tzinfo=now.tzinfo)


def _stamp(moment: datetime | None) -> bytes:
    """Return a moment as entries write it, so that comparing bytes compares times; empty for none."""
    if moment is None:
        return b""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z").encode("ascii")


def _needles(filters: Filters) -> list[bytes]:
    """Return byte strings that every line which fits must hold, the rarest kind first."""
    needles = [] if filters.entry is None else [b":%d," % filters.entry]  # "entry" or "of"
    named = {"surroundings": filters.surroundings, "person": filters.person, "operation": filters.operation}
    for key, value in (*named.items(), ("tier", filters.tier)):
        if value is not None:
            needles.append(b'"%s":%s' % (key.encode("ascii"), encode(value)))
    if filters.outcome is not None:
        refused = filters.outcome == REFUSED
        needles.insert(0, b'"kind":"refusal"' if refused else b'"outcome":' + encode(filters.outcome))
    return needles


def _candidates(path: Path, needles: list[bytes]) -> Iterator[bytes]:
    if not needles:
        yield from lines(path)
        return
    rarest, *others = needles
    for block in _blocks(path):
        at = block.find(rarest)
        while at >= 0:
            end = block.find(b"\n", at)
            end = len(block) if end < 0 else end
            line = block[block.rfind(b"\n", 0, at) + 1 : end]
            if all(needle in line for needle in others):
                yield line
            at = block.find(rarest, end)


def _blocks(path: Path) -> Iterator[bytes]:
    """Yield the file in blocks of whole lines."""
    with _opened(path) as file:
        while file is not None and (block := file.read(_BLOCK_BYTES)):
            yield block + file.readline()


def _backwards(path: Path) -> Iterator[Entry]:
    with _opened(path) as file:
        position, rest = (0, b"") if file is None else (file.seek(0, 2), b"")
        while file is not None and position > 0:
            step = min(_TAIL_BYTES, position)
            position = file.seek(position - step)
            found = (file.read(step) + rest).split(b"\n")
            rest = found.pop(0) if position > 0 else b""
            yield from (entry for line in reversed(found) if (entry := parse_entry(line)) is not None)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO | None]:
    try:
        with path.open("rb") as file:
            yield file
    except FileNotFoundError:
        yield None
    except OSError as error:
        raise TrailError(f"The trail {path} cannot be read: {error.strerror or error}.") from error


def _is_whole(line: bytes) -> bool:
    """Return whether a line was written to its end; what a crash cuts is never an entry."""
    return line[-75:-66] == b',"hash":"' and line[-2:] == b'"}' and b"\0" not in line


def _fits(entry: Entry, filters: Filters) -> bool:
    who = ((filters.person, entry.person), (filters.surroundings, entry.surroundings))
    pairs = ((filters.tier, entry.tier), (filters.operation, entry.operation), *who)
    if any(wanted is not None and wanted != found for wanted, found in pairs):
        return False
    if filters.outcome not in (None, entry.outcome, REFUSED if entry.kind == "refusal" else None):
        return False
    if filters.entry not in (None, entry.entry, entry.of):
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


_DECODER = msgspec.json.Decoder(Entry)
