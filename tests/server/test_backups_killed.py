"""A backup that is killed wherever it does something: there is a whole one or none, and the next run clears up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dbtasks.backups import pruning
from dbtasks.backups.manifest import Grade
from dbtasks.conninfo import parse
from dbtasks.registry import Registry, open_registry
from tests import outside
from tests.outside import REPOSITORY
from tests.server.abroad import abroad as abroad
from tests.server.backups_ground import Ground
from tests.server.road import Server

pytestmark = [pytest.mark.timeout(600), pytest.mark.outside]
SOME = 17  # of its points, the fast suite tries each so-manieth


@pytest.fixture(scope="module")
def made(abroad: Server, tmp_path_factory: pytest.TempPathFactory) -> Ground:
    ground = Ground(
        boss=parse(abroad.url("postgres"), variable="a test's"),
        folder=tmp_path_factory.mktemp("killed") / "backups",
        name="shop_stg",
    )
    ground.make()
    return ground


def run(ground: Ground, how: str, kill_at: int = 0) -> subprocess.CompletedProcess[str]:
    """Take or restore a backup in a process of its own, which kills itself at a point."""
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.server.backups_child",
            ground.boss.url(ground.clearance),
            str(ground.folder),
            how,
        ],
        env=environment(DBTASKS_TESTS_KILL_AT=str(kill_at)),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def environment(**more: str) -> dict[str, str]:
    return outside.environment({"PYTHONPATH": str(Path(__file__).parents[2]), **more})


def points(ground: Ground, how: str) -> int:
    for _ in range(2):  # the first one also makes the registry
        done = run(ground, how)
        assert done.returncode == 0, done.stderr
    return int(done.stdout)


def kill_at(ground: Ground, how: str, number: int) -> None:
    before, was = set(ground.listing().backups), ground.dump()
    done = run(ground, how, number)
    assert done.returncode == -signal.SIGKILL, done.stderr
    listed = ground.listing()
    assert listed.unreadable == ()
    for manifest in set(listed.backups) - before:  # killed when it was whole
        assert ground.verify(manifest).grade is Grade.RESTORABLE
    whole = {manifest.id for manifest in listed.backups if not manifest.copy}
    assert not whole & set(sweep(ground))
    assert {path.name for path in ground.folder.iterdir()} == whole | {".gitignore"}
    sweep_databases(ground)
    copies = {manifest.copy for manifest in listed.backups if manifest.copy}
    assert ground.databases() == {"postgres", "template0", "template1", ground.name} | copies
    assert ground.dump() == was


def sweep(ground: Ground) -> tuple[str, ...]:
    """Sweep once nobody holds what was left: a pg_dump whose parent was killed ends a moment later."""
    for _ in range(200):
        swept = ground.vault().store.sweep()
        if swept or not any(path.suffix for path in ground.folder.iterdir()):
            return swept
        time.sleep(0.05)
    return ground.vault().store.sweep()


def sweep_databases(ground: Ground) -> None:
    """Drop what was being built, as each command of the tier does first; its builder's session may still end."""
    with closing(open_registry(ground.clearance, ground.boss, ground.boss)) as connection:
        known = Registry(connection, "shop", "anna@desk")
        for _ in range(200):
            known.sweep("stg")
            if not known.rows("stg", "building"):
                return
            time.sleep(0.05)


@pytest.fixture(params=["pg_dump", "jobs", "copy", "restore"])
def how(request: pytest.FixtureRequest, made: Ground) -> Iterator[str]:
    made.take()  # one that is there already, and stays as it is
    yield request.param
    pruning.prune(made.clearance, made.vault(), made.listing().backups, made.boss)


def test_killed_at_some_points(made: Ground, how: str) -> None:
    number = points(made, how)
    assert number > SOME, "nothing was counted"
    for point in range(number // 2 % SOME + 1, number + 1, SOME):
        kill_at(made, how, point)


@pytest.mark.thorough
def test_killed_at_every_point(made: Ground, how: str) -> None:
    for point in range(1, points(made, how) + 1):
        kill_at(made, how, point)


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="it needs /proc to see pg_dump")
def test_what_a_living_pg_dump_still_writes_is_not_swept(made: Ground) -> None:
    """With jobs pg_dump writes the folder itself, and goes on when whoever started it is killed."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.server.backups_child", made.boss.url(made.clearance), str(made.folder), "jobs"],
        env=environment(),
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
    )
    dumping = _stopped_pg_dump(child.pid)
    child.kill()
    child.wait()
    try:
        assert made.vault().store.sweep() == ()
        left = [path.name for path in made.folder.iterdir() if path.suffix == ".partial"]
        assert len(left) == 1
    finally:
        for pid in dumping:
            os.kill(pid, signal.SIGKILL)
    assert sweep(made) == (left[0].removesuffix(".partial"),)


def _stopped_pg_dump(parent: int) -> list[int]:
    """Return the pg_dump of that parent, and its children, once it is there and stopped."""
    for _ in range(20_000):
        for process in Path("/proc").glob("[0-9]*"):
            try:
                fields = (process / "stat").read_text().rpartition(")")[2].split()
                words = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if int(fields[1]) == parent and words[0].endswith(b"/pg_dump") and b"--format=directory" in words:
                os.kill(int(process.name), signal.SIGSTOP)
                return [int(process.name)]
        time.sleep(0.001)
    raise AssertionError("no pg_dump was seen")
