"""The tasks around a way back: take backups, look at them, restore, recover, and what to do under stress.

Invoke makes a task's flags from its parameters, so these functions have more of them than others here may.
"""

from __future__ import annotations

from invoke.collection import Collection
from invoke.context import Context

from dbtasks.command_line import checked_format
from dbtasks.console import Console
from dbtasks.errors import UsageError
from dbtasks.operations import backup as backup_
from dbtasks.operations import copy_back as copy_back_
from dbtasks.operations import recover as recover_
from dbtasks.operations import restore as restore_
from dbtasks.operations import restore_beside as restore_beside_
from dbtasks.project import open_project
from dbtasks.task_calls import Options, carry_out, guarded


@guarded()
def backup(_c: Context, tier: str = "", dry_run: bool = False, format_: str = "text", reason: str = "") -> None:
    """Take a backup and show that it can be read; the database stays as it is."""
    carry_out(backup_.OPERATION, Options(tier=tier, format_=format_), dry_run=dry_run, yes=False, reason=reason)


@guarded(
    backup="which one, by its id; latest is the newest that is not damaged",
    into="as a new database of this name beside the one in service, which stays as it is",
    table="copy only these tables back, separated by commas, into the database as it is",
    back="with --table: missing rows only, changed ones too (usual), or the whole table as it was",
)
def restore(
    _c: Context,
    tier: str = "",
    backup: str = "latest",
    into: str = "",
    table: str = "",
    back: str = "",
    no_backup_because: str = "",
    dry_run: bool = False,
    format_: str = "text",
    yes: bool = False,
    reason: str = "",
) -> None:
    """Restore a backup beside the database, compare, and swap it in whole; what is there now is kept."""
    if back and not table:
        raise UsageError("--back says how much of --table comes back. Name the tables, too.")
    if into and table:
        raise UsageError("--into makes a database of the whole backup, --table copies some of it. Name one of them.")
    options = Options(
        tier=tier,
        format_=format_,
        backup=backup,
        into=into,
        tables=table,
        back=back,
        no_backup_because=no_backup_because,
    )
    operation = restore_.OPERATION
    if table or into:
        operation = copy_back_.OPERATION if table else restore_beside_.OPERATION
    carry_out(operation, options, dry_run=dry_run, yes=yes, reason=reason)


@guarded(
    before="to right before this entry of the trail, by the mark that was put then",
    to="to a time, a position in the log such as 1/50, or a restore point",
    end="stop and remove the recovered server with this id, or all of them",
    list_="show the recovered servers that run, and the entries that can be recovered to",
)
def recover(
    _c: Context,
    tier: str = "",
    before: str = "",
    to: str = "",
    end: str = "",
    list_: bool = False,
    dry_run: bool = False,
    format_: str = "text",
    reason: str = "",
) -> None:
    """Bring a second server to a point before the damage, show what is different there, and take a backup of it."""
    if end or list_:
        from dbtasks import recovered_view  # late, as below: it loads the driver

        recovered_view.show(open_project(), Console(), tier, end, as_json=checked_format(format_))
        return
    options = Options(tier=tier, format_=format_, before=before, to=to)
    carry_out(recover_.OPERATION, options, dry_run=dry_run, yes=False, reason=reason)


@guarded(tier="only this tier; without it every tier")
def incident(_c: Context, tier: str = "", format_: str = "text") -> None:
    """Show and save what happened last, what was destroyed, and every way back that exists right now."""
    from dbtasks import incident as page

    as_json, project, console = checked_format(format_), open_project(), Console()
    found = page.look(project, tier)
    path = page.save(found, project.settings.incidents)
    if as_json:
        console.data({**page.as_data(found), "file": str(path)})
    else:
        for line in page.lines(found):
            console.text(line)
    console.say(f"saved as {path.relative_to(project.settings.root)}")


@guarded(tier="only this tier; without it every tier")
def list_(_c: Context, tier: str = "", format_: str = "text") -> None:
    """Show the backups there are, and how far each was shown to be whole."""
    from dbtasks import backups_view

    backups_view.show(open_project(), Console(), tier, as_json=checked_format(format_))


@guarded(backup="which one, by its id; latest is the newest that is not damaged", quick="that it can be read, no more")
def verify(_c: Context, tier: str = "", backup: str = "latest", quick: bool = False, format_: str = "text") -> None:
    """Show what a backup is worth: restore it into a scratch database, and compare rows and schema."""
    from dbtasks import backups_view

    as_json = checked_format(format_)
    backups_view.verify(open_project(), Console(), (tier, backup), quick=quick, as_json=as_json)


def backups() -> Collection:
    """Return the tasks `backups`, which lists them, `backups.verify` and `backups.prune`."""
    from dbtasks.reset_tasks import prune

    there = Collection("backups")
    there.add_task(list_, name="list", default=True)
    there.add_task(verify)
    there.add_task(prune)
    return there
