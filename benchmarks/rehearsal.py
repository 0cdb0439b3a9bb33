"""A rehearsal from a cached template, against the same revisions run by Alembic alone; on two servers."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Sequence

from benchmarks.measured import Bench, Measured, Row, machine, scrubbed, table
from benchmarks.reset_places import Place, durable, throwaway
from benchmarks.reset_project import Generated, generate
from benchmarks.timing import Command, Way, in_turn, once
from dbtasks import embedded
from dbtasks.conninfo import parse
from dbtasks.plan import RevisionBytes
from dbtasks.project import open_project
from dbtasks.rehearsal import Rows, rehearse

REVISIONS, PENDING = 200, 100
AIM = 1.5
TIER = "int"


def measure(bench: Bench) -> Measured:
    """Measure targets on both servers one after the other; the scratch server is the project's private one."""
    made = generate(bench.scratch / "project", revisions=REVISIONS, rows=0)
    lines = [f"Medians of {bench.runs} runs, in turn, {machine('psycopg', 'alembic', 'sqlalchemy')}.", ""]
    try:
        with throwaway(bench.scratch / "server") as fast, durable() as team:
            rows = [row for place in (fast, team) for row in _on(place, made, bench.runs)]
    finally:
        installed = embedded.look(made.root, embedded.Kind.THROWAWAY)
        embedded.stop(made.root, embedded.Kind.THROWAWAY)
        if installed is not None:
            shutil.rmtree(installed.data.parent, ignore_errors=True)
    return Measured(lines=(*lines, *table(rows)))


def _on(place: Place, made: Generated, runs: int) -> Sequence[Row]:
    half, bare = f"{made.database}_half", f"{made.database}_bare"
    place.run(f"CREATE DATABASE {half}")
    once(_alembic(place, made, half, f"r{REVISIONS - PENDING:04}"))

    def anew() -> None:
        place.run(f"DROP DATABASE IF EXISTS {bare}", f"CREATE DATABASE {bare} TEMPLATE {half}", "CHECKPOINT")

    taken = in_turn(
        [
            Way(name="rehearsal", act=lambda: _rehearse(place, made, half)),
            Way(name="alembic", ready=anew, act=lambda: once(_alembic(place, made, bare, "head")).wall_ms),
        ],
        runs,
    )
    return [
        Row(
            what=f"rehearsal of {PENDING} revisions, from a template: {place.name}",
            ours=taken["rehearsal"],
            against="`alembic upgrade head`",
            theirs=taken["alembic"],
            aim=AIM,
        )
    ]


def _rehearse(place: Place, made: Generated, database: str) -> float:
    """Return the milliseconds from the target's definitions to what was seen, with all that is thrown away gone."""
    from dbtasks.migrations.history import read_history

    project = open_project(made.root, scrubbed())
    target = parse(place.url(database), variable="test_database_url")
    history = read_history(made.root, project.settings.migrations)
    done = {f"r{number:04}" for number in range(1, REVISIONS - PENDING + 1)}
    pending = [RevisionBytes(id=each.id, checksum=each.checksum) for each in history.revisions if each.id not in done]
    started = time.perf_counter()
    found = rehearse(project, target, TIER, pending, Rows(), lambda _line: None)
    taken = (time.perf_counter() - started) * 1000
    assert len(found.revisions) == PENDING, found.missing or found.failed
    return taken


def _alembic(place: Place, made: Generated, database: str, to: str) -> Command:
    environ = {**scrubbed(), "DATABASE_URL": place.url(database)}
    words = [sys.executable, "-m", "alembic", "upgrade", to]
    return Command(name="alembic", words=words, folder=made.root, environ=environ)
