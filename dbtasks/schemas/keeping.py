"""What is kept of replaced schemas, and until when: one row for each replacement, in schema `dbtasks` of the target."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import cast

from psycopg import sql

from dbtasks.database import Connection
from dbtasks.errors import DbtasksError, RefusedError
from dbtasks.migrations import ledger
from dbtasks.schemas.obstacles import outside
from dbtasks.schemas.privileges import Grant, Grants, Scope
from dbtasks.values import dataclass

MARK = re.compile(r"[0-9a-f]{8}")

_CREATE = """
CREATE TABLE dbtasks.kept (
    mark       text PRIMARY KEY CHECK (mark ~ '^[0-9a-f]{8}$'),
    entry      bigint NOT NULL,
    made_by    text NOT NULL,
    made_at    timestamptz NOT NULL DEFAULT now(),
    keep_until timestamptz NOT NULL,
    schemas    jsonb NOT NULL,
    defaults   jsonb NOT NULL,
    dropping   boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE dbtasks.kept IS 'Which schemas were put aside for others, and until when; kept by dbtasks.';
"""
_LEDGER_COLUMNS = sql.SQL("revision, checksum, direction, started_at, duration_ms, person, entry, tool_version")


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What a replacement is for: the mark of what it puts aside, the trail's entry and whose trail that is, and for
    how long it is kept."""

    mark: str
    entry: int
    made_by: str
    keep: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A schema that is kept: its name in service, the one that it is kept under, and its oid."""

    name: str
    kept: str
    oid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What one replacement put aside. `entry` is the trail's number of that run, `made_by` whose trail that is.

    `ended`: it is past its retention, by the server's clock. `rows` is the planner's estimate. `dropping`: some of it
    may be gone already, so that it cannot be brought back.
    """

    mark: str
    entry: int
    made_by: str
    made_at: datetime
    keep_until: datetime
    ended: bool
    size_bytes: int
    tables: int
    rows: int
    dropping: bool
    schemas: tuple[Held, ...]
    defaults: Mapping[Scope, Grants]


_KEPT = """
SELECT k.mark, k.entry, k.made_by, k.made_at, k.keep_until, k.keep_until <= now(), size.bytes, size.tables, size.rows,
       k.dropping, k.schemas, k.defaults
  FROM dbtasks.kept k CROSS JOIN LATERAL (
    SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint AS bytes,
           count(*) FILTER (WHERE NOT c.relispartition) AS tables,
           coalesce(sum(greatest(c.reltuples, 0)) FILTER (WHERE c.relkind = 'r'), 0)::bigint AS rows
      FROM jsonb_array_elements(k.schemas) held JOIN pg_class c ON c.relnamespace = (held ->> 'oid')::oid
     WHERE c.relkind IN ('r', 'p')) size
 ORDER BY k.made_at, k.mark
"""


def kept(connection: Connection) -> tuple[Kept, ...]:
    """Return what is kept, oldest first."""
    if connection.execute("SELECT to_regclass('dbtasks.kept')").fetchone() == (None,):
        return ()
    return tuple(_kept(row) for row in connection.execute(_KEPT).fetchall())


def _kept(row: Sequence[object]) -> Kept:
    mark, entry, made_by, made_at, until, ended, size, tables, rows, dropping, schemas, defaults = row
    return Kept(
        mark=str(mark),
        entry=cast(int, entry),
        made_by=str(made_by),
        made_at=cast(datetime, made_at),
        keep_until=cast(datetime, until),
        ended=bool(ended),
        size_bytes=cast(int, size),
        tables=cast(int, tables),
        rows=cast(int, rows),
        dropping=bool(dropping),
        schemas=tuple(Held(**each) for each in cast("list[dict[str, object]]", schemas)),  # type: ignore[arg-type]  # as written below
        defaults=_read(cast("list[list[object]]", defaults)),
    )


def find(connection: Connection, mark: str, *, whole: bool = False) -> Kept:
    """Return what is kept under a mark. Raises RefusedError where there is nothing, or not what was put aside.

    `whole`: what somebody began to drop does not count.
    """
    found = next((each for each in kept(connection) if each.mark == mark), None)
    if found is None or (whole and found.dropping):
        raise _gone(f"Nothing is kept here under the mark {mark}.")
    names = {held.kept: held.oid for held in found.schemas}
    rows = connection.execute(
        "SELECT nspname::text, oid::bigint FROM pg_namespace WHERE nspname = ANY(%s)", [list(names)]
    ).fetchall()
    missing = sorted(set(names.items()) - {(str(name), cast(int, oid)) for name, oid in rows})
    if missing:
        raise _gone(f"The schema {missing[0][0]} is not any more the one that was put aside.")
    return found


def _gone(saw: str) -> RefusedError:
    return RefusedError(
        code="E-NOTHING-KEPT", saw=saw, why="Nothing was changed.", instead="Look at what is there: invoke status"
    )


def held(connection: Connection, names: Mapping[str, str]) -> tuple[Held, ...]:
    """Return the schemas that are kept under these names now."""
    rows = connection.execute(
        "SELECT nspname::text, oid::bigint FROM pg_namespace WHERE nspname = ANY(%s)", [list(names.values())]
    ).fetchall()
    oids = {str(name): cast(int, oid) for name, oid in rows}
    return tuple(Held(name=name, kept=kept, oid=oids[kept]) for name, kept in names.items())


def note(connection: Connection, errand: Errand, schemas: tuple[Held, ...], defaults: Mapping[Scope, Grants]) -> None:
    """Write down what was put aside."""
    if connection.execute("SELECT to_regclass('dbtasks.kept')").fetchone() == (None,):
        connection.execute(_CREATE)
    written = json.dumps([asdict(each) for each in schemas])
    connection.execute(
        "INSERT INTO dbtasks.kept (mark, entry, made_by, keep_until, schemas, defaults)"
        " VALUES (%s, %s, %s, now() + %s, %s, %s)",
        [errand.mark, errand.entry, errand.made_by, errand.keep, written, _written(defaults)],
    )


def forget(connection: Connection, mark: str) -> None:
    connection.execute("DELETE FROM dbtasks.kept WHERE mark = %s", [mark])


def put_ledger_aside(connection: Connection, mark: str) -> None:
    """Empty the ledger into one of its own for what is kept."""
    connection.execute(ledger.CREATE)
    connection.execute(sql.SQL("CREATE TABLE {} AS TABLE dbtasks.ledger").format(_ledger(mark)))
    connection.execute("DELETE FROM dbtasks.ledger")


def bring_ledger_back(connection: Connection, mark: str) -> None:
    """Fill the empty ledger from the one that was kept, ids included."""
    insert = sql.SQL("INSERT INTO dbtasks.ledger (id, {}) OVERRIDING SYSTEM VALUE SELECT id, {} FROM {}")
    connection.execute(insert.format(_LEDGER_COLUMNS, _LEDGER_COLUMNS, _ledger(mark)))
    connection.execute(sql.SQL("DROP TABLE {}").format(_ledger(mark)))


def fill_ledger(connection: Connection, rows: tuple[tuple[object, ...], ...]) -> None:
    """Write what a scratch database's ledger says into the empty one."""
    if rows:
        insert = sql.SQL("INSERT INTO dbtasks.ledger ({}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)")
        with connection.cursor() as cursor:
            cursor.executemany(insert.format(_LEDGER_COLUMNS), rows)


_TABLES = """
SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = ANY(%s) AND c.relkind IN ('r', 'p') LIMIT 100
"""


def drop(connection: Connection, mark: str) -> tuple[str, ...]:
    """Drop what is kept under a mark and return the schemas' names. What a kill leaves of it, the next call drops.

    In parts, since a server lets one transaction lock only so many tables.
    """
    with connection.transaction():
        names = [held.kept for held in find(connection, mark).schemas]
        users = outside(connection, names) if names else ()
        if users:
            raise DbtasksError(f"What is kept under the mark {mark} is used from outside: {users[0]}. It stays.")
        connection.execute("UPDATE dbtasks.kept SET dropping = true WHERE mark = %s", [mark])
    while tables := connection.execute(_TABLES, [names]).fetchall():
        some = sql.SQL(", ").join(sql.Identifier(str(schema), str(name)) for schema, name in tables)
        connection.execute(sql.SQL("DROP TABLE {} CASCADE").format(some))
    with connection.transaction():
        for name in names:
            connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name)))
        connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(_ledger(mark)))
        forget(connection, mark)
    return tuple(names)


def _ledger(mark: str) -> sql.Identifier:
    return sql.Identifier("dbtasks", f"ledger_{mark}")


def _written(defaults: Mapping[Scope, Grants]) -> str:
    return json.dumps([[asdict(scope), [asdict(grant) for grant in grants]] for scope, grants in defaults.items()])


def _read(written: list[list[object]]) -> dict[Scope, Grants]:
    pairs = cast("list[tuple[dict[str, str], list[dict[str, object]]]]", written)
    return {
        Scope(**scope): tuple(Grant(**grant) for grant in grants)  # type: ignore[arg-type]  # as written above
        for scope, grants in pairs
    }
