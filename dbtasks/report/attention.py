"""What somebody should look at, the worst first, each with the command that leads on. Pure: it reads a report."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from datetime import datetime, timedelta

from dbtasks.overview import in_words
from dbtasks.report import Report, Shape, Standing, Stands
from dbtasks.safety import Verdict
from dbtasks.tiers import Loss, Tier
from dbtasks.trail_runs import State
from dbtasks.values import dataclass
from dbtasks.way_back import Backup

# A waiver or an approval that ends within this is told.
SOON = timedelta(days=14)
# A tier that may not lose everything and whose newest backup is older is told.
_OLD = timedelta(days=7)
_DAMAGED = "damaged"


class Weight(enum.IntEnum):
    """How much it matters: something is wrong, somebody should look, or it is good to know."""

    WRONG = 0
    LOOK = 1
    KNOW = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing to look at. `tier` is `None` where it is of no tier; `command` may be empty."""

    weight: Weight
    tier: Tier | None
    words: str
    command: str = ""


def notices(report: Report) -> tuple[Notice, ...]:
    """Return what should be looked at, the worst first."""
    found = [
        *_trail(report),
        *_score(report),
        *(each for standing in report.tiers for each in _of(standing, report)),
        *_ends(report),
    ]
    return tuple(sorted(found, key=lambda each: each.weight))


def _trail(report: Report) -> Iterator[Notice]:
    if report.trail is not None and not report.trail.holds:
        yield Notice(weight=Weight.WRONG, tier=None, words=report.trail.words, command="invoke audit --verify")
    tiers = {standing.row.tier.name: standing.row.tier for standing in report.tiers}
    for run in report.unfinished:
        gone = f"pid {run.first.pid} gone" if run.state is State.UNFINISHED else f"on {run.first.host}"
        words = f"did not finish: {in_words(run)} ({gone})"
        command = f"invoke audit --entry={run.number}"
        yield Notice(weight=Weight.WRONG, tier=tiers.get(run.first.tier or ""), words=words, command=command)
    if report.agents:
        count = len(report.agents)
        words = f"AI agents were refused {count} time{'s' if count > 1 else ''} within a week"
        yield Notice(weight=Weight.KNOW, tier=None, words=words, command="invoke audit --agent")
    for words in report.unread:
        yield Notice(weight=Weight.LOOK, tier=None, words=words)


def _score(report: Report) -> Iterator[Notice]:
    broken = [each for each in report.score.answers if each.verdict is Verdict.FAIL] if report.score else []
    for each in broken:
        if each.about.critical:
            words = f"{each.about.name.replace('_', ' ')}: {each.deciding.saw}"
            yield Notice(weight=Weight.WRONG, tier=None, words=words, command=each.deciding.mend)
    others = [each.about.name.replace("_", " ") for each in broken if not each.about.critical]
    if others:
        words = f"of the safety score {'fails' if len(others) == 1 else 'fail'} {', '.join(others)}"
        yield Notice(weight=Weight.LOOK, tier=None, words=words, command="invoke score")


def _of(standing: Standing, report: Report) -> Iterator[Notice]:
    row, tier = standing.row, standing.row.tier
    if not row.asked:
        yield Notice(weight=Weight.KNOW, tier=tier, words=row.problem)
    elif row.problem:
        yield Notice(weight=Weight.WRONG, tier=tier, words=row.problem, command=row.instead)
    edited = [id_ for id_, stands in standing.revisions if stands is Stands.EDITED]
    if edited:
        words = f"edited after they ran here: {', '.join(edited)}" if len(edited) > 1 else f"edited since: {edited[0]}"
        yield Notice(weight=Weight.LOOK, tier=tier, words=words, command=f"invoke drift --tier={tier.name}")
    if standing.shape is Shape.CHANGED:
        words = "its schema was changed since its last migration"
        yield Notice(weight=Weight.LOOK, tier=tier, words=words, command=f"invoke drift --tier={tier.name}")
    if row.pending and not row.problem:
        words = f"{row.pending} revision{'s are' if row.pending > 1 else ' is'} pending"
        yield Notice(weight=Weight.KNOW, tier=tier, words=words, command=f"invoke migrate --tier={tier.name}")
    if row.ended and tier.may_lose is not Loss.EVERYTHING:  # such a tier's resets clear away by themselves
        words = f"the retention of {row.ended} replaced database{'s' if row.ended > 1 else ''} has ended"
        yield Notice(weight=Weight.KNOW, tier=tier, words=words, command=f"invoke prune --tier={tier.name} --dry-run")
    if tier.may_lose is not Loss.EVERYTHING:
        yield from _backup(tier, standing, report)


def _backup(tier: Tier, standing: Standing, report: Report) -> Iterator[Notice]:
    if standing.backups is None:
        return
    newest, good = next(iter(standing.backups), None), newest_good(standing.backups)
    if newest is not None and newest.grade == _DAMAGED:
        words = f"its newest backup, {newest.id}, is damaged"
        yield Notice(weight=Weight.WRONG, tier=tier, words=words, command=f"invoke backup --tier={tier.name}")
    elif good is None and standing.tables:
        words = "there is no backup of it"
        yield Notice(weight=Weight.LOOK, tier=tier, words=words, command=f"invoke backup --tier={tier.name}")
    elif good is not None and report.at - good.at > _OLD:
        words = f"its newest backup is {(report.at - good.at).days} days old"
        yield Notice(weight=Weight.LOOK, tier=tier, words=words, command=f"invoke backup --tier={tier.name}")


def newest_good(backups: tuple[Backup, ...]) -> Backup | None:
    """Return the newest backup that is not known to be damaged."""
    return next((each for each in backups if each.grade != _DAMAGED), None)


def age(then: datetime, now: datetime) -> str:
    """Return how long ago something was, as people say it.

    >>> at = datetime.fromisoformat
    >>> age(at("2026-01-01T09:00"), at("2026-01-01T10:20")), age(at("2026-01-01"), at("2026-01-04"))
    ('80 min', '3 days')
    """
    minutes = max(0, int((now - then).total_seconds() // 60))
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // (24 * 60)} days"


def _ends(report: Report) -> Iterator[Notice]:
    tiers = {standing.row.tier.name: standing.row.tier for standing in report.tiers}
    today = report.at.date()
    for each in report.waivers:
        left = (each.expires - today).days
        if left < 0:
            words = f"the waiver of {each.rule} for {each.revision} has ended on {each.expires:%d %b %Y}"
            yield Notice(weight=Weight.LOOK, tier=None, words=words)
        elif left <= SOON.days:
            words = f"the waiver of {each.rule} for {each.revision} ends on {each.expires:%d %b %Y}"
            yield Notice(weight=Weight.KNOW, tier=None, words=words)
    for plan in report.plans:
        if plan.used is None and report.at < plan.ends:
            words = f"a plan to {plan.operation} waits, approved by {len(plan.approved_by)}, until {_time(plan.ends)}"
            yield Notice(weight=Weight.KNOW, tier=tiers.get(plan.tier), words=words)


def _time(moment: datetime) -> str:
    return f"{moment.astimezone():%d %b %H:%M}"
