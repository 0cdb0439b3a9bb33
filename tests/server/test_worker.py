"""The worker against a real server: what it applies, and what it says when something goes wrong."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from dbtasks.errors import LockTimeoutError, RefusedError
from dbtasks.migration_errors import MigrationFailedError
from dbtasks.migrations import events, ledger
from dbtasks.migrations.history import read_history
from tests import outside
from tests.server.shop import ASYNC_ENV, ENV, PASSWORD, SETTINGS, Shop, environment, has_greenlet, until


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
    assert shop.kinds() == [
        "Started",
        "Connected",
        "Planned",
        "RevisionStarted",
        "RevisionApplied",
        "InputsSeen",
        "Done",
    ]
    assert shop.reported[-1] == events.Done(heads=("r1",), version_table="public.alembic_version")


def test_a_second_run_finds_nothing_to_do(shop: Shop) -> None:
    shop.revision("CREATE TABLE a (id int)")
    shop.upgrade()
    assert shop.upgrade() == ()
    assert shop.ledger() == ["r1"]


def test_a_socket_is_a_place_like_any_other(shop: Shop) -> None:
    shop.revision("CREATE TABLE a (id int)")
    folder, port = shop.server.socket, shop.server.port
    url = f"postgresql://postgres:{quote(PASSWORD, safe='')}@/{shop.database}?host={quote(folder, safe='')}&port={port}"
    assert shop.upgrade(host=folder, url=url, environ=environment(url)) == ("r1",)


def test_a_program_left_in_the_background_does_not_hold_the_parent_up(shop: Shop) -> None:
    shop.revision(code="import subprocess\nsubprocess.Popen(['sleep', '30'])")
    began = time.monotonic()
    assert shop.upgrade() == ("r1",)
    assert time.monotonic() - began < 20


def test_an_asynchronous_env_py_works(shop: Shop) -> None:
    shop.env(ASYNC_ENV)
    shop.revision("CREATE TABLE a (id int)")
    if not has_greenlet(SETTINGS.python or Path(sys.executable)):
        pytest.skip("SQLAlchemy's asynchronous engines need greenlet")
    assert shop.upgrade() == ("r1",)


def test_the_projects_own_callback_is_kept(shop: Shop) -> None:
    shop.env(
        ENV.format(per_migration="False, on_version_apply=lambda **seen: print('SEEN', seen['step'].up_revision_id)")
    )
    shop.revision("CREATE TABLE a (id int)")
    assert shop.upgrade() == ("r1",)
    assert "SEEN r1" in shop.log()


def test_a_role_set_by_env_py_does_not_hide_the_ledger(shop: Shop) -> None:
    name = f"owner_{shop.database}"
    with shop.connect() as connection:
        connection.execute(f"CREATE ROLE {name}")
        connection.execute(f"GRANT CREATE ON SCHEMA public TO {name}")
    shop.env(
        ENV.format(per_migration=False).replace(
            "    context.configure",
            f"    connection.exec_driver_sql('SET ROLE {name}')\n    connection.commit()\n    context.configure",
        )
    )
    shop.revision("CREATE TABLE a (id int)")
    assert shop.upgrade() == ("r1",)
    assert shop.ledger() == ["r1"]
    assert shop.value("SELECT tableowner FROM pg_tables WHERE tablename = 'a'") == name
    with shop.connect() as connection:
        connection.execute(f"DROP OWNED BY {name}")
        connection.execute(f"DROP ROLE {name}")


def test_a_failure_half_way_says_what_stands(shop: Shop) -> None:
    shop.env(ENV.format(per_migration=True))
    shop.revision("CREATE TABLE a (id int)")
    shop.revision("CREATE TABLE b (id int)", "SELECT 1/0")
    shop.revision("CREATE TABLE c (id int)")
    with pytest.raises(MigrationFailedError) as failure:
        shop.upgrade()
    assert (failure.value.applied, failure.value.failed, failure.value.pending) == (("r1",), "r2", ("r3",))
    assert failure.value.reason == "DivisionByZero: division by zero (SQLSTATE 22012)"
    assert (shop.current(), shop.ledger()) == (frozenset({"r1"}), ["r1"])


def test_a_failure_names_the_line_of_the_project_the_log_and_what_to_run(shop: Shop) -> None:
    shop.revision(code="{}['missing']")
    with pytest.raises(MigrationFailedError) as failure:
        shop.upgrade()
    lines = str(failure.value).splitlines()
    assert lines[0] == "Migration stopped at revision r1: KeyError: 'missing'"
    path, _, line = failure.value.notes["raised in"].rpartition(":")
    assert "['missing']" in (shop.root / path).read_text(encoding="utf-8").splitlines()[int(line) - 1]
    assert failure.value.notes["next"] == "mend it, then: invoke migrate"


def test_a_failure_in_one_transaction_takes_all_back_and_says_so(shop: Shop) -> None:
    shop.revision("CREATE TABLE a (id int)")
    shop.revision("SELECT 1/0")
    with pytest.raises(MigrationFailedError) as failure:
        shop.upgrade()
    assert (failure.value.applied, failure.value.failed, failure.value.pending) == ((), "r2", ("r1",))
    assert "r1 had run in the same transaction and went back with it" in failure.value.reason
    assert shop.current() == frozenset()


def test_a_tree_that_depends_on_another_ends_where_the_plan_says(shop: Shop) -> None:
    shop.revision("CREATE TABLE a (id int)")
    file = shop.root / "migrations/versions/billing.py"
    needs = "revision = 'billing'\ndown_revision = None\nbranch_labels = 'money'\ndepends_on = 'r1'\n"
    file.write_text(needs + "def upgrade():\n    pass\n")
    assert shop.upgrade() == ("r1", "billing")
    assert shop.current() == frozenset(read_history(shop.root, SETTINGS).heads) == {"billing"}


def test_what_was_to_be_applied_is_told_where_env_py_fails_before_anything(shop: Shop) -> None:
    shop.env("raise ValueError('line\\n' * 40)")
    shop.revision("CREATE TABLE a (id int)")
    with pytest.raises(MigrationFailedError) as failure:
        shop.upgrade()
    assert (failure.value.failed, failure.value.pending) == (None, ("r1",))
    assert "... (28 more lines)" in str(failure.value)


def test_a_process_that_is_gone_leaves_its_log_and_a_next_command(shop: Shop) -> None:
    shop.revision(code="os._exit(0)")
    with pytest.raises(MigrationFailedError) as failure:
        shop.upgrade()
    assert failure.value.failed == "r1"
    assert failure.value.notes["next"].startswith("mend it, then: ")


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
    assert failure.value.leftovers == ("index public.ix, invalid. Remove it: DROP INDEX CONCURRENTLY public.ix;",)
    assert failure.value.notes["next"].endswith(" --retry=r2")
    with pytest.raises(RefusedError) as refusal:
        shop.upgrade()
    assert (refusal.value.code, refusal.value.saw) == ("E-REVISION-TORN", "revision r2 left public.ix behind, invalid")
    with shop.connect() as connection:
        connection.execute("DROP INDEX ix")
        connection.execute("DELETE FROM t WHERE ctid = '(0,1)'")
    with pytest.raises(RefusedError) as refusal:  # rows it may have left cannot be seen: a person has to say so
        shop.upgrade()
    assert refusal.value.saw == "revision r2 left its transaction and did not come back"
    assert shop.upgrade(retry=("r2",)) == ("r2",)
    assert shop.ledger() == ["r1", "r2"]
    with shop.connect() as connection:
        assert ledger.torn(connection) == ()


@pytest.mark.parametrize(
    ("driver", "way"),
    [("psycopg", "raw.commit()"), ("psycopg2", "raw.commit()"), ("psycopg2", "raw.cursor().execute('END')")],
)
def test_a_commit_on_the_drivers_own_connection_tears_as_any_other(shop: Shop, driver: str, way: str) -> None:
    ini = shop.root / "alembic.ini"
    ini.write_text(ini.read_text().replace("postgresql:", f"postgresql+{driver}:"))
    raw = "raw = op.get_bind().connection.driver_connection\nraw.cursor().execute('CREATE TABLE a (id int)')\n"
    shop.revision(code=f"{raw}{way}\nraise ValueError(type(raw).__bases__[0].__module__)")
    with pytest.raises(MigrationFailedError) as failure:
        shop.upgrade()
    assert failure.value.reason.startswith(f"ValueError: {driver}.")
    assert failure.value.leftovers == ("whatever r1 did outside of a transaction; no index is invalid",)
    assert shop.value("SELECT count(*) FROM a") == 0


def test_work_on_the_drivers_own_connection_stays_in_the_transaction(shop: Shop) -> None:
    ini = shop.root / "alembic.ini"
    ini.write_text(ini.read_text().replace("postgresql:", "postgresql+psycopg2:"))
    raw = "raw = op.get_bind().connection.driver_connection\nraw.cursor().execute(b'CREATE TABLE a (id int)')\n"
    shop.revision(code=raw + "raise ValueError('x')")
    with pytest.raises(MigrationFailedError) as failure:
        shop.upgrade()
    assert (failure.value.failed, failure.value.leftovers) == ("r1", ())
    assert shop.value("SELECT to_regclass('a')") is None


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
    assert "role postgres, dbtasks/7 migrate: anna o'hara, connected since 20" in waits[0].holder


def test_a_lock_that_stays_taken_is_refused_with_its_holder(shop: Shop) -> None:
    shop.revision("CREATE TABLE a (id int)")
    with shop.connect() as holder:
        holder.execute("SET application_name = 'night job'")
        holder.execute(f"SELECT pg_advisory_lock({ledger.LOCK_CLASS}, {ledger.GATE})")
        with pytest.raises(LockTimeoutError) as timeout:
            shop.upgrade(lock_wait_s=0.3)
        assert f"pid {holder.backend_pid}, role postgres, night job, connected since" in str(timeout.value)
    assert shop.upgrade() == ("r1",)


def test_a_statement_that_outlives_its_worker_holds_the_next_one_up(shop: Shop) -> None:
    shop.revision("CREATE TABLE a (id int)")
    with shop.connect() as lingering:
        lingering.execute(f"SELECT pg_advisory_lock_shared({ledger.LOCK_CLASS}, {ledger.STATEMENTS})")
        with pytest.raises(LockTimeoutError):
            shop.upgrade(lock_wait_s=0.3)
    assert shop.upgrade() == ("r1",)


RUNNING = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()"
)


def sleeping(shop: Shop) -> bool:
    return bool(shop.value(RUNNING) == 1)


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
import pickle, sys
from dbtasks.migrations.upgrade import upgrade
upgrade(pickle.loads(sys.stdin.buffer.read()), lambda event: None)
"""


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGINT], ids=["kill -9", "ctrl-c"])
def test_the_end_of_the_parent_ends_the_worker_and_its_statement(shop: Shop, signum: signal.Signals) -> None:
    shop.revision("CREATE TABLE a (id int)", "SELECT pg_sleep(60)")
    command = [sys.executable, "-c", PARENT]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "start_new_session": True}
    with subprocess.Popen(command, env=outside.environment(), cwd=shop.root, **pipes) as parent:
        assert parent.stdin is not None
        parent.stdin.write(pickle.dumps(shop.job()))
        parent.stdin.close()
        assert until(lambda: sleeping(shop))
        if signum is signal.SIGINT:
            os.killpg(parent.pid, signum)  # as a terminal does: to everybody in the foreground
        else:
            parent.send_signal(signum)
        assert parent.stderr is not None
        errors = parent.stderr.read().decode()
    assert until(lambda: workers(shop.root) == [], 3)
    assert until(lambda: not sleeping(shop), 5)
    assert shop.current() == frozenset()
    if signum is signal.SIGINT:
        assert (
            "InterruptedByPersonError: interrupted; the worker has ended\n  applied      none\n  not applied  r1"
            in errors
        )


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
    seen = json.loads((shop.root / "seen").read_text())
    assert {name: seen.get(name) for name in ("FEATURE", *taken)} == {
        "FEATURE": "on",
        **dict.fromkeys(taken),
        "DATABASE_URL": url.replace("postgresql:", "postgresql+psycopg:"),
    }


def test_a_password_that_the_project_prints_is_hidden(shop: Shop) -> None:
    code = """
        print("going to", os.environ["DATABASE_URL"])
        print(os.environ["DATABASE_URL"], file=sys.stderr)
        raise RuntimeError(os.environ["DATABASE_URL"])
        """
    shop.revision(code=code)
    with pytest.raises(MigrationFailedError) as failure:
        shop.upgrade()
    texts = shop.log() + str(failure.value) + repr(shop.reported) + repr(shop.job())
    assert "going to" in texts
    assert [form for form in (PASSWORD, quote(PASSWORD, safe=""), quote(PASSWORD)) if form in texts] == []


def test_the_project_cannot_import_our_modules_by_accident(shop: Shop) -> None:
    code = """
        from importlib.util import find_spec
        print("FOUND", [name for name in ("history", "ledger", "events", "worker_gate") if find_spec(name)])
        """
    shop.revision(code=code)
    shop.upgrade()
    assert "FOUND []" in shop.log()


def test_a_computed_history_is_read_by_the_worker(shop: Shop) -> None:
    shop.revision("CREATE TABLE a (id int)")
    shop.revision("CREATE TABLE b (id int)")
    file = shop.root / "migrations/versions/r2.py"
    file.write_text(file.read_text().replace("'r2'", "'r' + str(2)"))
    history = read_history(shop.root, SETTINGS, environ=environment(""))
    assert [(each.id, each.down) for each in history.revisions] == [("r1", ()), ("r2", ("r1",))]
