"""What the trail costs: an entry against a bare write, verifying against hashing, a question against grep and jq."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import file_digest
from multiprocessing.synchronize import Barrier
from pathlib import Path

from benchmarks.measured import Bench, Measured, Row, machine, table
from benchmarks.timing import Way, in_turn
from dbtasks.author import whoami
from dbtasks.trail_detail import JsonValue, encode
from dbtasks.trail_file import START, append, parse_link, seal
from dbtasks.trail_proof import verify
from dbtasks.trail_query import Filters, last, read
from dbtasks.trail_runs import runs

ENTRIES = 1_000_000
_APPENDS, _AT_ONCE = 200, 8
_RARE = Filters(person="dora")
_WORD = '"person":"dora"'


def measure(bench: Bench) -> Measured:
    """Compare appending, verifying and asking with what anybody could do without dbtasks."""
    trail = bench.scratch / "audit.jsonl"
    write(trail, ENTRIES)
    size = trail.stat().st_size / 2**20
    rows = [*_appending(bench), _verifying(bench, trail), *_asking(bench, trail)]
    head = f"Medians of {bench.runs} runs, all ways in turn, {machine('msgspec')}."
    return Measured(lines=(head, f"A trail of {ENTRIES:,} entries, {size:,.0f} MB.", "", *table(rows)))


def write(path: Path, count: int) -> None:
    """Write a trail as a busy team's: intents with results, one entry in twenty a refusal, four persons."""
    dice, moment, after = random.Random(7), datetime(2026, 1, 1, tzinfo=UTC), START  # noqa: S311 - the same each time
    with path.open("wb", buffering=1 << 20) as file:
        for number in range(1, count + 1):
            moment += timedelta(seconds=11)
            body = _body(dice, number)
            line = seal(after, moment.isoformat(timespec="microseconds").replace("+00:00", "Z"), body)
            after = parse_link(line[:-1]) or START
            file.write(line)


def _body(dice: random.Random, number: int) -> bytes:
    kind = "refusal" if dice.random() < 0.05 else "result" if number % 2 == 0 else "intent"
    tier = dice.choices(("int", "stg", "prod"), (70, 20, 10))[0]
    values: dict[str, JsonValue] = {
        "kind": kind,
        "of": number - 1 if kind == "result" else None,
        "operation": dice.choice(("reset", "seed", "migrate", "open")),
        "tier": tier,
        "target": f"app_{tier} on db-7:5432",
        "person": dice.choices(("anna", "ben", "cleo", "dora"), (60, 25, 14, 1))[0],
        "host": "laptop-3",
        "pid": dice.randrange(1, 60_000),
        "started": "d3b494ed-592085",
        "surroundings": "terminal",
        "plan": f"{dice.getrandbits(256):064x}",
        "effect": "CHANGE",
        "outcome": {"refusal": "E-NOT-ARMED", "result": "done"}.get(kind),
        "duration_ms": dice.randrange(9_000) if kind == "result" else None,
        "commit": f"{dice.getrandbits(160):040x}",
        "detail": {"heads": ["c41f"], "applied": [f"r{number}"]} if kind == "result" else None,
        "version": "0.1.0",
    }
    return encode({key: value for key, value in values.items() if value is not None})[1:-1]


# Appending


def _appending(bench: Bench) -> Iterator[Row]:
    body = _body(random.Random(1), 2)  # noqa: S311 - as above
    line = seal(START, "2026-01-01T00:00:00.000000Z", body)
    for processes in (1, _AT_ONCE):
        ours = _Writers(bench.scratch / "ours.jsonl", processes, lambda path: _appender(path, body))
        bare = _Writers(bench.scratch / "bare.jsonl", processes, lambda path: _writer(path, line))
        found = in_turn([Way(name="append", act=ours.run), Way(name="bare", act=bare.run)], bench.runs)
        many = "one process" if processes == 1 else f"{processes} processes at once"
        what = f"{_APPENDS} entries by {many}: lock, chain, fdatasync"
        yield Row(what=what, ours=found["append"], against="write and fdatasync", theirs=found["bare"], aim=1.25)


class _Writers:
    """Processes that write to one new file, each so many times."""

    def __init__(self, path: Path, processes: int, opened: Callable[[Path], Callable[[], object]]) -> None:
        self._path, self._processes, self._opened = path, processes, opened

    def run(self) -> float:
        self._path.unlink(missing_ok=True)
        self._opened(self._path)()  # the first entry makes the file
        context = multiprocessing.get_context("fork")
        barrier = context.Barrier(self._processes + 1)
        children = [context.Process(target=self._write, args=(barrier,)) for _ in range(self._processes)]
        for child in children:
            child.start()
        barrier.wait()
        started = time.perf_counter()
        for child in children:
            child.join()
        return (time.perf_counter() - started) * 1000

    def _write(self, barrier: Barrier) -> None:
        act = self._opened(self._path)
        barrier.wait()
        for _ in range(_APPENDS):
            act()


def _appender(path: Path, body: bytes) -> Callable[[], object]:
    return lambda: append(path, body)


def _writer(path: Path, line: bytes) -> Callable[[], object]:
    """Return what writes as whoever keeps the file open would."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write_and_wait() -> None:
        os.write(fd, line)
        os.fdatasync(fd)

    return write_and_wait


# Verifying and asking


def _verifying(bench: Bench, trail: Path) -> Row:
    ways = [
        Way(name="verify", act=_timed(lambda: verify(trail))),
        Way(name="sha256", act=_timed(lambda: _sha256(trail))),
    ]
    found = in_turn(ways, bench.runs)
    return Row(what="verifying all", ours=found["verify"], against="sha256 of the file", theirs=found["sha256"], aim=5)


def _asking(bench: Bench, trail: Path) -> Iterator[Row]:
    who = whoami("terminal", trail.parent)
    program = ["jq", "-c", 'select(.person == "dora")', str(trail)]
    ways = [
        Way(name="ours", act=_timed(lambda: list(read(trail, _RARE)))),
        Way(name="grep", act=_timed(lambda: _said(["grep", "-F", _WORD, str(trail)]))),
        *([Way(name="jq", act=_timed(lambda: _said(program)))] if shutil.which("jq") else []),
        Way(name="last", act=_timed(lambda: last(trail, 50))),
        Way(name="tail", act=_timed(lambda: _said(["tail", "-n", "50", str(trail)]))),
        Way(name="newest", act=_timed(lambda: runs(trail, _RARE, who, limit=20))),
    ]
    found = in_turn(ways, min(bench.runs, 5))
    what = "the entries of one person in a hundred"
    yield Row(what=what, ours=found["ours"], against="`grep -F`", theirs=found["grep"], aim=3)
    if "jq" in found:
        yield Row(what="the same", ours=found["ours"], against="`jq select`", theirs=found["jq"], aim=10, faster=True)
    yield Row(what="the newest 20 runs of that person", ours=found["newest"], against="`grep -F`", theirs=found["grep"])
    yield Row(what="the last 50 entries (aim: under 10 ms)", ours=found["last"], against="`tail`", theirs=found["tail"])


def _timed(act: Callable[[], object]) -> Callable[[], float]:
    def timed() -> float:
        started = time.perf_counter()
        act()
        return (time.perf_counter() - started) * 1000

    return timed


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _said(words: list[str]) -> bytes:
    """Return what a command wrote: into a pipe, since grep stops at the first line where nobody reads."""
    return subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout
