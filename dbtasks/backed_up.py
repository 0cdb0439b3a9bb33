"""The backups of a tier that could be brought back, as values."""

from __future__ import annotations

from datetime import UTC, datetime

from dbtasks.backups import listing, retention
from dbtasks.backups.manifest import Manifest
from dbtasks.backups.vault import Vault, open_vault
from dbtasks.database import Connection
from dbtasks.errors import BackupError, RefusedError, UsageError
from dbtasks.operations import copy_back
from dbtasks.project import Project
from dbtasks.targets import Target
from dbtasks.way_back import Backup

# How the reason of a backup begins that was taken before an operation.
BEFORE = "before "


def backups_of(project: Project, target: Target, connection: Connection | None = None) -> tuple[Backup, ...]:
    """Return the tier's backups that are not damaged, the newest first; none where the vault cannot be looked into.

    `connection` leads to the coordination database of its server, where there is one already.
    """
    try:
        vault = open_vault(project.settings, project.variables)
        found = listing.list_backups(
            vault, project.settings.project, target.tier.name, (connection or target.conninfo,)
        )
    except (BackupError, UsageError):
        return ()
    return tuple(as_value(each) for each in found.backups if each.good)


def newest(project: Project, target: Target) -> Backup | None:
    """Return the tier's newest backup that is not damaged."""
    return next(iter(backups_of(project, target)), None)


def choose(project: Project, target: Target, wanted: str) -> Backup:
    """Return the backup of that id, or the newest good one for `latest`. RefusedError for another tier's."""
    tier = target.tier
    vault = open_vault(project.settings, project.variables)
    every = listing.list_backups(vault, project.settings.project, "", (target.conninfo,))
    mine = listing.Listing(
        backups=tuple(each for each in every.backups if each.tier == tier.name and _is_meant(each, wanted)),
        unreadable=every.unreadable,
    )
    other = next((each for each in every.backups if each.id == wanted and each.tier != tier.name), None)
    if other is not None:
        raise RefusedError(
            code="E-FOREIGN-BACKUP",
            saw=f"The backup {wanted} is of [{other.tier.upper()}], not of [{tier.label}].",
            why="Rows of one tier are not put into another as they are.",
            instead=f"To see this tier's: invoke backups --tier={tier.name}",
        )
    chosen = listing.choose(mine, wanted)
    if chosen.sealed_to and vault.identities is None:
        raise BackupError(
            f"The backup {chosen.id} is sealed, and no private key is at hand that could open it. "
            "Set the variable that backups.identity names to the path of one of its keys."
        )
    return as_value(chosen)


def superfluous(project: Project, target: Target) -> tuple[Backup, ...]:
    """Return the tier's backups that its policy keeps no longer, the oldest first."""
    try:
        vault = open_vault(project.settings, project.variables)
        found = listing.list_backups(vault, project.settings.project, target.tier.name, (target.conninfo,))
    except (BackupError, UsageError):
        return ()
    over = retention.superfluous(found.backups, target.tier.backup, datetime.now(UTC))
    return tuple(as_value(each) for each in over)


def _is_meant(backup: Manifest, wanted: str) -> bool:
    """Whether `latest` can mean it: not what was taken right before tables were copied back, with the damage in it."""
    return wanted != "latest" or not backup.reason.startswith(f"{BEFORE}{copy_back.OPERATION.name}")


def find(vault: Vault, project: Project, target: Target, id_: str, digest: str) -> Manifest:
    """Return the manifest of a backup that was planned with. RefusedError where it is another one by now."""
    every = listing.list_backups(vault, project.settings.project, target.tier.name, (target.conninfo,))
    found = next((each for each in every.backups if each.id == id_), None)
    if found is None or found.digest != digest:
        raise RefusedError(
            code="E-CHANGED",
            saw=f"The backup {id_} is {'gone' if found is None else 'not any more what it was'}.",
            why="Nothing was changed.",
            instead=f"To see what there is: invoke backups --tier={target.tier.name}",
        )
    return found


def as_value(manifest: Manifest) -> Backup:
    """Return what is said of a backup."""
    return Backup(
        id=manifest.id,
        digest=manifest.digest,
        engine=manifest.engine,
        database=manifest.database,
        at=manifest.started_at,
        tables=len(manifest.rows),
        rows=sum(count for _, count in manifest.rows),
        size_bytes=manifest.stored_bytes,
        grade=manifest.grade.value,
        heads=manifest.heads,
        entry=manifest.entry,
        made_by=f"{manifest.person}@{manifest.host}",
    )
