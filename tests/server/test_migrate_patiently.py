"""`invoke migrate` on a server that others use: what it says while it waits, what it misses, what it leaves to do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server.abroad import standby_of, started
from tests.server.road import Project, Server, project, said, until
from tests.server.test_kills import strays, workers

pytestmark = pytest.mark.timeout(300)

BLOCKS = "BEGIN; SET LOCAL application_name = 'long report'; LOCK TABLE people IN ACCESS SHARE MODE"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with started() as made:
        yield made


@pytest.fixture
def small(server: Server, request: pytest.FixtureRequest) -> Iterator[Project]:
    """INT on that server, with three revisions applied by its owner."""
    name = f"small{abs(hash(request.node.name)) % 10_000}"
    with project(name) as made:
        made.edit("config/tiers.yaml", "5 seconds, tries: 5 times", "400 milliseconds, tries: 9 times")
        owner = server.role(f"{name}_owner")
        server.database(f"{name}_int", owner)
        made.urls = {"test_database_url": server.url(f"{name}_int", owner)}
        done = made.invoke("migrate")
        assert done.code == 0, done.text
        yield made


def test_who_has_the_lock_is_said_while_waiting_and_the_next_try_goes_on(small: Project, server: Server) -> None:
    small.revision("r4", "op.execute('CREATE TABLE four ()')")
    small.revision("r5", "op.execute('ALTER TABLE people ADD COLUMN born date')")
    with server.connect(f"{small.name}_int") as blocker:
        blocker.execute(BLOCKS)
        waits = "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"
        run = small.start("migrate --format=json")
        until(lambda: blocker.execute(waits).fetchall() == [(1,)], seconds=60)
        until(lambda: blocker.execute(waits).fetchall() == [(0,)], seconds=60)
        blocker.execute("COMMIT")
        text, _ = run.communicate(timeout=100)

    assert run.returncode == 0, text
    told = [line.strip() for line in text.splitlines() if line.startswith("  wait ")]
    assert any(f"r5 waits for a lock, after pid {blocker.backend_pid}" in line for line in told), text
    assert any("r5 got no lock and went back; try 2 of 9 in " in line for line in told), text
    detail = small.last_entry()["detail"]
    assert detail["applied"] == ["r4", "r5"]
    assert detail["tries"] >= 2


def test_a_right_that_is_missing_is_told_before_anything_runs(small: Project, server: Server) -> None:
    small.revision("r4", "op.execute('CREATE TABLE four ()')")
    database, weak = f"{small.name}_int", server.role(f"{small.name}_weak")
    for statement in (
        f"GRANT USAGE ON SCHEMA public, dbtasks TO {weak}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public, dbtasks TO {weak}",
    ):
        server.sql(statement, database)
    weakly = {"test_database_url": server.url(database, weak)}

    refused = small.invoke("migrate --format=json", **weakly)
    planned = small.invoke("migrate --dry-run --format=json", **weakly)

    error = said(refused)["error"]
    assert (refused.code, error["code"], said(planned)["code"]) == (3, "E-RIGHTS", "E-RIGHTS")
    assert f"write dbtasks.ledger (GRANT USAGE ON SCHEMA dbtasks TO {weak};" in error["message"]
    assert "write the version table public.alembic_version (GRANT SELECT, INSERT, UPDATE, DELETE" in error["message"]
    assert server.sql("SELECT version_num FROM alembic_version", database) == ["r3"]

    server.sql(f"GRANT {small.name}_owner TO {weak}", database)
    done = small.invoke("migrate", **weakly)
    assert done.code == 0, done.text


@pytest.mark.thorough
def test_what_is_left_to_do_is_said_after_a_migration_and_only_then(small: Project, server: Server) -> None:
    small.revision("r4", "op.execute('ALTER TABLE people ADD CONSTRAINT named CHECK (length(name) > 0) NOT VALID')")
    with standby_of(server):
        until(lambda: server.sql("SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'"), what="a replica")
        server.sql(f"GRANT pg_monitor TO {small.name}_owner")
        done = small.invoke("migrate --format=json")
    assert done.code == 0, done.text
    result = said(done)["result"]
    assert result["unvalidated"] == [{"table": "public.people", "constraint": "named"}]
    assert [(each["name"], each["state"]) for each in result["replicas"]] == [("walreceiver", "streaming")]
    assert "ALTER TABLE public.people VALIDATE CONSTRAINT named;" in done.err
    assert "  replica   walreceiver streaming, " in done.err
    quiet = small.invoke("migrate --format=json")
    assert said(quiet)["result"].keys() == {"heads"}


# The worker that is started ahead


def workers_of(small: Project, server: Server) -> tuple[int, str]:
    """Return how many workers a migration had, and how it ended."""
    database = f"{small.name}_int"
    with server.connect(database) as look:
        run = small.start("migrate")
        sleeping = "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(1.5)%' AND pid <> pg_backend_pid()"
        until(lambda: look.execute(sleeping).rows, seconds=60, what="the revision runs")
        found = len(workers(run.pid))
        text, _ = run.communicate(timeout=100)
    assert run.returncode == 0, text
    return found, text


def test_the_worker_that_was_started_ahead_does_the_work_alone(small: Project, server: Server) -> None:
    small.revision("r4", "op.execute('SELECT pg_sleep(1.5)')\nprint('ARGUMENTS', sys.argv[1:])")

    found, _ = workers_of(small, server)

    assert found == 1
    log = (small.root / "logs" / "migrations.log").read_text()
    assert "ARGUMENTS ['ahead']" in log


def test_a_worker_without_a_job_is_gone_with_a_refusal_and_none_is_started_when_nothing_is_new(
    small: Project, server: Server
) -> None:
    small.revision("r4", "op.execute('SELECT 1')")
    server.sql("UPDATE dbtasks.identity SET tier = 'prod'", f"{small.name}_int")
    assert small.invoke("migrate").code == 3
    until(lambda: not strays(small.root), what="the worker is gone")
    server.sql("UPDATE dbtasks.identity SET tier = 'int'", f"{small.name}_int")
    assert small.invoke("migrate").code == 0
    assert (small.root / ".dbtasks" / "migrated-int").exists()
