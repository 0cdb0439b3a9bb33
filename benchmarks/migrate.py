"""Applying 200 revisions under the whole guard, against `alembic upgrade head`; whole processes, on two servers."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from benchmarks.measured import Bench, Measured, Row, machine, scrubbed, table
from benchmarks.reset_places import Place, durable, throwaway
from benchmarks.reset_project import Generated, generate
from benchmarks.timing import Command, Way, in_turn, once

REVISIONS = 200
AIM = 1.25

_EMPTY = (
    "DROP SCHEMA public CASCADE",
    "CREATE SCHEMA public",
    "DROP TABLE IF EXISTS dbtasks.ledger",
    "CHECKPOINT",
)


def measure(bench: Bench) -> Measured:
    """Measure both servers one after the other; on each, both ways in turn."""
    made = generate(bench.scratch / "project", revisions=REVISIONS, rows=0)
    lines = [f"Medians of {bench.runs} runs, in turn, {machine('psycopg', 'invoke', 'alembic', 'sqlalchemy')}.", ""]
    with throwaway(bench.scratch / "server") as fast, durable() as team:
        rows = [row for place in (fast, team) for row in _on(place, made, bench.runs)]
    return Measured(lines=(*lines, *table(rows)))


def _on(place: Place, made: Generated, runs: int) -> Sequence[Row]:
    bare = f"{made.database}_bare"
    for database in (made.database, bare):
        place.run(f"CREATE DATABASE {database}")
    newest = max(made.root.glob("migrations/versions/*.py"))

    def ours_ready() -> None:
        place.run(*_EMPTY, database=made.database)
        newest.touch()  # as after a pull

    ours, theirs = _ours(place, made), _theirs(place, made, bare)
    once(ours)  # it stamps the database
    taken = in_turn(
        [
            Way(name="migrate", ready=ours_ready, act=lambda: once(ours).wall_ms),
            Way(name="alembic", ready=lambda: place.run(*_EMPTY, database=bare), act=lambda: once(theirs).wall_ms),
        ],
        runs,
    )
    return [
        Row(
            what=f"`invoke migrate`, {REVISIONS} revisions: {place.name}",
            ours=taken["migrate"],
            against="`alembic upgrade head`",
            theirs=taken["alembic"],
            aim=AIM,
        )
    ]


def _ours(place: Place, made: Generated) -> Command:
    environ = {**scrubbed(), "test_database_url": place.url(made.database), "NO_COLOR": "1"}
    words = [sys.executable, "-m", "invoke", "migrate"]
    return Command(name="migrate", words=words, folder=made.root, environ=environ)


def _theirs(place: Place, made: Generated, database: str) -> Command:
    environ = {**scrubbed(), "DATABASE_URL": place.url(database)}
    words = [sys.executable, "-m", "alembic", "upgrade", "head"]
    return Command(name="alembic", words=words, folder=made.root, environ=environ)
