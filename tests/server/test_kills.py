"""SIGKILL at any moment: the database is the old one or the new one, the trail verifies, the next run clears up.

A few kills run with every test run; `pytest -m kills` tries many more moments and prints how many.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dbtasks import embedded
from dbtasks.trail_proof import verify
from tests import outside
from tests.server.road import Project, contents, project, said, until

pytestmark = pytest.mark.timeout(240)
SYSTEM = {"postgres", "template0", "template1", "dbtasks"}
HERE_BEFORE = "INSERT INTO people VALUES (99, 'somebody who was here before') ON CONFLICT DO NOTHING"


@dataclass(slots=True, kw_only=True)
class Ground:
    """STG on a durable server, and what it holds before and after each operation."""

    project: Project
    url: str
    outcomes: Counter[str] = field(default_factory=Counter)

    def sql(self, statement: str, database: str = "small_stg") -> list[tuple[object, ...]]:
        with outside.connect(f"{self.url.rpartition('/')[0]}/{database}", autocommit=True) as connection:
            return connection.execute(statement).rows or []

    def contents(self) -> str:
        return contents(self.url)

    def works(self, words: str) -> None:
        done = self.project.invoke(words)
        assert done.code == 0, done.text

    def survives(self, run: subprocess.Popen[str], old: str, new: str) -> str:
        """Assert what holds after a kill, whatever was killed when, and return which of the two the database is."""
        now = self.contents()  # clients can connect
        assert now in (old, new)
        outcome = "new" if now == new else "old"
        self.outcomes[outcome] += 1
        path = self.project.root / "logs" / "database_audit.jsonl"
        assert verify(path).bad_line is None
        until(lambda: not strays(self.project.root), what="the killed run's children are gone")
        entries = self.project.trail()
        begun = [entry["entry"] for entry in entries if entry["kind"] == "intent" and entry["pid"] == run.pid]
        ended = {entry["of"] for entry in entries if entry["kind"] == "result"}
        if begun and begun[-1] not in ended:
            self.outcomes["unfinished"] += 1
        return outcome

    def is_clean(self) -> None:
        """Assert that the server holds nothing but the live database and what retention keeps, all registered."""
        names = {str(row[0]) for row in self.sql("SELECT datname FROM pg_database")} - SYSTEM
        rows = self.sql("SELECT name, kind FROM dbtasks.registry", "dbtasks")
        assert names == {name for name, _ in rows}
        assert {kind for _, kind in rows} <= {"live", "retired"}
        assert [name for name, kind in rows if kind == "live"] == ["small_stg"]


def strays(root: Path) -> list[int]:
    """Return the processes that work in a folder; a server works in its data directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            folder = process.joinpath("cwd").readlink()
            if folder.is_relative_to(root) and not folder.is_relative_to(root / ".dbtasks"):
                found.append(int(process.name))
        except OSError:  # it has just ended
            continue
    return found


def workers(pid: int) -> list[int]:
    """Return the children that run Alembic; others read the server's log back, or dump."""
    try:
        found = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return [each for each in found if b"worker" in Path(f"/proc/{each}/cmdline").read_bytes()]
    except OSError:
        return []


def kill(run: subprocess.Popen[str], how: str) -> None:
    """Kill the command, its whole process group, or only the child that runs Alembic, if there is one now."""
    if how == "group":
        os.killpg(run.pid, signal.SIGKILL)
    elif how == "process":
        run.kill()
    else:
        for child in workers(run.pid):
            os.kill(child, signal.SIGKILL)
    run.communicate(timeout=60)


def moments(count: int, seconds: float) -> list[float]:
    """Return moments over a run: half of them evenly spaced, half at random."""
    even = [seconds * (number + 0.5) / (count // 2) for number in range(count // 2)]
    return even + [random.uniform(0.05, 1.1) * seconds for _ in range(count - count // 2)]  # noqa: S311


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    with project() as made:
        for tier in ("int", "stg"):
            done = made.invoke(f"reset --tier={tier}")
            assert done.code == 0, done.text
        yield Ground(project=made, url=made.server_url("stg", "small_stg"))


def took(ground: Ground, words: str) -> float:
    started = time.monotonic()
    ground.works(words)
    return time.monotonic() - started


def kill_resets(ground: Ground, count: int, ways: tuple[str, ...]) -> None:
    seconds = took(ground, "reset --tier=stg --yes")
    new = ground.contents()
    for number, moment in enumerate(moments(count, seconds)):
        ground.sql(HERE_BEFORE)
        old = ground.contents()
        run = ground.project.start("reset --tier=stg --yes")
        time.sleep(moment)
        kill(run, ways[number % len(ways)])
        ground.survives(run, old, new)
        ground.works("reset --tier=stg --yes")
        ground.is_clean()
        assert ground.contents() == new


def kill_seedings(ground: Ground, count: int) -> None:
    rows = "".join(f"{number},pupil {number}\n" for number in range(1000, 21000))
    path = ground.project.file("seeds/demo/people.csv", f"id,name\n{rows}")
    ground.works("seed --tier=stg")
    new = ground.contents()
    for moment in moments(count, took(ground, "seed --tier=stg")):
        ground.sql("DELETE FROM people WHERE id >= 1000")
        old = ground.contents()
        run = ground.project.start("seed --tier=stg")
        time.sleep(moment)
        kill(run, "process")
        until(lambda: not ground.sql("SELECT 1 FROM pg_stat_activity WHERE application_name = 'dbtasks'"))
        ground.survives(run, old, new)
        ground.works("seed --tier=stg")
        assert ground.contents() == new
    path.unlink()
    ground.works("reset --tier=stg --yes")


PENDING = {
    "r4": "op.execute('CREATE TABLE one (id int)')\nop.execute('SELECT pg_sleep(0.2)')\n"
    "op.execute('CREATE TABLE two ()')",
    "r5": "with op.get_context().autocommit_block():\n"
    "    op.execute('CREATE INDEX CONCURRENTLY lessons_by_title ON lessons (title)')",
    "r6": "op.execute('CREATE TABLE three (id int)')\nop.execute('SELECT pg_sleep(0.2)')\nop.execute('DROP TABLE one')",
}


@pytest.fixture
def pending(ground: Ground) -> Iterator[Ground]:
    """Three revisions that INT has and STG lacks; the second one runs outside of a transaction."""
    paths = [ground.project.revision(id_, body) for id_, body in PENDING.items()]
    ground.works("reset --tier=int")
    yield ground
    for path in paths:
        path.unlink()
    for words in ("reset --tier=int", "reset --tier=stg --yes"):
        ground.works(words)


def kill_migrations(ground: Ground, count: int) -> None:
    before = list(PENDING)
    seconds = took(ground, "migrate --tier=stg")
    for moment in moments(count, seconds):
        for id_ in before:  # STG as it was before
            (ground.project.root / f"migrations/versions/{id_}.py").rename(ground.project.root / f"{id_}.py")
        ground.works("reset --tier=stg --yes")
        for id_ in before:
            (ground.project.root / f"{id_}.py").rename(ground.project.root / f"migrations/versions/{id_}.py")
        run = ground.project.start("migrate --tier=stg")
        time.sleep(moment)
        kill(run, "process")
        until(lambda: not ground.sql("SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'dbtasks%'"))
        ground.outcomes[each_revision_is_whole_or_absent(ground)] += 1
        assert verify(ground.project.root / "logs" / "database_audit.jsonl").bad_line is None
        again = ground.project.invoke("migrate --tier=stg")
        if again.code == 3:
            assert "E-REVISION-TORN" in again.err, again.text
            assert "lessons_by_title" in again.err, again.text
            ground.outcomes["torn"] += 1
            ground.sql("DROP INDEX lessons_by_title")
            ground.works("migrate --tier=stg --retry=r5")
        else:
            assert again.code == 0, again.text


def each_revision_is_whole_or_absent(ground: Ground) -> str:
    """Return the revision that the database is at, after comparing it with what is there."""
    at = str(ground.sql("SELECT version_num FROM alembic_version")[0][0])
    tables = {str(row[0]) for row in ground.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    expected = {"r3": set(), "r4": {"one", "two"}, "r5": {"one", "two"}, "r6": {"two", "three"}}
    assert tables - {"alembic_version", "people", "lessons"} == expected[at]
    ledger = {row[0] for row in ground.sql("SELECT revision FROM dbtasks.ledger WHERE duration_ms IS NOT NULL")}
    assert ledger == {f"r{number}" for number in range(1, int(at[1:]) + 1)}
    return at


def kill_servers(ground: Ground, count: int, words: str) -> None:
    seconds = took(ground, words)
    new = ground.contents()
    for moment in moments(count, seconds):
        ground.sql(HERE_BEFORE)
        old = ground.contents()
        server = embedded.look(ground.project.root, embedded.Kind.DURABLE)
        assert server is not None
        assert server.pid is not None
        run = ground.project.start(words)
        time.sleep(moment)
        os.kill(server.pid, signal.SIGKILL)
        text, _ = run.communicate(timeout=100)
        assert "bug" not in text
        started = ground.project.invoke("server start")
        assert started.code == 0, started.text
        ground.url = ground.project.server_url("stg", "small_stg")
        ground.survives(run, old, new)
        ground.works(words)
        ground.is_clean()


# With every test run


@pytest.mark.thorough  # `kills_quick` kills resets at every fortieth point
def test_a_reset_that_is_killed_leaves_the_old_or_the_new_database(ground: Ground) -> None:
    kill_resets(ground, 2, ("process", "group"))


@pytest.mark.thorough  # `kills_quick` kills resets at every fortieth point
def test_a_reset_whose_migration_is_killed_leaves_the_old_database_and_says_so(ground: Ground) -> None:
    ground.sql(HERE_BEFORE)
    old = ground.contents()
    path = ground.project.file("migrations/versions/r3.py", (
        ground.project.root / "migrations/versions/r3.py").read_text() + "    op.execute('SELECT pg_sleep(30)')\n"
    )  # fmt: skip
    # INT has other bytes of it now, and STG's reset wants them proven.
    text = path.read_text()
    path.write_text(text.replace("pg_sleep(30)", "pg_sleep(0)"))
    ground.works("reset --tier=int")
    run = ground.project.start("reset --tier=stg --yes")
    until(lambda: len(workers(run.pid)) == 1, what="the worker")
    kill(run, "worker")

    assert run.returncode == 1
    assert ground.contents() == old
    assert ground.project.last_entry()["outcome"] == "failed"
    path.write_text(text.replace("    op.execute('SELECT pg_sleep(30)')\n", ""))
    ground.works("reset --tier=int")
    ground.works("reset --tier=stg --yes")
    ground.is_clean()


def test_a_killed_run_shows_as_unfinished_in_audit_and_status_until_it_is_done_again(ground: Ground) -> None:
    run = ground.project.start("reset --tier=stg --yes")
    until(lambda: workers(run.pid), what="the worker")
    kill(run, "process")

    audit = said(ground.project.invoke("audit --tier=stg --outcome=unfinished --format=json"))
    status = said(ground.project.invoke("status --format=json"))
    shown = ground.project.invoke("status").out

    assert audit[-1]["intent"]["pid"] == run.pid
    assert audit[-1]["entry"] in [each["entry"] for each in status["unfinished"]]
    assert f"(pid {run.pid} gone). See: invoke audit --entry={audit[-1]['entry']}" in shown
    ground.works("audit --verify")
    ground.works("reset --tier=stg --yes")
    ground.is_clean()


@pytest.mark.thorough
def test_a_seeding_that_is_killed_has_added_everything_or_nothing(ground: Ground) -> None:
    kill_seedings(ground, 2)


@pytest.mark.thorough  # `kills_quick` kills resets at every fortieth point
def test_a_server_that_is_killed_under_a_reset_comes_back_with_the_old_or_the_new_database(ground: Ground) -> None:
    kill_servers(ground, 1, "reset --tier=stg --yes")


@pytest.mark.thorough  # the worker's own part of it is in test_worker.py
def test_an_index_torn_by_a_kill_is_named_and_the_next_run_stops_there(pending: Ground) -> None:
    with outside.connect(pending.url) as other:  # whoever writes keeps the concurrent build waiting
        other.execute("UPDATE people SET name = name")
        other.execute("UPDATE lessons SET title = title")
        run = pending.project.start("migrate --tier=stg")
        until(lambda: pending.sql("SELECT 1 FROM pg_stat_progress_create_index"), what="the index is being built")
        kill(run, "process")
        until(lambda: not pending.sql("SELECT 1 FROM pg_stat_progress_create_index"), what="the server gives up")

    assert each_revision_is_whole_or_absent(pending) == "r4"
    status = said(pending.project.invoke("status --tier=stg --format=json"))["tiers"][0]
    again = pending.project.invoke("migrate --tier=stg --format=json")

    assert status["problem"] == "revision r5 left its transaction and did not come back"
    assert (again.code, said(again)["error"]["code"]) == (3, "E-REVISION-TORN")
    assert "lessons_by_title" in said(again)["error"]["message"]
    pending.sql("DROP INDEX lessons_by_title")
    still = pending.project.invoke("migrate --tier=stg --format=json")
    assert (still.code, said(still)["error"]["code"]) == (3, "E-REVISION-TORN")  # rows it may have left cannot be seen
    pending.works("migrate --tier=stg --retry=r5")
    assert each_revision_is_whole_or_absent(pending) == "r6"


# Many more: pytest -m kills


@pytest.mark.kills
@pytest.mark.timeout(3600)
def test_many_resets_killed_at_many_moments(ground: Ground) -> None:
    ground.outcomes.clear()
    kill_resets(ground, 60, ("process", "group", "worker"))
    print(f"\n60 kills of reset: {dict(ground.outcomes)}")  # noqa: T201 - the figure that the README states
    assert ground.outcomes["old"] > 0
    assert ground.outcomes["new"] > 0


@pytest.mark.kills
@pytest.mark.timeout(3600)
def test_many_seedings_killed_at_many_moments(ground: Ground) -> None:
    ground.outcomes.clear()
    kill_seedings(ground, 40)
    print(f"\n40 kills of seed: {dict(ground.outcomes)}")  # noqa: T201
    assert ground.outcomes["old"] > 0
    assert ground.outcomes["new"] > 0


@pytest.mark.kills
@pytest.mark.timeout(3600)
def test_many_migrations_killed_at_many_moments(pending: Ground) -> None:
    pending.outcomes.clear()
    kill_migrations(pending, 40)
    print(f"\n40 kills of migrate: {dict(pending.outcomes)}")  # noqa: T201
    assert {"r3", "r6"} <= set(pending.outcomes)


@pytest.mark.kills
@pytest.mark.timeout(3600)
def test_many_servers_killed_under_a_reset(ground: Ground) -> None:
    ground.outcomes.clear()
    kill_servers(ground, 20, "reset --tier=stg --yes")
    print(f"\n20 kills of the server: {dict(ground.outcomes)}")  # noqa: T201
    assert ground.outcomes["old"] > 0
