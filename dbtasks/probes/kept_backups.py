"""The backups of a tier as they lie there: which are of the live database. Shared by the probes that ask."""

from __future__ import annotations

from datetime import timedelta

from dbtasks.backups import listing
from dbtasks.backups.manifest import Form, Manifest
from dbtasks.backups.vault import Vault, open_vault
from dbtasks.probes.ground import Ground, Seen
from dbtasks.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """`own` are of the live database, the newest first. `others` counts those of another one, `unreadable` says why."""

    vault: Vault
    own: tuple[Manifest, ...]
    others: int
    unreadable: str = ""


def kept(ground: Ground, seen: Seen) -> Kept:
    """Return the tier's backups. UsageError and BackupError where nobody can look."""
    settings = ground.project.settings
    vault = open_vault(settings, ground.project.variables)
    there = listing.list_backups(vault, settings.project, seen.tier.name, (seen.target.conninfo,))
    own = tuple(each for each in there.backups if not _foreign(ground, seen, each))
    unreadable = "; ".join(f"{id_}: {why}" for id_, why in there.unreadable[:1])
    return Kept(vault=vault, own=own, others=len(there.backups) - len(own), unreadable=unreadable)


def _foreign(ground: Ground, seen: Seen, each: Manifest) -> tuple[str, ...]:
    return each.foreign(
        project=ground.project.settings.project,
        tier=seen.tier.name,
        system_identifier=seen.identity.system_identifier,
        oid=seen.identity.oid,
    )


def lost(vault: Vault, manifest: Manifest) -> str:
    """Return which stored file is not there or has another size. What is no file is told by whoever keeps it."""
    folder = vault.store.folder(manifest.id)
    if folder is None or manifest.form in (Form.DATABASE, Form.REPOSITORY):
        return ""
    for file in manifest.files:
        path = folder / file.name
        if not path.is_file():
            return f"{file.name} is missing"
        if path.stat().st_size != file.bytes:
            return f"{file.name} has {path.stat().st_size:,} bytes instead of {file.bytes:,}"
    return ""


def in_words(age: timedelta) -> str:
    """Return an age as people say it.

    >>> in_words(timedelta(minutes=1)), in_words(timedelta(hours=30)), in_words(timedelta(days=9, hours=3))
    ('1 minute', '30 hours', '9 days')
    """
    minutes = max(0, round(age.total_seconds() / 60))
    if minutes < 120:
        return f"{minutes} minute{'s' if minutes != 1 else ''}"
    return f"{minutes // 60} hours" if minutes < 48 * 60 else f"{minutes // (24 * 60)} days"
