"""What happened, as people tell it: an intent together with its result, and what was left unfinished."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from dbtasks.author import Who, is_running
from dbtasks.trail_query import Entry, Filters, last, lines, parse_entry, parse_head, read
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """An intent with its result, or a refusal or note alone. `first` is the result where the intent is not in view."""

    number: int
    first: Entry
    result: Entry | None
    state: State


def runs(path: Path, filters: Filters, who: Who, limit: int | None = None) -> list[Run]:
    """Return the runs of which an entry fits, oldest first, of these the newest `limit`.

    `filters.outcome` is a state or a refusal's code. Times are those of a run's beginning: its result counts
    whenever it came. Without filters and with a limit only the end of the file is read.
    """
    if limit is not None and filters == Filters():
        found = sorted(_join(last(path, 2 * limit + 64), who), key=lambda run: run.number)
    else:
        wanted = {entry.run for entry in read(path, replace(filters, outcome=None, until=None))}
        found = [run for run in _join(_belonging(path, wanted), who) if _fits(run, filters)]
    return found if limit is None else found[max(0, len(found) - limit) :]


def unfinished(path: Path, who: Who) -> list[Run]:
    """Return the runs without a result: RUNNING, UNFINISHED (the process is gone) or UNKNOWN (on another host)."""
    begun: dict[int, bytes] = {}
    for line in lines(path):
        head = parse_head(line)
        if head is None:
            continue
        if head.kind == b"intent":
            begun[head.entry] = line
        elif head.kind == b"result" and head.of is not None:
            begun.pop(head.of, None)
    return _join((entry for line in begun.values() if (entry := parse_entry(line)) is not None), who)


def _belonging(path: Path, wanted: set[int]) -> Iterator[Entry]:
    if len(wanted) < 2:
        for number in wanted:
            yield from read(path, Filters(entry=number))
        return
    for line in lines(path):
        head = parse_head(line)
        if head is None or (head.entry if head.of is None else head.of) not in wanted:
            continue
        entry = parse_entry(line)
        if entry is not None:
            yield entry


def _join(entries: Iterable[Entry], who: Who) -> list[Run]:
    firsts: dict[int, Entry] = {}
    results: dict[int, Entry] = {}
    for entry in entries:
        firsts.setdefault(entry.run, entry)
        if entry.of is not None and entry.kind == "result":
            results[entry.of] = entry
    return [
        Run(number=number, first=first, result=results.get(number), state=_state(first, results.get(number), who))
        for number, first in firsts.items()
    ]


def _state(first: Entry, result: Entry | None, who: Who) -> State:
    if result is not None:
        return State(result.outcome) if result.outcome in set(State) else State.UNKNOWN
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
