"""PostgreSQL servers that are not dbtasks' own, of another major version than the embedded one where there is one."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from dbtasks.programs import find_server_programs
from tests import launcher
from tests.server.road import PASSWORD, Server, as_postgres, own

_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "''",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "logical",
    "max_prepared_transactions": "5",
}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def foreign_bindir() -> Path:
    """Return the programs of another major version than the embedded one's, else the embedded one's."""
    ours = find_server_programs()
    return launcher.installed(other_than=ours.major) or ours.bindir


@contextmanager
def started(*, bindir: Path | None = None, options: dict[str, str] | None = None) -> Iterator[Server]:
    """Make and run a server; nothing of it is left afterwards."""
    memory = Path("/dev/shm")
    folder = own(Path(tempfile.mkdtemp(prefix="dbtasks-abroad-", dir=memory if memory.is_dir() else None)))
    server = Server(port=free_port(), folder=folder, bindir=bindir or foreign_bindir())
    secret = folder / "password"
    secret.write_text(PASSWORD)
    own(secret)
    how = ["-U", server.boss, "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8", "--no-locale", "--no-sync"]
    as_postgres([f"{server.bindir}/initdb", "-D", f"{folder}/data", *how])
    try:
        start(server, options)
        yield server
    finally:
        stop(server)
        shutil.rmtree(folder)


def start(server: Server, options: dict[str, str] | None = None) -> None:
    given = " ".join(f"-c {name}={value}" for name, value in {**_OPTIONS, **(options or {})}.items())
    control = [f"{server.bindir}/pg_ctl", "-D", f"{server.folder}/data", "-w", "-l", f"{server.folder}/log"]
    as_postgres([*control, "-o", f"-p {server.port} {given}", "start"])


def stop(server: Server) -> None:
    with suppress(subprocess.CalledProcessError):  # it may be down already
        as_postgres([f"{server.bindir}/pg_ctl", "-D", f"{server.folder}/data", "-m", "immediate", "stop"])


@contextmanager
def standby_of(primary: Server) -> Iterator[Server]:
    """Make and run a streaming standby."""
    folder = own(Path(tempfile.mkdtemp(prefix="dbtasks-standby-", dir=primary.folder.parent)))
    server = Server(port=free_port(), folder=folder, bindir=primary.bindir)
    data = f"{folder}/data"
    program = [f"{server.bindir}/pg_basebackup", "-D", data, "-R", "-c", "fast", "--no-sync"]
    as_postgres([*program, "-d", primary.url("postgres")])
    try:
        start(server)
        yield server
    finally:
        stop(server)
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def abroad() -> Iterator[Server]:
    with started() as server:
        yield server
