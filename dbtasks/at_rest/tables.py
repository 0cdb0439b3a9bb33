"""Tables that PostgreSQL itself encrypts, by the extension pg_tde: each is asked for."""

from __future__ import annotations

from psycopg import sql

from dbtasks.at_rest import AtRest, Grade
from dbtasks.database import Connection

_WHERE = """
SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_tde'
"""
_PLAIN = """
SELECT count(*), count(*) FILTER (WHERE NOT coalesce({}.pg_tde_is_encrypted(c.oid::regclass), false))
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^(pg_|information_schema$)'
"""


def look(connection: Connection) -> AtRest | None:
    """Return what pg_tde says of the tables; `None` where the database does not have it."""
    row = connection.execute(_WHERE).fetchone()
    if row is None:
        return None
    counts = connection.execute(sql.SQL(_PLAIN).format(sql.Identifier(str(row[0])))).fetchone()
    every, plain = (int(str(each)) for each in counts or (0, 0))
    if plain or not every:
        saw = f"pg_tde is there, and {plain} of {every} tables are not encrypted"
        return AtRest(grade=Grade.ABSENT, saw=saw, mend="ALTER TABLE ... SET ACCESS METHOD tde_heap")
    return AtRest(grade=Grade.VERIFIED, saw=f"pg_tde encrypts all {every} tables")
