"""What happened, as people tell it: an intent together with its result, and what was left unfinished."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import replace
from heapq import heappop, heappush
from pathlib import Path

from dbtasks.author import Who, is_running
from dbtasks.trail_query import Entry, Filters, Passed, fits, newest, parse_entry, read
from dbtasks.trail_reading import Finder, forwards, is_whole
from dbtasks.values import dataclass


class State(enum.StrEnum):
    """How a run stands. UNKNOWN: it has no result, and its process cannot be looked at from here."""

    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    PARTIAL = "partial"
    REFUSED = "refused"
    NOTED = "noted"
    RUNNING = "running"
    UNFINISHED = "unfinished"
    UNKNOWN = "unknown"


_STATES = {state.value: state for state in State}
_OPEN = frozenset({State.RUNNING, State.UNFINISHED, State.UNKNOWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """An intent with its result, or a refusal or note alone. `first` is the result where the intent is not in view."""

    number: int
    first: Entry
    result: Entry | None
    state: State


def runs(path: Path, filters: Filters, who: Who, limit: int | None = None, passed: Passed | None = None) -> list[Run]:
    """Return the runs of which an entry fits, oldest first, of these the newest `limit`.

    `filters.outcome` is a state or a refusal's code. Times are those of a run's beginning: its result counts
    whenever it came. With a limit and without an end only as much of the trail is read as that takes.
    """
    if limit == 0:
        return []
    whole = replace(filters, outcome=None, until=None)
    if filters.outcome in _OPEN:
        found = [run for run in unfinished(path, who) if fits(run.first, whole)]
    elif limit is not None and filters.until is None and not (filters.outcome and _apart(filters)):
        found = _completed(path, _latest(newest(path, filters, passed), limit), filters, who)
    else:
        found = _completed(path, read(path, whole, passed), whole, who)
    found = sorted((run for run in found if _fits(run, filters)), key=lambda run: run.number)
    return found if limit is None else found[-limit:]


def each_run(path: Path, filters: Filters, who: Who, passed: Passed | None = None) -> Iterator[Run]:
    """Yield the same runs in the order in which they ended, and keep none: for a trail of any length."""
    narrow = Filters(tier=filters.tier, operation=filters.operation)
    whole = replace(filters, outcome=None, since=None, until=None)
    begun: dict[int, tuple[Entry, bool]] = {}
    for entry in read(path, narrow, passed):
        hit = fits(entry, whole)
        if entry.kind == "intent":
            begun[entry.entry] = entry, hit
        elif entry.kind == "result" or entry.of is None:
            first, was = begun.pop(entry.run, (entry, False))
            run = _run(entry.run, first, entry if entry.kind == "result" else None, who)
            if (hit or was) and _fits(run, filters):
                yield run
        elif hit and entry.of in begun:
            begun[entry.of] = begun[entry.of][0], True
    left = (_run(number, first, None, who) for number, (first, hit) in begun.items() if hit)
    yield from (run for run in left if _fits(run, filters))


def unfinished(path: Path, who: Who) -> list[Run]:
    """Return the runs without a result: RUNNING, UNFINISHED (the process is gone) or UNKNOWN (on another host)."""
    begun: dict[bytes, bytes] = {}
    for block in forwards(path):
        for line in block.split(b"\n"):
            at = line.find(b'"kind":"', 0, 96) + 8
            kind = line[at : at + 8]
            if kind == b'intent",':
                if is_whole(line):
                    begun[line[9 : line.find(b",")]] = line
            elif kind == b'result",' and is_whole(line):
                begun.pop(line[at + 13 : line.find(b",", at + 13)], None)
    return joined((entry for line in begun.values() if (entry := parse_entry(line)) is not None), who)


def _latest(entries: Iterator[Entry], limit: int) -> list[Entry]:
    """Return the entries of the newest `limit` runs, from entries newest first. No older one is asked for."""
    numbers: list[int] = []
    kept: dict[int, list[Entry]] = {}
    for entry in entries:
        if len(numbers) == limit and entry.entry < numbers[0]:
            break
        if entry.run not in kept:
            heappush(numbers, entry.run)
        kept.setdefault(entry.run, []).append(entry)
        if len(numbers) > limit:
            del kept[heappop(numbers)]
    return [entry for number in sorted(kept) for entry in reversed(kept[number])]


def _completed(path: Path, entries: Iterable[Entry], filters: Filters, who: Who) -> list[Run]:
    """Return the runs of these entries. What the filters have left out of them is looked up."""
    found = joined(entries, who)
    if not (filters.outcome or filters.since or filters.entry or _apart(filters)):
        return found
    with Finder(path) as finder:
        return [_complete(run, finder, who, look_for_result=_apart(filters)) for run in found]


def _apart(filters: Filters) -> bool:
    """Return whether one entry of a run may fit and another not, by its writer or its words."""
    return bool(filters.text or filters.person or filters.surroundings)


def _complete(run: Run, finder: Finder, who: Who, *, look_for_result: bool) -> Run:
    first, result = run.first, run.result
    if first.entry != run.number:
        first = _parsed(finder.entry(run.number)) or first
    if result is None and first.kind == "intent" and look_for_result:
        result = _parsed(finder.result(run.number))
    return _run(run.number, first, result, who)


def _parsed(line: bytes | None) -> Entry | None:
    return None if line is None else parse_entry(line)


def joined(entries: Iterable[Entry], who: Who) -> list[Run]:
    """Return the runs that these entries belong to, in the order in which they are met."""
    firsts: dict[int, Entry] = {}
    results: dict[int, Entry] = {}
    for entry in entries:
        firsts.setdefault(entry.run, entry)
        if entry.of is not None and entry.kind == "result":
            results[entry.of] = entry
    return [_run(number, first, results.get(number), who) for number, first in firsts.items()]


def _run(number: int, first: Entry, result: Entry | None, who: Who) -> Run:
    return Run(number=number, first=first, result=result, state=_state(first, result, who))


def _state(first: Entry, result: Entry | None, who: Who) -> State:
    if result is not None:
        return _STATES.get(result.outcome or "", State.UNKNOWN)
    if first.kind == "refusal":
        return State.REFUSED
    if first.kind != "intent":
        return State.NOTED
    running = is_running(first.pid, first.started) if first.host == who.host else None
    if running is None:
        return State.UNKNOWN
    return State.RUNNING if running else State.UNFINISHED


def _fits(run: Run, filters: Filters) -> bool:
    moment = run.first.moment
    if (filters.since and moment < filters.since) or (filters.until and moment >= filters.until):
        return False
    return filters.outcome in (None, run.state, run.first.outcome)
