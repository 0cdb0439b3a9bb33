"""What a manifest says of its source, read in the very snapshot that is dumped."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import LiteralString, cast

import psycopg
from psycopg import sql

from dbtasks.backups.manifest import Identity, Shape
from dbtasks.database import Connection, several
from dbtasks.drift import read_schema
from dbtasks.errors import BackupError
from dbtasks.inspection import look_at_server
from dbtasks.migrations import ledger
from dbtasks.values import dataclass

Rows = tuple[tuple[str, int], ...]

LARGE_OBJECTS = "pg_catalog.pg_largeobject_metadata"

# row_security = off: where rows are hidden from the role, counting fails, as pg_dump does, instead of hiding them.
_BEGIN = (
    sql.SQL("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
    sql.SQL("SET LOCAL row_security = off"),
    sql.SQL("SET LOCAL max_parallel_workers_per_gather = 0"),  # the dump beside it wants the processors
)

_SNAPSHOT: LiteralString = """
SELECT pg_export_snapshot(),
       (SELECT coalesce(sum(pg_table_size(c.oid)), 0)::bigint FROM pg_class c JOIN pg_namespace n
            ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^(pg_|information_schema$)')
       + pg_table_size('pg_largeobject')
"""

_OF_THE_DATABASE: LiteralString = """
SELECT d.oid::bigint, d.datname::text, pg_get_userbyid(d.datdba)::text, pg_encoding_to_char(d.encoding)::text,
       d.datcollate::text, d.datctype::text, coalesce(to_jsonb(d) ->> 'datlocprovider', 'c'),
       coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale', ''),
       CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END::text, now(),
       current_user::text
  FROM pg_database d WHERE d.datname = current_database()
"""

# Roles that objects of this database belong to or are granted to. What the first superuser owns is noted nowhere.
_ROLES: LiteralString = """
SELECT DISTINCT r.rolname::text FROM pg_roles r
 WHERE r.oid = 10 OR r.rolname = current_user OR r.oid IN (
       SELECT refobjid FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass
          AND (dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
               OR (dbid = 0 AND classid = 'pg_database'::regclass
                   AND objid = (SELECT oid FROM pg_database WHERE datname = current_database()))))
 ORDER BY 1
"""

# Those whose rows a dump holds. What belongs to an extension comes with it.
_TABLES: LiteralString = """
SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND n.nspname !~ '^(pg_|information_schema$)'
   AND NOT (n.nspname = 'dbtasks' AND c.relname = 'hardening') -- it tells of this database alone
   AND NOT EXISTS (SELECT FROM pg_depend d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """`at` is the server's clock."""

    identity: Identity
    timeline: int
    version: str
    database: str
    owner: str
    role: str
    roles: tuple[str, ...]
    shape: Shape
    heads: tuple[str, ...]
    schema_digest: str
    tables: tuple[tuple[str, str], ...]
    lsn: str
    at: datetime


def begin(connection: Connection) -> tuple[str, int]:
    """Begin the transaction in which everything is read.

    Returns its snapshot, for others to import, and what the tables take on the disk, in bytes, without their indexes.
    """
    *_, ((snapshot, size),) = several(connection, *_BEGIN, sql.SQL(_SNAPSHOT))
    return str(snapshot), int(str(size))


def read(connection: Connection, version_tables: Iterable[tuple[str, str]]) -> Facts:
    """Return the facts of the connected database, in the transaction that `begin` began.

    PermissionError where the role may not read the server's identity; psycopg.Error where it may not read more.
    """
    server = look_at_server(connection)
    (of_it,), roles, tables = several(connection, sql.SQL(_OF_THE_DATABASE), sql.SQL(_ROLES), sql.SQL(_TABLES))
    oid, name, owner, encoding, collate, ctype, provider, locale, lsn, at, role = of_it
    return Facts(
        identity=Identity(system_identifier=server.system_identifier, oid=cast(int, oid)),
        timeline=server.timeline,
        version=server.version,
        database=str(name),
        owner=str(owner),
        role=str(role),
        roles=tuple(str(each) for (each,) in roles),
        shape=Shape(
            encoding=str(encoding),
            collate=str(collate),
            ctype=str(ctype),
            provider=str(provider),
            locale=str(locale),
        ),
        heads=tuple(sorted(ledger.standing(connection, tuple(version_tables)))),
        schema_digest=read_schema(connection).fingerprint,
        tables=cast("tuple[tuple[str, str], ...]", tuple(tables)),
        lsn=str(lsn),
        at=cast(datetime, at),
    )


def count(connection: Connection, tables: Iterable[tuple[str, str]]) -> Rows:
    """Return how many rows each table holds, in the transaction's snapshot, and how many large objects there are."""
    found = []
    for schema, name in tables:
        # Of a table and not of what inherits from it, as it is dumped.
        query = sql.SQL("SELECT count(*) FROM ONLY {}").format(sql.Identifier(schema, name))
        found.append((f"{schema}.{name}", _one(connection, query)))
    return (*found, (LARGE_OBJECTS, _one(connection, sql.SQL("SELECT count(*) FROM pg_largeobject_metadata"))))


def read_again(connection: Connection, role: str) -> tuple[str, Rows]:
    """Return the digest of a restored database's schema, as `role` would have read it, and its rows.

    BackupError where the connected role may not act as that one.
    """
    begin(connection)
    tables = cast("list[tuple[str, str]]", connection.execute(_TABLES).fetchall())
    rows = count(connection, tables)
    try:
        connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
    except psycopg.errors.InsufficientPrivilege:
        raise BackupError(
            f"What the role {role} has backed up cannot be compared by {connection.info.user}, which may not act as "
            f"it. Run the command as {role}, or as a superuser."
        ) from None
    digest = read_schema(connection).fingerprint
    connection.execute("ROLLBACK")
    return digest, rows


def _one(connection: Connection, query: sql.SQL | sql.Composed) -> int:
    row = connection.execute(query).fetchone()
    return cast(int, row[0]) if row else 0
