"""The servers that resets are measured on: the private throw-away one, and a durable PostgreSQL 15 as a team has it."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from dbtasks import embedded
from dbtasks.database import Inspection
from dbtasks.programs import child_environment, find_client, find_server_programs

DURABLE_BINDIR = Path("/usr/lib/postgresql/15/bin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A running server: what it is called in the table, its superuser's URL without a database, and its psql."""

    name: str
    base_url: str = field(repr=False)
    psql: Path

    def url(self, database: str) -> str:
        return f"{self.base_url}/{database}"

    def run(self, *statements: str, database: str = "postgres") -> None:
        """Run statements one by one, each in a transaction of its own."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def has(self, database: str) -> bool:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone()
            return found is not None


@contextmanager
def throwaway(folder: Path) -> Iterator[Place]:
    """Run the private server as dbtasks would, for a project in `folder`; nothing of it is left afterwards."""
    folder.mkdir()
    try:
        server = embedded.ensure(folder, embedded.Kind.THROWAWAY)
        url = server.conninfo("postgres").url(Inspection()).removesuffix("/postgres")
        name = f"private server, PostgreSQL {server.version}, nothing synced"
        yield Place(name=name, base_url=url, psql=find_server_programs().path("psql"))
    finally:
        installed = embedded.look(folder, embedded.Kind.THROWAWAY)
        embedded.stop(folder, embedded.Kind.THROWAWAY)
        if installed is not None:
            shutil.rmtree(installed.data.parent, ignore_errors=True)


@contextmanager
def durable() -> Iterator[Place]:
    """Run a PostgreSQL of this machine with the settings that it is born with; nothing of it is left afterwards."""
    folder, password, port = Path(tempfile.mkdtemp(prefix="dbtasks-bench-durable-")), secrets.token_hex(8), free_port()
    secret, data, log = folder / "password", folder / "data", folder / "log"
    secret.write_text(password, encoding="ascii")
    account = user()
    if account is not None:
        shutil.chown(folder, account)
        shutil.chown(secret, account)
    program = find_client("psql", 15)
    bindir = DURABLE_BINDIR if DURABLE_BINDIR.is_dir() else program.resolve().parent
    try:
        access = ("-A", "scram-sha-256", "-U", "owner", f"--pwfile={secret}")
        run(bindir / "initdb", "-D", data, "-E", "UTF8", "--no-locale", *access)
        options = f"-p {port} -k '{folder}' -c listen_addresses=127.0.0.1"
        run(bindir / "pg_ctl", "-D", data, "-l", log, "-o", options, "-w", "start")
        try:
            base = f"postgresql://owner:{password}@127.0.0.1:{port}"
            yield Place(name="PostgreSQL 15, durable", base_url=base, psql=bindir / "psql")
        finally:
            run(bindir / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder)


def run(*command: str | Path) -> None:
    """Run one of PostgreSQL's programs as the account that may."""
    # To no pipe: the server keeps it open, and whoever reads it waits for ever.
    quiet = subprocess.DEVNULL
    subprocess.run(
        command, user=user(), env=child_environment(), cwd="/", stdin=quiet, stdout=quiet, stderr=quiet, check=True
    )


def user() -> str | None:
    """Return the account to hand over to: PostgreSQL refuses root."""
    return "postgres" if hasattr(os, "geteuid") and os.geteuid() == 0 else None


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
