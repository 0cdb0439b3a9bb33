"""Killed at any step, or out of disk, a recovery leaves nothing that the next one does not sweep."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from dbtasks import base_backups
from dbtasks.embedded.account import choose_account
from dbtasks.recovery import rooms, upkeep
from dbtasks.recovery.engines.archive import Archive
from dbtasks.recovery.marks import Mark
from tests import outside
from tests.server.recovery_ground import Ground, private, processes, proven, seen

pytestmark = [pytest.mark.timeout(180), pytest.mark.outside]

# A process of its own that recovers, or takes a base backup, and is killed before or after a step, or has little disk.
CHILD = """
import importlib, json, os, resource, signal, sys
from pathlib import Path

from dbtasks.database import Scratch, open_to_write
from dbtasks.conninfo import parse
from dbtasks.recovery import recovering, upkeep
from dbtasks.recovery.engines.archive import Archive
from dbtasks.recovery.goals import BeforeMark
from dbtasks.recovery.marks import mark_from
from dbtasks.recovery.source import Source

told = json.loads(sys.stdin.read())


def kill(when, module, name):
    module = importlib.import_module(module)
    original = getattr(module, name)

    def killed(*arguments, **named):
        if when == "after":
            original(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(module, name, killed)


if told["kill"]:
    kill(*told["kill"].split())
if told["file_bytes"]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (told["file_bytes"], resource.RLIM_INFINITY))
engine = Archive(folder=Path(told["archive"]), shelf=Path(told["shelf"]), owned=True)
mark = mark_from(told["mark"])
if told["url"]:
    conninfo = parse(told["url"], variable="a test's")
    connection = open_to_write(Scratch(conninfo), conninfo)
    upkeep.take_base(engine, Source(connection=connection, conninfo=conninfo, permit=Scratch(conninfo)), print)
else:
    recovering.recover(
        recovering.Request(
            root=Path(told["root"]),
            engine=engine,
            system_identifier=mark.system_identifier,
            goal=BeforeMark(mark=mark),
            at_least={},
        ),
        print,
    )
"""


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    with private() as made:
        made.run("CREATE TABLE notes (text text); INSERT INTO notes VALUES ('before')")
        yield made


@pytest.fixture(scope="module")
def mark(ground: Ground) -> Mark:
    made = ground.mark()
    proven(ground, made)
    return made


def run(ground: Ground, mark: Mark, *, kill: str = "", file_bytes: int = 0, url: str = "") -> tuple[int, str]:
    assert isinstance(ground.engine, Archive)
    told: dict[str, Any] = {
        "kill": kill,
        "file_bytes": file_bytes,
        "url": url,
        "archive": str(ground.engine.folder),
        "shelf": str(ground.shelf),
        "root": str(ground.root),
        "mark": mark.as_data(),
    }
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        input=json.dumps(told),
        env=outside.environment({"PYTHONPATH": str(outside.REPOSITORY)}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


RECOVERY = "dbtasks.recovery."


@pytest.mark.thorough
@pytest.mark.parametrize(
    "step",
    [
        pytest.param("before unpacking check_room", id="an empty folder"),
        pytest.param("before unpacking _place", id="the first file"),
        pytest.param("after unpacking unpack", id="unpacked"),
        pytest.param("after server prepare", id="set up"),
        pytest.param("after server launch", id="started"),
        pytest.param("before server _replayed", id="at its goal"),
        pytest.param("before rooms keep", id="not noted yet"),
    ],
)
def test_what_a_killed_recovery_left_is_swept_by_the_next_one(ground: Ground, mark: Mark, step: str) -> None:
    when, module, name = step.split()
    code, error = run(ground, mark, kill=f"{when} {RECOVERY}{module} {name}")
    assert (code, ground.left() != []) == (-9, True), error

    with ground.recovered(mark) as recovered:
        assert seen(recovered, "SELECT text FROM notes") == ["before"]
        assert [line for line in ground.left() if recovered.id not in line and "socket" not in line] == []
    assert ground.left() == []


@pytest.mark.thorough
def test_a_server_that_was_noted_outlives_its_maker_and_the_next_sweep(ground: Ground, mark: Mark) -> None:
    code, error = run(ground, mark, kill=f"after {RECOVERY}rooms keep")
    assert code == -9, error
    account = choose_account()

    assert rooms.sweep(ground.root, account) == ()
    (found,) = rooms.found(ground.root, account)
    assert seen(found, "SELECT text FROM notes") == ["before"]
    rooms.drop(found)
    assert ground.left() == []


def test_a_full_disk_ends_in_one_sentence_and_leaves_nothing(ground: Ground, mark: Mark) -> None:
    code, error = run(ground, mark, file_bytes=1 << 18)

    assert code == 1
    assert error.splitlines()[-1].startswith(
        "dbtasks.errors.RecoveryFailedError: The recovered server could not be set up: [Errno 27]"
    )
    assert ground.left() == []


@pytest.mark.thorough
def test_a_disk_that_fills_up_during_a_base_backup_ends_in_one_sentence(ground: Ground, mark: Mark) -> None:
    before = [each.id for each in base_backups.kept(ground.shelf)]
    code, error = run(ground, mark, file_bytes=1 << 20, url=ground.conninfo.url(ground.source.permit))

    assert code == 1
    assert error.splitlines()[-1].startswith(
        "dbtasks.errors.RecoveryFailedError: No base backup could be kept: [Errno 27]"
    )
    assert [each.id for each in base_backups.kept(ground.shelf)] == before
    assert (list(ground.shelf.glob("*.partial")), processes(ground.shelf)) == ([], [])


@pytest.mark.thorough
def test_two_recoveries_at_once_leave_each_other_alone(ground: Ground, mark: Mark) -> None:
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda _: run(ground, mark), range(3)))
    assert [code for code, _ in done] == [0, 0, 0], done

    found = rooms.found(ground.root, choose_account())
    assert [seen(each, "SELECT text FROM notes") for each in found] == [["before"]] * 3
    for each in found:
        rooms.drop(each)
    assert ground.left() == []


@pytest.mark.thorough
@pytest.mark.parametrize("step", ["before shelf _span", "before shelf _copy"], ids=["unfinished", "at its beginning"])
def test_a_base_backup_that_was_killed_is_none_and_is_swept(ground: Ground, mark: Mark, step: str) -> None:
    when, module, name = step.split()
    permit = ground.source.permit
    before = [each.id for each in base_backups.kept(ground.shelf)]
    code, error = run(ground, mark, kill=f"{when} {RECOVERY}{module} {name}", url=ground.conninfo.url(permit))
    assert code == -9, error
    assert [each.id for each in base_backups.kept(ground.shelf)] == before

    made = upkeep.take_base(ground.engine, ground.source, lambda _line: None)
    assert list(ground.shelf.glob("*.partial")) == []
    assert processes(ground.shelf) == []
    base_backups.remove(made)
