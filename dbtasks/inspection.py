"""The read-only look: what a server and a database say of themselves, as evidence.

Everything here runs inside one read-only transaction and touches the catalogue only.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import cast

import psycopg

from dbtasks.database import Connection
from dbtasks.evidence import Database, Identity, Server, Session, Stamp, Table
from dbtasks.migrations import ledger
from dbtasks.tiers import Consent, Floor, Loss

# A timeline from the current WAL file, not from the last checkpoint, which lags behind a promotion.
_SERVER = """
SELECT (SELECT system_identifier FROM pg_control_system()),
       CASE WHEN pg_is_in_recovery() THEN (SELECT timeline_id FROM pg_control_checkpoint())
            ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END,
       current_setting('server_version'), current_setting('server_version_num')::int,
       coalesce(host(inet_server_addr()) || ':' || inet_server_port(), 'local socket'),
       session_user::text, r.rolsuper, r.rolcreatedb OR r.rolsuper, pg_is_in_recovery(), pg_backend_pid()
  FROM pg_roles r WHERE r.rolname = session_user
"""

_DATABASE = """
SELECT d.oid::bigint, d.datname::text, pg_get_userbyid(d.datdba)::text, pg_has_role(d.datdba, 'USAGE'),
       d.datistemplate, pg_database_size(d.oid),
       to_regclass('dbtasks.identity') IS NOT NULL,
       (SELECT array_agg(slot_name::text) FROM pg_replication_slots WHERE database = d.datname),
       (SELECT count(*) FROM pg_prepared_xacts WHERE database = d.datname),
       (SELECT array_agg(split_part(assignment, '=', 1))
          FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) AS assignment
          LEFT JOIN pg_settings p ON p.name = split_part(assignment, '=', 1)
         WHERE s.setdatabase = d.oid AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = session_user)
           AND (p.name IS NULL OR p.context = 'superuser' OR s.setrole::regrole::text NOT IN ('-', session_user)))
  FROM pg_database d WHERE d.datname = current_database()
"""

# What a user made: relations, types, functions and schemas that belong to no extension and are not our bookkeeping.
_USER_OBJECTS = """
WITH mine AS (
    SELECT oid FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'
), extended AS (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
), made AS (
    SELECT 'pg_class'::regclass AS classid, oid AS objid FROM pg_class
     WHERE relnamespace IN (SELECT oid FROM mine)
       AND NOT (relnamespace = to_regnamespace('dbtasks') AND relname ~ '^(identity|ledger)(_|$)')
    UNION ALL
    SELECT 'pg_type'::regclass, oid FROM pg_type
     WHERE typnamespace IN (SELECT oid FROM mine) AND typrelid = 0 AND typelem = 0
    UNION ALL
    SELECT 'pg_proc'::regclass, oid FROM pg_proc WHERE pronamespace IN (SELECT oid FROM mine)
    UNION ALL
    SELECT 'pg_namespace'::regclass, oid FROM pg_namespace
     WHERE oid IN (SELECT oid FROM mine) AND nspname NOT IN ('public', 'dbtasks')
)
SELECT (SELECT count(*) FROM made WHERE (classid, objid) NOT IN (SELECT classid, objid FROM extended))
     + (SELECT count(*) FROM pg_largeobject_metadata)
"""

_TABLES = """
SELECT CASE n.nspname WHEN 'public' THEN '' ELSE n.nspname || '.' END || c.relname,
       greatest(c.reltuples, coalesce(s.n_live_tup, 0), 0)::bigint
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
 WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname NOT IN ('information_schema', 'dbtasks')
   AND NOT c.relispartition
 ORDER BY 2 DESC, 1
"""

_SESSIONS = """
SELECT pid, usename::text, coalesce(nullif(application_name, ''), 'unnamed'), coalesce(state, 'unknown')
  FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid()
   AND coalesce(backend_type, 'client backend') = 'client backend' -- a plain role is not told of others' sessions
 ORDER BY pid
"""

_STAMPS = """
SELECT project, tier, system_identifier, database_oid, timeline, may_lose, consent, scripts_may_answer, approvals,
       signers_digest, stamped_at, stamped_by
  FROM dbtasks.identity
"""


def look_at_server(connection: Connection) -> Server:
    """Return what the server says. A role that may not read the identifier cannot be guarded: PermissionError."""
    try:
        row = connection.execute(_SERVER).fetchone()
    except psycopg.errors.InsufficientPrivilege as error:
        raise PermissionError("the role may not read the server's identity (pg_control_system)") from error
    if row is None:
        raise PermissionError("the role's own row in pg_roles cannot be read")
    identifier, timeline, version, number, address, role, superuser, creates, standby, backend = row
    if role == "dbtasks":
        # Its search path finds our schema first, so that the application's tables would be made in it.
        raise PermissionError("the role is called dbtasks, as our schema is; connect with a role of another name")
    return Server(
        system_identifier=cast(int, identifier),
        timeline=cast(int, timeline),
        version=str(version).split(" ")[0],
        version_number=cast(int, number),
        address=str(address),
        role=str(role),
        superuser=bool(superuser),
        can_create=bool(creates),
        standby=bool(standby),
        # Behind a pooler the pid of the start-up packet is the pooler's invention.
        pooled=connection.info.backend_pid != backend,
    )


def look_at_database(
    connection: Connection, server: Server, version_table: str | None, registered: Callable[[int], str | None]
) -> Database:
    """Return what the catalogue says of the connected database. `registered` tells what its oid is registered as.

    Without a version table the revisions are not read: an application's own role may have no right to.
    """
    row = connection.execute(_DATABASE).fetchone()
    if row is None:
        raise PermissionError("the database's own row in pg_database cannot be read")
    oid, name, owner, owned, template, size, has_identity, slots, prepared, unsettable = row
    return Database(
        oid=cast(int, oid),
        name=str(name),
        owner=str(owner),
        owned=bool(owned) or server.superuser,
        template=bool(template),
        size_bytes=cast(int, size),
        user_objects=cast(int, _one(connection, _USER_OBJECTS)),
        logical_slots=tuple(cast(list[str], slots or [])),
        prepared=cast(int, prepared),
        unsettable=tuple(cast(list[str], unsettable or [])),
        sessions=tuple(_sessions(connection)),
        tables=tuple(Table(name=str(name), rows=cast(int, rows)) for name, rows in connection.execute(_TABLES)),
        revisions=ledger.current(connection, version_table) if version_table else frozenset(),
        ledger=_ledger(connection) if version_table else (),
        torn=ledger.torn(connection) if version_table else (),
        stamps=_stamps(connection) if has_identity else (),
        registered=registered(cast(int, oid)),
    )


def count_rows(connection: Connection, tables: tuple[Table, ...], most: int) -> tuple[Table, ...]:
    """Return the `most` largest tables, counted exactly where that is quick (estimated under 200,000 rows)."""
    counted = []
    for table in tables[:most]:
        if table.rows >= 200_000:
            counted.append(table)
            continue
        schema, _, name = table.name.rpartition(".")
        query = psycopg.sql.SQL("SELECT count(*) FROM {}").format(psycopg.sql.Identifier(schema or "public", name))
        counted.append(Table(name=table.name, rows=cast(int, _one(connection, query)), exact=True))
    return tuple(counted)


def count_tables(connection: Connection) -> int:
    """Return how many tables of the application there are."""
    return len(connection.execute(_TABLES).fetchall())


def _ledger(connection: Connection) -> tuple[tuple[str, str], ...]:
    """Return revision and checksum of what was applied and came to its end, the last word for each."""
    rows = ledger.applied(connection)
    last = {row.revision: row for row in rows if row.duration_ms is not None}
    return tuple((row.revision, row.checksum) for row in last.values() if row.direction == "upgrade")


def _sessions(connection: Connection) -> list[Session]:
    return [
        Session(pid=cast(int, pid), role=str(role), application=str(application), state=str(state))
        for pid, role, application, state in connection.execute(_SESSIONS)
    ]


def _stamps(connection: Connection) -> tuple[Stamp, ...] | None:
    try:
        with connection.transaction():
            rows = connection.execute(_STAMPS).fetchall()
        return tuple(_stamp(row) for row in rows)
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.SyntaxErrorOrAccessRuleViolation, KeyError):
        return None  # there is something by that name that we cannot read: unknown, not missing


def _stamp(row: tuple[object, ...]) -> Stamp:
    project, tier, system, oid, timeline, may_lose, consent, scripts, approvals, digest, at, by = row
    return Stamp(
        project=str(project),
        tier=str(tier),
        identity=Identity(system_identifier=cast(int, system), oid=cast(int, oid)),
        timeline=cast(int, timeline),
        floor=Floor(
            may_lose=Loss[str(may_lose).upper()],
            consent=Consent[str(consent).upper()],
            scripts_may_answer=bool(scripts),
            approvals=cast(int, approvals),
            signers_digest=cast("str | None", digest),
        ),
        stamped_at=cast(datetime, at),
        stamped_by=str(by),
    )


def _one(connection: Connection, query: psycopg.abc.QueryNoTemplate) -> object:
    row = connection.execute(query).fetchone()
    return row[0] if row else None
