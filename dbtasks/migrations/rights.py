"""What a role lacks so that a migration is sure to fail: told before anything runs, and nothing that is only likely."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg import Connection

# The ledger is written as the role that logs in; env.py may take another role that it is a member of for the rest.
_LACKING = """
WITH mine AS (SELECT oid FROM pg_roles WHERE pg_has_role(session_user, oid, 'MEMBER')),
     here AS (SELECT oid, has_database_privilege(oid, 'CREATE') AS creates FROM pg_database
               WHERE datname = current_database()),
     ours AS (SELECT to_regnamespace('dbtasks')::oid AS schema, to_regclass('dbtasks.ledger')::oid AS ledger)
SELECT CASE
         WHEN ours.schema IS NULL AND NOT here.creates THEN 'database'
         WHEN ours.ledger IS NULL AND NOT has_schema_privilege(ours.schema, 'CREATE') THEN 'schema'
         WHEN ours.ledger IS NOT NULL
              AND NOT (has_schema_privilege(ours.schema, 'USAGE') AND has_table_privilege(ours.ledger, 'SELECT')
                       AND has_table_privilege(ours.ledger, 'INSERT')) THEN 'ledger'
       END,
       EXISTS (SELECT FROM mine WHERE has_database_privilege(mine.oid, here.oid, 'CREATE'))
       OR EXISTS (SELECT FROM mine CROSS JOIN pg_namespace n
                   WHERE n.nspname NOT LIKE 'pg\\_%%' AND n.nspname NOT IN ('information_schema', 'dbtasks')
                     AND has_schema_privilege(mine.oid, n.oid, 'CREATE')),
       (SELECT array_agg(format('%%I.%%I', n.nspname, c.relname) ORDER BY 1)
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p') AND c.relname = ANY (%(tables)s) AND n.nspname NOT LIKE 'pg\\_%%'
           AND n.nspname !~ '_dbtasks_[0-9a-f]{8}$'
           AND NOT EXISTS (SELECT FROM mine WHERE has_table_privilege(mine.oid, c.oid, 'INSERT, UPDATE, DELETE'))),
       EXISTS (SELECT FROM pg_class WHERE relkind IN ('r', 'p') AND relname = ANY (%(tables)s)),
       quote_ident(current_database()), quote_ident(session_user)
  FROM here, ours
"""


def lacking(connection: Connection, version_tables: Iterable[str]) -> tuple[str, ...]:
    """Return what the role may not do and a migration must, each with the GRANT that mends it."""
    names = [each.rpartition(".")[2] for each in version_tables]
    row = connection.execute(_LACKING, {"tables": names}).fetchone()
    if row is None:
        return ()
    own, creates, tables, there, database, role = row
    found = [_OWN[str(own)].format(database=database, role=role)] if own else []
    if not there and not creates:
        found.append(f"create tables in any schema (GRANT CREATE ON SCHEMA public TO {role})")
    found += [_VERSION_TABLE.format(table=table, role=role) for table in tables or ()]
    return tuple(found)


_VERSION_TABLE = "write the version table {table} (GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {role})"
_OWN = {
    "database": "create the schema dbtasks for the ledger (GRANT CREATE ON DATABASE {database} TO {role})",
    "schema": "create the ledger in the schema dbtasks (GRANT USAGE, CREATE ON SCHEMA dbtasks TO {role})",
    "ledger": "write dbtasks.ledger (GRANT USAGE ON SCHEMA dbtasks TO {role}; "
    "GRANT SELECT, INSERT, UPDATE, DELETE ON dbtasks.ledger TO {role})",
}
