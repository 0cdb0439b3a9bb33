"""Rows for a rehearsal: those of a tier that may lose everything, as far as its tables are like those there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import cast

import psycopg
from psycopg import sql

from dbtasks.conninfo import Conninfo
from dbtasks.database import Connection, look

# More would make a rehearsal slow; then there are no rows at all, since a part of them breaks foreign keys.
MOST_BYTES = 64_000_000

_TABLES = """
SELECT n.nspname::text, c.relname::text,
       array_agg(a.attname::text ORDER BY a.attnum), array_agg(format_type(a.atttypid, a.atttypmod) ORDER BY a.attnum)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
 WHERE c.relkind = 'r' AND n.nspname !~ '^pg_|^information_schema$|^dbtasks$|_dbtasks_[0-9a-f]{8}$'
   AND NOT EXISTS (SELECT FROM pg_depend d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 GROUP BY 1, 2 ORDER BY 1, 2
"""
_SEQUENCES = "SELECT schemaname::text, sequencename::text, last_value FROM pg_sequences WHERE last_value IS NOT NULL"

Table = tuple[str, str]


def copy(source: Conninfo, into: Connection, left_out: frozenset[Table]) -> int | None:
    """Copy the rows of tables that both have with the same columns; return how many, `None` where there are too many.

    Only tables whose columns are all there: a row without a value that it had would be another one. psycopg.Error
    where the role on the scratch server may not leave foreign keys unchecked.
    """
    with closing(look(source)) as found:
        size = found.execute("SELECT pg_database_size(current_database())").fetchone()
        if size is None or cast(int, size[0]) > MOST_BYTES:
            return None
        theirs, ours = _tables(found), _tables(into)
        rows = 0
        with into.transaction():
            into.execute("SET LOCAL session_replication_role = replica")
            for table, columns in ours.items():
                if table not in left_out and columns <= theirs.get(table, frozenset()):
                    rows += _copied(found, into, table, sorted(name for name, _ in columns))
            for schema, name, value in found.execute(_SEQUENCES).fetchall():
                _advance(into, (str(schema), str(name)), cast(int, value))
    return rows


def _tables(connection: Connection) -> Mapping[Table, frozenset[tuple[str, str]]]:
    """Return each table's columns, as pairs of name and type."""
    rows = cast("list[tuple[str, str, list[str], list[str]]]", connection.execute(_TABLES).fetchall())
    return {(schema, name): frozenset(zip(columns, types, strict=True)) for schema, name, columns, types in rows}


def _copied(source: Connection, into: Connection, table: Table, columns: Sequence[str]) -> int:
    """Copy one table; one that the scratch database does not take stays empty."""
    name = sql.Identifier(*table)
    listed = sql.SQL(", ").join(sql.Identifier(column) for column in columns)
    read = sql.SQL("COPY (SELECT {} FROM ONLY {}) TO STDOUT").format(listed, name)
    write = sql.SQL("COPY {} ({}) FROM STDIN").format(name, listed)
    try:
        with into.transaction(), into.cursor() as target, source.cursor() as origin:
            with origin.copy(read) as taken, target.copy(write) as given:
                for block in taken:
                    given.write(block)
            return target.rowcount
    except (psycopg.DataError, psycopg.IntegrityError):
        return 0


def _advance(into: Connection, sequence: Table, value: int) -> None:
    statement = "SELECT setval(c.oid, %s) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    into.execute(f"{statement} WHERE c.relkind = 'S' AND n.nspname = %s AND c.relname = %s", [value, *sequence])
