"""Taking a backup: the one way in, whatever the engine."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import psycopg

from dbtasks.backups import vault as vaults
from dbtasks.backups.engines import Errand, Permission, Source, Taking, engine
from dbtasks.backups.manifest import Manifest
from dbtasks.backups.progress import Report, unheard
from dbtasks.backups.vault import Vault
from dbtasks.conninfo import mask
from dbtasks.errors import BackupError, RefusedError, ServerUnreachableError
from dbtasks.tiers import BackupEngine


def take(permit: Permission, source: Source, vault: Vault, errand: Errand, report: Report = unheard) -> Manifest:
    """Take a backup by the tier's engine and return its manifest, graded `written`: `verifying` shows more.

    What killed runs left in the store is swept first. RefusedError where the keys do not do or the tier has no engine;
    BackupError where it could not be taken, and then there is none.
    """
    tier = source.tier
    if tier.backup.engine is BackupEngine.NEVER:
        raise RefusedError(
            code="E-BACKUP",
            saw=f"[{tier.label}] has no backups: tiers.{tier.name}.backup says engine: never.",
            why="Nothing was changed.",
            instead="Write engine: pg_dump there, then run the command again.",
        )
    if tier.backup.engine is not BackupEngine.COPY:  # a copy stays where its source is
        vaults.check_keys(vault, tier)
        vault.store.sweep()
    job = Taking(id=_new_id(), permit=permit, source=source, vault=vault, errand=errand, report=report)
    with telling(f"[{tier.label}] {source.conninfo.database} could not be backed up"):
        return engine(tier.backup.engine.value).take(job)


def _new_id() -> str:
    """Return an id that sorts by its time, by this machine's clock, and that nobody else takes."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


@contextmanager
def telling(what: str) -> Iterator[None]:
    """Turn what a server says into a sentence."""
    try:
        yield
    except (psycopg.Error, PermissionError, ServerUnreachableError) as error:
        raise BackupError(f"{what}: {mask(str(error)).strip()}") from error
