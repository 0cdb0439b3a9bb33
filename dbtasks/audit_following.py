"""What `audit --follow` shows: each run when it begins and once more when it ends, as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from dbtasks.author import Who
from dbtasks.trail_query import Entry, Filters, Passed, fits, parse_entry
from dbtasks.trail_runs import Run, joined


class Watch:
    """Makes runs of entries one by one. It remembers those that have begun and fit, until they end."""

    def __init__(self, filters: Filters, who: Who) -> None:
        self._whole = replace(filters, outcome=None, since=None, until=None)
        self._filters, self._who = filters, who
        self._begun: dict[int, Entry] = {}

    def seen(self, runs: Iterable[Run]) -> None:
        """Remember runs that were shown already."""
        self._begun |= {run.number: run.first for run in runs if run.result is None and run.first.kind == "intent"}

    def run(self, entry: Entry) -> Run | None:
        """Return what an entry makes of its run, where that is to be shown."""
        known = self._begun.get(entry.run)
        if known is None and not fits(entry, self._whole):
            return None
        if entry.kind == "intent":
            self._begun[entry.run] = entry
        elif entry.kind == "result":
            self._begun.pop(entry.run, None)
        elif entry.of is not None:
            return None  # a note in the middle of a run
        (run,) = joined([known, entry] if known is not None else [entry], self._who)
        return run if self._filters.outcome in (None, run.state, run.first.outcome) else None


def entries(lines: Callable[[], Iterator[bytes]], wait: Callable[[], bool], passed: Passed) -> Iterator[Entry]:
    """Yield entries as they come, until `wait` says that nobody listens any more."""
    while True:
        for line in lines():
            entry = parse_entry(line)
            if entry is not None:
                yield entry
            elif line:
                passed(line)
        if not wait():
            return
