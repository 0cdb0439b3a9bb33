"""What the commands work on: a small project with private servers of its own, looked at from outside."""

from __future__ import annotations

import functools
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from dbtasks import embedded
from dbtasks.approvals.document import Content
from dbtasks.embedded.account import choose_account
from dbtasks.programs import find_client
from dbtasks.recovery import rooms
from dbtasks.recovery.rooms import Recovered
from dbtasks.trail_file import first_hash
from dbtasks.trail_proof import verify
from tests.faults.points import WIDTH
from tests.outside import REPOSITORY
from tests.server.road import Project, project

SYSTEM = frozenset({"postgres", "template0", "template1", "dbtasks"})
KINDS = {"int": embedded.Kind.THROWAWAY, "stg": embedded.Kind.DURABLE, "prod": embedded.Kind.DURABLE}
NAMES = {tier: f"small_{tier}" for tier in KINDS}
NAME = "kills"  # of our own sessions
PATIENCE_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A command that has ended. `points` are those that it reached, `struck` whether the ordered one is among them."""

    words: str
    pid: int
    code: int
    text: str
    points: tuple[str, ...]
    struck: bool

    @property
    def last(self) -> str:
        return self.points[-1] if self.points else "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A row of the registry, and what `pg_database` says of its name: `oid` and `there` differ where they disagree."""

    tier: str
    kind: str
    name: str
    oid: int | None
    there: int | None
    made: dict[str, Any]


class Ground:
    """A project, its servers, and the process that starts its commands."""

    def __init__(self, made: Project) -> None:
        self.project, self.root = made, made.root
        self._faults = made.root.with_name("faults")
        self._faults.mkdir()
        path = os.pathsep.join((str(Path(__file__).with_name("hook")), str(REPOSITORY)))
        self.environ = made.environ(PYTHONPATH=path, PYTHONDONTWRITEBYTECODE="1")
        self._nursery = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery"],
            cwd=REPOSITORY,
            env=self.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self._sessions: dict[tuple[str, str], psycopg.Connection[tuple[Any, ...]]] = {}
        self._clients: list[psycopg.Connection[tuple[Any, ...]]] = []
        self._trail_from = 0
        self.known: dict[str, str] = {}  # what stands in a command's words as {name}
        self.papers: Content | None = None  # what the approval is over that nobody has used yet

    # Commands

    def works(self, words: str) -> Run:
        """Run a command that must succeed."""
        run = self.run(words)
        assert run.code == 0, f"{words} ended with {run.code}:\n{run.text}"
        return run

    def run(self, words: str, *, at: int = 0, whom: str = "own", after: int = 0, tier: str = "int") -> Run:
        """Run a command to its end, or to the point at which it, or the tier's server, is killed."""
        postmaster = self.server(tier).pid if whom in ("server", "postmaster") else 0
        order = {"at": at, "whom": whom, "after": after, "postmaster": postmaster}
        (self._faults / "order").write_text(json.dumps(order), encoding="ascii")
        reached, output = self._faults / "points", self._faults / "output"
        reached.unlink(missing_ok=True)
        pid = self.start(words, output, FAULTS=str(self._faults))
        code = self.end(pid)
        self.await_strays()
        lines = reached.read_bytes() if reached.exists() else b""
        return Run(
            words=words,
            pid=pid,
            code=code,
            text=output.read_text(encoding="utf-8", errors="replace"),
            points=tuple(line.decode("ascii").rstrip() for line in lines.splitlines()),
            struck=0 < at <= len(lines) // WIDTH,
        )

    def start(self, words: str, output: Path, **environ: str) -> int:
        """Start a command and return its process id."""
        request = {
            "folder": str(self.root),
            "environ": self.environ | environ,
            "words": words.format(**self.known).split(),
            "output": str(output),
        }
        assert self._nursery.stdin is not None
        self._nursery.stdin.write(f"{json.dumps(request)}\n".encode())
        return self._answer(PATIENCE_S)

    def end(self, pid: int) -> int:
        """Wait for the command that was started and return its exit code."""
        try:
            return self._answer(PATIENCE_S)
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            self._answer(PATIENCE_S)
            raise

    def _answer(self, seconds: float) -> int:
        assert self._nursery.stdout is not None
        if not select.select([self._nursery.stdout], [], [], seconds)[0]:
            raise TimeoutError(f"a command did not end within {seconds:g} s")
        return int(self._nursery.stdout.readline())

    def close(self) -> None:
        for session in (*self._sessions.values(), *self._clients):
            session.close()
        self._nursery.communicate()
        self.end_recovered()

    # Servers

    def server(self, tier: str) -> embedded.Server:
        """Return a tier's server, started where it is down."""
        return embedded.ensure(self.root, KINDS[tier])

    def url(self, tier: str, database: str) -> str:
        found = self.server(tier)
        password = (self.root / ".dbtasks" / KINDS[tier] / "password").read_text(encoding="ascii").strip()
        place = f"{found.user}:{password}@{found.host}:{found.port}/{database}"
        return f"postgresql://{place}?application_name={NAME}"

    def sql(self, tier: str, statement: str, *values: object, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run statements as the superuser and return the rows of the last one. Sessions beside the target are kept."""
        kept = database in SYSTEM
        for attempt in (1, 2):
            session = self._sessions.pop((tier, database), None) or psycopg.connect(
                self.url(tier, database), autocommit=True
            )
            try:
                cursor = session.execute(statement.encode(), values or None)
                rows = cursor.fetchall() if cursor.description else []
            except psycopg.OperationalError:
                session.close()
                if attempt == 2 or not kept:
                    raise
                continue
            if kept:
                self._sessions[tier, database] = session
            else:
                session.close()
            return rows
        raise AssertionError

    def await_strays(self) -> None:
        """Wait for what a command has started and left."""
        end = time.monotonic() + PATIENCE_S
        while pids := strays(self.root):
            assert time.monotonic() < end, f"still there: {pids}"
            time.sleep(0.005)

    def settle(self, tier: str) -> None:
        """Wait until the server, started where it was killed, has noticed that the command's sessions are gone."""
        end = time.monotonic() + PATIENCE_S
        while sessions := self.sql(tier, _OTHERS, NAME):
            assert time.monotonic() < end, f"still there: {sessions}"
            time.sleep(0.005)

    def connect_clients(self, tier: str) -> None:
        """Let an application be connected to the tier's database, with a transaction under way."""
        for client in self._clients:
            client.close()
        self._clients = [psycopg.connect(self.url(tier, NAMES[tier])) for _ in range(2)]
        self._clients[0].execute("SELECT * FROM people")

    def stop(self, tier: str) -> None:
        embedded.stop(self.root, KINDS[tier])

    def recovered(self) -> tuple[Recovered, ...]:
        """Return the recovered servers that run and are noted."""
        return rooms.found(self.root, choose_account())

    def end_recovered(self) -> None:
        """End these, and let what else is left of recoveries be as it is until somebody sweeps."""
        for each in self.recovered():
            rooms.drop(each)

    # What is there

    def databases(self, tier: str) -> dict[str, int]:
        """Return the databases of a server by name, with their oids, but not those that PostgreSQL brings."""
        rows = self.sql(tier, "SELECT datname::text, oid::bigint FROM pg_database")
        return {name: oid for name, oid in rows if name not in SYSTEM}

    def registry(self, tier: str) -> list[Record]:
        """Return the registry of a server; empty where there is none yet."""
        try:
            rows = self.sql(tier, _REGISTRY, database="dbtasks")
        except (psycopg.errors.UndefinedTable, psycopg.OperationalError):
            return []
        return [
            Record(tier=of, kind=kind, name=name, oid=oid, there=there, made=record or {})
            for of, kind, name, oid, there, record in rows
        ]

    def dump(self, tier: str, database: str, *options: str) -> str:
        """Return everything that a database holds, its rows and grants in order, whatever it is called.

        Without the schema in which dbtasks notes when it did what.
        """
        server = self.server(tier)
        command = [_pg_dump(int(server.version.split(".")[0])), "--no-sync", *options]
        command += ["--exclude-schema=dbtasks", "--dbname", self.url(tier, database)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": os.defpath})
        assert done.returncode == 0, f"clients cannot connect to {database}: {done.stderr}"
        text = re.sub(r"(?m)^\\(un)?restrict .*\n", "", done.stdout)  # their key is drawn anew for each dump
        text = re.sub(rf"\b{database}\b", "the_database", text)
        text = re.sub(r"(?m)^(?:GRANT .*\n)+", _sorted, text)
        return re.sub(r"(?ms)(?<= FROM stdin;\n).*?(?=^\\\.$)", _sorted, text)

    # The trail

    def anchors(self, path: Path, tier: str) -> dict[int, str]:
        """Return what a tier's server knows of the trail, by entry."""
        try:
            rows = self.sql(tier, _ANCHORS, first_hash(path) or "", database="dbtasks")
        except (psycopg.errors.UndefinedTable, psycopg.OperationalError):
            return {}
        return dict(rows)

    def mark_trail(self) -> None:
        """Look from here on at what comes next in the trail."""
        path = self.root / "logs" / "database_audit.jsonl"
        self._trail_from = path.stat().st_size if path.exists() else 0

    def entries(self, pid: int, tier: str) -> list[dict[str, Any]]:
        """Return what a process has written since, after verifying the whole trail, by a tier's anchors too."""
        path = self.root / "logs" / "database_audit.jsonl"
        verdict = verify(path, self.anchors(path, tier))
        assert verdict.ok, f"line {verdict.bad_line} of the trail: {verdict.why}"
        found = []
        for line in path.read_bytes()[self._trail_from :].splitlines() if path.exists() else ():
            with suppress(json.JSONDecodeError):  # what was torn
                found.append(json.loads(line))
        return [entry for entry in found if entry.get("pid") == pid]


_ANCHORS = "SELECT entry, hash FROM dbtasks.anchors WHERE chain = %s"
_OTHERS = """
SELECT pid, application_name, left(query, 100) FROM pg_stat_activity
 WHERE backend_type = 'client backend' AND application_name <> %s
"""
_REGISTRY = """
SELECT r.tier, r.kind, r.name, r.oid, d.oid::bigint, r.record
  FROM dbtasks.registry r LEFT JOIN pg_database d ON d.datname = r.name ORDER BY r.id
"""


@functools.cache
def _pg_dump(major: int) -> str:
    return str(find_client("pg_dump", major))


def _sorted(found: re.Match[str]) -> str:
    return "".join(sorted(found[0].splitlines(keepends=True)))


def strays(root: Path) -> list[int]:
    """Return the processes that work in a project's folder; a server works in its data directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has just ended
            folder = process.joinpath("cwd").readlink()
            if folder.is_relative_to(root) and not folder.is_relative_to(root / ".dbtasks"):
                found.append(int(process.name))
    return found


@contextmanager
def ground() -> Iterator[Ground]:
    """Make a ground; nothing of it is left afterwards."""
    with project() as made:
        it = Ground(made)
        try:
            yield it
        finally:
            it.close()
            rooms.sweep(made.root, choose_account())
