"""What an operation brings back, drops or goes back to: kept databases, backups, points of the log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import psycopg

from dbtasks import backed_up, beside, kept, points
from dbtasks.database import Connection, look
from dbtasks.errors import RefusedError, ServerUnreachableError
from dbtasks.looking import Found
from dbtasks.materials import Kept, Materials
from dbtasks.project import Project
from dbtasks.recovery.engines import Provider
from dbtasks.recovery.engines.choosing import engine_for
from dbtasks.registry import COORDINATION
from dbtasks.targets import Target
from dbtasks.values import dataclass
from dbtasks.verdicts import Request
from dbtasks.way_back import Backup
from dbtasks.wish import Wish


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What the survey knows by now: the wish, what was found, and how.

    `connection` leads to the coordination database where that alone was asked. `inside`: what was replaced is kept
    in the target itself.
    """

    wish: Wish
    found: Found
    connection: Connection | None
    inside: bool


def add(materials: Materials, project: Project, request: Request, target: Target, means: Means) -> Materials:
    """Add what `undo` or a restore would bring back, what `prune` would drop, or where a recovery would lead.

    RefusedError where there is nothing to bring back, or somebody else does it.
    """
    operation, wish = request.operation, means.wish
    if operation.recovers:
        words, engine = points.goal_words(project, request.tier, wish.before, wish.to), engine_for(project, target)
        goal = points.goal_of(project, request.tier, words)
        if isinstance(engine, Provider):
            raise engine.refusal(goal)
        points.check_server(goal, means.found[0].system_identifier, request.tier)
        return replace(materials, goal=words)
    if operation.restores:
        server, _, way = means.found
        if wish.into:
            beside.check_name(wish.into)
            beside.check(project, request.tier, wish.into, server, way)
        elif wish.tables:
            beside.check_place(request.tier, server)
        backup = backed_up.choose(project, target, wish.backup or "latest")
        return replace(materials, backup=backup, into=wish.into, tables=wish.tables, back_how=wish.back_how)
    if operation.drops:
        return _dropped(materials, project, target, means)
    return _undone(materials, project, target, means)


@contextmanager
def _beside(target: Target, means: Means) -> Iterator[Connection | None]:
    """Yield a connection to the coordination database: the one that is there, or another; `None`: there is none."""
    if means.connection is not None:
        yield means.connection
        return
    try:
        connection = look(target.conninfo.with_database(COORDINATION))
    except ServerUnreachableError:
        yield None
        return
    with closing(connection):
        yield connection


def _kept(project: Project, target: Target, connection: Connection | None) -> tuple[tuple[Kept, bool], ...]:
    """Return what was replaced whole, each with whether its time is over."""
    if connection is None:
        return ()
    try:
        return kept.read(connection, project.settings.project, target.tier.name, target.conninfo.database)
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
        connection.rollback()
        return ()


def _dropped(materials: Materials, project: Project, target: Target, means: Means) -> Materials:
    """Add what a prune drops: what is over, or the one database that is named."""
    name, tier = project.settings.project, target.tier.name
    if means.wish.restored:
        return replace(materials, ended=(kept.restored_as(means.wish.restored, target.conninfo, name, tier),))
    with _beside(target, means) as connection:
        there = (*_kept(project, target, connection), *kept.inside(target.conninfo))
    ended = (*(each for each, over in there if over), *kept.gone(target.conninfo, name, tier))
    return replace(materials, ended=ended, ended_backups=backed_up.superfluous(project, target))


def _undone(materials: Materials, project: Project, target: Target, means: Means) -> Materials:
    """Add what an undo brings back: what was kept, or where that is older or gone, the backup taken before."""
    name, tier, mine = project.settings.project, target.tier.name, kept.maker(project.who)
    entry = means.wish.entry
    with _beside(target, means) as connection:
        whole = _kept(project, target, connection)
        saved = backed_up.backups_of(project, target, connection)
    found = kept.inside(target.conninfo, whole=True) if means.inside else whole
    there, known = [each for each, _ in found], means.connection is not None or means.inside
    backup = _before(saved, entry, mine)
    if backup is not None and (not there or (entry is None and there[0].since < backup.at)):
        return replace(materials, backup=backup)
    try:
        chosen = kept.choose(there, entry, mine, tier)
    except RefusedError:
        if backup is None:
            raise
        return replace(materials, backup=backup)
    return replace(materials, kept=chosen if known else kept.looked_into(chosen, name, tier, target.conninfo))


def _before(saved: tuple[Backup, ...], entry: int | None, mine: str) -> Backup | None:
    """Return the backup that was taken before an entry destroyed something, by default the newest such."""
    found = [each for each in saved if each.entry is not None]
    if entry is not None:
        found = [each for each in found if each.entry == entry and each.made_by == mine]
    return found[0] if found else None
