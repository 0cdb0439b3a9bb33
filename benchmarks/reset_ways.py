"""Whole commands: what people type, and what they would type without dbtasks."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.measured import scrubbed
from benchmarks.reset_inside import clear, settle
from benchmarks.reset_places import Place
from benchmarks.reset_project import Generated
from benchmarks.timing import Command, Way, once

_BARE = """
import os
import psycopg
from invoke import task

@task
def swap(c):
    with psycopg.connect(os.environ["BARE_URL"], autocommit=True) as connection, connection.transaction():
        connection.execute("ALTER DATABASE bare_live RENAME TO bare_old")
        connection.execute("ALTER DATABASE bare_next RENAME TO bare_live")

@task
def clone(c):
    with psycopg.connect(os.environ["BARE_URL"], autocommit=True) as connection:
        connection.execute("CREATE DATABASE bare_clone TEMPLATE bare_template STRATEGY " + os.environ["STRATEGY"])
"""
_INVOKE = [sys.executable, "-m", "invoke"]


class Whole:
    """The commands of one project on one server, each a process of its own."""

    def __init__(self, place: Place, made: Generated, bare: Path) -> None:
        self.place, self.made, self._bare = place, made, bare
        self._environ = {**scrubbed(), "test_database_url": place.url(made.database), "NO_COLOR": "1"}
        if not bare.exists():
            bare.mkdir()
            (bare / "tasks.py").write_text(_BARE)

    def ways(self, strategy: str) -> tuple[Way, ...]:
        """Return all of them, each after the one that leaves it what it needs."""
        database = self.made.database
        hand = [
            self._psql("postgres", f"DROP DATABASE IF EXISTS {database}_hand", f"CREATE DATABASE {database}_hand"),
            self._alembic(f"{database}_hand"),
            self._psql(f"{database}_hand", *self._copies()),
        ]
        return (
            Way(name="hand", ready=self._settled, act=_timed(*hand)),
            Way(name="first", ready=self._nothing_in_stock, act=_timed(self.invoke("reset"))),
            Way(name="template", ready=self._settled, act=_timed(self.invoke("reset"))),
            Way(name="bare clone", ready=self._no_clone, act=_timed(self._bare_task("clone", strategy))),
            Way(name="spare", ready=self._spare, act=_timed(self.invoke("reset"))),
            Way(name="bare swap", ready=self._swapped_back, act=_timed(self._bare_task("swap", strategy))),
        )

    def invoke(self, *words: str) -> Command:
        return Command(name=" ".join(words), words=[*_INVOKE, *words], folder=self.made.root, environ=self._environ)

    def one_after_another(self, times: int) -> list[float]:
        """Return what resets cost that follow each other at once, while the next is prepared in the background."""
        once(self.invoke("prepare"))
        before = self._prepared()
        self.made.prepare_by_hand(False)
        try:
            return [once(self.invoke("reset")).wall_ms for _ in range(times)]
        finally:
            self.made.prepare_by_hand(True)
            while self._prepared() < before + times:
                time.sleep(0.1)

    def _prepared(self) -> int:
        """Return how many preparations have ended."""
        trail = self.made.root / "logs" / "database_audit.jsonl"
        entries = [json.loads(line) for line in trail.read_text(encoding="utf-8").splitlines()]
        return sum(each["operation"] == "prepare" and each["kind"] == "result" for each in entries)

    def _settled(self) -> None:
        settle(self.place)

    def _nothing_in_stock(self) -> None:
        clear(self.place, self.made, "spare", "template", "retired")
        settle(self.place)

    def _spare(self) -> None:
        once(self.invoke("prepare"))

    def _no_clone(self) -> None:
        self.place.run("DROP DATABASE IF EXISTS bare_clone")
        settle(self.place)

    def _swapped_back(self) -> None:
        if self.place.has("bare_old"):
            self.place.run("ALTER DATABASE bare_old RENAME TO bare_next")

    def _bare_task(self, name: str, strategy: str) -> Command:
        environ = {**scrubbed(), "BARE_URL": self.place.url("postgres"), "STRATEGY": strategy}
        return Command(name=f"bare {name}", words=[*_INVOKE, name], folder=self._bare, environ=environ)

    def _alembic(self, database: str) -> Command:
        words = [sys.executable, "-m", "alembic", "upgrade", "head"]
        environ = {**scrubbed(), "DATABASE_URL": self.place.url(database)}
        return Command(name="alembic", words=words, folder=self.made.root, environ=environ)

    def _copies(self) -> list[str]:
        columns = "id, name, price, made_at, note"
        return [f"\\copy {table} ({columns}) FROM '{file}' CSV HEADER" for table, file in self.made.seeds]

    def _psql(self, database: str, *commands: str) -> Command:
        words = [str(self.place.psql), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", self.place.url(database)]
        words += [word for command in commands for word in ("-c", command)]
        return Command(name="psql", words=words, folder=self.made.root, environ=scrubbed())


def _timed(*commands: Command) -> Callable[[], float]:
    return lambda: sum(once(command).wall_ms for command in commands)
