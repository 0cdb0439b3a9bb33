"""What an operation brings back, drops or goes back to: kept databases, backups, points of the log."""

from __future__ import annotations

from dataclasses import replace

from dbtasks import kept
from dbtasks.database import Connection
from dbtasks.errors import RefusedError
from dbtasks.materials import Kept, Materials
from dbtasks.project import Project
from dbtasks.targets import Target
from dbtasks.verdicts import Request
from dbtasks.way_back import Backup
from dbtasks.wish import Wish


def add(
    materials: Materials,
    project: Project,
    request: Request,
    target: Target,
    means: tuple[Wish, Connection | None, bool],
) -> Materials:
    """Add what `undo` or a restore would bring back, what `prune` would drop, or where a recovery would lead.

    RefusedError where there is nothing to bring back, or somebody else does it.
    """
    operation, (wish, beside, inside) = request.operation, means
    if operation.recovers:
        from dbtasks import points  # late, as below: each verb needs its own
        from dbtasks.recovery.engines import Provider
        from dbtasks.recovery.engines.choosing import engine_for

        goal, engine = points.goal_words(project, request.tier, wish.before, wish.to), engine_for(project, target)
        if isinstance(engine, Provider):
            raise engine.refusal(points.goal_of(project, request.tier, goal))
        return replace(materials, goal=goal)
    if operation.restores:
        from dbtasks import backed_up

        backup = backed_up.choose(project, target, wish.backup or "latest")
        return replace(materials, backup=backup, tables=wish.tables, back_how=wish.back_how)
    name, tier = project.settings.project, request.tier.name
    there = (
        kept.read(beside, name, tier, target.conninfo.database) if beside else kept.kept(target.conninfo, name, tier)
    )
    if operation.drops:
        there = (*there, *kept.inside(target.conninfo))
        gone = kept.gone(target.conninfo, name, tier)
        from dbtasks import backed_up

        ended = (*(each for each, over in there if over), *gone)
        return replace(materials, ended=ended, ended_backups=backed_up.superfluous(project, target))
    there = kept.inside(target.conninfo, whole=True) if inside else there
    return _undone(materials, project, target, [each for each, _ in there], (wish, beside is not None or inside))


def _undone(
    materials: Materials, project: Project, target: Target, there: list[Kept], means: tuple[Wish, bool]
) -> Materials:
    """Add what an undo brings back: what was kept, or where that is older or gone, the backup taken before."""
    (wish, known), mine = means, kept.maker(project.who)
    name, tier = project.settings.project, target.tier.name
    backup = _before(project, target, wish.entry, mine)
    if backup is not None and (not there or (wish.entry is None and there[0].since < backup.at)):
        return replace(materials, backup=backup)
    try:
        chosen = kept.choose(there, wish.entry, mine, tier)
    except RefusedError:
        if backup is None:
            raise
        return replace(materials, backup=backup)
    return replace(materials, kept=chosen if known else kept.looked_into(chosen, name, tier, target.conninfo))


def _before(project: Project, target: Target, entry: int | None, mine: str) -> Backup | None:
    """Return the backup that was taken before an entry destroyed something, by default the newest such."""
    from dbtasks import backed_up

    found = [each for each in backed_up.backups_of(project, target) if each.entry is not None]
    if entry is not None:
        found = [each for each in found if each.entry == entry and each.made_by == mine]
    return found[0] if found else None
