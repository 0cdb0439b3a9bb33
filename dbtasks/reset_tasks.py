"""The tasks around a reset: build anew, bring back, keep ready, clear away.

Invoke makes a task's flags from its parameters, so these functions have more of them than others here may.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke.context import Context

from dbtasks.command_line import checked_format
from dbtasks.operations import prepare as prepare_
from dbtasks.operations import prune as prune_
from dbtasks.operations import reset as reset_
from dbtasks.operations import undo as undo_
from dbtasks.task_calls import Options, carry_out, guarded

if TYPE_CHECKING:
    from dbtasks.pipeline import Report


@guarded(fresh="build from nothing, and drop what earlier builds have left in stock")
def reset(
    _c: Context,
    tier: str = "",
    fresh: bool = False,
    dry_run: bool = False,
    format_: str = "text",
    yes: bool = False,
    reason: str = "",
) -> None:
    """Build the database anew from migrations and seeds beside the old one, then swap it in whole."""
    options = Options(tier=tier, format_=format_, fresh=fresh)
    reports = carry_out(reset_.OPERATION, options, dry_run=dry_run, yes=yes, reason=reason)
    _look_ahead(reports[0], dry_run=dry_run or "mark" in reports[0].result.facts)


@guarded(
    entry="undo what this entry of the trail replaced; without it the last",
    list_="show what is kept and could be brought back",
)
def undo(
    _c: Context,
    tier: str = "",
    entry: str = "",
    list_: bool = False,
    dry_run: bool = False,
    format_: str = "text",
    yes: bool = False,
    reason: str = "",
) -> None:
    """Bring back the database that the last reset replaced; what is there now is kept, so undo can be undone."""
    if list_:
        from dbtasks.kept_view import show  # late: it loads the driver
        from dbtasks.project import open_project

        show(open_project(), tier, as_json=checked_format(format_))
        return
    options = Options(tier=tier, entry=entry, format_=format_)
    carry_out(undo_.OPERATION, options, dry_run=dry_run, yes=yes, reason=reason)


@guarded(restored="drop only this database, which restore --into has made and nobody has adopted")
def prune(
    _c: Context,
    tier: str = "",
    restored: str = "",
    dry_run: bool = False,
    format_: str = "text",
    yes: bool = False,
    reason: str = "",
) -> None:
    """Drop replaced databases whose retention has ended; --dry-run shows them first."""
    options = Options(tier=tier, format_=format_, restored=restored)
    carry_out(prune_.OPERATION, options, dry_run=dry_run, yes=yes, reason=reason)


@guarded(if_running="do nothing where the tier's private server has been stopped")
def prepare(
    _c: Context,
    tier: str = "",
    if_running: bool = False,
    dry_run: bool = False,
    format_: str = "text",
    reason: str = "",
) -> None:
    """Keep a template of what a reset would build, and a warm spare of it, so that the next reset is a rename."""
    if if_running:
        from dbtasks.preparing import is_running

        if not is_running(tier):
            return
    carry_out(prepare_.OPERATION, Options(tier=tier, format_=format_), dry_run=dry_run, yes=False, reason=reason)


def _look_ahead(report: Report, *, dry_run: bool) -> None:
    """Prepare the next reset in the background, where it may be soon."""
    if not dry_run:
        from dbtasks.preparing import start_in_background

        start_in_background(report.project, report.tier)
