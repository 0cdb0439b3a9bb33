"""Backups by copying the database on its own server: at once, and gone with the server.

Nobody may be connected to the source meanwhile, so it is no engine for a tier that may lose nothing. The copy lets
nobody in: what it holds is what was copied. Its manifest stands in the server's registry, which everybody reads.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from typing import cast

import psycopg
from psycopg import sql

from dbtasks import snapshots
from dbtasks.backups import facts, noting
from dbtasks.backups.engines import Restoring, Taking
from dbtasks.backups.manifest import Manifest, decode_manifest, encode
from dbtasks.backups.progress import Progress, Report
from dbtasks.backups.vault import Vault
from dbtasks.conninfo import Conninfo
from dbtasks.database import Connection, Scratch, look, open_to_write
from dbtasks.errors import BackupError, DamagedBackupError, RefusedError, ServerUnreachableError
from dbtasks.guard import Clearance
from dbtasks.registry import COORDINATION, Registry, Row, open_registry
from dbtasks.tiers import Loss


def take(job: Taking) -> Manifest:
    source = job.source
    if source.tier.may_lose is Loss.NOTHING:
        raise RefusedError(
            code="E-BACKUP",
            saw=f"[{source.tier.label}] A copy needs a database that nobody is connected to, and dies with its server.",
            why="A tier that may lose nothing is not backed up by it. Nothing was changed.",
            instead=f"Write engine: pg_dump under tiers.{source.tier.name}.backup, then run the command again.",
        )
    started = time.monotonic()
    found = _facts(job)
    with closing(open_registry(job.permit, source.conninfo, source.conninfo)) as connection:
        known = Registry(connection, source.project, job.errand.maker)
        row = known.reserve(source.tier.name, job.errand.entry or 0)
        job.report(Progress(doing="copying"))
        try:
            manifest = _copied(job, found, known, row, started)
        except BaseException:
            _dropped(known, row)
            raise
        known.release(row)
    return manifest


def check(_vault: Vault, manifest: Manifest, _report: Report) -> None:
    raise BackupError(
        f"The backup {manifest.id} is a database, {manifest.copy}, that lets nobody in. What it is worth is shown by "
        "making another database of it."
    )


def restore(job: Restoring) -> int:
    server, manifest = job.beside.known.connection, job.manifest
    there = server.execute(_THERE, [manifest.copy, manifest.copy_oid]).fetchone()
    if there is None:
        raise DamagedBackupError(manifest.id, f"there is no database {manifest.copy} on this server any more")
    job.report(Progress(doing="copying", total=manifest.bytes))
    with _nobody_connected(manifest.copy):
        snapshots.clone(server, job.beside.row.name, manifest.copy)
    return job.beside.known.record_built(job.beside.row)


def listed(server: Conninfo | Connection, project: str) -> tuple[tuple[str, bytes], ...]:
    """Return the manifests of the copies on a server, each with the name of its database. Reads only.

    A connection is one to the coordination database.
    """
    unknown = (ServerUnreachableError, psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn)
    try:
        if not isinstance(server, Conninfo):
            rows = server.execute(_LISTED, [project]).fetchall()
        else:
            with closing(look(server.with_database(COORDINATION))) as connection:
                rows = connection.execute(_LISTED, [project]).fetchall()
    except unknown:
        return ()
    return tuple((str(name), str(record).encode()) for name, record in rows)


def manifest_in(record: bytes, name: str) -> Manifest:
    """Return the manifest of the copy with that name. DamagedBackupError where the record is none."""
    found = re.search(rb'"id":\s*"([^"]{1,80})"', record)
    manifest = decode_manifest(record, found[1].decode(errors="replace") if found else name)
    if manifest.copy != name:
        raise DamagedBackupError(manifest.id, f"its manifest is of the database {manifest.copy}")
    return manifest


def note(known: Registry, manifest: Manifest) -> None:
    """Note beside a copy what was shown of it."""
    known.connection.execute(
        "UPDATE dbtasks.registry SET record = %s WHERE name = %s AND oid = %s AND kind = 'backup'",
        [encode(manifest).decode(), manifest.copy, manifest.copy_oid],
    )


def remove(permit: Clearance | Scratch, conninfo: Conninfo, manifest: Manifest) -> None:
    """Drop a copy. Only what the registry knows as this very backup is dropped."""
    with closing(open_registry(permit, conninfo, conninfo)) as connection:
        known = Registry(connection, manifest.project)
        for row in known.rows(manifest.tier, "backup"):
            if (row.name, row.oid) == (manifest.copy, manifest.copy_oid):
                known.drop(row)


_LISTED = """
SELECT r.name, r.record::text FROM dbtasks.registry r
  JOIN pg_database d ON d.oid::bigint = r.oid AND d.datname = r.name
 WHERE r.project = %s AND r.kind = 'backup' AND r.record IS NOT NULL ORDER BY r.id
"""
_THERE = "SELECT 1 FROM pg_database WHERE datname = %s AND oid::bigint = %s"


def _facts(job: Taking) -> facts.Facts:
    """Read the source and leave it: nobody may be connected when it is copied."""
    with closing(open_to_write(job.permit, job.source.conninfo)) as connection:
        facts.begin(connection)
        return facts.read(connection, job.source.version_tables)


def _copied(job: Taking, found: facts.Facts, known: Registry, row: Row, started: float) -> Manifest:
    server = known.connection
    _check_unused(server, found)
    with _nobody_connected(found.database):
        snapshots.clone(server, row.name, found.database)
    server.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(row.name)))
    oid = known.record_built(row)
    size, now = server.execute("SELECT pg_database_size(%s::oid), clock_timestamp()", [oid]).fetchone() or (0, found.at)
    taken = noting.Taken(finished=cast(datetime, now), seconds=time.monotonic() - started)
    manifest = noting.of_copy(job, found, (row.name, oid), cast(int, size), taken)
    known.record_backup(row, oid, encode(manifest).decode())
    return manifest


def _dropped(known: Registry, row: Row) -> None:
    """Take back what a failed copy left; where the server has gone, the next sweep does."""
    try:
        known.drop(row)
    except psycopg.Error:
        return


def _check_unused(server: Connection, found: facts.Facts) -> None:
    """Name who is connected at once: the server itself would only say that somebody is, after five seconds."""
    snapshots.await_quiet(server, found.identity.oid)
    rows = server.execute(_SESSIONS, [found.identity.oid]).fetchall()
    if rows:
        who = ", ".join(f"{role} ({program})" for role, program in rows[:_NAMED])
        more = f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
        raise BackupError(f"{found.database} cannot be copied while {who}{more} is connected to it. {_INSTEAD}")


@contextmanager
def _nobody_connected(database: str) -> Iterator[None]:
    try:
        yield
    except psycopg.errors.ObjectInUse:
        raise BackupError(f"{database} cannot be copied while somebody is connected to it. {_INSTEAD}") from None


_INSTEAD = "Stop the programs that use it, or write engine: pg_dump under the tier's backup."
_NAMED = 3
_SESSIONS = """
SELECT DISTINCT usename::text, coalesce(nullif(application_name, ''), 'an unnamed program')
  FROM pg_stat_activity WHERE datid::bigint = %s AND pid <> pg_backend_pid() ORDER BY 1, 2
"""
