"""The tasks about who may do what in a tier's database."""

from __future__ import annotations

from invoke.collection import Collection
from invoke.context import Context

from dbtasks.command_line import checked_format, end
from dbtasks.console import Console
from dbtasks.errors import UsageError
from dbtasks.operations import harden as harden_
from dbtasks.operations import lift as lift_
from dbtasks.operations import roles as roles_
from dbtasks.project import open_project
from dbtasks.task_calls import Options, carry_out, guarded


@guarded(
    undo="take the guards away again, and restore what they have changed",
    check="say which guards stand and which are missing; exit 1 where any is; change nothing",
)
def harden(
    _c: Context,
    tier: str = "",
    undo: bool = False,
    check: bool = False,
    dry_run: bool = False,
    format_: str = "text",
    yes: bool = False,
    reason: str = "",
) -> None:
    """Put guards into the database itself: DROP and TRUNCATE fail for everybody but the role that migrates."""
    if undo and check:
        raise UsageError("--undo and --check contradict each other. Write one of them.")
    if check:
        from dbtasks import guards_view  # late: it loads the driver

        if not guards_view.show(open_project(), Console(), tier, as_json=checked_format(format_)):
            end(1)
        return
    operation = lift_.OPERATION if undo else harden_.OPERATION
    carry_out(operation, Options(tier=tier, format_=format_), dry_run=dry_run, yes=yes, reason=reason)


@guarded()
def plan(_c: Context, tier: str = "", format_: str = "text", reason: str = "") -> None:
    """Show the SQL statements that would give the declared roles their rights, and change nothing."""
    carry_out(roles_.OPERATION, Options(tier=tier, format_=format_), dry_run=True, yes=False, reason=reason)


@guarded()
def apply(
    _c: Context, tier: str = "", dry_run: bool = False, format_: str = "text", yes: bool = False, reason: str = ""
) -> None:
    """Make the declared roles and give each its rights, as far as the server allows; what it refuses is told."""
    carry_out(roles_.OPERATION, Options(tier=tier, format_=format_), dry_run=dry_run, yes=yes, reason=reason)


@guarded()
def check(_c: Context, tier: str = "", format_: str = "text") -> None:
    """Say which rights each role lacks, and which are too much; exit 1 where any is. Reads the catalogue only."""
    from dbtasks import roles_view  # late: it loads the driver

    if not roles_view.show(open_project(), Console(), tier, as_json=checked_format(format_)):
        end(1)


def roles() -> Collection:
    """Return the tasks `roles`, which is `roles.check`, `roles.plan` and `roles.apply`."""
    there = Collection("roles")
    there.add_task(check, default=True)
    there.add_task(plan)
    there.add_task(apply)
    return there
