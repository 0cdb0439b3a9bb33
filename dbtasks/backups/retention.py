"""Which backups may go. Pure: the caller says what there is, what time it is, and what is still needed."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from itertools import groupby

from dbtasks.backups.manifest import Grade, Manifest
from dbtasks.tiers import BackupPolicy


def superfluous(
    manifests: Iterable[Manifest], policy: BackupPolicy, now: datetime, needed: Collection[str] = ()
) -> tuple[Manifest, ...]:
    """Return what goes, the oldest first: what is neither among the newest `keep` nor younger than `age`.

    Each tier's and each engine's are counted apart. Those that were shown to be damaged are in nobody's way and go by
    age alone. Never goes what is `needed`, by its id, nor the newest good one, nor the newest that was restored.
    """
    ordered = sorted(manifests, key=lambda each: (each.project, each.tier, each.engine, each.started_at, each.id))
    gone: list[Manifest] = []
    for _, group in groupby(ordered, key=lambda each: (each.project, each.tier, each.engine)):
        members = list(group)
        kept = _kept(members, policy) | set(needed)
        gone += [each for each in members if each.id not in kept and now - each.started_at > policy.age]
    return tuple(sorted(gone, key=lambda each: (each.started_at, each.id)))


def _kept(oldest_first: list[Manifest], policy: BackupPolicy) -> set[str]:
    good = [each for each in oldest_first if each.good]
    restored = [each for each in good if each.grade is Grade.RESTORABLE]
    return {each.id for each in (*good[-max(policy.keep, 1) :], *restored[-1:])}
