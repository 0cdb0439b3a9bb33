"""What a statement really does to a database, measured while it runs: locks, new files, rows read, written and lost.

Unsafe is what keeps others from a large table for as long as the table is large, what makes most of its rows or values
unreadable under the names that they had, what lets others see more or do more, and what fails.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from dbtasks.lint.catalogue import SMALL_ROWS
from dbtasks.lint.locks import ACCESS_SHARE, blocks_writes
from tests.server.lint_rows import Row
from tests.server.lint_state import COUNTS, Connection, State, one, state

_CHANGED = """
SELECT (SELECT count(*) FROM pg_class WHERE xmin = {0}) + (SELECT count(*) FROM pg_attribute WHERE xmin = {0})
     + (SELECT count(*) FROM pg_constraint WHERE xmin = {0}) + (SELECT count(*) FROM pg_trigger WHERE xmin = {0})
     + (SELECT count(*) FROM pg_index WHERE xmin = {0}) + (SELECT count(*) FROM pg_attrdef WHERE xmin = {0})
     + (SELECT count(*) FROM pg_policy WHERE xmin = {0}) + (SELECT count(*) FROM pg_type WHERE xmin = {0})
     + (SELECT count(*) FROM pg_enum WHERE xmin = {0}) + (SELECT count(*) FROM pg_proc WHERE xmin = {0})
     + (SELECT count(*) FROM pg_description WHERE xmin = {0}) + (SELECT count(*) FROM pg_statistic_ext WHERE xmin = {0})
"""
_LOCKS = "SELECT relation::bigint, mode FROM pg_locks WHERE pid = %s AND locktype = 'relation' AND database <> 0"
_READ = "SELECT coalesce(sum(pg_stat_get_xact_tuples_returned(o::oid)), 0)::bigint FROM unnest(%s::bigint[]) AS o"
_WRITTEN = "SELECT o FROM unnest(%s::bigint[]) AS o WHERE pg_stat_get_xact_tuples_updated(o::oid) > 0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A server and the prepared database on it."""

    conninfo: str
    database: str
    before: dict[str, State] = field(default_factory=dict)

    def at_first(self, connection: Connection) -> State:
        """Return how the database is before any row of the table; each is rolled back, or tried on a copy."""
        if "" not in self.before:
            self.before[""] = state(connection)
        return self.before[""]

    def connect(self, database: str = "") -> Connection:
        return psycopg.connect(f"{self.conninfo} dbname={database or self.database}", autocommit=True)

    @contextmanager
    def copy(self) -> Iterator[str]:
        """Make a database of its own, for what cannot be rolled back."""
        with self.connect("postgres") as boss:
            boss.execute(sql.SQL("CREATE DATABASE lint_copy TEMPLATE {}").format(sql.Identifier(self.database)))
            try:
                yield "lint_copy"
            finally:
                boss.execute("DROP DATABASE lint_copy WITH (FORCE)")
                boss.execute("ALTER SYSTEM RESET ALL")


def verdict(ground: Ground, row: Row) -> list[str]:
    """Return why a row is unsafe; nothing where it is safe."""
    if row.alone:
        with ground.copy() as database, ground.connect(database) as connection:
            before = ground.at_first(connection)
            reasons = [
                why for each in _statements(row.sql) for why in _alone(ground, database, connection, each, before)
            ]
            return [*reasons, *_compared(connection, before, state(connection))]
    with ground.connect() as connection:
        before = ground.at_first(connection)
        connection.autocommit = False
        read = _read(connection, before)
        try:
            connection.execute(row.sql)
        except psycopg.Error as error:
            connection.rollback()
            return [f"fails: {error}"]
        read = _read(connection, before) - read
        reasons = [*_held(ground, connection, before, read), *_compared(connection, before, state(connection))]
        connection.rollback()
        return reasons


def _read(connection: Connection, before: State) -> int:
    """Return how many rows of large tables this session has read so far."""
    return int(one(connection, _READ, [[oid for oid, rows in before.rows.items() if rows >= SMALL_ROWS]]))


def _statements(text: str) -> list[str]:
    return [each.strip() for each in text.split(";") if each.strip()]


def _held(ground: Ground, connection: Connection, before: State, read: int) -> Iterator[str]:
    """Yield what a transaction that is still open keeps others from, and for how long."""
    locks = connection.execute(_LOCKS, [connection.info.backend_pid]).fetchall()
    blocked = {_table(oid, before): mode for oid, mode in locks if blocks_writes(mode) and oid in before.relations}
    large = {
        oid: mode for oid, mode in blocked.items() if before.rows.get(oid, 0) >= SMALL_ROWS or _parent(oid, before)
    }
    xid = "pg_current_xact_id()::text::xid"
    given = one(connection, "SELECT pg_current_xact_id_if_assigned() IS NOT NULL")
    changed = given and (one(connection, _CHANGED.format(xid)) or one(connection, COUNTS) != before.catalogue)
    for oid, mode in large.items():
        name = before.relations[oid][0]
        if read >= SMALL_ROWS:
            yield f"reads {read} rows while it holds {mode} on {name}"
        if not changed:
            yield f"holds {mode} on {name} and changes nothing"
    for oid in {oid for oid, mode in locks if mode != ACCESS_SHARE and before.rows.get(oid, 0) >= SMALL_ROWS}:
        rows = before.rows[oid]
        if before.relations[oid][1] == "r" and _there_still(connection, oid):
            name = _name(connection, oid)
            touched = one(connection, f"SELECT count(*) FROM {name} WHERE xmax = {xid} OR xmin = {xid}")
            if touched >= SMALL_ROWS and (kept := rows - _free(ground, name, rows)) >= SMALL_ROWS:
                yield f"keeps others from changing {kept} rows of {name}"


def _free(ground: Ground, name: str, rows: int) -> int:
    """Return how many rows of a table somebody else could change now; all of them where the table itself is locked."""
    with ground.connect() as other:
        other.execute("SET lock_timeout = '1ms'")
        try:
            return int(one(other, f"SELECT count(*) FROM (SELECT 1 FROM {name} FOR NO KEY UPDATE SKIP LOCKED) AS free"))
        except (psycopg.errors.LockNotAvailable, psycopg.errors.UndefinedTable):
            return rows  # told by its lock


def _alone(ground: Ground, database: str, connection: Connection, statement: str, before: State) -> Iterator[str]:
    """Run a statement while somebody else is writing to every table, and yield what it then waits to keep him from."""
    failed: list[str] = []

    def run() -> None:
        try:
            connection.execute(statement)
        except psycopg.Error as error:
            failed.append(f"fails: {error}")

    pid = connection.info.backend_pid
    locks: list[tuple[int, str]] = []
    with ground.connect(database) as writer, ground.connect(database) as watcher:
        writer.autocommit = False
        names = ", ".join(name for name, kind, *_ in before.relations.values() if kind == "r")
        writer.execute(f"LOCK TABLE {names} IN ROW EXCLUSIVE MODE")
        thread = threading.Thread(target=run)
        thread.start()
        while thread.is_alive():
            waits = watcher.execute("SELECT wait_event_type FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone()
            if waits and waits[0] in ("Lock", "Timeout"):
                locks = watcher.execute(_LOCKS, [pid]).fetchall()
                break
            time.sleep(0.002)
        writer.rollback()
        thread.join()
    yield from failed
    files = {oid: file for oid, (_, _, file, _) in state(connection).relations.items()}
    for oid, mode in locks:
        table = _table(oid, before)
        if blocks_writes(mode) and before.rows.get(table, 0) >= SMALL_ROWS:
            of_it = [each for each in before.relations if _table(each, before) == table]
            if any(files.get(each) not in (None, before.relations[each][2]) for each in of_it):
                yield f"writes {before.relations[table][0]} or an index of it anew behind {mode}"


def _compared(connection: Connection, before: State, after: State) -> Iterator[str]:
    """Yield what others miss, or have too much of, afterwards."""
    for name in sorted(before.names - after.names):
        yield f"{name} is not there any more"
    for oid, column in sorted(after.required - before.required):
        if oid in before.relations and (oid, column) not in before.columns:
            yield f"{after.relations[oid][0]}.{column} must be given by whoever inserts"
    old_rights = {each for each in before.rights if int(each.rsplit(" ", 1)[1]) in after.relations}
    for each in sorted(old_rights - after.rights):
        yield f"taken: {each}"
    for each in sorted(after.rights - before.rights):
        if int(each.rsplit(" ", 1)[1]) in before.relations and not each.startswith("lint_app "):
            yield f"given: {each}"
    for each in sorted(before.powers ^ after.powers):
        yield f"changed: {each}"
    if before.guards & after.triggers - after.guards:
        yield "triggers are off"
    if after.settings != before.settings:
        yield "the server's settings changed"
    yield from _lost(connection, before, after)
    yield from _rewritten(connection, before, after)


def _lost(connection: Connection, before: State, after: State) -> Iterator[str]:
    for oid, rows in before.rows.items():
        if oid not in after.rows:
            continue  # its names are missing, too
        name = after.relations[oid][0]
        if after.rows[oid] * 2 < rows:
            yield f"{name} has {after.rows[oid]} of {rows} rows"
    updated = {row[0] for row in connection.execute(_WRITTEN, [list(before.rows)])}
    for (oid, column), type_ in before.columns.items():
        changed = after.columns.get((oid, column), type_) != type_
        if (changed or oid in updated) and oid in after.rows:
            yield from _values(connection, before.relations[oid][0], after.relations[oid][0], column, type_)


def _values(connection: Connection, old: str, new: str, column: str, type_: str) -> Iterator[str]:
    """Yield that most values of a column read as other ones, in the type that they had."""
    kept = f"kept.{old.replace('.', '_')}"
    query = (
        f'SELECT count(*) FILTER (WHERE (n."{column}"::{type_})::text IS DISTINCT FROM o."{column}"::text) * 2'
        f" > count(*) FROM {kept} o JOIN {new} n USING (id)"
    )
    if one(connection, query):
        yield f"{new}.{column} holds other values"


def _rewritten(connection: Connection, before: State, after: State) -> Iterator[str]:
    """Yield large tables and their indexes with a new file, made behind the lock that such a thing needs."""
    if connection.autocommit:
        return  # seen while it ran
    locks = connection.execute(_LOCKS, [connection.info.backend_pid]).fetchall()
    blocked = {oid for oid, mode in locks if blocks_writes(mode)}
    for oid, (name, kind, file, table) in before.relations.items():
        now = after.relations.get(oid)
        rows = before.rows.get(oid if table is None else table, 0)
        if kind in "rmi" and now is not None and now[2] != file and rows >= SMALL_ROWS and oid in blocked:
            yield f"{name} has a new file"


def _table(oid: int, state_: State) -> int:
    """Return the table of an index, else the relation itself."""
    return state_.relations[oid][3] or oid if oid in state_.relations else oid


def _parent(oid: int, state_: State) -> bool:
    return state_.relations[oid][1] == "p"


def _there_still(connection: Connection, oid: int) -> bool:
    return bool(one(connection, f"SELECT count(*) FROM pg_class WHERE oid = {oid} AND relkind = 'r'"))


def _name(connection: Connection, oid: int) -> str:
    return str(one(connection, f"SELECT {oid}::regclass::text"))
