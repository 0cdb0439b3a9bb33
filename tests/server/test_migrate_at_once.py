"""Twenty people migrate the same tier at once: each revision runs once, also when the first of them is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from subprocess import Popen

import pytest

from dbtasks.trail_proof import verify
from tests import outside
from tests.server.road import Project, project, until
from tests.server.test_kills import workers

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(900)]

AT_ONCE = 20
SLOW = "r6"
PENDING = {
    "r4": "op.execute('CREATE TABLE four (id int)')",
    "r5": "op.execute('CREATE TABLE five (id int)')",
    SLOW: "op.execute('CREATE TABLE six (id int)')\nop.execute('SELECT pg_sleep(8)')",
    "r7": "with op.get_context().autocommit_block():\n    op.execute('CREATE INDEX CONCURRENTLY seven ON four (id)')",
    "r8": "op.execute('CREATE TABLE eight (id int)')",
}
SLEEPING = "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(8)' AND state = 'active'"
LEDGER = "SELECT revision, duration_ms IS NOT NULL, entry FROM dbtasks.ledger ORDER BY id"


@pytest.fixture
def small() -> Iterator[Project]:
    """Five revisions are pending on INT."""
    with project() as made:
        done = made.invoke("reset")
        assert done.code == 0, done.text
        for id_, body in PENDING.items():
            made.revision(id_, body)
        yield made


def ledger(url: str) -> list[tuple[object, ...]]:
    with outside.connect(url, autocommit=True) as connection:
        return connection.execute(LEDGER).fetchall()


def all_at_once(made: Project, url: str, *, kill: str) -> list[tuple[Popen[str], str]]:
    """Start all of them, kill the one that runs the slow revision, and return each with what it printed."""
    if kill:  # nobody starts a worker ahead, so that the one who has one is the one who runs the revisions
        (made.root / ".dbtasks" / "migrated-int").touch()
    runs = [made.start("migrate") for _ in range(AT_ONCE)]
    if kill:
        with outside.connect(url, autocommit=True) as look:
            until(lambda: look.execute(SLEEPING).rows, seconds=300, what=f"{SLOW} runs")
        (first,) = (run for run in runs if workers(run.pid))
        for pid in workers(first.pid) if kill == "both" else []:
            os.kill(pid, signal.SIGKILL)
        first.kill()
    return [(run, run.communicate(timeout=600)[0]) for run in runs]


@pytest.mark.parametrize("kill", ["", "both", "parent"], ids=["nobody-is-killed", "first-and-worker", "first-alone"])
def test_of_twenty_at_once_each_revision_runs_once(small: Project, kill: str) -> None:
    url = small.server_url("int", "small_int")

    ended = all_at_once(small, url, kill=kill)

    codes = sorted(run.returncode for run, _ in ended)
    assert codes == ([-signal.SIGKILL] if kill else [0]) + [0] * (AT_ONCE - 1), [text for _, text in ended]
    rows = ledger(url)
    assert [(revision, ended) for revision, ended, _ in rows] == [(f"r{number}", True) for number in range(1, 9)]
    migrated: dict[object, list[object]] = {}
    for revision, _, entry in rows[3:]:
        migrated.setdefault(entry, []).append(revision)
    entries = small.trail()
    told = {each["of"]: each["detail"]["applied"] for each in entries if "applied" in each.get("detail", {})}
    if kill:
        (dead,) = (run.pid for run, _ in ended if run.returncode)
        (unfinished,) = (each["entry"] for each in entries if each["kind"] == "intent" and each["pid"] == dead)
        assert migrated.pop(unfinished) == ["r4", "r5"]
        assert unfinished not in told
    assert list(migrated.values()) == [[SLOW, "r7", "r8"] if kill else list(PENDING)]
    assert {entry: told.get(entry) for entry in migrated} == migrated
    assert verify(small.root / "logs" / "database_audit.jsonl").bad_line is None
    with outside.connect(url, autocommit=True) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("r8",)]
