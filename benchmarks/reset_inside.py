"""The server's part of a reset, measured inside one process: how long it waits for the server, connecting included."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import psycopg
from psycopg import sql

from benchmarks.measured import scrubbed
from benchmarks.reset_places import Place
from benchmarks.reset_project import Generated
from dbtasks import pipeline, snapshots
from dbtasks.console import Console
from dbtasks.operations import prepare, reset, undo
from dbtasks.project import open_project
from dbtasks.selection import choose


class Inside:
    """Resets of one project on one server, without starting a process for each."""

    def __init__(self, place: Place, made: Generated, tier: str | None = None) -> None:
        self.place, self.made = place, made
        urls = {"test_database_url": place.url(made.database), "stg_database_url": place.url(f"{made.name}_stg")}
        environ = {**scrubbed(), **urls}
        self._project = open_project(made.root, environ)
        choice = choose(self._project.settings, tier, environ)
        self._call = pipeline.Call(operation=reset.OPERATION, choice=choice, yes=True)

    def reset(self) -> float:
        """Do a reset and return the milliseconds that it waited for the server, up to the committed swap."""
        return self._until_swapped(self._call)

    def undo(self) -> float:
        """Bring back what the last one has replaced, and return the same."""
        return self._until_swapped(replace(self._call, operation=undo.OPERATION))

    def _until_swapped(self, call: pipeline.Call) -> float:
        with waiting() as waited, _ending(snapshots, "swap", waited), _unheard():
            pipeline.carry_out(self._project, call, Console())
        return waited.total_ms

    def swap(self) -> float:
        """Do a reset and return the milliseconds of its swap alone, the ending of sessions included."""
        began, committed = list[float](), list[float]()
        with _before(snapshots, "swap", began), _after(snapshots, "swap", committed), _unheard():
            pipeline.carry_out(self._project, self._call, Console())
        return (committed[-1] - began[-1]) * 1000

    def prepare(self) -> None:
        """Keep a template and a spare."""
        call = pipeline.Call(operation=prepare.OPERATION, choice=self._call.choice)
        with _unheard():
            pipeline.carry_out(self._project, call, Console())

    def without_spare(self) -> None:
        """Leave the template alone in stock."""
        self.prepare()
        clear(self.place, self.made, "spare", "retired")
        settle(self.place)


def clear(place: Place, made: Generated, *kinds: str) -> None:
    """Drop what the project keeps of these kinds."""
    with psycopg.connect(place.url("dbtasks"), autocommit=True) as connection:
        rows = connection.execute(
            "SELECT name FROM dbtasks.registry WHERE project = %s AND kind = ANY(%s)", [made.name, list(kinds)]
        ).fetchall()
        for (name,) in rows:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            connection.execute("DELETE FROM dbtasks.registry WHERE name = %s", [name])


def settle(place: Place) -> None:
    """Write out what went before, so that nobody else's run pays for it."""
    place.run("CHECKPOINT")


class Waited:
    """The time that a process spends in calls to a server, until it is `over`."""

    def __init__(self) -> None:
        self.total_ms, self.over = 0.0, False

    def timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return the same call, measured."""

        def called(*given: object, **named: object) -> object:
            began = time.perf_counter()
            try:
                return call(*given, **named)
            finally:
                if not self.over:
                    self.total_ms += (time.perf_counter() - began) * 1000

        return called


@contextmanager
def waiting() -> Iterator[Waited]:
    """Measure what psycopg waits: to connect, and for each answer."""
    waited = Waited()
    connect, wait = waited.timed(psycopg.connect), waited.timed(psycopg.Connection.wait)
    with patch.object(psycopg, "connect", connect), patch.object(psycopg.Connection, "wait", wait):
        yield waited


def renames(place: Place) -> float:
    """Return the milliseconds of what a swap is at the least: a connection, and two renames in one transaction."""
    with waiting() as waited, psycopg.connect(place.url("postgres"), autocommit=True) as connection:
        with connection.transaction():
            connection.execute("ALTER DATABASE bare_live RENAME TO bare_old")
            connection.execute("ALTER DATABASE bare_next RENAME TO bare_live")
        waited.over = True
        connection.execute("ALTER DATABASE bare_old RENAME TO bare_next")
    return waited.total_ms


def clone(place: Place, strategy: str) -> Callable[[], float]:
    """Return what measures a connection and `CREATE DATABASE ... TEMPLATE` with a strategy."""

    def act() -> float:
        with waiting() as waited, psycopg.connect(place.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE bare_clone TEMPLATE bare_template STRATEGY {strategy}")
            waited.over = True
            connection.execute("DROP DATABASE bare_clone")
        return waited.total_ms

    return act


@contextmanager
def busy(place: Place, database: str, clients: int) -> Iterator[None]:
    """Keep clients working in a database, each of which comes back as soon as its session is ended."""
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            with suppress(psycopg.Error), psycopg.connect(place.url(database), autocommit=True) as connection:
                while not ended.wait(0.005):
                    connection.execute("SELECT count(*) FROM part_01 WHERE id < 100")

    workers = [threading.Thread(target=work, daemon=True) for _ in range(clients)]
    for worker in workers:
        worker.start()
    try:
        time.sleep(0.5)
        yield
    finally:
        ended.set()
        for worker in workers:
            worker.join()


@contextmanager
def _before(module: object, name: str, moments: list[float]) -> Iterator[None]:
    real = getattr(module, name)

    def called(*given: object, **named: object) -> object:
        moments.append(time.perf_counter())
        return real(*given, **named)

    with patch.object(module, name, called):
        yield


@contextmanager
def _after(module: object, name: str, moments: list[float]) -> Iterator[None]:
    real = getattr(module, name)

    def called(*given: object, **named: object) -> object:
        try:
            return real(*given, **named)
        finally:
            moments.append(time.perf_counter())

    with patch.object(module, name, called):
        yield


@contextmanager
def _ending(module: object, name: str, waited: Waited) -> Iterator[None]:
    """End the measurement after that call."""
    real = getattr(module, name)

    def called(*given: object, **named: object) -> object:
        found = real(*given, **named)
        waited.over = True
        return found

    with patch.object(module, name, called):
        yield


@contextmanager
def _unheard() -> Iterator[None]:
    with open(os.devnull, "w", encoding="utf-8") as nowhere, patch.object(sys, "stderr", nowhere):  # noqa: PTH123
        yield
