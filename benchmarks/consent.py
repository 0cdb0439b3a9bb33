"""What consent costs: all that the guard does for a cleared PROD operation, in one process, beyond a bare connection.

From the call to its entry in the trail: admission, the look, the plan, the limits, the card, both questions, the
decision, the clearance, the unit of the limit, the lock, the second look and decision, the anchors, intent and result
on the disk. Left out are the person's time, who answers at once here, imports, which `guard` measures, and the steps
of the plan themselves, which are what was asked for.
"""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import psycopg

from benchmarks.measured import Bench, Measured, machine, scrubbed
from benchmarks.reset_places import durable
from benchmarks.timing import Way, in_turn
from dbtasks import runner
from dbtasks.console import Console
from dbtasks.effects import Operation
from dbtasks.operations import adopt, open_
from dbtasks.pipeline import Call, carry_out
from dbtasks.plan import Step
from dbtasks.project import Project, open_project
from dbtasks.selection import choose
from dbtasks.surroundings import Kind, Surroundings
from dbtasks.verdicts import Question
from dbtasks.wish import Wish
from dbtasks.workbench import Workbench

TABLES = 40
_DATABASE = "app_prod"
_FLAG = {"USE_PROD_DATABASE": "true"}
_AIM_MS = 25
_LIMITS = "    limits: {runs: [adopt 1000 times in 1 day, open 1000 times in 1 day], cool_down: 1 minute}\n"
_PLACE = "    url: database_url\n"


class _Prompt(Console):
    """A console that shows nothing and whose person answers at once, so that only our own time is measured."""

    def say(self, text: str) -> None:
        """Show nothing."""

    def ask(self, question: Question) -> str:
        return question.expected


def answering() -> Console:
    """Return a console whose person agrees to everything: it is we who type, on servers of our own."""
    return _Prompt()


def measure(bench: Bench) -> Measured:
    """Compare whole cleared PROD operations, their steps left out, with connecting to the same database."""
    with durable() as place:
        place.run("CREATE ROLE mover LOGIN CREATEDB PASSWORD 'mover'", f"CREATE DATABASE {_DATABASE} OWNER mover")
        server = place.base_url.rpartition("@")[2]
        url = f"postgresql://mover:mover@{server}/{_DATABASE}"
        with psycopg.connect(url) as connection:
            for number in range(TABLES):
                connection.execute(f"CREATE TABLE t{number} (id int PRIMARY KEY, name text)")
        project = _project(bench, {**scrubbed(), **_FLAG, "database_url": url})
        _cleared(project, adopt.OPERATION, Wish())
        with _without_steps():
            ways = (
                Way(name="adopt", act=lambda: _cleared(project, adopt.OPERATION, Wish())),
                Way(name="open", act=lambda: _cleared(project, open_.OPERATION, Wish(purpose="benchmark"))),
                Way(name="bare", act=lambda: _connected(url)),
            )
            taken = in_turn(ways, bench.runs)
    return Measured(lines=(*_lines(bench.runs, place.name), "", *_table(taken)))


def _project(bench: Bench, environ: Mapping[str, str]) -> Project:
    """Return a project that takes this process for a person's at a terminal: here it is we who type."""
    root = bench.scratch / "consent"
    for name in ("config", "migrations", "seeds"):
        shutil.copytree(bench.sample / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(bench.sample / "alembic.ini", root)
    settings = root / "config" / "tiers.yaml"
    settings.write_text(settings.read_text().replace(_PLACE, _PLACE + _LIMITS))
    project = open_project(root, environ)
    return replace(project, surroundings=Surroundings(kind=Kind.TERMINAL, because="a benchmark"))


def _cleared(project: Project, operation: Operation, wish: Wish) -> float:
    choice = choose(project.settings, "prod", project.environ)
    started = time.perf_counter()
    carry_out(project, Call(operation=operation, choice=choice, wish=wish), _Prompt())
    return (time.perf_counter() - started) * 1000


def _connected(url: str) -> float:
    started = time.perf_counter()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT 1")
    return (time.perf_counter() - started) * 1000


def _leave_out(bench: Workbench, step: Step) -> None:
    """Do nothing where a step would begin."""


@contextmanager
def _without_steps() -> Iterator[None]:
    timed = runner._timed
    runner._timed = _leave_out
    try:
        yield
    finally:
        runner._timed = timed


def _lines(runs: int, place: str) -> tuple[str, ...]:
    on = machine("psycopg")
    return (f"Medians of {runs} runs, in turn, {place}, {TABLES} tables, {on}.",)


def _table(taken: Mapping[str, list[float]]) -> Iterator[str]:
    yield "| operation | whole ms | a bare connection ms | beyond it ms | aim |"
    yield "|---|---|---|---|---|"
    bare = statistics.median(taken["bare"])
    told = {"adopt": "one that writes: `adopt`, its step left out", "open": "one that opens: `connect`"}
    for name, text in told.items():
        whole = statistics.median(taken[name])
        yield f"| {text} | {whole:.1f} | {bare:.1f} | {whole - bare:.1f} | <= {_AIM_MS} |"
