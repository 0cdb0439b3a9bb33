"""The sandbox at work: its commands as processes of their own, its databases as they really are.

Commands see an environment built from an allow-list: no pin, no marker of pytest, CI or an agent, no URL and no flag of
whoever runs the drill.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

import dbtasks
from dbtasks import embedded
from dbtasks.approvals.document import Content
from dbtasks.conninfo import Conninfo, Permit
from dbtasks.drill import sample, terminal
from dbtasks.drill.attempt import Ran
from dbtasks.drill.terminal import NOBODY, Sitting

INVOKE = (sys.executable, "-m", "invoke")
ARMED = {"USE_PROD_DATABASE": "true"}
PATIENCE_S = 120.0
_ALLOWED = ("LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR", "DBTASKS_PG_BINDIR")


class Sandboxed(Permit):
    """Permission to read how the drill's own servers are reached."""


class Ground:
    """A built sandbox. `urls` are the variables that each of its commands sees."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.urls: dict[str, str] = {}
        self.hardened = False
        self.revisions = 0
        self.plan: Content | None = None  # one that many attempts sign, each in its way
        (root.parent / "home").mkdir(exist_ok=True)

    # Commands

    def environ(self, more: Mapping[str, str | None]) -> dict[str, str]:
        """Return a command's environment; `None` takes a variable away."""
        kept = {name: os.environ[name] for name in _ALLOWED if name in os.environ}
        if not {"LANG", "LC_ALL", "LC_CTYPE"} & kept.keys():
            kept["LC_CTYPE"] = "C.UTF-8"
        programs = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
        own = {"PATH": programs, "HOME": str(self.root.parent / "home"), "TERM": "xterm", "NO_COLOR": "1"}
        own["PYTHONPATH"] = str(Path(dbtasks.__file__).resolve().parents[1])  # what is drilled is what drills
        everything = {**kept, **own, **self.urls, **more}
        return {name: value for name, value in everything.items() if value is not None}

    def run(self, command: Sequence[str], more: Mapping[str, str | None] | None = None) -> Ran:
        """Run a command without a terminal and with nothing to read."""
        with self.started(command, more) as child:
            try:
                out, _ = child.communicate(timeout=PATIENCE_S)
            except subprocess.TimeoutExpired:
                return Ran(code=-1, text=f"did not end within {PATIENCE_S:.0f} s")
            return Ran(code=child.returncode, text=out)

    @contextlib.contextmanager
    def started(
        self, command: Sequence[str], more: Mapping[str, str | None] | None = None
    ) -> Iterator[subprocess.Popen[str]]:
        """Start a command in a session of its own; whatever of it is left is killed with the block."""
        child = subprocess.Popen(
            command, cwd=self.root, env=self.environ(more or {}), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace", start_new_session=True,
        )  # fmt: skip
        try:
            yield child
        finally:
            if child.poll() is None:
                kill(child)

    def invoke(self, words: str, more: Mapping[str, str | None] | None = None) -> Ran:
        return self.run([*INVOKE, *words.split()], more)

    def shell(self, line: str, more: Mapping[str, str | None] | None = None) -> Ran:
        """Run a line of shell, in which INVOKE stands for the command."""
        return self.run(["/bin/sh", "-c", _with_invoke(line)], more)

    def at_terminal(self, line: str, more: Mapping[str, str | None] | None = None, sitting: Sitting = NOBODY) -> Ran:
        """Run a line of shell at a terminal of its own."""
        command = ["/bin/sh", "-c", f"exec {_with_invoke(line)}"]
        return terminal.run(command, self.root, self.environ(more or {}), sitting, PATIENCE_S)

    def python(self, code: str, more: Mapping[str, str | None] | None = None) -> Ran:
        return self.run([sys.executable, "-c", code], more)

    # Files

    def write(self, path: str, text: str) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return target

    def read(self, path: str) -> str:
        return (self.root / path).read_text(encoding="utf-8")

    def revise(self, *statements: str) -> str:
        """Write the next revision, and return its file."""
        self.revisions += 1
        path, text = sample.revision(self.revisions, statements)
        self.write(path, text)
        return path

    def replace(self, path: str, old: str, new: str) -> None:
        """Edit a file for good. KeyError where it does not hold the text: then the drill is broken."""
        text = self.read(path)
        if old not in text:
            raise KeyError(f"{path} does not hold {old!r}")
        self.write(path, text.replace(old, new))

    @contextlib.contextmanager
    def edited(self, path: str, old: str, new: str) -> Iterator[None]:
        """Edit a file for the block."""
        before = self.read(path)
        self.replace(path, old, new)
        try:
            yield
        finally:
            self.write(path, before)

    # Databases

    def conninfo(self, database: str, kind: embedded.Kind = embedded.Kind.DURABLE) -> Conninfo:
        """Return how the superuser of one of the sandbox's servers reaches a database."""
        server = embedded.look(self.root, kind)
        if server is None:
            raise FileNotFoundError(f"the sandbox has no {kind} server")
        return server.conninfo(database)

    def url(self, database: str, role: str = "", password: str = "") -> str:
        """Return the URL of a database on the durable server, by default for its superuser."""
        found = self.conninfo(database)
        if not role:
            return found.url(Sandboxed())
        return f"postgresql://{role}:{password}@{found.host}:{found.port}/{database}"

    def sql(self, statement: str | sql.Composed, database: str = "postgres") -> list[Any]:
        """Run a statement as the durable server's superuser and return its rows, single columns as plain values."""
        with self.connected(database) as connection:
            query = sql.SQL(statement) if isinstance(statement, str) else statement
            cursor = connection.execute(query)
            rows = cursor.fetchall() if cursor.description else []
        return [row[0] if len(row) == 1 else row for row in rows]

    def state(self, database: str) -> object:
        """Return which database stands under a name and everything that it holds; `None` where there is none."""
        found = self.sql(sql.SQL("SELECT oid FROM pg_database WHERE datname = {}").format(sql.Literal(database)))
        if not found:
            return None
        with self.connected(database) as connection:
            tables = [str(row[0]) for row in connection.execute(_TABLES) if row[0] != _NO_HARM]
            held = {name: connection.execute(_held(name)).fetchone() for name in tables}
            columns, schemas = connection.execute(_COLUMNS).fetchall(), connection.execute(_SCHEMAS).fetchall()
        return found, held, columns, schemas

    @contextlib.contextmanager
    def locked(self, database: str, class_: int, key: int) -> Iterator[Callable[[], bool]]:
        """Hold an advisory lock for the block; what is yielded says whether somebody waits for it."""
        with self.connected(database) as connection:
            connection.execute("SELECT pg_advisory_lock(%s, %s)", [class_, key])

            def waited_for() -> bool:
                found = connection.execute(_WAITING, [class_, key]).fetchone()
                return found is not None and bool(found[0])

            yield waited_for

    @contextlib.contextmanager
    def connected(self, database: str) -> Iterator[psycopg.Connection[Any]]:
        parameters: dict[str, Any] = self.conninfo(database).parameters(Sandboxed())
        with psycopg.connect(**parameters, autocommit=True, connect_timeout=10) as connection:
            yield connection


_WAITING = """
SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND classid = %s AND objid = %s)
"""
_TABLES = """
SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1
"""
_COLUMNS = """
SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns
 WHERE table_schema !~ '^pg_' AND table_schema <> 'information_schema' ORDER BY 1, 2, 3
"""


_SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' ORDER BY 1"
# Which approvals were used is written down before anything else is, also where nothing else comes of it.
_NO_HARM = "dbtasks.spent"


def _held(table: str) -> sql.Composed:
    """Return the query for how many rows a table has, and one sum over all of them."""
    name = sql.SQL(table)  # quoted by the server's own format()
    return sql.SQL("SELECT count(*), md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {} t").format(
        name
    )


def _with_invoke(line: str) -> str:
    return line.replace("INVOKE", f"'{sys.executable}' -m invoke")


def kill(child: subprocess.Popen[str]) -> None:
    """Kill a command and what it has started, and wait for its end."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    child.kill()
    child.communicate()
