"""Timing whole processes in pairs: A B A B, so that a machine whose speed drifts drifts for both."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command as a user would type it, in a folder, with an environment."""

    name: str
    words: Sequence[str]
    folder: Path
    environ: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to do something: `act` does it and returns its milliseconds, `ready` is done before and not counted."""

    name: str
    act: Callable[[], float]
    ready: Callable[[], None] = lambda: None


def in_turn(ways: Sequence[Way], runs: int) -> dict[str, list[float]]:
    """Return the milliseconds of each way, run by run: A B C A B C. A first round is not counted."""
    taken: dict[str, list[float]] = {way.name: [] for way in ways}
    for number in range(runs + 1):
        for way in ways:
            print(f"\r{number} of {runs}: {way.name}\x1b[K", end="", file=sys.stderr, flush=True)
            way.ready()
            taken[way.name].append(way.act())
    print("\r\x1b[K", end="", file=sys.stderr)
    return {name: each[1:] for name, each in taken.items()}


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of the ratios, round by round."""
    return statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Medians in milliseconds, and the median of the ratios pair by pair. `aim` is the most that the ratio may be."""

    claim: str
    ours: str
    theirs: str
    ours_wall_ms: float
    theirs_wall_ms: float
    ours_cpu_ms: float
    theirs_cpu_ms: float
    wall_ratio: float
    cpu_ratio: float
    aim: str


def compare(claim: str, ours: Command, theirs: Command, *, runs: int, aim: str) -> Pair:
    """Return what both cost over `runs` pairs, after one pair that is not counted (it compiles bytecode)."""
    pairs = [(once(ours), once(theirs)) for _ in range(runs + 1)][1:]
    return Pair(
        claim=claim,
        ours=ours.name,
        theirs=theirs.name,
        ours_wall_ms=_median(mine.wall_ms for mine, _ in pairs),
        theirs_wall_ms=_median(other.wall_ms for _, other in pairs),
        ours_cpu_ms=_median(mine.cpu_ms for mine, _ in pairs),
        theirs_cpu_ms=_median(other.cpu_ms for _, other in pairs),
        wall_ratio=_median(mine.wall_ms / other.wall_ms for mine, other in pairs),
        cpu_ratio=_median(mine.cpu_ms / other.cpu_ms for mine, other in pairs),
        aim=aim,
    )


def table(pairs: Iterable[Pair]) -> list[str]:
    """Return the pairs as lines of Markdown."""
    head = "| what | ours | against | wall ms | CPU ms | wall ratio | CPU ratio | aim |"
    lines = [head, "|---|---|---|---|---|---|---|---|"]
    for pair in pairs:
        wall = f"{pair.ours_wall_ms:.0f} / {pair.theirs_wall_ms:.0f}"
        cpu = f"{pair.ours_cpu_ms:.0f} / {pair.theirs_cpu_ms:.0f}"
        aim = f"<= {pair.aim}" if pair.aim else ""
        cells = (pair.claim, f"`{pair.ours}`", f"`{pair.theirs}`", wall, cpu)
        lines.append("| " + " | ".join((*cells, f"{pair.wall_ratio:.2f}", f"{pair.cpu_ratio:.2f}", aim)) + " |")
    return lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one run of a command took."""

    wall_ms: float
    cpu_ms: float


def once(command: Command) -> Cost:
    """Run a command to its end, unheard. RuntimeError with what it said where it fails."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command.words,
        cwd=command.folder,
        env=dict(command.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    _, error = process.communicate() if not hasattr(os, "wait4") else _reap(process)
    if process.returncode:
        raise RuntimeError(f"{command.name} ended with {process.returncode}:\n{error.decode(errors='replace')}")
    wall = time.perf_counter() - started
    return Cost(wall_ms=wall * 1000, cpu_ms=_CPU.pop(process.pid, wall) * 1000)


_CPU: dict[int, float] = {}


def _reap(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """Read the error output and reap the process with its own accounting, children's included."""
    error = process.stderr.read() if process.stderr else b""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    _CPU[process.pid] = usage.ru_utime + usage.ru_stime
    return b"", error


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)
