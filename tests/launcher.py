"""A PostgreSQL that is already installed on this machine, started apart from dbtasks: the server that a team has."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dbtasks.programs import child_environment, version_in

FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class External:
    """A running server and its superuser."""

    major: int
    port: int
    password: str = field(repr=False)
    user: str = "owner"
    host: str = "127.0.0.1"

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{self.user}:{self.password}@{self.host}:{self.port}/{database}"


def installed(*, other_than: int) -> Path | None:
    """Return the programs of the newest installed PostgreSQL, 14 or newer, of another major version."""
    found = {}
    for bindir in (path for pattern in FOLDERS for path in Path("/").glob(pattern[1:])):
        if (bindir / "initdb").exists():
            told = subprocess.run([bindir / "postgres", "--version"], capture_output=True, text=True, check=True)
            version = version_in(told.stdout)
            if version and version[0] >= 14 and version[0] != other_than:
                found[version[0]] = bindir
    return found[max(found)] if found else None


@contextmanager
def external(bindir: Path) -> Iterator[External]:
    """Start a server on these programs; nothing of it is left afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="dbtasks-external-"))
    server = External(major=int(bindir.parent.name), port=_free_port(), password=secrets.token_urlsafe(12))
    (folder / "password").write_text(server.password, encoding="ascii")
    user = _user()
    if user is not None:
        shutil.chown(folder, user)
        shutil.chown(folder / "password", user)
    data, log = folder / "data", folder / "log"
    try:
        _run(bindir / "initdb", "-D", data, "-A", "scram-sha-256", "-U", server.user, f"--pwfile={folder / 'password'}")
        options = f"-p {server.port} -k '{folder}' -c listen_addresses={server.host} -c fsync=off"
        _run(bindir / "pg_ctl", "-D", data, "-l", log, "-o", options, "-w", "start")
        try:
            yield server
        finally:
            _run(bindir / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder)


def _run(*command: str | Path) -> None:
    # To no pipe: the server keeps it open, and whoever reads it waits for ever.
    done = subprocess.run(
        command,
        user=_user(),
        env=child_environment(),
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, command


def _user() -> str | None:
    """Return the account to hand over to: PostgreSQL refuses root."""
    return "postgres" if sys.platform != "win32" and os.geteuid() == 0 else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
