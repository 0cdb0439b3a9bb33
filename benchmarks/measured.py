"""What a benchmark is given, and what it gives back: lines for docs/performance.md and pictures beside it."""

from __future__ import annotations

import os
import platform
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from benchmarks.timing import ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where to measure, and how often. `scratch` is an empty folder of this benchmark's own, `sample` this project."""

    scratch: Path
    sample: Path
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Lines of Markdown, and pictures by their file's name in docs/."""

    lines: tuple[str, ...]
    pictures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a table, from milliseconds run by run. The ratio is ours to theirs, and `aim` the most it may be.

    `faster` turns it round: how many times faster ours is, and `aim` the least.
    """

    what: str
    ours: Sequence[float]
    against: str
    theirs: Sequence[float]
    aim: float | None = None
    faster: bool = False

    def cells(self) -> tuple[str, ...]:
        taken = f"{_milliseconds(self.ours)} / {_milliseconds(self.theirs)}"
        if self.faster:
            found, aim = f"{ratio(self.theirs, self.ours):.2f} times faster", f">= {self.aim}"
        else:
            found, aim = f"{ratio(self.ours, self.theirs):.2f}", f"<= {self.aim}"
        return self.what, self.against, taken, found, "" if self.aim is None else aim


def table(rows: Sequence[Row]) -> list[str]:
    """Return the table's lines of Markdown."""
    lines = ["| ours | against | ms, ours / theirs | ratio | aim |", "|---|---|---|---|---|"]
    return [*lines, *("| " + " | ".join(row.cells()) + " |" for row in rows)]


def machine(*packages: str) -> str:
    """Return the clause that names the machine, Python and the versions of these packages."""
    python = ".".join(map(str, sys.version_info[:3]))
    versions = ", ".join((f"Python {python}", *(f"{name} {version(name)}" for name in packages)))
    return f"on {os.cpu_count()} cores of {platform.machine()} ({platform.system()}), {versions}"


def scrubbed() -> dict[str, str]:
    """Return what of the environment a measured command may see."""
    return {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}


def _milliseconds(values: Sequence[float]) -> str:
    found = statistics.median(values)
    return f"{found:.1f}" if found < 100 else f"{found:,.0f}"
