"""Databases for tests of 200 revisions and 100,000 rows, side by side with what a user would do otherwise."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import psycopg
from psycopg import sql

from benchmarks.clones_suites import Suites
from benchmarks.measured import Bench, Measured, Row, machine, scrubbed, table
from benchmarks.reset_chart import Bar, chart
from benchmarks.reset_inside import settle
from benchmarks.reset_places import Place, durable, throwaway
from benchmarks.reset_project import Generated, generate
from benchmarks.timing import Way, in_turn
from dbtasks import readiness
from dbtasks.project import open_project
from dbtasks.testing import Database, Databases
from dbtasks.testing.way_in import WayIn

STRATEGIES = ("WAL_LOG", "FILE_COPY")
THREADS = 8
WORK_S = 0.02

Taken = Mapping[str, Sequence[float]]


def measure(bench: Bench) -> Measured:
    """Measure both servers one after the other; on each, all ways in turn."""
    project = generate(bench.scratch / "project", revisions=200, rows=100_000)
    versions = machine("psycopg", "pytest", "pytest-postgresql")
    lines = [f"Medians of {bench.runs} runs, all ways in turn, {versions}."]
    pictures = {}
    with throwaway(bench.scratch / "server") as fast, durable() as team:
        # A durable server takes seconds to drop a database where its disk is slow.
        for number, (place, at_once) in enumerate(((fast, 100), (team, 16)), start=1):
            rows = _on(place, project, bench, at_once)
            lines += ["", f"**{place.name}**", "", *table(rows)]
            picture = f"performance-clones-{number}.svg"
            pictures[picture] = chart(f"A database of its own for each test: {place.name}", _bars(rows))
            lines += ["", f"![Milliseconds of each way]({picture})"]
    return Measured(lines=tuple(lines), pictures=pictures)


def _on(place: Place, made: Generated, bench: Bench, many: int) -> list[Row]:
    with _databases(place, made) as databases:
        template = databases.template()
        bare = Bare(place, template)
        inside = in_turn(list(_inside_ways(place, databases, bare)), bench.runs)
        strategy = min(STRATEGIES, key=lambda each: statistics.median(inside[each]))
        at_once = in_turn(list(_at_once_ways(place, databases, (bare, strategy), many)), 3)
    suites = Suites(place, made, bench.scratch / f"theirs-{place.base_url.rpartition(':')[2]}")
    whole = in_turn(list(_suite_ways(suites)), max(3, bench.runs // 3))
    return _rows(inside, {name: [each / many for each in taken] for name, taken in at_once.items()}, whole, strategy)


@contextmanager
def _databases(place: Place, made: Generated) -> Iterator[Databases]:
    environ = {**scrubbed(), "test_database_url": place.url(made.database)}
    project, quiet = open_project(made.root, environ), readiness.Unheard()
    databases = Databases(WayIn(project=project, ready=readiness.make_ready(project, quiet), console=quiet))
    try:
        yield databases
    finally:
        databases.close()


class Bare:
    """`CREATE DATABASE ... TEMPLATE` of the same template, through one connection that stays open."""

    def __init__(self, place: Place, template: str) -> None:
        self.place, self.template = place, template
        self.connection = psycopg.connect(place.url("postgres"), autocommit=True)

    def create(self, name: str, strategy: str, connection: psycopg.Connection | None = None) -> None:
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY {}")
        words = (sql.Identifier(name), sql.Identifier(self.template), sql.Identifier(strategy.lower()))
        (connection or self.connection).execute(statement.format(*words))

    def drop(self, name: str) -> None:
        self.connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _timed(act: Callable[[], None]) -> float:
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) * 1000


def _inside_ways(place: Place, databases: Databases, bare: Bare) -> Iterator[Way]:
    made: list[Database] = []

    def ready() -> None:
        while made:
            made.pop().drop()
        bare.drop("bare")
        settle(place)

    def clone() -> None:
        made.append(databases.clone())

    def used() -> None:
        clone()
        with made[-1].connect() as connection:
            connection.execute("SELECT 1")

    def bare_used(strategy: str) -> None:
        bare.create("bare", strategy)
        with psycopg.connect(place.url("bare")) as connection:
            connection.execute("SELECT 1")

    yield Way(name="clone", ready=ready, act=lambda: _timed(clone))
    yield Way(name="used", ready=ready, act=lambda: _timed(used))
    yield Way(name="empty", ready=ready, act=lambda: _timed(lambda: made.append(databases.empty())))
    for strategy in STRATEGIES:
        create = partial(bare.create, "bare", strategy)
        yield Way(name=strategy, ready=ready, act=partial(_timed, create))
        yield Way(name=f"{strategy} used", ready=ready, act=partial(_timed, partial(bare_used, strategy)))


def _at_once_ways(place: Place, databases: Databases, theirs_by: tuple[Bare, str], many: int) -> Iterator[Way]:
    made: list[Database] = []
    bare, strategy = theirs_by

    def ours() -> None:
        _at_once(many, lambda _number: made.append(databases.clone()))

    def theirs() -> None:
        connections = [psycopg.connect(place.url("postgres"), autocommit=True) for _ in range(THREADS)]
        _at_once(many, lambda number: bare.create(f"bare_{number}", strategy, connections[number % THREADS]))
        for connection in connections:
            connection.close()

    def ready() -> None:
        while made:
            made.pop().drop()
        for number in range(many):
            bare.drop(f"bare_{number}")
        settle(place)

    yield Way(name="at once", ready=ready, act=lambda: _timed(ours))
    yield Way(name="bare at once", ready=ready, act=lambda: _timed(theirs))
    ready()


def _at_once(many: int, act: Callable[[int], None]) -> None:
    """Do it so many times in eight threads."""

    def some(first: int) -> None:
        for number in range(first, many, THREADS):
            act(number)

    threads = [threading.Thread(target=some, args=[first]) for first in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _suite_ways(suites: Suites) -> Iterator[Way]:
    for seconds in (0.0, WORK_S):
        for fixture in ("fresh_database", "db"):
            yield Way(name=f"{fixture} {seconds}", act=partial(suites.ours, fixture, seconds))
        yield Way(name=f"theirs {seconds}", act=partial(suites.pytest_postgresql, seconds))


def _rows(inside: Taken, at_once: Taken, whole: Taken, strategy: str) -> list[Row]:
    create, theirs = f"`CREATE DATABASE ... TEMPLATE`, {strategy}", "pytest-postgresql, template"
    work = f"{WORK_S * 1000:.0f} ms"
    return [
        Row(what="`clone()`", ours=inside["clone"], against=create, theirs=inside[strategy], aim=1.2),
        Row(what="`clone()`, connected to and asked", ours=inside["used"], against="the same, connected to and asked",
            theirs=inside[f"{strategy} used"]),
        Row(what="`empty()`", ours=inside["empty"], against=create, theirs=inside[strategy]),
        Row(what=f"one of many at once, {THREADS} threads", ours=at_once["at once"],
            against=f"{create}, {THREADS} connections", theirs=at_once["bare at once"]),
        Row(what="a test with `fresh_database` that does nothing", ours=whole["fresh_database 0.0"], against=theirs,
            theirs=whole["theirs 0.0"], aim=3.0, faster=True),
        Row(what=f"a test with `fresh_database` that takes {work}", ours=whole[f"fresh_database {WORK_S}"],
            against=theirs, theirs=whole[f"theirs {WORK_S}"], faster=True),
        Row(what="a test with `db` that does nothing", ours=whole["db 0.0"], against=theirs,
            theirs=whole["theirs 0.0"], aim=3.0, faster=True),
        Row(what=f"a test with `db` that takes {work}", ours=whole[f"db {WORK_S}"], against=theirs,
            theirs=whole[f"theirs {WORK_S}"], faster=True),
    ]  # fmt: skip


def _bars(rows: Sequence[Row]) -> list[Bar]:
    clone, _, _, at_once, fresh, _, held, _ = rows
    shown = (
        ("test with pytest-postgresql's template", fresh.theirs, False),
        ("test with fresh_database", fresh.ours, True),
        ("test with db", held.ours, True),
        ("CREATE DATABASE ... TEMPLATE", clone.theirs, False),
        ("clone()", clone.ours, True),
        ("one of many at once, CREATE DATABASE", at_once.theirs, False),
        ("one of many at once, clone()", at_once.ours, True),
    )
    return [Bar(name=name, value=statistics.median(taken), ours=ours) for name, taken, ours in shown]
