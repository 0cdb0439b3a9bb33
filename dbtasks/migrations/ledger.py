"""What each database says about its own revisions: the version table, and our ledger of who applied which bytes.

Locks. A worker's gate connection holds the advisory lock `GATE` exclusively while it migrates, so one worker runs at a
time. Every connection that runs statements holds `STATEMENTS` shared until it ends. The next worker takes that one
exclusively before it starts: the gate of a killed worker is free at once, its last statement may go on for a second.

A row of the ledger without `duration_ms` is a revision that left its transaction and did not come back.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from dbtasks.errors import DbtasksError
from dbtasks.values import dataclass

if TYPE_CHECKING:
    from psycopg import Connection

# Advisory locks have two int4 keys; the first is ours alone: the letters "dbtk".
LOCK_CLASS = 0x6462746B
GATE = 1
STATEMENTS = 2

# One DO block, because CREATE SCHEMA IF NOT EXISTS asks for the right to create even where the schema exists.
CREATE = """
DO $create$
BEGIN
    IF to_regnamespace('dbtasks') IS NULL THEN
        CREATE SCHEMA dbtasks;
    END IF;
    IF to_regclass('dbtasks.ledger') IS NULL THEN
        CREATE TABLE dbtasks.ledger (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            revision text NOT NULL,
            checksum text NOT NULL,
            direction text NOT NULL CHECK (direction IN ('upgrade', 'downgrade', 'baseline')),
            started_at timestamptz NOT NULL,
            duration_ms double precision,
            person text NOT NULL,
            entry bigint NOT NULL,
            tool_version text NOT NULL
        );
        COMMENT ON TABLE dbtasks.ledger IS 'Which revision was applied, from which bytes, by whom; kept by dbtasks.';
    ELSIF EXISTS (SELECT FROM pg_constraint WHERE conrelid = 'dbtasks.ledger'::regclass AND contype = 'c'
                  AND conname = 'ledger_direction_check' AND pg_get_constraintdef(oid) NOT LIKE '%baseline%') THEN
        ALTER TABLE dbtasks.ledger DROP CONSTRAINT ledger_direction_check,
            ADD CONSTRAINT ledger_direction_check CHECK (direction IN ('upgrade', 'downgrade', 'baseline'));
    END IF;
END
$create$
"""

# Revisions that left their transaction and did not come back.
TORN = "SELECT revision, person, started_at::text FROM dbtasks.ledger WHERE duration_ms IS NULL ORDER BY id"

# An index of a partitioned table is invalid on purpose until its parts are attached; one that is being built is no
# leftover. What was put aside for other schemas is as it was.
INVALID_INDEXES = """
SELECT format('%I.%I', n.nspname, c.relname)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT i.indisvalid AND c.relkind = 'i' AND n.nspname !~ '_dbtasks_[0-9a-f]{8}$'
  AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid)
ORDER BY 1
"""

_IDENTITY = (
    "concat_ws(' ', (SELECT system_identifier FROM pg_control_system())::text, "
    "(SELECT oid FROM pg_database WHERE datname = current_database())::text, pg_backend_pid()::text, {lock})"
)

# The server ends a statement whose client has gone. The setting is PostgreSQL 14's, and refused where the kernel
# cannot tell; other servers notice when the statement ends by itself.
_ORPHAN_ENDS = """CASE WHEN current_setting('server_version_num')::int >= 140000 AND position('linux' IN version()) > 0
     THEN set_config('client_connection_check_interval', '1s', false) END"""

# A revision that is said to be applied survives a crash of the server, as what `database` commits does.
_SURVIVES = """CASE WHEN current_setting('synchronous_commit') = 'off'
     THEN set_config('synchronous_commit', 'on', false) END"""

# The gate has nothing to say for hours; a server that ends idle sessions would give its lock away.
_STAYS = """CASE WHEN current_setting('server_version_num')::int >= 140000
     THEN set_config('idle_session_timeout', '0', false) END"""

_MIGRATES = f"""
SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND classid::bigint = {LOCK_CLASS} AND objid::bigint = {GATE})
"""  # noqa: S608 - our own numbers

_HOLDER = """
SELECT format('pid %s, role %s, %s, connected since %s', a.pid, a.usename,
              coalesce(nullif(a.application_name, ''), 'a program without a name'),
              coalesce(to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS TZ'), 'an unknown time'))
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND l.classid::bigint = {lock_class} AND l.objid::bigint = {key} AND l.pid <> pg_backend_pid()
ORDER BY a.backend_start
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """One revision applied, taken back, or there before us.

    `duration_ms` is `None` for one that died outside of a transaction.
    """

    revision: str
    checksum: str
    direction: str
    started_at: datetime
    duration_ms: float | None
    person: str
    entry: int
    tool_version: str


def current(connection: Connection, version_table: str = "alembic_version") -> frozenset[str]:
    """Return the revisions that the database is at; empty where there is no version table.

    The table is looked for in all schemas, since projects keep it in their own. `DbtasksError` when several have one.
    """
    from psycopg import sql  # late: importing this module starts no driver

    schema, dot, name = version_table.rpartition(".")
    found = connection.execute(
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relname = %s AND (n.nspname = %s OR NOT %s) AND c.relkind IN ('r', 'p') "
        "AND n.nspname NOT LIKE 'pg\\_%%' AND n.nspname !~ '_dbtasks_[0-9a-f]{8}$' ORDER BY 1",
        (name, schema, bool(dot)),
    ).fetchall()
    if len(found) > 1:
        places = ", ".join(f"{each[0]}.{each[1]}" for each in found)
        raise DbtasksError(
            f"there are several version tables: {places}. "
            f"Write the right one, as schema.table, under migrations.version_table in config/tiers.yaml."
        )
    if not found:
        return frozenset()
    rows = connection.execute(sql.SQL("SELECT version_num FROM {}").format(sql.Identifier(*found[0]))).fetchall()
    return frozenset(str(row[0]) for row in rows)


def standing(connection: Connection, tables: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Return the same over several version tables, each after what stands before its history's revisions."""
    return frozenset(f"{prefix}{revision}" for prefix, table in tables for revision in current(connection, table))


def applied(connection: Connection) -> tuple[LedgerRow, ...]:
    """Return the ledger, oldest first; empty where the database has none."""
    if not _exists(connection):
        return ()
    rows = connection.execute(
        "SELECT revision, checksum, direction, started_at, duration_ms, person, entry, tool_version "
        "FROM dbtasks.ledger ORDER BY id"
    ).fetchall()
    return tuple(LedgerRow(**dict(zip(LedgerRow.__slots__, row, strict=True))) for row in rows)


def last_words(connection: Connection) -> tuple[LedgerRow, ...]:
    """Return for each revision the last row of what came to its end: whether it stands here, and by which bytes."""
    return tuple({row.revision: row for row in applied(connection) if row.duration_ms is not None}.values())


def record_baseline(
    connection: Connection, revisions: Iterable[tuple[str, str]], *, person: str, entry: int, tool_version: str
) -> None:
    """Write down revisions with their checksums as there before us; one that has a row already is left alone."""
    connection.execute(CREATE)
    with connection.cursor() as cursor:
        cursor.executemany(_BASELINE, [(*each, person, entry, tool_version, each[0]) for each in revisions])


_BASELINE = """
INSERT INTO dbtasks.ledger (revision, checksum, direction, started_at, duration_ms, person, entry, tool_version)
SELECT %s, %s, 'baseline', now(), 0, %s, %s, %s WHERE NOT EXISTS (SELECT FROM dbtasks.ledger WHERE revision = %s)
"""


def torn(connection: Connection) -> tuple[str, ...]:
    """Return the revisions that left their transaction and did not come back."""
    return tuple(str(row[0]) for row in connection.execute(TORN).fetchall()) if _exists(connection) else ()


def torn_for_good(connection: Connection) -> tuple[str, ...]:
    """Return the same, and nothing while a worker runs: one that is outside of its transaction may still come back."""
    found = torn(connection)
    return () if found and connection.execute(_MIGRATES).fetchone() == (True,) else found


def invalid_indexes(connection: Connection) -> tuple[str, ...]:
    """Return the indexes, as schema.name, that a failed CREATE or REINDEX ... CONCURRENTLY left behind."""
    return tuple(str(row[0]) for row in connection.execute(INVALID_INDEXES).fetchall())


def holder(key: int) -> str:
    """Return the SQL that names who holds one of our locks in this database, one sentence a row."""
    return _HOLDER.format(lock_class=LOCK_CLASS, key=key)


def worker_sql(
    person: str, entry: int, lock_timeout_ms: int, statement_timeout_ms: int | None = None
) -> dict[str, str]:
    """Return every statement that the worker runs for us, complete, by name; it composes none itself.

    `None`: statements take as long as the server lets this role's.
    """
    from psycopg import sql

    identity = _IDENTITY.format(lock="'true'")
    shared = _IDENTITY.format(lock=f"pg_try_advisory_lock_shared({LOCK_CLASS}, {STATEMENTS})::text")
    waits = f"set_config('lock_timeout', '{lock_timeout_ms}', false)"
    takes = (
        "" if statement_timeout_ms is None else f", set_config('statement_timeout', '{statement_timeout_ms}', false)"
    )
    entitled = f"dbtasks/{entry}" if entry else "dbtasks"  # a rehearsal is of no entry
    name = sql.Literal(f"{entitled} migrate: {person}").as_string()
    named = f"set_config('application_name', {name}, false)"
    return {
        "identify": f"SELECT {identity}",
        "welcome": f"SELECT {shared}, {named}, {waits}{takes}, {_ORPHAN_ENDS}, {_SURVIVES}",
        "settings": f"SELECT {named}, {waits}, {_STAYS}",
        "take_gate": f"SELECT pg_try_advisory_lock({LOCK_CLASS}, {GATE})::text",
        "gate_holder": holder(GATE),
        "take_statements": f"SELECT pg_try_advisory_lock({LOCK_CLASS}, {STATEMENTS})::text",
        "statements_holder": holder(STATEMENTS),
        "release_statements": f"SELECT pg_advisory_unlock({LOCK_CLASS}, {STATEMENTS})::text",
        "create": CREATE,
        "torn": TORN,
        "invalid_indexes": INVALID_INDEXES,
    }


def look_sql(lock_timeout_ms: int) -> dict[str, str]:
    """Return what a worker's connection is asked first where it only looks: whatever it runs then writes nothing."""
    reads = "set_config('default_transaction_read_only', 'on', false)"
    waits = f"set_config('lock_timeout', '{lock_timeout_ms}', false)"
    identity = _IDENTITY.format(lock="'true'")
    return {"identify": f"SELECT {identity}, {reads}, {waits}, {_ORPHAN_ENDS}"}


def _exists(connection: Connection) -> bool:
    row = connection.execute("SELECT to_regclass('dbtasks.ledger') IS NOT NULL").fetchone()
    return row is not None and bool(row[0])
