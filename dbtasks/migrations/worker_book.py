"""The worker's bookkeeping inside Alembic: what is about to run, from which bytes, and one ledger row per revision.

The row is written on the connection that writes the version row, so both are committed or neither. Part of the worker:
standard library only; Alembic's classes are handed in.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from .worker_ledger import literal, write
from .worker_record import Scribe
from .worker_server import read_outside

_NOISE = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)
_OUR_SCHEMA = re.compile(r'\bdbtasks"?\s*\.|\b(?:schema|search_path)\b[^;]*\bdbtasks\b', re.IGNORECASE)


class Book:
    """Follows Alembic through one run. `revision` is the one that runs, `heads` where the database stands.

    `inside`: it has begun, and its version row is not written yet.
    `doubt` hears why what is built depends on more than the database and the files; nobody does where nothing is kept.
    """

    def __init__(
        self,
        job: Mapping[str, Any],
        gate: Callable[[str], list[Any]],
        send: Callable[..., None],
        stop: Callable[[str, str], NoReturn],
    ) -> None:
        self.job, self.gate, self.send, self.stop = job, gate, send, stop
        self.prefix: str = job["prefix"]
        self.revision: str | None = None
        self.heads: tuple[str, ...] = ()
        self.version_table = ""
        self.scribe: Scribe | None = None
        self.doubt: Callable[[str], None] | None = None
        self._script: Any = None
        self._text: Callable[[str], Any] = str
        self._checksums: dict[str, str] = {}
        self._torn: set[str] = set(job.get("torn", ()))
        self._step: list[Any] = []
        self._began = 0.0
        self._writing = False
        self._aside = False  # statements of no revision, before Alembic has begun
        self.inside = False

    def attach(self, environment: Any, migration: Any, text: Callable[[str], Any]) -> None:
        """Wrap `EnvironmentContext.configure` and `MigrationContext.autocommit_block`."""
        self._text = text
        configure, block = environment.configure, migration.autocommit_block

        @functools.wraps(configure)
        def configured(context: Any, *arguments: Any, **options: Any) -> None:
            self._script = context.script
            options["on_version_apply"] = [*_callbacks(options.get("on_version_apply")), self.applied]
            steps = context.context_opts.get("fn")
            if steps is not None and not isinstance(steps, _Watched):
                context.context_opts["fn"] = _Watched(self, steps)
            configure(context, *arguments, **options)

        @contextlib.contextmanager
        def autocommit_block(context: Any) -> Iterator[None]:
            self.leaves_transaction()
            with block(context):
                yield

        environment.configure, migration.autocommit_block = configured, autocommit_block

    def watch(self, steps: Iterable[Any], context: Any) -> Iterator[Any]:
        """Pass Alembic's steps on, each announced before it begins."""
        self._note_version_table(context)
        planned, seen = [], set[str]()
        for step in steps:
            scripts = [script for script in self._scripts(step) if self._name(script) not in seen]
            seen.update(self._name(script) for script in scripts)
            planned.append((step, scripts))
        for _, scripts in planned:
            for script in scripts:
                self._read(script)
        if self.scribe is not None:
            self.scribe.begin(context.connection, self.version_table)
        self.send("planned", revisions=[self._name(script) for _, scripts in planned for script in scripts])
        for step, scripts in planned:
            for script in scripts:
                self.revision = self._name(script)
                self.send("revision_started", revision=self.revision)
            self._step = scripts
            self._began = time.monotonic()
            self.inside = True
            yield step

    def first(self, file: Mapping[str, str]) -> None:
        """Run the file that makes the first tables, where this database has not had it yet.

        It commits as it likes, so that it counts as torn until it has come to its end.
        """
        name = file["revision"]
        named = f"revision = {literal(name)}"
        there = f"SELECT 1 FROM dbtasks.ledger WHERE {named} AND duration_ms IS NOT NULL"  # noqa: S608
        if self.gate(there):
            return
        self._compare(name, file["path"])
        self.send("planned", revisions=[name])
        self.revision = name
        self.send("revision_started", revision=name)
        began = time.monotonic()
        torn = f"dbtasks.ledger WHERE {named} AND duration_ms IS NULL"
        self.gate(f"DELETE FROM {torn}")  # noqa: S608
        self._torn.discard(name)
        self.leaves_transaction()
        from .worker_program import run_file  # late: few projects have one

        self._aside = True
        run_file(file["path"])
        self._aside = False
        duration_ms = round((time.monotonic() - began) * 1000, 3)
        self.gate(f"UPDATE dbtasks.ledger SET duration_ms = {duration_ms} WHERE id IN (SELECT id FROM {torn})")  # noqa: S608
        self._torn.discard(name)
        self.send("revision_applied", revision=name, duration_ms=duration_ms)

    def ended(self) -> None:
        """Stop where the project's program has not run Alembic: what it did elsewhere nobody has seen."""
        if not self.version_table:
            self.stop("program", "it came to its end without running Alembic in its own process")

    def applied(self, ctx: Any, step: Any, heads: Iterable[str], **_: Any) -> None:
        """Alembic calls this when a revision has run and its version row is written."""
        seconds = time.monotonic() - self._began
        self.inside = False
        self.heads = tuple(sorted(f"{self.prefix}{head}" for head in heads))
        direction = "upgrade" if step.is_upgrade else "downgrade"
        for name in [self._name(script) for script in self._step]:
            row = {
                "revision": name,
                "checksum": self._checksums.get(name, ""),
                "direction": "baseline" if step.is_stamp else direction,
                "seconds": seconds,
                "duration_ms": round(seconds * 1000, 3),
                "person": self.job["person"],
                "entry": self.job["entry"],
                "tool_version": self.job["tool_version"],
            }
            self._writing = True
            if self.scribe is not None:
                self.scribe.ended(ctx.connection, name)
            write(ctx.connection, row, torn=name in self._torn)
            self._writing = False
            self.send("revision_applied", revision=name, duration_ms=row["duration_ms"])

    def running(self) -> str | None:
        """Return the revision whose statements these are; `None` where they are our own, or nobody's yet."""
        return None if self._writing or self._aside else self.revision

    def covered(self) -> dict[str, str]:
        """Return the checksums of the plan by the path of the revision, for all that Alembic has loaded."""
        scripts = [] if self._script is None else self._script.walk_revisions()
        planned: Mapping[str, str] = self.job["checksums"]
        return {script.path: planned[self._name(script)] for script in scripts if self._name(script) in planned}

    def leaves_transaction(self) -> None:
        """Write down, outside of any transaction, that this revision can be torn from here on."""
        if self.revision is None or self.revision in self._torn:
            return
        self._torn.add(self.revision)
        values = [self.revision, self._checksums.get(self.revision, ""), self.job["person"], self.job["tool_version"]]
        revision, checksum, person, version = [literal(value) for value in values]
        # Quoted here: the drivers that a gate may have share no way to bind a value.
        way = "downgrade" if self.job["down"] else "upgrade"
        row = f"{revision}, {checksum}, '{way}', clock_timestamp(), {person}, {int(self.job['entry'])}, {version}"
        columns = "revision, checksum, direction, started_at, person, entry, tool_version"
        self.gate(f"INSERT INTO dbtasks.ledger ({columns}) VALUES ({row})")  # noqa: S608

    def before_statement(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        """Stop at a statement of the project's that touches our schema; doubt one that looks beyond its database."""
        if self._writing:
            return
        if "dbtasks" in statement.lower() and touches_bookkeeping(statement):
            self.stop("bookkeeping", "it touches the schema dbtasks, which is not the application's")
        if self.doubt and (by := read_outside(statement)):
            self.doubt(f"read from outside of its database, by {by}")

    def _note_version_table(self, context: Any) -> None:
        self.heads = tuple(sorted(f"{self.prefix}{head}" for head in context.get_current_heads()))
        expected = self.job["version_table"].rpartition(".")[2]
        if context.version_table != expected:
            self.stop("version_table", f"env.py keeps it as {context.version_table}, not as {expected}")
        schema = context.version_table_schema
        if schema is None:
            schema = context.connection.execute(self._text("SELECT current_schema()")).scalar()
        self.version_table = f"{schema}.{context.version_table}"

    def _scripts(self, step: Any) -> list[Any]:
        """Return the revisions that a step runs or, where it only stamps, says to be there, in the plan's order."""
        if not hasattr(step, "to_"):  # Alembic's StampStep; the others carry their revision
            return [step.revision]
        ends = tuple(step.to_)
        there = {self._name(each): each for each in self._script.iterate_revisions(ends, "base")} if ends else {}
        return [there[name] for name in self.job["checksums"] if name in there]

    def _name(self, script: Any) -> str:
        return f"{self.prefix}{script.revision}"

    def _read(self, script: Any) -> None:
        self._compare(self._name(script), script.path)

    def _compare(self, name: str, path: str) -> None:
        found = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        self._checksums[name] = found
        expected = self.job["checksums"].get(name)
        if found != expected:
            self.revision = name
            self.stop("bytes", "its file has changed since the plan" if expected else "it is not in the plan")


class _Watched:
    """Alembic's own function that lists the steps, with the book looking on."""

    def __init__(self, book: Book, steps: Callable[[Any, Any], Iterable[Any]]) -> None:
        self.book, self.steps = book, steps

    def __call__(self, heads: Any, context: Any) -> Iterator[Any]:
        return self.book.watch(self.steps(heads, context), context)


def touches_bookkeeping(statement: str) -> bool:
    """Return whether a statement names our schema, outside of comments and strings.

    >>> touches_bookkeeping('DROP SCHEMA public, "dbtasks" CASCADE'), touches_bookkeeping("SELECT 'dbtasks.ledger'")
    (True, False)
    """
    return _OUR_SCHEMA.search(_NOISE.sub(" ", statement)) is not None


def _callbacks(theirs: Any) -> list[Any]:
    if theirs is None:
        return []
    return [theirs] if callable(theirs) else list(theirs)
