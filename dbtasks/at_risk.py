"""Counts on the target what a migration would take away from it, or fail at. Reads only, and never for long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import LiteralString, cast

import psycopg
from psycopg import sql

from dbtasks.conninfo import Conninfo
from dbtasks.database import Connection, look
from dbtasks.risks import DEMANDS, LOSES, Risk
from dbtasks.statements import Change, ChangeKind

# A table that the server believes to be larger is not read through: its own estimate is shown.
MOST_ROWS = 5_000_000
_SECONDS_EACH = 10

_ESTIMATE: LiteralString = """
SELECT sum(greatest(p.reltuples, coalesce(pg_stat_get_live_tuples(p.oid), 0), 0))::bigint
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 CROSS JOIN LATERAL (SELECT c.oid AS relid WHERE c.relkind <> 'p'
                     UNION ALL SELECT relid::oid FROM pg_partition_tree(c.oid) WHERE isleaf AND c.relkind = 'p') AS leaf
  JOIN pg_class p ON p.oid = leaf.relid
 WHERE n.nspname = %s AND c.relname = %s
"""


def count(target: Conninfo, changes: Iterable[Change]) -> tuple[Risk, ...]:
    """Return the risks of these changes on a target, each counted, or estimated where that would take long."""
    wanted = [change for change in changes if change.kind in LOSES | DEMANDS]
    if not wanted:
        return ()
    with closing(look(target)) as connection:
        # What a policy would hide from this role is lost all the same: then the count fails, and an estimate is shown.
        connection.execute("SET LOCAL row_security = off")
        connection.execute(sql.SQL("SET LOCAL statement_timeout = {}").format(_SECONDS_EACH * 1000))
        there = [change for change in wanted if _is_there(connection, change)]
        return tuple(dict.fromkeys(risk for change in there for risk in _risks(connection, change)))


def _is_there(connection: Connection, change: Change) -> bool:
    """Whether the target has the table at all: the run may make it, before Alembic begins or in another history."""
    schema, _, name = change.table.partition(".")
    found = connection.execute(
        "SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s",
        [schema, name],
    )
    return found.fetchone() is not None


def _risks(connection: Connection, change: Change) -> Iterator[Risk]:
    schema, _, name = change.table.partition(".")
    table = sql.Identifier(schema, name)
    shown = name if schema == "public" else change.table
    what = f"{shown}.{', '.join(change.columns)}" if change.columns else shown
    rows = _one(connection, sql.SQL(_ESTIMATE), [schema, name])
    query = _query(change, table)
    counted = None if rows is None or rows > MOST_ROWS else _counted(connection, change, query, table)
    yield Risk(
        kind=change.kind,
        what=what,
        revision=change.revision,
        to=change.to,
        count=(rows or None) if counted is None and change.kind in LOSES else counted,
        exact=counted is not None,
        written=change.written,
        query=_shown(connection, change, table) if change.kind in DEMANDS else "",
    )


def _counted(connection: Connection, change: Change, query: sql.Composed, table: sql.Identifier) -> int | None:
    found = _one(connection, query)
    if found is None and change.kind is ChangeKind.CHANGES_TYPE:
        # A value that no plain cast takes, or a type that the run makes: then every value may read otherwise.
        return _one(connection, _values(table, change.columns[0]))
    return found


def _query(change: Change, table: sql.Identifier) -> sql.Composed:
    columns = [sql.Identifier(column) for column in change.columns]
    match change.kind:
        case ChangeKind.DROPS_COLUMN:
            return _values(table, change.columns[0])
        case ChangeKind.CHANGES_TYPE:
            changed = sql.SQL("SELECT count(*) FROM {} WHERE ({}::{})::text IS DISTINCT FROM {}::text")
            return changed.format(table, columns[0], _type(change.to), columns[0])
        case ChangeKind.REQUIRES_VALUE:
            return sql.SQL("SELECT count(*) FROM {} WHERE {} IS NULL").format(table, columns[0])
        case ChangeKind.REQUIRES_UNIQUE:
            return sql.SQL("SELECT count(*) FROM ({}) AS keys").format(_duplicates(change, table))
        case _:
            return sql.SQL("SELECT count(*) FROM {}").format(table)


def _values(table: sql.Identifier, column: str) -> sql.Composed:
    return sql.SQL("SELECT count({}) FROM {}").format(sql.Identifier(column), table)


def _duplicates(change: Change, table: sql.Identifier) -> sql.Composed:
    keys = sql.SQL(", ").join(sql.Identifier(column) for column in change.columns)
    filled = sql.SQL(" AND ").join(sql.SQL("{} IS NOT NULL").format(sql.Identifier(each)) for each in change.columns)
    where = sql.SQL("") if change.nulls_count else sql.SQL(" WHERE {}").format(filled)
    return sql.SQL("SELECT {}, count(*) FROM {}{} GROUP BY {} HAVING count(*) > 1").format(keys, table, where, keys)


def _shown(connection: Connection, change: Change, table: sql.Identifier) -> str:
    """Return the query that shows the rows which do not meet what is demanded."""
    if change.kind is ChangeKind.REQUIRES_UNIQUE:
        return f"{_duplicates(change, table).as_string(connection)};"
    if change.kind is ChangeKind.ADDS_REQUIRED:
        return f"{_query(change, table).as_string(connection)};"
    empty = sql.SQL("SELECT * FROM {} WHERE {} IS NULL").format(table, sql.Identifier(change.columns[0]))
    return f"{empty.as_string(connection)};"


def _type(name: str) -> sql.SQL:
    # As format_type of the scratch server wrote it, which quotes what needs it.
    return sql.SQL(name)


def _one(connection: Connection, query: sql.Composable, values: list[object] | None = None) -> int | None:
    """Return a number; `None` where the server does not give it in time, or cannot read the rows so."""
    try:
        with connection.transaction():
            row = connection.execute(sql.Composed([query]), values).fetchone()
    except psycopg.Error:
        return None
    return cast("int | None", row[0]) if row else None
