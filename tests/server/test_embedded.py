"""The private PostgreSQL servers, on the real thing. SQL goes through psql, a program of its own."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dbtasks.embedded import Kind, Server, ensure, look, stop
from dbtasks.embedded.state import process_lives
from dbtasks.errors import EmbeddedServerError
from dbtasks.programs import child_environment, find_client, find_server_programs

LINUX = sys.platform == "linux"
ROOT = sys.platform != "win32" and os.geteuid() == 0
ENSURE = """
import sys
from pathlib import Path
from dbtasks.embedded import Kind, ensure
print(ensure(Path(sys.argv[1]), Kind(sys.argv[2])).pid)
"""

Make = Callable[[str], Path]


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DBTASKS_EMBEDDED_PORT_THROWAWAY", "DBTASKS_EMBEDDED_PORT_DURABLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def make_project() -> Iterator[Make]:
    """Makes project folders that every account may enter; afterwards nothing of their servers is left."""
    memory = Path("/dev/shm")  # where it is there, the durable servers' fsync costs these tests nothing
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 4 << 30
    base = Path(tempfile.mkdtemp(prefix="dbtasks-test-", dir=memory if roomy else None))
    base.chmod(0o755)

    def make(name: str) -> Path:
        project = base / name
        project.mkdir(parents=True)
        return project

    yield make
    for state in base.glob("**/.dbtasks/*/place"):
        root, kind = state.parents[2], Kind(state.parent.name)
        stop(root, kind)
        place = state.parent / state.read_text(encoding="utf-8").strip()
        if place != state.parent:
            shutil.rmtree(place)
    shutil.rmtree(base)


@pytest.fixture
def project(make_project: Make) -> Path:
    return make_project("project")


@functools.cache
def psql() -> Path:
    return find_client("psql")


def sql(server: Server, statement: str) -> str:
    password = (server.root / ".dbtasks" / server.kind / "password").read_text(encoding="ascii").strip()
    target = f"host={server.host} port={server.port} user={server.user} dbname=postgres"
    done = subprocess.run(
        [psql(), "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", target, "-c", statement],
        env=child_environment() | {"PGPASSWORD": password},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def starter(root: Path, kind: Kind) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", ENSURE, root, kind], stdout=subprocess.PIPE, text=True)


def postmasters(data: Path) -> list[int]:
    """Servers on that data directory whose parent is not a server itself."""
    wanted = b"-D\0" + os.fsencode(data) + b"\0"
    return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/cmdline") if wanted in _bytes(path)]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("kind", Kind)
def test_what_was_written_is_there_after_a_stop_and_a_start(project: Path, kind: Kind) -> None:
    first = ensure(project, kind)
    sql(first, "create table kept as select 7 as number")

    assert (stop(project, kind), stop(project, kind)) == (True, False)
    stopped = look(project, kind)
    second = ensure(project, kind)

    assert stopped is not None
    assert (stopped.running, stopped.pid, stopped.port) == (False, None, first.port)
    assert (second.running, second.port, second.data) == (True, first.port, first.data)
    assert sql(second, "select number from kept") == "7"


def test_nothing_is_there_and_nothing_is_made_by_looking(project: Path) -> None:
    assert look(project, Kind.DURABLE) is None
    assert list(project.iterdir()) == []


def test_a_running_server_is_left_alone_and_found_without_a_process(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ensure(project, Kind.THROWAWAY)
    monkeypatch.setenv("DBTASKS_PG_BINDIR", "/nonexistent")  # any look for programs would fail

    assert ensure(project, Kind.THROWAWAY) == first
    monkeypatch.undo()


def test_the_throwaway_server_never_waits_for_a_disk_and_the_durable_one_archives(project: Path) -> None:
    query = """
        select setting from unnest('{fsync,full_page_writes,synchronous_commit,wal_level,archive_mode,max_connections}'
            ::text[]) with ordinality as wanted (name, place) join pg_settings using (name) order by place
    """

    assert sql(ensure(project, Kind.THROWAWAY), query).split() == ["off", "off", "off", "minimal", "off", "200"]
    assert sql(ensure(project, Kind.DURABLE), query).split() == ["on", "on", "on", "replica", "on", "100"]


@pytest.mark.skipif(not LINUX, reason="a memory file system at /dev/shm is Linux's")
def test_throwaway_data_lies_in_memory_and_durable_data_in_the_project(project: Path) -> None:
    if shutil.disk_usage("/dev/shm").free < 2 << 30:
        pytest.skip("/dev/shm has less than 2 GB")
    throwaway, durable = ensure(project, Kind.THROWAWAY), ensure(project, Kind.DURABLE)

    assert throwaway.data.parent.parent == Path("/dev/shm")
    assert durable.data == project / ".dbtasks" / "durable" / "data"
    assert (project / ".dbtasks" / ".gitignore").read_text(encoding="ascii") == "*\n"


@pytest.mark.skipif(sys.platform == "win32", reason="these names are not allowed there")
def test_any_project_path_will_do_and_the_archive_fills(make_project: Make) -> None:
    root = make_project("""Prüfung 100%p of $HOME; it's "two words" `id`""")
    server = ensure(root, Kind.DURABLE)
    wal = sql(server, "select pg_walfile_name(pg_switch_wal())")
    archive = server.data.parent / "archive"

    until(lambda: sql(server, "select last_archived_wal from pg_stat_archiver") >= wal)

    assert (archive / wal).stat().st_size > 0
    assert list(archive.glob("*.part")) == []
    assert sql(server, "select failed_count from pg_stat_archiver") == "0"


@pytest.mark.thorough
def test_two_projects_have_two_servers(make_project: Make) -> None:
    one, two = (ensure(make_project(name), Kind.THROWAWAY) for name in ("one", "two"))
    sql(one, "create table only_here ()")

    assert sql(two, "select to_regclass('only_here') is null") == "t"
    assert len({one.port, two.port}) == len({one.data, two.data}) == 2


@pytest.mark.skipif(not LINUX, reason="processes are counted in /proc")
def test_eight_processes_at_once_start_one_server(project: Path) -> None:
    starters = [starter(project, Kind.THROWAWAY) for _ in range(8)]
    told = {process.communicate(timeout=60)[0].strip() for process in starters}

    server = look(project, Kind.THROWAWAY)

    assert server is not None
    assert told == {str(server.pid)}
    assert postmasters(server.data) == [server.pid]


@pytest.mark.skipif(sys.platform != "linux", reason="only /proc shows a process without its command line")
def test_a_process_that_becomes_another_program_lives_meanwhile() -> None:
    again = 'test "$1" -gt 0 && exec /bin/sh -c "$0" "$0" $(($1 - 1)) "$2"; read line'
    process = subprocess.Popen(["/bin/sh", "-c", again, again, "300", "/some/data"], stdin=subprocess.PIPE)
    try:
        looks = [process_lives(process.pid, Path("/some/data")) for _ in range(5000)]
        assert len(looks) == sum(looks)
    finally:
        process.kill()
        process.communicate()
    assert not process_lives(process.pid, Path("/some/data"))


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("kind", Kind)
def test_a_killed_server_is_started_again_with_its_data(project: Path, kind: Kind) -> None:
    first = ensure(project, kind)
    sql(first, "create table kept as select 7 as number")
    sql(first, "checkpoint")  # the throw-away server does not wait for its commits to leave the process
    assert first.pid is not None
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: not postmasters(first.data))

    second = ensure(project, kind)

    assert second.pid != first.pid
    assert sql(second, "select number from kept") == "7"


@pytest.mark.skipif(not LINUX, reason="processes are counted in /proc")
@pytest.mark.parametrize(
    "delay_s", [0.2, *(pytest.param(delay_s, marks=pytest.mark.thorough) for delay_s in (0.4, 0.6))]
)
def test_a_killed_start_is_repaired_by_the_next_one(project: Path, delay_s: float) -> None:
    with starter(project, Kind.THROWAWAY) as killed:
        time.sleep(delay_s)
        killed.kill()

    server = ensure(project, Kind.THROWAWAY)

    assert sql(server, "select 1") == "1"
    assert postmasters(server.data) == [server.pid]
    assert list(server.data.parent.glob("*-*")) + list(server.data.parent.glob("*.new*")) == []


@pytest.mark.skipif(not LINUX, reason="processes are counted in /proc")
@pytest.mark.thorough
def test_a_start_killed_inside_initdb_leaves_nothing_behind(project: Path) -> None:
    place = ensure(project, Kind.THROWAWAY).data.parent
    stop(project, Kind.THROWAWAY)
    shutil.rmtree(place / "data")
    with starter(project, Kind.THROWAWAY) as killed:
        until(lambda: any((room / "PG_VERSION").exists() for room in place.glob("data.new-*")))
        killed.kill()
    assert look(project, Kind.THROWAWAY) is None

    server = ensure(project, Kind.THROWAWAY)

    assert sql(server, "select 1") == "1"
    assert server.data.parent == place
    assert list(place.glob("data.new-*")) + list(place.glob("password-*")) == []


@pytest.mark.skipif(not LINUX, reason="processes are counted in /proc")
@pytest.mark.thorough
def test_a_server_whose_project_was_cleaned_is_replaced(project: Path) -> None:
    first = ensure(project, Kind.THROWAWAY)
    shutil.rmtree(project / ".dbtasks")  # what `git clean -fdx` does

    second = ensure(project, Kind.THROWAWAY)

    assert sql(second, "select 1") == "1"
    assert first.pid not in postmasters(first.data)


@pytest.mark.skipif(not LINUX, reason="processes are counted in /proc")
@pytest.mark.thorough
def test_a_project_that_is_moved_takes_its_durable_server_along(make_project: Make) -> None:
    old = make_project("old")
    first = ensure(old, Kind.DURABLE)
    sql(first, "create table kept as select 7 as number")
    new = old.rename(old.with_name("new"))

    second = ensure(new, Kind.DURABLE)

    assert sql(second, "select number from kept") == "7"
    assert postmasters(first.data) == []


@pytest.mark.skipif(not LINUX, reason="data in memory")
@pytest.mark.thorough
def test_throwaway_data_that_is_gone_is_made_anew(project: Path) -> None:
    first = ensure(project, Kind.THROWAWAY)
    stop(project, Kind.THROWAWAY)
    shutil.rmtree(first.data.parent)

    assert look(project, Kind.THROWAWAY) is None
    assert sql(ensure(project, Kind.THROWAWAY), "select 1") == "1"


@pytest.mark.skipif(not LINUX, reason="data in memory")
@pytest.mark.thorough
def test_the_memory_of_a_project_that_is_gone_is_given_back_unless_its_server_runs(make_project: Make) -> None:
    gone, running, there = (ensure(make_project(name), Kind.THROWAWAY) for name in ("gone", "running", "there"))
    if Path("/dev/shm") not in gone.data.parents:
        pytest.skip("/dev/shm has less than 2 GB")
    stop(gone.root, Kind.THROWAWAY)
    stop(there.root, Kind.THROWAWAY)
    shutil.rmtree(gone.root)
    away = running.root.rename(running.root.with_name("away"))

    ensure(make_project("new"), Kind.THROWAWAY)

    away.rename(running.root)
    assert [server.data.exists() for server in (gone, running, there)] == [False, True, True]


def test_durable_data_that_is_gone_is_never_made_anew_silently(project: Path) -> None:
    first = ensure(project, Kind.DURABLE)
    stop(project, Kind.DURABLE)
    away = first.data.rename(first.data.with_name("away"))

    with pytest.raises(EmbeddedServerError, match=r"is gone\. Bring it back, or remove") as told:
        ensure(project, Kind.DURABLE)

    assert str(first.data) in str(told.value)
    away.rename(first.data)
    assert ensure(project, Kind.DURABLE).running


def test_a_port_that_was_taken_meanwhile_is_exchanged_and_said(project: Path) -> None:
    first = ensure(project, Kind.THROWAWAY)
    stop(project, Kind.THROWAWAY)
    lines: list[str] = []
    with listening(first.port):
        second = ensure(project, Kind.THROWAWAY, lines.append)
        stop(project, Kind.THROWAWAY)

    third = ensure(project, Kind.THROWAWAY)

    assert second.port != first.port
    assert third.port == second.port
    taken = f"port {first.port} is taken by another program: the throwaway server now listens on {second.port}"
    assert taken in lines


def test_a_fixed_port_is_used_and_refused_by_name_when_it_is_taken(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("DBTASKS_EMBEDDED_PORT_THROWAWAY", str(port))

    with (
        listening(port),
        pytest.raises(EmbeddedServerError, match=f"Port {port}, set by DBTASKS_EMBEDDED_PORT_THROWAWAY, is taken"),
    ):
        ensure(project, Kind.THROWAWAY)

    assert ensure(project, Kind.THROWAWAY).port == port


@pytest.mark.parametrize("text", ["80", "65536", "five", "²"])
def test_a_fixed_port_must_be_one(project: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("DBTASKS_EMBEDDED_PORT_THROWAWAY", text)

    with pytest.raises(EmbeddedServerError, match="Set it to a port between 1024 and 65535"):
        ensure(project, Kind.THROWAWAY)

    assert not (project / ".dbtasks" / "throwaway" / "place").exists()


def test_data_of_another_major_version_is_refused_where_it_is_kept(project: Path) -> None:
    server = ensure(project, Kind.DURABLE)
    stop(project, Kind.DURABLE)
    real = (server.data / "PG_VERSION").read_text(encoding="ascii")
    (server.data / "PG_VERSION").write_text("13\n", encoding="ascii")

    with pytest.raises(EmbeddedServerError, match=f"PostgreSQL 13 made it, and the programs in .* are {real.strip()}"):
        ensure(project, Kind.DURABLE)

    (server.data / "PG_VERSION").write_text(real, encoding="ascii")
    assert ensure(project, Kind.DURABLE).running


@pytest.mark.thorough
def test_data_of_another_major_version_is_made_anew_where_it_may_go(project: Path) -> None:
    server = ensure(project, Kind.THROWAWAY)
    stop(project, Kind.THROWAWAY)
    (server.data / "PG_VERSION").write_text("13\n", encoding="ascii")
    lines: list[str] = []

    assert sql(ensure(project, Kind.THROWAWAY, lines.append), "select 1") == "1"
    assert lines[0].startswith("the data of the private PostgreSQL (throwaway) is made anew: PostgreSQL 13 made it")


@pytest.mark.thorough
def test_throwaway_data_that_cannot_be_started_is_made_anew(project: Path) -> None:
    server = ensure(project, Kind.THROWAWAY)
    stop(project, Kind.THROWAWAY)
    (server.data / "global" / "pg_control").write_bytes(b"")
    lines: list[str] = []

    assert sql(ensure(project, Kind.THROWAWAY, lines.append), "select 1") == "1"
    assert lines[0] == "the private PostgreSQL (throwaway) did not start, its data is made anew"


def test_durable_data_that_cannot_be_started_stays_and_the_log_is_quoted(project: Path) -> None:
    server = ensure(project, Kind.DURABLE)
    stop(project, Kind.DURABLE)
    (server.data / "global" / "pg_control").write_bytes(b"")

    with pytest.raises(EmbeddedServerError, match=r"(?s)did not start.*pg_control.*The whole log: .*server.log"):
        ensure(project, Kind.DURABLE)

    assert (server.data / "base").is_dir()


@pytest.mark.skipif(not LINUX, reason="processes are read in /proc")
def test_the_password_is_in_no_process_arguments_and_in_one_private_file(project: Path) -> None:
    seen: set[bytes] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            seen.update(_bytes(path) for path in Path("/proc").glob("[0-9]*/cmdline"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    server = ensure(project, Kind.THROWAWAY)
    done.set()
    watcher.join()

    file = project / ".dbtasks" / "throwaway" / "password"
    password = file.read_bytes().strip()
    assert any(b"--pwfile=" in arguments for arguments in seen)  # the watcher saw initdb at work
    assert [arguments for arguments in seen if password in arguments] == []
    assert file.stat().st_mode & 0o777 == 0o600
    assert password.decode() not in repr(server)
    assert password not in (project / ".dbtasks" / "throwaway" / "server.log").read_bytes()


@pytest.mark.skipif(not LINUX, reason="the environment is read in /proc")
def test_the_server_sees_neither_urls_nor_pg_variables(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("database_url", "PGHOST", "PGDATA", "PGOPTIONS", "LD_PRELOAD"):
        monkeypatch.setenv(name, "elsewhere")
    server = ensure(project, Kind.THROWAWAY)

    names = {entry.split(b"=")[0].decode() for entry in _bytes(Path(f"/proc/{server.pid}/environ")).split(b"\0")}

    assert names - {"LC_ALL", "PATH", "TMPDIR", "TZ", "LD_LIBRARY_PATH", "PWD", "OLDPWD", "SHLVL", "_", ""} == {
        name for name in names if name.startswith("PG_")
    }


@pytest.mark.skipif(
    not (LINUX and ROOT), reason="only root has a small file system mounted and hands over to an account"
)
def test_a_full_disk_is_said_and_leaves_nothing_half_made(project: Path) -> None:
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=755", "tmpfs", project], check=False).returncode:
        pytest.skip("this root may not mount")
    try:
        with pytest.raises(EmbeddedServerError, match=r"(?s)is full .*free at least 200 MB.*No space left on device"):
            ensure(project, Kind.DURABLE)
        left = [path.name for path in (project / ".dbtasks" / "durable").iterdir()]
        subprocess.run(["mount", "-o", "remount,size=512m", project], check=True)
        mended = sql(ensure(project, Kind.DURABLE), "select 1")
        stop(project, Kind.DURABLE)
    finally:
        subprocess.run(["umount", project], check=True)

    assert [name for name in left if name.startswith(("data", "password-", "place"))] == []
    assert mended == "1"


@pytest.mark.skipif(not ROOT, reason="only root hands over to an account that may not enter")
@pytest.mark.thorough
def test_a_project_that_nobody_else_may_enter_keeps_its_data_elsewhere(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.chmod(0o700)
    package = find_server_programs().bindir.parents[1]
    if not (package / "pginstall" / "share").is_dir():
        pytest.skip("the PostgreSQL found here is none that a package brought")
    for name in (package.name, f"{package.name}.libs"):
        (project / name).symlink_to(package.with_name(name))
    monkeypatch.setenv("DBTASKS_PG_BINDIR", str(project / package.name / "pginstall" / "bin"))
    lines: list[str] = []
    before = set(Path("/var/cache").glob("dbtasks-*"))

    server = ensure(project, Kind.DURABLE, lines.append)
    copies = set(Path("/var/cache").glob("dbtasks-*")) - before
    stopped = stop(project, Kind.DURABLE)
    again = ensure(project, Kind.DURABLE)
    monkeypatch.delenv("DBTASKS_PG_BINDIR")
    stop(project, Kind.DURABLE)
    for copy in copies:
        shutil.rmtree(copy)

    assert stopped
    assert again.data == server.data
    assert project not in server.data.parents
    assert [lines[0].split(",")[0]] == [f"copying PostgreSQL {server.version} to {copy}" for copy in copies]
    assert project.stat().st_mode & 0o777 == 0o700
    assert server.data.stat().st_uid != 0
    assert server.data.parent.stat().st_uid == 0


@pytest.mark.skipif(not Path("/usr/lib/postgresql/15/bin/initdb").exists(), reason="no PostgreSQL 15 of Debian here")
@pytest.mark.thorough
def test_an_older_postgresql_will_do(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBTASKS_PG_BINDIR", "/usr/lib/postgresql/15/bin")

    server = ensure(project, Kind.THROWAWAY)

    assert sql(server, "show server_version_num")[:2] == "15"
    assert sql(server, "select pg_encoding_to_char(encoding) from pg_database where datname = 'template0'") == "UTF8"


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_state_folder_that_is_a_link_is_refused(make_project: Make) -> None:
    root, elsewhere = make_project("project"), make_project("elsewhere")
    (root / ".dbtasks").symlink_to(elsewhere)

    with pytest.raises(EmbeddedServerError, match="must be a folder that belongs to the user who runs this"):
        ensure(root, Kind.DURABLE)

    assert list(elsewhere.iterdir()) == []


def until(claim: Callable[[], bool], patience_s: float = 20) -> None:
    deadline = time.monotonic() + patience_s
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def listening(port: int) -> socket.socket:
    other = socket.socket()
    other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    other.bind(("127.0.0.1", port))
    other.listen()
    return other
