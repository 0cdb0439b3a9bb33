"""Whether there is a backup of what may not be lost: of this very database, new enough, with every file of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from dbtasks.probes.ground import Ground, Seen
from dbtasks.probes.kept_backups import in_words, kept, lost
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
    there = kept(ground, seen)
    if not there.own:
        if there.unreadable:
            return unknown(f"{tier}: what lies there cannot be read: {there.unreadable}", "invoke backups", name)
        others = f"; {there.others} are of another database or server" if there.others else ""
        return failed(f"{tier}: there is no backup of {seen.database.name}{others}", take, name)
    newest = next((each for each in there.own if each.good), None)
    if newest is None:
        return failed(f"{tier}: the backup {there.own[0].id} is damaged, and there is no other", take, name)
    missing = lost(there.vault, newest)
    if missing:
        return failed(f"{tier}: the newest backup is not whole: {missing}", take, name)
    age = ground.now - newest.started_at
    if age > OLDEST:
        return failed(f"{tier}: the newest backup is {in_words(age)} old", take, name)
    return passed(f"{tier}: {newest.id} is {in_words(age)} old and {newest.grade.value}", name)
