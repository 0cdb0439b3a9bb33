"""The private servers' settings and remembered state; no server is needed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dbtasks.embedded.settings import archive_command, initdb_options, server_settings
from dbtasks.embedded.state import Kind, Postmaster, State

posix = pytest.mark.skipif(sys.platform == "win32", reason="a shell's command")


def archive(command: str, folder: Path, name: str) -> int:
    """Run the command as the server does: in the data directory, with %p, %f and %% replaced."""
    text = command.replace("%%", "\0").replace("%p", f"pg_wal/{name}").replace("%f", name).replace("\0", "%")
    return subprocess.run(["/bin/sh", "-c", text], cwd=folder, check=False).returncode


@pytest.fixture(params=["plain", "two words", 'it\'s 100%p $HOME "quoted" `id`'], ids=["plain", "blank", "hostile"])
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    folder = tmp_path / str(request.param)
    (folder / "pg_wal").mkdir(parents=True)
    (folder / "archive").mkdir()
    (folder / "pg_wal" / "0001").write_bytes(b"wal")
    return folder


@posix
def test_a_wal_file_is_archived_whole_and_again_is_no_error(folder: Path) -> None:
    command = archive_command(folder / "archive")

    assert [archive(command, folder, "0001"), archive(command, folder, "0001")] == [0, 0]
    assert {path.name: path.read_bytes() for path in (folder / "archive").iterdir()} == {"0001": b"wal"}


@posix
def test_an_archived_file_is_never_overwritten_by_another(folder: Path) -> None:
    command = archive_command(folder / "archive")
    archive(command, folder, "0001")
    (folder / "pg_wal" / "0001").write_bytes(b"other")

    assert archive(command, folder, "0001") != 0
    assert (folder / "archive" / "0001").read_bytes() == b"wal"


@posix
def test_a_copy_that_fails_is_a_failure_and_leaves_no_file_of_that_name(folder: Path) -> None:
    command = archive_command(folder / "archive")
    shutil.rmtree(folder / "archive")

    assert archive(command, folder, "0001") != 0
    assert not (folder / "archive").exists()


@posix
def test_a_half_copied_file_of_a_killed_run_is_replaced(folder: Path) -> None:
    (folder / "archive" / "0001.part").write_bytes(b"w")

    assert archive(archive_command(folder / "archive"), folder, "0001") == 0
    assert [path.name for path in (folder / "archive").iterdir()] == ["0001"]


@pytest.mark.parametrize(("major", "expected"), [(14, None), (16, None), (17, "on"), (18, "on")])
def test_wal_is_summarised_where_the_server_can(major: int, expected: str | None) -> None:
    assert server_settings(Kind.DURABLE, major, Path("/p")).get("summarize_wal") == expected
    assert "summarize_wal" not in server_settings(Kind.THROWAWAY, major, Path("/p"))


def test_the_durable_server_keeps_the_default_durability() -> None:
    settings = server_settings(Kind.DURABLE, 18, Path("/p"))

    assert {"fsync", "synchronous_commit", "full_page_writes"} & set(settings) == set()
    assert (settings["wal_level"], settings["archive_mode"]) == ("replica", "on")


@pytest.mark.parametrize(("major", "expected"), [(14, False), (16, False), (17, True), (18, True)])
def test_texts_are_ordered_alike_on_every_machine(major: int, expected: bool) -> None:
    options = initdb_options(Kind.DURABLE, major)

    assert ("--builtin-locale=C.UTF-8" in options) is expected
    assert "--no-locale" in options


def test_only_throwaway_data_is_made_without_waiting_for_the_disk() -> None:
    asked = {kind: "--no-sync" in initdb_options(kind, 18) for kind in Kind}

    assert asked == {Kind.THROWAWAY: True, Kind.DURABLE: False}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("71\n/d\n1790000000\n5433\n/tmp/s\n127.0.0.1\n 1 2\nready   \n", (71, "/d", 5433, "ready")),
        ("71\n/d\n1790000000\n5433\n/tmp/s\n127.0.0.1\n 1 2\nstopping\n", (71, "/d", 5433, "stopping")),
        ("71\n/d\n1790000000\n5433\n", (71, "/d", 5433, "starting")),
        ("71\n/d\n179", None),
        ("-71\n/d\n1790000000\n5433\n", None),
        ("", None),
        (None, None),
    ],
    ids=["ready", "stopping", "half written", "cut", "single user", "empty", "missing"],
)
def test_a_postmaster_pid_file(tmp_path: Path, lines: str | None, expected: tuple[int, str, int, str] | None) -> None:
    if lines is not None:
        (tmp_path / "postmaster.pid").write_text(lines, encoding="ascii")
    found = State(root=tmp_path, kind=Kind.DURABLE).postmaster(tmp_path)

    assert (found and (found.pid, found.data, found.port, found.status)) == expected


def test_a_number_that_another_process_uses_by_now_is_no_server(tmp_path: Path) -> None:
    mine = Postmaster(pid=os.getpid(), data=str(tmp_path), port=1, status="ready")

    assert not mine.serves(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process works on")
@pytest.mark.parametrize(
    ("data", "status", "expected"),
    [("own", "ready", True), ("original", "ready", False), ("own", "starting", False)],
    ids=["own", "copied with its folder", "not yet"],
)
def test_a_postmaster_serves_its_own_data_directory(tmp_path: Path, data: str, status: str, expected: bool) -> None:
    with subprocess.Popen(["sh", "-c", "read line", "-D", tmp_path / data], stdin=subprocess.PIPE) as stand_in:
        found = Postmaster(pid=stand_in.pid, data=str(tmp_path / data), port=1, status=status)
        until_exec(stand_in.pid)
        serves = found.serves(tmp_path / "own")
        stand_in.kill()

    assert serves is expected


def until_exec(pid: int) -> None:
    while b"read line" not in Path(f"/proc/{pid}/cmdline").read_bytes():
        pass


def test_remembered_values_are_private_and_replaced_whole(tmp_path: Path) -> None:
    state = State(root=tmp_path, kind=Kind.DURABLE)
    state.make(enterable=False)
    state.write("port", "1234")
    state.write("port", "5678")

    assert (state.port, state.read("place")) == (5678, None)
    assert [path.name for path in state.folder.iterdir()] == ["port"]
    if sys.platform != "win32":
        assert (state.folder / "port").stat().st_mode & 0o777 == 0o600


def test_passwords_differ_and_are_long(tmp_path: Path) -> None:
    state = State(root=tmp_path, kind=Kind.DURABLE)
    state.make(enterable=False)
    passwords = set()
    for _ in range(3):
        state.new_password()
        passwords.add(state.password)

    assert [len(password or "") for password in passwords] == [32, 32, 32]
