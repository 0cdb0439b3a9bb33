"""The worker's record of a rehearsal: what each revision really executed, and what the catalogue says of it.

Locks and new files are read in the session that took them, right after each statement; what became of the relations
that had been there is compared after each revision. Part of the worker: standard library only.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from typing import Any

from .worker_schema import COLUMNS, FILES, INDEXES, RELATIONS, UNIQUES, Relation, Shape, differences

_LOCKS = """
SELECT l.relation::bigint, l.mode, l.virtualtransaction, coalesce(pg_relation_filenode(l.relation), 0)::bigint
  FROM pg_locks l
 WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.granted
   AND l.relation::bigint BETWEEN 16384 AND {highest}
"""
_WRITES = "RowExclusiveLock"
_EXCLUDES = "AccessExclusiveLock"
_READS = ("AccessShareLock", "RowShareLock")
_BUILDS_BESIDE = "ShareUpdateExclusiveLock"  # what PostgreSQL documents for everything CONCURRENTLY

# Outside of a transaction a statement's locks are gone once it has ended. These are the ones that may run inside one
# as well, so that they can be looked at before it is committed; what holds several statements is left alone.
_MAY_BE_WRAPPED = re.compile(
    r"\s*(ALTER\s+(TABLE|INDEX|TYPE|SEQUENCE|VIEW|MATERIALIZED)|CREATE\s+(UNIQUE\s+)?(TABLE|INDEX|TYPE|VIEW|TRIGGER)"
    r"|DROP\s+(TABLE|INDEX|TYPE|VIEW|SEQUENCE)|INSERT|UPDATE|DELETE|TRUNCATE|SELECT|COMMENT)\b(?![^;]*\bCONCURRENTLY\b)"
    r"[^;]*;?\s*",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(r"%%|%\(([^)]*)\)s|%s")
_NOISE = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)
_PASSWORD = re.compile(r"(\bPASSWORD\s+)'(?:[^']|'')*'", re.IGNORECASE)
_DELETES = re.compile(r"\bDELETE\s+FROM\b|\bMERGE\s+INTO\b.*\bTHEN\s+DELETE\b", re.IGNORECASE | re.DOTALL)
_EMPTIES = re.compile(r"\bTRUNCATE\b", re.IGNORECASE)


class Scribe:
    """Follows one run, statement by statement. `revision` tells which one runs, or `None` while it is not one's."""

    def __init__(self, send: Callable[..., None], revision: Callable[[], str | None]) -> None:
        self.send, self.revision = send, revision
        self.version_table = re.compile("(?!)")
        self.relations: dict[int, Relation] = {}
        self.before: dict[int, Shape] = {}
        self.last: dict[int, Shape] = {}
        self.files: dict[int, int] = {}
        self.written: set[int] = set()
        self._held: dict[int, set[str]] = {}
        self._transaction = ""
        self._began: float | None = None
        self._wrapped = self._outside = False
        self._left = False
        self._touched: set[int] = set()
        self._indexes: set[tuple[int, int]] = set()

    def listen(self, event: Any, engine: Any) -> None:
        """Hear of every statement that SQLAlchemy executes, whatever the driver."""
        event.listen(engine, "before_cursor_execute", self._before)
        event.listen(engine, "after_cursor_execute", self._after)
        event.listen(engine, "handle_error", self._failed)

    def begin(self, connection: Any, version_table: str) -> None:
        """Note what is there before the first revision."""
        schema, _, name = (re.escape(part) for part in version_table.partition("."))
        place = rf'("?{schema}"?\s*\.\s*)?"?{name}"?'
        self.version_table = re.compile(rf"\s*(INSERT\s+INTO|UPDATE|DELETE\s+FROM)\s+{place}\s", re.IGNORECASE)
        self.relations = {
            oid: Relation(f"{schema}.{name}", kind, partition)
            for oid, schema, name, kind, partition in _rows(connection, RELATIONS)
            if f"{schema}.{name}" != version_table  # Alembic's own
        }
        self.files = self._files(connection)
        self.before = self._shapes(connection, self.relations)
        self.last = dict(self.before)

    def ended(self, connection: Any, revision: str) -> None:
        """Tell what a revision has made of the relations that had been there."""
        if self.relations:
            taken = self._read_locks(connection)
            touched = set(self.relations) if self._left else self._touched
            now = self._shapes(connection, touched)
            gone = touched & set(self.last) - set(now)
            for oid in gone:
                now[oid] = Shape()
            changes = list(differences(self.relations, (self.before, self.last, now), self.written))
            retyped = {change["table"] for change in changes if change["kind"] == "changes_type"}
            unseen = {self.relations[oid].name for oid in taken - gone} - retyped  # not executed by SQLAlchemy
            changes += [{"kind": "empties", "table": name} for name in sorted(unseen)]
            for change in changes:
                self.send("changed", revision=revision, **change)
            self.last.update({oid: shape for oid, shape in now.items() if oid not in gone})
            for oid in gone:
                self.last.pop(oid)
        self._left, self._touched = False, set()

    def _before(self, connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        self._began = None
        if self.revision() is None or self.version_table.match(statement):
            return
        self._outside = bool(getattr(connection.connection, "autocommit", False))
        self._wrapped = False
        if self._outside and self.relations:
            self._left = True
            if _MAY_BE_WRAPPED.fullmatch(_NOISE.sub(" ", statement)):
                self._wrapped = True
                _run(connection, "BEGIN")
            else:
                self._indexes = set(_rows(connection, INDEXES))
        self._began = time.perf_counter()

    def _after(self, connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if self._began is None:
            return
        milliseconds = (time.perf_counter() - self._began) * 1000
        self._began = None
        text = plain(statement, connection.dialect.paramstyle)
        locks, rewrites = self._taken(connection, text) if self.relations else ([], [])
        if self._wrapped:
            self._wrapped = False
            _run(connection, "COMMIT")
        self.send(
            "statement",
            text=text,
            revision=self.revision(),
            transactional=not self._outside,
            locks=locks,
            rewrites=rewrites,
            milliseconds=round(milliseconds, 3),
            rows=cursor.rowcount if cursor.rowcount is not None and cursor.rowcount >= 0 else None,
        )

    def _failed(self, context: Any) -> None:
        """Leave the connection as the statement alone would have left it."""
        self._began = None
        if self._wrapped and context.connection is not None:
            self._wrapped = False
            _run(context.connection, "ROLLBACK")

    def _taken(self, connection: Any, text: str) -> tuple[list[list[str]], list[str]]:
        """Return the locks that are new since the statement before, and the relations that got a new file."""
        if self._outside and not self._wrapped:
            tables = {table for _, table in self._indexes ^ set(_rows(connection, INDEXES))} & set(self.relations)
            files = self._files(connection)
            rewritten = {oid for oid, file in files.items() if self.files.get(oid, file) != file}
            self.files.update(files)
            # A table gets a new file under one lock alone, whoever gives it: VACUUM FULL, CLUSTER.
            taken = [*((oid, _BUILDS_BESIDE) for oid in tables), *((oid, _EXCLUDES) for oid in rewritten)]
            return sorted([self.relations[oid].name, mode] for oid, mode in taken), self._names(rewritten)
        earlier, transaction = {oid: set(modes) for oid, modes in self._held.items()}, self._transaction
        rewritten = self._read_locks(connection)
        if transaction != self._transaction:
            earlier = {}
        self._tell_lost_rows(text, rewritten)
        new = [(oid, mode) for oid, modes in self._held.items() for mode in modes - earlier.get(oid, set())]
        locks = [[self.relations[oid].name, mode] for oid, mode in new if self.relations[oid].is_table]
        return sorted(locks), self._names(rewritten)

    def _read_locks(self, connection: Any) -> set[int]:
        """Read what this session holds on what had been there, and return what got a new file since."""
        rows = _rows(connection, _LOCKS.format(highest=max(self.relations)))
        self._held, rewritten = {}, set()
        for oid, mode, transaction, file in rows:
            self._transaction = transaction
            if oid not in self.relations:
                continue
            self._held.setdefault(oid, set()).add(mode)
            if mode == _WRITES:
                self.written.add(oid)
            elif mode not in _READS:
                self._touched.add(oid)
            if file and oid in self.files and self.files[oid] != file:
                rewritten.add(oid)
                self.files[oid] = file
        return rewritten

    def _tell_lost_rows(self, text: str, rewritten: Iterable[int]) -> None:
        """Tell of statements that take rows away: no catalogue shows it afterwards."""
        words = _NOISE.sub(" ", text)
        if _EMPTIES.search(words):
            for oid in sorted(rewritten):
                self.send("changed", revision=self.revision(), kind="empties", table=self.relations[oid].name)
        if _DELETES.search(words):
            for oid in sorted(oid for oid, modes in self._held.items() if _WRITES in modes):
                relation = self.relations[oid]
                if relation.is_table and re.search(rf"\b{re.escape(relation.name.partition('.')[2])}\b", words):
                    self.send("changed", revision=self.revision(), kind="deletes", table=relation.name)

    def _names(self, oids: Iterable[int]) -> list[str]:
        return sorted(self.relations[oid].name for oid in oids if oid in self.relations)

    def _files(self, connection: Any) -> dict[int, int]:
        return {oid: file for oid, file in _rows(connection, FILES) if oid in self.relations}

    def _shapes(self, connection: Any, oids: Iterable[int]) -> dict[int, Shape]:
        listed = ", ".join(str(oid) for oid in sorted(oids) if self.relations[oid].is_table)
        if not listed:
            return {}
        shapes: dict[int, Shape] = {}
        for oid, number, name, type_, required, filled in _rows(connection, COLUMNS.format(oids=listed)):
            shapes.setdefault(oid, Shape()).add_column(number, (name, type_, required, filled))
        for oid, index, name, keys, condition, nulls_count in _rows(connection, UNIQUES.format(oids=listed)):
            if oid in shapes:
                shapes[oid].add_unique(index, (name, keys, condition, nulls_count))
        return shapes


def plain(statement: str, paramstyle: str) -> str:
    """Return a statement as PostgreSQL would read it, its placeholders numbered, no password in it.

    >>> plain("UPDATE a SET b = %(b)s WHERE c LIKE 'x%%' AND d = %(b)s", "pyformat")
    "UPDATE a SET b = $1 WHERE c LIKE 'x%' AND d = $1"
    """
    numbers: dict[str, int] = {}

    def numbered(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%"
        name = found[1] if found[1] is not None else str(len(numbers))
        return f"${numbers.setdefault(name, len(numbers) + 1)}"

    if paramstyle in ("format", "pyformat"):
        statement = _PLACEHOLDER.sub(numbered, statement)
    return _PASSWORD.sub(r"\1'***'", statement)


def _rows(connection: Any, statement: str) -> list[Any]:
    """Run one of our statements in the session itself, past SQLAlchemy, so that nobody takes it for the project's."""
    cursor = connection.connection.cursor()
    try:
        cursor.execute(statement)
        return [tuple(row) for row in cursor.fetchall()]
    finally:
        cursor.close()


def _run(connection: Any, statement: str) -> None:
    cursor = connection.connection.cursor()
    try:
        cursor.execute(statement)
    finally:
        cursor.close()
