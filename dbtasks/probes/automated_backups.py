"""Whether there is a backup of what may not be lost: of this very database, new enough, with every file of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from dbtasks.backups import listing
from dbtasks.backups.manifest import Form, Manifest
from dbtasks.backups.vault import Vault, open_vault
from dbtasks.probes.ground import Ground, Seen
from dbtasks.safety import About, Finding, failed, passed, unknown
from dbtasks.tiers import BackupEngine, Loss

ABOUT = About(
    name="automated_backups",
    promise="what may not be lost has a backup of the last day, whole, and of the database that is in service",
    critical=True,
)
# A nightly one, and two hours for it to run late.
OLDEST = timedelta(hours=26)


def look(ground: Ground) -> Iterator[Finding]:
    """Yield the newest backup of each tier that may lose nothing, and what is wrong with it."""

    def judge(seen: Seen) -> Iterator[Finding]:
        yield _newest(ground, seen)

    tiers = tuple(tier for tier in ground.tiers if tier.may_lose is Loss.NOTHING)
    yield from ground.over(tiers, judge, none="no tier was asked that may lose nothing")


def _newest(ground: Ground, seen: Seen) -> Finding:
    tier, name = seen.tier.label, seen.tier.name
    take = f"invoke backup --tier={name}"
    if seen.tier.backup.engine is BackupEngine.NEVER:
        return failed(f"{tier}: the settings say that nothing takes backups", f"Name an engine, then: {take}", name)
    vault = open_vault(ground.project.settings, ground.project.variables)
    there = listing.list_backups(vault, ground.project.settings.project, name, (seen.target.conninfo,))
    own = [each for each in there.backups if not _foreign(ground, seen, each)]
    if not own:
        others = "" if not there.backups else f"; {len(there.backups)} are of another database or server"
        if not there.backups and there.unreadable:
            id_, why = there.unreadable[0]
            return unknown(f"{tier}: what lies there cannot be read: {id_}: {why}", "invoke backups", name)
        return failed(f"{tier}: there is no backup of {seen.database.name}{others}", take, name)
    newest = next((each for each in own if each.good), None)
    if newest is None:
        return failed(f"{tier}: the backup {own[0].id} is damaged, and there is no other", take, name)
    lost = _lost(vault, newest)
    if lost:
        return failed(f"{tier}: the newest backup is not whole: {lost}", take, name)
    age = ground.now - newest.started_at
    if age > OLDEST:
        return failed(f"{tier}: the newest backup is {in_words(age)} old", take, name)
    return passed(f"{tier}: {newest.id} is {in_words(age)} old and {newest.grade.value}", name)


def _foreign(ground: Ground, seen: Seen, each: Manifest) -> tuple[str, ...]:
    return each.foreign(
        project=ground.project.settings.project,
        tier=seen.tier.name,
        system_identifier=seen.identity.system_identifier,
        oid=seen.identity.oid,
    )


def _lost(vault: Vault, manifest: Manifest) -> str:
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

    >>> in_words(timedelta(minutes=5)), in_words(timedelta(hours=30)), in_words(timedelta(days=9, hours=3))
    ('5 minutes', '30 hours', '9 days')
    """
    minutes = max(0, round(age.total_seconds() / 60))
    if minutes < 120:
        return f"{minutes} minutes"
    return f"{minutes // 60} hours" if minutes < 48 * 60 else f"{minutes // (24 * 60)} days"
