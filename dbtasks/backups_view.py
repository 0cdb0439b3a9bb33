"""What backups there are, and what one of them is worth: `invoke backups`, `invoke backups.verify`."""

from __future__ import annotations

from contextlib import closing

from dbtasks import backed_up, elsewhere
from dbtasks.author import Who
from dbtasks.backups import listing, verifying
from dbtasks.backups.engines import Beside, Errand
from dbtasks.backups.manifest import Manifest
from dbtasks.backups.progress import Progress, Report
from dbtasks.backups.vault import open_vault
from dbtasks.card_steps import backup_line
from dbtasks.console import Console
from dbtasks.errors import DbtasksError
from dbtasks.kept import maker
from dbtasks.project import Project
from dbtasks.selection import choose
from dbtasks.tiers import Tier
from dbtasks.trail import Act


def show(project: Project, console: Console, only: str, *, as_json: bool) -> None:
    """Print the backups of every tier, or of one, the newest first. Contacts no tier."""
    vault = open_vault(project.settings, project.variables)
    tiers = (project.settings.tier(only),) if only else project.settings.tiers
    found = listing.list_backups(vault, project.settings.project)
    if as_json:
        mine = [each for each in found.backups if each.tier in {tier.name for tier in tiers}]
        console.data([_data(each) for each in mine])
        return
    for tier in tiers:
        _section(console, tier, [each for each in found.backups if each.tier == tier.name])
    for id_, why in found.unreadable:
        console.say(f"! {id_}: {why}")


def _section(console: Console, tier: Tier, found: list[Manifest]) -> None:
    console.text(f"{console.badge(tier, on_stdout=True)} backups")
    for each in found:
        console.text(f"  {backup_line(backed_up.as_value(each))}")
    if not found:
        console.text(f"  none. To take one: invoke backup --tier={tier.name}")


def verify(project: Project, console: Console, which: tuple[str, str], *, quick: bool, as_json: bool) -> None:
    """Show that a backup can be read, and unless `quick` that it becomes the database that it was taken of.

    DamagedBackupError where it is not so. No tier is contacted: it is restored on the scratch server.
    """
    name, wanted = which
    tier = choose(project.settings, name or None, project.environ).tier
    vault = open_vault(project.settings, project.variables)
    found = listing.choose(listing.list_backups(vault, project.settings.project, tier.name), wanted)
    console.say(f"{console.badge(tier)} {backup_line(backed_up.as_value(found))}")
    errand = Errand(who=project.who, entry=None, reason="verified")
    look = verifying.Look(vault=vault, manifest=found, errand=errand)
    shown = _noted(project, tier, console, look, quick=quick)
    if as_json:
        console.data(_data(shown))
    else:
        console.text(f"{shown.id} is {shown.grade.value}")


def _noted(project: Project, tier: Tier, console: Console, look: verifying.Look, *, quick: bool) -> Manifest:
    """Return the manifest with what was shown, which the trail knows then, too."""
    trail, act = project.trail(), Act(operation="backups.verify", tier=tier.name)

    def heard(progress: Progress) -> None:
        console.at("verify", progress.doing, progress.done, progress.total)

    try:
        shown = verifying.readable(look, heard)
        if not quick:
            shown = _restored(project, console, look, project.who, heard)
    except DbtasksError as error:
        trail.note(act, {"backup": look.manifest.id, "error": str(error)})
        raise
    trail.note(act, {"backup": shown.id, "grade": shown.grade.value})
    return shown


def _restored(project: Project, console: Console, look: verifying.Look, who: Who, heard: Report) -> Manifest:
    def say(line: str) -> None:
        console.say(f"  {line}")

    there = elsewhere.scratch(project, maker(who), say, not_on=0)
    with closing(there):
        row = there.known.reserve("scratch", 0)
        beside = Beside(known=there.known, row=row, server=there.base, roles=True)
        return verifying.restorable(there.permit, look, beside, heard)


def _data(each: Manifest) -> dict[str, object]:
    return {
        "id": each.id,
        "tier": each.tier,
        "engine": each.engine,
        "database": each.database,
        "taken_at": each.started_at.isoformat(),
        "tables": len(each.rows),
        "rows": sum(count for _, count in each.rows),
        "bytes": each.stored_bytes,
        "grade": each.grade.value,
        "checked_at": each.checked_at.isoformat() if each.checked_at else None,
        "heads": list(each.heads),
        "entry": each.entry,
        "person": each.person,
        "reason": each.reason,
        "sealed_to": list(each.sealed_to),
    }
