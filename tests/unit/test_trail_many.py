"""Sixty-four processes that write a thousand entries each while some are killed: nothing that was told is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from dbtasks.rotation import opened, trail_files
from dbtasks.trail_file import parse_link
from dbtasks.trail_proof import verify

# `sys.argv`: the trail, how many entries, the writer's name, how large a file may grow (0: as it likes).
WRITER = """
import sys
from pathlib import Path
from dbtasks.rotation import NEVER, Rotation
from dbtasks.trail import Act, Outcome, Trail, whoami
size = int(sys.argv[4])
trail = Trail(Path(sys.argv[1]), whoami("terminal", Path("/")), Rotation(size_bytes=size) if size else NEVER)
for _ in range(int(sys.argv[2]) // 2):
    number = trail.intent(Act(operation="seed", tier="int"), {"worker": sys.argv[3]})
    print(number, flush=True)
    print(trail.result(number, outcome=Outcome.DONE, detail={"worker": sys.argv[3]}), flush=True)
"""


def told_by(process: subprocess.Popen[str], kill_at: int) -> list[int]:
    """Return the entries that a process told of over its pipe; it is killed once it has told so many (0: never)."""
    numbers: list[int] = []
    assert process.stdout is not None
    for line in process.stdout:
        if line.endswith("\n"):  # a kill may cut the telling itself
            numbers.append(int(line))
        if len(numbers) == kill_at:
            process.send_signal(signal.SIGKILL)
    process.communicate()
    return numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """So many processes that write so many entries each, the first of them killed meanwhile."""

    processes: int
    killed: int
    entries: int
    rotation: int = 0


def written(path: Path, crowd: Crowd) -> list[list[int]]:
    """Let them write, and return what each told of. Those that are killed would write for long."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    lasting = crowd.processes - crowd.killed
    counts = [1_000_000] * crowd.killed + [crowd.entries] * lasting
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(count), str(name), str(crowd.rotation)],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name, count in enumerate(counts)
    ]
    points = [1 + index * crowd.entries // crowd.killed for index in range(crowd.killed)] + [0] * lasting
    with ThreadPoolExecutor(crowd.processes) as pool:
        told = list(pool.map(told_by, writers, points))
    assert [process.returncode for process in writers] == [-signal.SIGKILL] * crowd.killed + [0] * lasting
    return told


def check(path: Path, crowd: Crowd) -> None:
    """Let them write, and assert that all that was told of is in the trail, which verifies, as that process told it."""
    told = written(path, crowd)
    verdict = verify(path)
    assert (verdict.ok, verdict.why, verdict.torn) == (True, None, ())
    found = {}
    for file in opened(path):
        for line in file:
            link = parse_link(line.rstrip(b"\n"))
            assert link is not None
            assert link.entry not in found
            found[link.entry] = int(line.rpartition(b'"worker":"')[2].split(b'"')[0])
    assert list(found) == list(range(1, verdict.count + 1))
    for index, numbers in enumerate(told):
        assert numbers == sorted(numbers)
        assert {found.get(number) for number in numbers} <= {index}
    assert [len(numbers) for numbers in told[crowd.killed :]] == [crowd.entries] * (crowd.processes - crowd.killed)
    count = sum(map(len, told))
    assert count <= verdict.count <= count + crowd.killed  # of each killed process at most one was not told of yet


@pytest.mark.thorough
@pytest.mark.timeout(600)
@pytest.mark.parametrize("rotation", [0, 1_000_000], ids=["one file", "many files"])
def test_what_64_processes_told_of_is_in_the_trail_though_16_were_killed(tmp_path: Path, rotation: int) -> None:
    path = tmp_path / "logs" / "audit.jsonl"
    check(path, Crowd(processes=64, killed=16, entries=1_000, rotation=rotation))
    assert (len(trail_files(path)) > 20) is bool(rotation)


@pytest.mark.timeout(120)
def test_what_processes_told_of_is_in_the_trail_though_files_are_put_aside_all_the_time(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "audit.jsonl"
    check(path, Crowd(processes=6, killed=2, entries=60, rotation=2_000))
    assert len(trail_files(path)) > 20
