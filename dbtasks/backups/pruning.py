"""Dropping backups that were chosen to go, one by one; a kill leaves each whole or swept by the next run."""

from __future__ import annotations

from collections.abc import Iterable

from dbtasks.backups.engines import Permission, copy
from dbtasks.backups.manifest import Form, Manifest
from dbtasks.backups.progress import Progress, Report, unheard
from dbtasks.backups.taking import telling
from dbtasks.backups.vault import Vault
from dbtasks.conninfo import Conninfo


def prune(
    permit: Permission, vault: Vault, gone: Iterable[Manifest], server: Conninfo, report: Report = unheard
) -> tuple[str, ...]:
    """Drop backups, sweep what killed runs left, and return the ids of both. `server` is where the copies are.

    BackupError at the first that cannot be dropped; what went before is gone.
    """
    dropped = []
    for manifest in gone:
        report(Progress(doing=f"dropping {manifest.id}"))
        if manifest.form is Form.DATABASE:
            with telling(f"The backup {manifest.id} could not be dropped"):
                copy.remove(permit, server, manifest)
        else:
            vault.store.remove(manifest.id)
        dropped.append(manifest.id)
    return (*dropped, *vault.store.sweep())
