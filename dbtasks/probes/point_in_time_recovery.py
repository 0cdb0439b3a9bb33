"""Whether a moment can be gone back to: the newest mark is read back from the archive now."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.points import marked_entries
from dbtasks.probes.ground import Ground, Seen
from dbtasks.probes.kept_backups import in_words
from dbtasks.recovery.engines import Engine, Provider
from dbtasks.recovery.engines.choosing import engine_for
from dbtasks.recovery.marks import Mark
from dbtasks.recovery.proof import Unproven
from dbtasks.recovery.proving import base_for, prove
from dbtasks.safety import About, Finding, failed, passed, unknown
from dbtasks.tiers import Loss

ABOUT = About(
    name="point_in_time_recovery",
    promise="what may not be lost can be brought to a moment before the damage, and its archive is still being filled",
)
_PATIENCE_S = 1.0
_STUCK = """
SELECT last_failed_wal FROM pg_stat_archiver
 WHERE last_failed_time IS NOT NULL AND (last_archived_time IS NULL OR last_failed_time > last_archived_time)
"""


def look(ground: Ground) -> Iterator[Finding]:
    """Yield of each tier that may lose nothing whether its newest mark could be recovered to."""

    def judge(seen: Seen) -> Iterator[Finding]:
        yield _of(ground, seen)

    tiers = tuple(tier for tier in ground.tiers if tier.may_lose is Loss.NOTHING)
    yield from ground.over(tiers, judge, none="no tier was asked that may lose nothing")


def _of(ground: Ground, seen: Seen) -> Finding:
    tier, name = seen.tier.label, seen.tier.name
    engine = engine_for(ground.project, seen.target)
    if engine is None:
        return failed(f"{tier}: nothing keeps its server's log", f"tiers.{name}.recovery: docs/recovery.md", name)
    if isinstance(engine, Provider):
        saw = f"{tier}: {engine.name} keeps its log, and only tells of a mark when one is put"
        return unknown(saw, f"invoke migrate --tier={name}", name)
    server = seen.identity.system_identifier
    marks = (mark for _, mark in marked_entries(ground.project, seen.tier) if mark.system_identifier == server)
    mark = next(marks, None)
    if mark is None:
        saw = f"{tier}: no mark of this server is in the trail, so that no moment is known to be reachable"
        return unknown(saw, f"invoke migrate --tier={name}, which puts one before what it changes", name)
    return _reached(ground, seen, engine, mark)


def _reached(ground: Ground, seen: Seen, engine: Engine, mark: Mark) -> Finding:
    tier, name = seen.tier.label, seen.tier.name
    with seen.reading() as connection:
        stuck = connection.execute(_STUCK).fetchone()
        proof = prove(engine, connection, mark, patience_s=_PATIENCE_S)
    if isinstance(proof, Unproven):
        return failed(f"{tier}: {proof.why.removesuffix('.')}", proof.instead, name)
    if stuck is not None:
        saw = f"{tier}: the server cannot archive its log any more ({stuck[0]})"
        return failed(saw, "Mend its archive_command; the server's own log says what it said", name)
    base = base_for(engine, mark)
    if isinstance(base, Unproven):
        return failed(f"{tier}: {base.why.removesuffix('.')}", base.instead, name)
    age, renew = ground.now - base.taken_at, seen.tier.recovery.renew
    if age > renew:
        return failed(
            f"{tier}: the base backup is {in_words(age)} old", f"invoke migrate --tier={name} takes another", name
        )
    return passed(
        f"{tier}: the mark of {mark.at:%d %b %H:%M} was read back, from a base backup {in_words(age)} old", name
    )
