"""What `status` tells: the rows of the tiers, the end of the trail, and how old the backups are."""

from __future__ import annotations

from datetime import datetime

from dbtasks import backed_up
from dbtasks.backups.listing import list_backups
from dbtasks.backups.vault import open_vault
from dbtasks.errors import DbtasksError
from dbtasks.operations import status
from dbtasks.overview import look_over
from dbtasks.project import Project
from dbtasks.report import Report, Scored, Standing, lately
from dbtasks.targets import Target
from dbtasks.tiers import Tier
from dbtasks.way_back import Backup

# Each with the name of its tier.
Backups = tuple[tuple[str, Backup], ...]


def glance(project: Project, only: str = "", reader: lately.Reader | None = None) -> Report:
    """Return what a few lines tell: of each tier its row and, where they lie in a folder, its backups.

    `reader` is of an earlier glance, and knows what has not changed since.
    """
    unread: list[str] = []
    backups = None if project.settings.backups.bucket else list_all(project, (), unread)
    trail = (reader or lately.Reader(project)).glance()
    rows = look_over(project, status.OPERATION, only, lambda tier: trail.last[tier.name])
    tiers = tuple(Standing(row=row, backups=of(row.tier, backups)) for row in rows)
    return report_of(project, tiers, trail, unread)


def report_of(project: Project, tiers: tuple[Standing, ...], trail: lately.Glance, unread: list[str]) -> Report:
    """Return what was read so far, as of now."""
    who = project.who
    return Report(
        project=project.settings.project,
        at=datetime.now().astimezone(),
        person=who.person,
        host=who.host,
        commit=who.commit or "",
        tiers=tiers,
        unfinished=trail.unfinished,
        agents=trail.agents,
        scored=Scored(value=int(note.detail["score"]), at=note.moment) if (note := trail.score) else None,
        unread=tuple(unread),
    )


def list_all(project: Project, targets: tuple[Target, ...], unread: list[str]) -> Backups | None:
    """Return every backup with its tier, the newest first: those in the vault and the copies on these servers."""
    try:
        vault = open_vault(project.settings, project.variables)
        found = list_backups(vault, project.settings.project, "", [each.conninfo for each in targets])
    except DbtasksError as error:
        unread.append(f"The backups could not be listed: {first_line(error)}")
        return None
    unread += [f"The backup {id_} cannot be told of: {why}" for id_, why in found.unreadable]
    return tuple((each.tier, backed_up.as_value(each)) for each in found.backups)


def of(tier: Tier, backups: Backups | None) -> tuple[Backup, ...] | None:
    """Return one tier's backups; `None` where nobody could list them."""
    return None if backups is None else tuple(backup for name, backup in backups if name == tier.name)


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says."""
    text = getattr(error, "saw", "") or str(error)
    return next(iter(text.strip().splitlines()), type(error).__name__)
