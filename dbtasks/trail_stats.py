"""The trail in figures: how often, when last, how long, and what was refused."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from datetime import datetime
from statistics import median

from dbtasks.trail_runs import Run, State
from dbtasks.values import dataclass

# What is told apart, and how it is read from a run.
DIMENSIONS = ("tier", "operation", "outcome", "person")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Runs of one kind. `last` is when the newest of them began; the median is of those with a known duration."""

    name: str
    count: int
    last: datetime
    median_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """All runs, tallied by each dimension, and refusals by their code; the most frequent first."""

    runs: int
    first: datetime | None
    last: datetime | None
    by: dict[str, tuple[Tally, ...]]
    refusals: tuple[Tally, ...]


class _Group:
    __slots__ = ("count", "durations", "last")

    def __init__(self) -> None:
        self.count, self.last, self.durations = 0, "", array("q")

    def add(self, run: Run) -> None:
        self.count += 1
        self.last = max(self.last, run.first.time)
        if run.result is not None and run.result.duration_ms is not None:
            self.durations.append(run.result.duration_ms)

    def tally(self, name: str) -> Tally:
        middle = median(self.durations) if self.durations else None
        return Tally(name=name, count=self.count, last=datetime.fromisoformat(self.last), median_ms=middle)


def tallied(runs: Iterable[Run]) -> Stats:
    """Return the figures of runs, in whatever order they come."""
    groups: dict[str, dict[str, _Group]] = {dimension: {} for dimension in (*DIMENSIONS, "code")}
    count, first, last = 0, "", ""
    for run in runs:
        count, last = count + 1, max(last, run.first.time)
        first = min(first or run.first.time, run.first.time)
        for dimension, name in _names(run):
            groups[dimension].setdefault(name, _Group()).add(run)
    found = {dimension: _sorted(each) for dimension, each in groups.items()}
    return Stats(
        runs=count,
        first=datetime.fromisoformat(first) if first else None,
        last=datetime.fromisoformat(last) if last else None,
        by={dimension: found[dimension] for dimension in DIMENSIONS},
        refusals=found["code"],
    )


def _names(run: Run) -> Iterable[tuple[str, str]]:
    yield "tier", run.first.tier or "no tier"
    yield "operation", run.first.operation
    yield "outcome", run.state
    yield "person", run.first.person
    if run.state is State.REFUSED:
        yield "code", run.first.outcome or "no code"


def _sorted(groups: dict[str, _Group]) -> tuple[Tally, ...]:
    return tuple(
        sorted((group.tally(name) for name, group in groups.items()), key=lambda each: (-each.count, each.name))
    )
