"""Making a database of a backup, beside whatever is in service."""

from __future__ import annotations

from contextlib import suppress

import psycopg
from psycopg import sql

from dbtasks.backups.engines import Beside, Permission, Restoring, engine
from dbtasks.backups.manifest import Manifest
from dbtasks.backups.progress import Report, unheard
from dbtasks.backups.taking import telling
from dbtasks.backups.vault import Vault
from dbtasks.errors import BackupError


def restore_into(permit: Permission, vault: Vault, manifest: Manifest, beside: Beside, report: Report = unheard) -> int:
    """Make the database that `beside` has reserved, and return its oid. One that exists is never written to.

    It carries its source's stamp, which is not its own, and no statistics. Where it fails, BackupError, and the
    database is dropped again; the caller keeps or drops the registry's row.
    """
    job = Restoring(permit=permit, vault=vault, manifest=manifest, beside=beside, report=report)
    with telling(f"The backup {manifest.id} could not be restored"):
        _check_absent(beside)
        try:
            return engine(manifest.engine, manifest.id).restore(job)
        except BaseException:
            with suppress(psycopg.Error):
                _drop_made(beside)
            raise


def _check_absent(beside: Beside) -> None:
    if beside.known.connection.execute(_THERE, [beside.row.name]).fetchone() is not None:
        raise BackupError(f"The database {beside.row.name} is there already, and a backup becomes a new one.")


def _drop_made(beside: Beside) -> None:
    """Drop what was made under the reserved name, and keep the registry's row."""
    beside.known.connection.execute(
        sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(beside.row.name))
    )


_THERE = "SELECT 1 FROM pg_database WHERE datname = %s"
