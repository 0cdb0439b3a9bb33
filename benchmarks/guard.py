"""What the guard costs: a guarded task that does nothing, against the same task in bare Invoke with a connection."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.timing import Command, Pair, compare
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


def measure(scratch: Path, sample: Path, runs: int) -> Iterator[Pair]:
    """Yield the pairs of this file. `sample` is a project whose default tier can be built."""
    project = scratch / "guarded"
    for name in ("config", "migrations", "seeds"):
        shutil.copytree(sample / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(sample / "alembic.ini", project)
    (project / "tasks.py").write_text(_TASKS)
    bare = scratch / "bare"
    bare.mkdir()
    (bare / "tasks.py").write_text(_BARE)
    environ = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
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


def imports(scratch: Path, runs: int) -> Iterator[Pair]:
    """Yield what importing the library costs, against the driver alone."""
    environ = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}

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
