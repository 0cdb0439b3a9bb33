"""A dump into schemas that are there and empty."""

from __future__ import annotations

from psycopg import sql

from dbtasks.database import Connection
from dbtasks.schemas.dump import POST_DATA, PRE_DATA, Dump
from dbtasks.schemas.script import Copy

_TABLES = """
SELECT format('%%I.%%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = ANY(%s) AND c.relkind IN ('r', 'p', 'm')
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                      AND d.deptype = 'e')
"""


def load(connection: Connection, dump: Dump) -> None:
    """Make everything that the dump holds, and tell the planner about it."""
    have = {name for (name,) in connection.execute("SELECT extname::text FROM pg_extension").fetchall()}
    for name, schema in dump.extensions:
        if name not in have:
            create = sql.SQL("CREATE EXTENSION {} WITH SCHEMA {}")
            connection.execute(create.format(sql.Identifier(name), sql.Identifier(schema)))
    _define(connection, dump, PRE_DATA)
    _copy(connection, dump)
    _define(connection, dump, POST_DATA)
    # Those two are set by a dump as it goes along, beyond the end of the transaction.
    connection.execute("RESET default_tablespace")
    connection.execute("RESET default_table_access_method")
    tables = [str(table) for (table,) in connection.execute(_TABLES, [list(dump.schemas)]).fetchall()]
    if tables:
        connection.execute(f"ANALYZE {', '.join(tables)}".encode())


def _define(connection: Connection, dump: Dump, section: str) -> None:
    statements = dump.definitions(section)
    if statements:
        connection.execute(statements)


def _copy(connection: Connection, dump: Dump) -> None:
    with connection.cursor() as cursor:
        for part in dump.data():
            if isinstance(part, Copy):
                # Frozen rows are also seen by who looks with an older snapshot; else the table would seem empty.
                with cursor.copy(part.statement + b" WITH (FREEZE)") as copy:
                    for block in part.blocks:
                        copy.write(block)
            else:
                cursor.execute(part)
