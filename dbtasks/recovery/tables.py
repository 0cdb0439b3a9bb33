"""The tables of a database as a comparison sees them: columns, key, and which sessions write values alike."""

from __future__ import annotations

from typing import cast

from psycopg import sql

from dbtasks.database import Connection
from dbtasks.values import dataclass

# Both sessions must write a value alike, since rows are compared as text.
ALIKE = (
    sql.SQL("SET LOCAL datestyle = 'ISO, YMD'"),
    sql.SQL("SET LOCAL intervalstyle = 'postgres'"),
    sql.SQL("SET LOCAL timezone = 'UTC'"),
    sql.SQL("SET LOCAL bytea_output = 'hex'"),
    sql.SQL("SET LOCAL extra_float_digits = 1"),
    sql.SQL("SET LOCAL lc_monetary = 'C'"),
)
# For sessions that only read: where rows are written, triggers need the search path that they know.
READ_ALIKE = (*ALIKE, sql.SQL("SET LOCAL search_path = ''"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table. `written` are the columns that can be written, `fixed` those that an UPDATE may not set."""

    schema: str
    name: str
    columns: tuple[str, ...]
    written: tuple[str, ...]
    fixed: tuple[str, ...]
    key: tuple[str, ...]

    @property
    def shown(self) -> str:
        return self.name if self.schema == "public" else f"{self.schema}.{self.name}"

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.name)


def tables_of(connection: Connection) -> dict[str, Table]:
    """Return the application's tables by the names that people see."""
    found: dict[str, Table] = {}
    for schema, name, columns, written, fixed, key in connection.execute(_TABLES).fetchall():
        lists = [tuple(cast("list[str]", each)) for each in (columns, written, fixed, key)]
        table = Table(
            schema=str(schema), name=str(name), columns=lists[0], written=lists[1], fixed=lists[2], key=lists[3]
        )
        found[table.shown] = table
    return found


def listed(names: tuple[str, ...], of: str = "") -> sql.Composed:
    """Return columns, each of the relation `of`."""
    return sql.SQL(", ").join(sql.Identifier(of, name) if of else sql.Identifier(name) for name in names)


def row_text(names: tuple[str, ...], of: str = "") -> sql.Composed:
    """Return the text of a row of these columns, which no collation of the database touches."""
    return sql.SQL('(ROW({})::text COLLATE "C")').format(listed(names, of))


_TABLES = """
SELECT n.nspname::text, c.relname::text,
       ARRAY(SELECT a.attname::text FROM pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum),
       ARRAY(SELECT a.attname::text FROM pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
              ORDER BY a.attnum),
       ARRAY(SELECT a.attname::text FROM pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND a.attidentity = 'a' ORDER BY a.attnum),
       ARRAY(SELECT a.attname::text
               FROM pg_index i CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS k (number, turn)
               JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
              WHERE i.indrelid = c.oid AND i.indisprimary ORDER BY k.turn)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p'
   AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname NOT IN ('information_schema', 'dbtasks')
   AND n.nspname !~ '_dbtasks_[0-9a-f]{8}$'
 ORDER BY 1, 2
"""
