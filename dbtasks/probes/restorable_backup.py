"""Whether a backup was shown to become the database again: restored elsewhere, rows counted and schema compared."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from dbtasks.backups.manifest import Grade
from dbtasks.probes.ground import Ground, Seen
from dbtasks.probes.kept_backups import in_words, kept, lost
from dbtasks.safety import About, Finding, failed, passed, unknown
from dbtasks.tiers import Loss

ABOUT = About(
    name="restorable_backup",
    promise="a backup of what may not be lost was restored and compared within the last week",
    feature=False,
)
OLDEST = timedelta(days=7)


def look(ground: Ground) -> Iterator[Finding]:
    """Yield of each tier that may lose nothing the newest backup that was shown to be restorable."""

    def judge(seen: Seen) -> Iterator[Finding]:
        yield _of(ground, seen)

    tiers = tuple(tier for tier in ground.tiers if tier.may_lose is Loss.NOTHING)
    yield from ground.over(tiers, judge, none="no tier was asked that may lose nothing")


def _of(ground: Ground, seen: Seen) -> Finding:
    tier, name = seen.tier.label, seen.tier.name
    verify, there = f"invoke backups.verify --tier={name}", kept(ground, seen)
    if not there.own and there.unreadable:
        return unknown(f"{tier}: what lies there cannot be read: {there.unreadable}", "invoke backups", name)
    shown = next((each for each in there.own if each.grade is Grade.RESTORABLE), None)
    if shown is None or shown.checked_at is None:
        return failed(f"{tier}: no backup of {seen.database.name} was ever restored", verify, name)
    missing = lost(there.vault, shown)
    if missing:
        return failed(f"{tier}: {shown.id} was restorable, and is not whole any more: {missing}", verify, name)
    age = ground.now - shown.checked_at
    if age > OLDEST:
        return failed(f"{tier}: a backup was last restored {in_words(age)} ago", verify, name)
    return passed(f"{tier}: {shown.id} was restored and compared {in_words(age)} ago", name)
