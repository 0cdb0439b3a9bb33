"""The trail under many processes: nothing acknowledged is lost, whoever is killed; forks, threads, rotation, locks."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dbtasks import trail_lock
from dbtasks.errors import TrailError
from dbtasks.trail import Act, Outcome, Trail, whoami
from dbtasks.trail_proof import verify
from dbtasks.trail_query import Filters, read

SEED = Act(operation="seed", tier="int")
WRITER = """
import sys
from pathlib import Path
from dbtasks.trail import Act, Outcome, Trail, whoami
trail = Trail(Path(sys.argv[1]), whoami("terminal", Path("/")))
for _ in range(int(sys.argv[2]) // 2):
    number = trail.intent(Act(operation="seed", tier="int"), {"worker": sys.argv[3]})
    print(number, flush=True)
    print(trail.result(number, outcome=Outcome.DONE, detail={"worker": sys.argv[3]}), flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "database_audit.jsonl"


def writer(path: Path, count: int, name: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(count), name],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_every_entry_acknowledged_by_eight_processes_is_in_the_file_though_two_are_killed(path: Path) -> None:
    writers = [writer(path, 200, str(name)) for name in range(8)]
    acknowledged: dict[int, list[int]] = {}

    def listen(index: int) -> None:
        process = writers[index]
        assert process.stdout is not None
        acknowledged[index] = numbers = []
        for line in process.stdout:
            if line.endswith("\n"):  # a kill may cut the acknowledgement itself
                numbers.append(int(line))
            if index < 2 and len(numbers) == 40 + index:
                process.send_signal(signal.SIGKILL)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(listen, range(8)))
    for process in writers:
        process.communicate()
    assert [process.wait() for process in writers] == [-signal.SIGKILL] * 2 + [0] * 6
    verdict = verify(path)
    assert (verdict.ok, verdict.why) == (True, None)
    found = {(entry.entry, entry.detail["worker"]) for entry in read(path, Filters())}
    told = {(number, str(index)) for index, numbers in acknowledged.items() for number in numbers}
    assert sum(len(numbers) for numbers in acknowledged.values()) >= 6 * 200 + 81
    assert told - found == set()
    assert verdict.count == len(found) <= len(told) + 2  # at most one entry of each killed process was not told


def test_a_process_killed_at_any_moment_leaves_a_trail_that_verifies_and_goes_on(path: Path) -> None:
    for round_number in range(12):
        process = writer(path, 100_000, "killed")
        assert process.stdout is not None
        told = int(process.stdout.readline())
        time.sleep(0.003 * round_number)
        process.kill()
        process.communicate()
        assert verify(path).ok
        assert verify(path).count >= told
        assert Trail(path, whoami("terminal", Path("/"))).note(SEED) == verify(path).count


def test_a_forked_child_writes_under_its_own_pid_and_both_go_on(path: Path) -> None:
    trail = Trail(path, whoami("terminal", Path("/")))
    number = trail.intent(SEED)
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        try:
            trail.result(number, outcome=Outcome.DONE)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    trail.note(SEED)
    written = list(read(path, Filters()))
    assert [(entry.kind, entry.pid) for entry in written] == [
        ("intent", os.getpid()),
        ("result", child),
        ("note", os.getpid()),
    ]
    assert written[0].started == written[2].started != written[1].started
    assert verify(path).ok


def test_threads_of_one_process_exclude_each_other(path: Path) -> None:
    trail = Trail(path, whoami("terminal", Path("/")))
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda _: trail.note(SEED), range(200)))
    assert sorted(numbers) == list(range(1, 201))
    assert (verify(path).ok, verify(path).count) == (True, 200)


def test_an_append_that_waited_while_the_file_was_renamed_goes_to_the_new_file(path: Path) -> None:
    trail = Trail(path, whoami("terminal", Path("/")))
    trail.note(SEED)
    old = path.with_suffix(".1.jsonl")
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        waiting = threading.Thread(target=trail.note, args=(SEED,))
        waiting.start()
        time.sleep(0.1)  # it has opened the old file by now and waits for its lock
        path.rename(old)
        fcntl.flock(held, fcntl.LOCK_UN)
    waiting.join()
    assert (verify(old).count, verify(path).count) == (1, 1)


def test_a_lock_that_is_never_given_back_ends_in_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trail_lock, "LOCK_WAIT_S", 0.2)
    trail = Trail(path, whoami("terminal", Path("/")))
    trail.note(SEED)
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(TrailError, match=r"another process has kept it locked .* Nothing was done\. End that"):
            trail.intent(SEED)
    assert trail.intent(SEED) == 2


def test_verifying_waits_for_a_line_in_progress(path: Path) -> None:
    trail = Trail(path, whoami("terminal", Path("/")))
    trail.note(SEED)
    trail.note(SEED)
    whole = path.read_bytes()
    with path.open("r+b", buffering=0) as held, ThreadPoolExecutor(1) as pool:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.truncate(len(whole) - 100)
        waiting = pool.submit(verify, path)
        time.sleep(0.1)
        held.seek(0, os.SEEK_END)
        held.write(whole[-100:])
        fcntl.flock(held, fcntl.LOCK_UN)
        assert (waiting.result().count, waiting.result().torn) == (2, ())


def test_verifying_while_others_write_never_takes_a_line_in_progress_for_a_torn_one(path: Path) -> None:
    process = writer(path, 600, "busy")
    assert process.stdout is not None
    process.stdout.readline()
    verdicts = [verify(path) for _ in range(50)]
    process.communicate()
    assert {(verdict.ok, verdict.torn) for verdict in verdicts} == {(True, ())}
    assert verify(path).count == 600
