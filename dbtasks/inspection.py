"""The read-only look: what a server and a database say of themselves, as evidence.

Everything here runs inside one read-only transaction and touches the catalogue only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import cast

import psycopg
from psycopg import sql

from dbtasks.database import Connection, several
from dbtasks.evidence import Database, Identity, Server, Session, Stamp, Table
from dbtasks.hardening.reading import passing
from dbtasks.identity import floor_from
from dbtasks.revision_facts import VersionTables, revision_facts
from dbtasks.tiers import Consent, Floor, Loss

# A timeline from the current WAL file, not from the last checkpoint, which lags behind a promotion.
_OF_A_SERVER = """
SELECT (SELECT system_identifier FROM pg_control_system()),
       CASE WHEN pg_is_in_recovery() THEN (SELECT timeline_id FROM pg_control_checkpoint())
            ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END,
       current_setting('server_version'), current_setting('server_version_num')::int,
       coalesce(host(inet_server_addr()) || ':' || inet_server_port(), 'local socket'),
       session_user::text, pg_is_in_recovery(), pg_backend_pid(), current_setting('cluster_name')
"""

_SERVER = f"{_OF_A_SERVER}, r.rolsuper, r.rolcreatedb OR r.rolsuper FROM pg_roles r WHERE r.rolname = session_user"

# The same of a superuser, whose rights need no looking up.
_SUPERUSERS_SERVER = f"{_OF_A_SERVER}, true, true WHERE current_setting('is_superuser') = 'on'"

# What every database of the server can tell of another. The functions, not the views over them: a session that has
# just begun has to read about everything that a query names.
_OF_A_DATABASE = """
       d.oid::bigint, d.datname::text, pg_get_userbyid(d.datdba)::text, pg_has_role(d.datdba, 'USAGE'),
       d.datistemplate,
       (SELECT array_agg(slot_name::text) FROM pg_get_replication_slots() WHERE datoid = d.oid),
       (SELECT count(*) FROM pg_prepared_xact() WHERE dbid = d.oid),
       EXISTS (SELECT FROM pg_db_role_setting WHERE setdatabase = d.oid)
"""

_DATABASE = f"""
SELECT {_OF_A_DATABASE}, pg_database_size(d.oid), to_regclass('dbtasks.identity') IS NOT NULL,
       to_regclass('dbtasks.hardening') IS NOT NULL
  FROM pg_database d WHERE d.datname = current_database()
"""  # noqa: S608 - our own text

# Settings that a role which is no superuser cannot give to another database. What `harden` has put, it puts anew.
_UNSETTABLE = """
SELECT split_part(assignment, '=', 1)
  FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) AS assignment
  LEFT JOIN pg_settings p ON p.name = split_part(assignment, '=', 1)
 WHERE s.setdatabase::bigint = %s
   AND (p.name IS NULL OR p.context = 'superuser' OR s.setrole::regrole::text NOT IN ('-', session_user))
   AND NOT (%s AND s.setrole <> 0 AND p.name IN ('default_transaction_read_only', 'statement_timeout'))
"""

# Registered as the tier's live one, and bearing its name: then the registry's word stands for the stamp.
_FROM_BESIDE = f"""
SELECT {_OF_A_DATABASE}, r.record,
       has_table_privilege('dbtasks.registry', 'INSERT') AND has_table_privilege('dbtasks.registry', 'UPDATE')
       AND has_table_privilege('dbtasks.registry', 'DELETE')
  FROM pg_database d JOIN dbtasks.registry r ON r.oid = d.oid::bigint AND r.name = d.datname
 WHERE d.datname = {{}} AND r.project = {{}} AND r.tier = {{}} AND r.kind = 'live' AND r.record IS NOT NULL
"""  # noqa: S608 - as above

# What a user made: relations, types, functions and schemas that belong to no extension and are not our bookkeeping,
# nor what was put aside when other schemas took its place.
_USER_OBJECTS = """
WITH mine AS (
    SELECT oid FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'
       AND nspname !~ '_dbtasks_[0-9a-f]{8}$'
), extended AS (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
), made AS (
    SELECT 'pg_class'::regclass AS classid, oid AS objid FROM pg_class
     WHERE relnamespace IN (SELECT oid FROM mine)
       AND NOT (relnamespace = to_regnamespace('dbtasks')
                AND relname ~ '^(identity|ledger|kept|seeds|drift|unproven|hardening|spent|uses|armed)(_|$)')
    UNION ALL
    SELECT 'pg_type'::regclass, oid FROM pg_type
     WHERE typnamespace IN (SELECT oid FROM mine) AND typrelid = 0 AND typelem = 0
    UNION ALL
    SELECT 'pg_proc'::regclass, oid FROM pg_proc
     WHERE pronamespace IN (SELECT oid FROM mine)
       AND NOT (pronamespace = to_regnamespace('dbtasks') AND proname LIKE 'guard\\_%')
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
   AND n.nspname !~ '_dbtasks_[0-9a-f]{8}$' AND NOT c.relispartition
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
    return _server(connection, row)


def _server(connection: Connection, row: tuple[object, ...] | None) -> Server:
    if row is None:
        raise PermissionError("the role's own row in pg_roles cannot be read")
    identifier, timeline, version, number, address, role, standby, backend, cluster, superuser, creates = row
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
        cluster_name=str(cluster),
    )


def look_at_database(
    connection: Connection, server: Server, tables: VersionTables | None, registered: Callable[[int], str | None]
) -> Database:
    """Return what the catalogue says of the connected database. `registered` tells what its oid is registered as.

    `tables` are the version tables, each with what stands before its revisions. Without them the revisions are not
    read: an application's own role may have no right to.
    """
    row = connection.execute(_DATABASE).fetchone()
    if row is None:
        raise PermissionError("the database's own row in pg_database cannot be read")
    oid, name, owner, owned, template, slots, prepared, has_settings, size, has_identity, has_guards = row
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
        unsettable=_unsettable(connection, server, oid, template) if has_settings else (),
        sessions=tuple(_sessions(connection)),
        tables=tuple(Table(name=str(name), rows=cast(int, rows)) for name, rows in connection.execute(_TABLES)),
        stamps=_stamps(connection) if has_identity else (),
        registered=registered(cast(int, oid)),
        passes=passing(connection) if has_guards else "",
        **(revision_facts(connection, tables) if tables else {}),
    )


def look_from_beside(
    connection: Connection, name: str, project: str, tier: str, *before: sql.Composable
) -> tuple[Server, Database, bool] | None:
    """Return the server, a tier's live database as it is known beside, and whether the role may write there.

    One round trip, with the statements that are to be run `before`. `None` where the database is not registered as the
    tier's live one with its stamp. What lies inside is not looked at: it is taken to hold user objects.
    """
    wanted = sql.SQL(_FROM_BESIDE).format(name, project, tier)
    superuser = connection.info.parameter_status("is_superuser") == "on"
    *_, servers, rows = several(connection, *before, sql.SQL(_SUPERUSERS_SERVER if superuser else _SERVER), wanted)
    server = _server(connection, servers[0]) if servers else look_at_server(connection)
    if not rows:
        return None
    oid, found, owner, owned, template, slots, prepared, has_settings, record, registers = rows[0]
    stamp = _recorded(project, cast("Mapping[str, object]", record), server, cast(int, oid))
    if stamp is None:
        return None
    database = Database(
        oid=cast(int, oid),
        name=str(found),
        owner=str(owner),
        owned=bool(owned) or server.superuser,
        template=bool(template),
        size_bytes=0,
        user_objects=1,
        logical_slots=tuple(cast(list[str], slots or [])),
        prepared=cast(int, prepared),
        unsettable=_unsettable(connection, server, oid, template) if has_settings else (),
        stamps=(stamp,),
        registered="live",
    )
    return server, database, bool(registers)


def _unsettable(connection: Connection, server: Server, oid: object, template: object) -> tuple[str, ...]:
    if server.superuser:
        return ()
    return tuple(str(name) for (name,) in connection.execute(_UNSETTABLE, [oid, template]).fetchall())


def _recorded(project: str, record: Mapping[str, object], server: Server, oid: int) -> Stamp | None:
    """Return the stamp as it was noted beside, or `None` where the note cannot be read."""
    try:
        return Stamp(
            project=project,
            tier=str(record["tier"]),
            identity=Identity(system_identifier=server.system_identifier, oid=oid),
            timeline=int(str(record["timeline"])),
            floor=floor_from(cast("Mapping[str, object]", record["floor"])),
            stamped_at=datetime.fromisoformat(str(record["at"])),
            stamped_by=str(record["by"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def count_rows(connection: Connection, tables: tuple[Table, ...], most: int) -> tuple[Table, ...]:
    """Return the `most` largest tables, counted exactly where that is quick (estimated under 200,000 rows)."""
    counted = []
    for table in tables[:most]:
        if table.rows >= 200_000:
            counted.append(table)
            continue
        schema, _, name = table.name.rpartition(".")
        query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema or "public", name))
        counted.append(Table(name=table.name, rows=cast(int, _one(connection, query)), exact=True))
    return tuple(counted)


def count_tables(connection: Connection) -> int:
    """Return how many tables of the application there are."""
    return len(connection.execute(_TABLES).fetchall())


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
