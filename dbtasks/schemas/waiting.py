"""Waiting for those who use what is put aside: bounded, and with their names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from dbtasks.database import Connection
from dbtasks.errors import LockTimeoutError

LOCK_WAIT_MS = 10_000

_TABLES = """
SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.oid = ANY(%s) AND c.relkind IN ('r', 'p')
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                      AND d.deptype = 'e')
 ORDER BY 1, 2
"""
_HOLDERS = """
SELECT DISTINCT coalesce(nullif(a.application_name, ''), 'an unnamed program'), a.usename::text, a.pid,
       coalesce(a.state, 'of which we are told no more')
  FROM pg_locks l JOIN pg_stat_activity a USING (pid)
  LEFT JOIN pg_class c ON c.oid = l.relation AND l.locktype = 'relation'
 WHERE l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND (c.relnamespace = ANY(%s)
        OR l.locktype = 'object' AND l.classid = 'pg_namespace'::regclass AND l.objid = ANY(%s))
   AND l.pid <> pg_backend_pid() ORDER BY 3 LIMIT 5
"""


def lock_tables(connection: Connection, namespaces: Iterable[int]) -> None:
    """Take every table of these schemas for ourselves, until the transaction ends."""
    tables = connection.execute(_TABLES, [list(namespaces)]).fetchall()
    if tables:
        names = sql.SQL(", ").join(sql.Identifier(str(schema), str(name)) for schema, name in tables)
        connection.execute(sql.SQL("LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE").format(names))


def try_tables(connection: Connection, namespaces: Iterable[int]) -> None:
    """Find out early whether somebody would make us wait for too long. Nothing stays locked."""
    connection.execute("SAVEPOINT try_tables")
    lock_tables(connection, namespaces)
    connection.execute("ROLLBACK TO SAVEPOINT try_tables")
    connection.execute("RELEASE SAVEPOINT try_tables")


@contextmanager
def telling_holders(connection: Connection, namespaces: list[int]) -> Iterator[None]:
    """Turn a wait that was too long into the names of those who were waited for."""
    try:
        yield
    except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
        rows = connection.execute(_HOLDERS, [namespaces, namespaces]).fetchall()
        holders = ", ".join(f"{program} ({role}, pid {pid}, {state})" for program, role, pid, state in rows)
        raise LockTimeoutError(
            f"The tables are in use, longer than {LOCK_WAIT_MS // 1000} s were waited"
            f"{f': {holders}' if holders else ', by somebody who has just left'}. Nothing was changed. "
            "End what they do, then run the command again."
        ) from error
