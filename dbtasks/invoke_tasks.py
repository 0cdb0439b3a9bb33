"""The tasks that people type. Each builds one call and sends it down the road; none of them decides anything.

In a project's `tasks.py`: `from dbtasks.invoke_tasks import namespace`, then `ns = namespace()`.
Invoke makes a task's flags from its parameters, so these functions have more of them than others here may.
"""

from __future__ import annotations

import sys
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import Task

from dbtasks.access_tasks import harden, roles
from dbtasks.approval_tasks import APPROVAL_TASKS
from dbtasks.arming_tasks import ARMING_TASKS
from dbtasks.audit_tasks import audit
from dbtasks.command_line import after_two_dashes, checked_format, end, whole_number
from dbtasks.console import Console
from dbtasks.drill_tasks import drill
from dbtasks.errors import UsageError
from dbtasks.operations import accept as accept_
from dbtasks.operations import adopt as adopt_
from dbtasks.operations import downgrade as downgrade_
from dbtasks.operations import migrate as migrate_
from dbtasks.operations import seed as seed_
from dbtasks.project import open_project
from dbtasks.recovery_tasks import backup, backups, incident, recover, restore
from dbtasks.report_tasks import report
from dbtasks.reset_tasks import prepare, prune, reset, undo
from dbtasks.score_tasks import score
from dbtasks.selection import choose
from dbtasks.task_calls import Options, carry_out, guarded, run_with
from dbtasks.tiers import Consent


@guarded(sets="seed sets, separated by commas; without it the tier's own")
def seed(
    _c: Context,
    tier: str = "",
    sets: str = "",
    dry_run: bool = False,
    format_: str = "text",
    yes: bool = False,
    reason: str = "",
) -> None:
    """Add the rows that the seed sets hold and the database lacks; what people changed is kept."""
    options = Options(tier=tier, sets=sets, format_=format_)
    carry_out(seed_.OPERATION, options, dry_run=dry_run, yes=yes, reason=reason)


@guarded(
    retry="run this revision again, after a kill outside of its transaction, once you have put right what it left",
    through="migrate every tier in the declared order, up to and with this one; stops at the first that fails",
)
def migrate(
    _c: Context,
    tier: str = "",
    through: str = "",
    retry: str = "",
    no_backup_because: str = "",
    dry_run: bool = False,
    format_: str = "text",
    yes: bool = False,
    reason: str = "",
) -> None:
    """Apply the pending revisions and keep the rows. Each tier needs the tier before it to have them first."""
    if through and tier:
        raise UsageError("--tier and --through contradict each other. Name one of them.")
    options = Options(tier=tier, through=through, retry=retry, format_=format_, no_backup_because=no_backup_because)
    carry_out(migrate_.OPERATION, options, dry_run=dry_run, yes=yes, reason=reason)


@guarded(
    to="the revision to go back to, by its whole name; base takes all of them back",
    retry="take this revision back again, after a kill outside of its transaction, once you put right what it left",
)
def downgrade(
    _c: Context,
    tier: str = "",
    to: str = "",
    retry: str = "",
    no_backup_because: str = "",
    dry_run: bool = False,
    format_: str = "text",
    yes: bool = False,
    reason: str = "",
) -> None:
    """Take revisions back, down to the one that --to names, with whatever they have made."""
    if not to:
        raise UsageError("a downgrade leads to a revision that is named. Write which: --to=<revision>")
    options = Options(tier=tier, to=to, retry=retry, format_=format_, no_backup_because=no_backup_because)
    carry_out(downgrade_.OPERATION, options, dry_run=dry_run, yes=yes, reason=reason)


@guarded()
def adopt(
    _c: Context, tier: str = "", dry_run: bool = False, format_: str = "text", yes: bool = False, reason: str = ""
) -> None:
    """Stamp an existing database as this tier, with what the tier may lose and who must consent."""
    carry_out(adopt_.OPERATION, Options(tier=tier, format_=format_), dry_run=dry_run, yes=yes, reason=reason)


@guarded()
def shell(_c: Context, tier: str = "", dry_run: bool = False, reason: str = "") -> None:
    """Open psql on a tier, its prompt in the tier's colour; read-only where a person must consent."""
    from dbtasks.shell import psql  # only this task looks for psql
    from dbtasks.survey import Wish

    project = open_project()
    choice = choose(project.settings, tier or None, project.environ)
    wish = Wish(command=psql(choice.tier), read_only=choice.tier.consent is Consent.PERSON, purpose="shell")
    run_with(project, choice, wish, dry_run=dry_run, reason=reason)


@guarded(read_only="sessions of the command may only read")
def run(_c: Context, tier: str = "", read_only: bool = False, dry_run: bool = False, reason: str = "") -> None:
    """Run a command with a tier's URL in its environment: invoke run --tier=stg -- <command>"""
    command = after_two_dashes(sys.argv)
    if not command:
        raise UsageError("there is no command. Write it after two dashes: invoke run --tier=stg -- <command>")
    from dbtasks.survey import Wish

    project = open_project()
    wish = Wish(command=command, read_only=read_only)
    run_with(project, choose(project.settings, tier or None, project.environ), wish, dry_run=dry_run, reason=reason)


@guarded(
    "watch",
    tier="show this tier only, by name or alias",
    watch="again and again, every 5 seconds or as many as are given, until Ctrl-C",
)
def status(_c: Context, tier: str = "", watch: str = "", format_: str = "text") -> None:
    """Show every tier at a glance: where it leads, its revision, its stamp, what happened last."""
    as_json, seconds = checked_format(format_), _seconds(watch)
    from dbtasks import overview_tasks  # late, as everywhere below

    if seconds:
        overview_tasks.watch_status(open_project(), Console(), tier, seconds=seconds, as_json=as_json)
    else:
        overview_tasks.show_status(open_project(), Console(), tier, as_json=as_json)


def _seconds(watch: str | bool) -> int:
    """Return how long a frame stands, zero where nobody watches. Invoke gives True for the flag without a value."""
    if not watch:
        return 0
    return 5 if watch is True else max(1, whole_number("--watch", str(watch)))


@guarded(tier="only this tier; without it every tier")
def check(_c: Context, tier: str = "", format_: str = "text") -> None:
    """Validate the settings, connect to every tier, and say what is wrong and how to mend it."""
    from dbtasks.overview_tasks import show_check

    if not show_check(open_project(), Console(), tier, as_json=checked_format(format_)):
        end(2)


@guarded(
    file="the SQL file to look at",
    revisions="the revisions to look at, from after the first up to the second: a:b",
    tier="judge by this tier's catalogue, which is read only; without it nothing is contacted",
    format_="text, json, github or sarif",
)
def lint(_c: Context, file: str = "", revisions: str = "", tier: str = "", format_: str = "text") -> None:
    """Say what SQL would lock, rewrite and lose, and what to write instead; exit 1 where it is high or critical."""
    if bool(file) == bool(revisions):
        raise UsageError("name what to look at: invoke lint --file=change.sql, or --revisions=a:b")
    from dbtasks import lint_tasks

    view, project, console = lint_tasks.checked_view(format_), open_project(), Console()
    if revisions:
        fine = lint_tasks.show_revisions(project, console, revisions=revisions, tier=tier, format_=view)
    else:
        fine = lint_tasks.show_lint(project, console, file=file, tier=tier, format_=view)
    if not fine:
        end(1)


@guarded(
    accept="record that the schema as it is now is meant; needs --reason, and covers these differences alone",
    dry_run="with --accept: show the plan and what the guard would say to it; change nothing",
)
def drift(
    _c: Context,
    tier: str = "",
    accept: bool = False,
    dry_run: bool = False,
    format_: str = "text",
    yes: bool = False,
    reason: str = "",
) -> None:
    """Compare a tier's schema with what its revisions produce, and say where it differs; exit 1 where it does."""
    if accept:
        if not reason.strip():
            where = f" --tier={tier}" if tier else ""
            raise UsageError(f'--accept needs a reason: invoke drift --accept{where} --reason="..."')
        options = Options(tier=tier, format_=format_)
        carry_out(accept_.OPERATION, options, dry_run=dry_run, yes=yes, reason=reason)
        return
    from dbtasks import drift_view

    if not drift_view.show(open_project(), Console(), tier, as_json=checked_format(format_)):
        end(1)


@guarded(action="start, stop or status")
def server(_c: Context, action: str) -> None:
    """Start, stop or show the embedded PostgreSQL servers of this project: invoke server start"""
    from dbtasks import server_tasks

    server_tasks.do(action, open_project(), Console())


TASKS: tuple[Task[Any], ...] = (
    reset, undo, seed, migrate, downgrade, prepare, prune, adopt, shell, run, status, check, drift, lint, audit, server,
    backup, restore, recover, incident, harden, score, report, drill, *ARMING_TASKS, *APPROVAL_TASKS,
)  # fmt: skip


def namespace(*more: Collection | Task[Any]) -> Collection:
    """Return the root namespace for a `tasks.py`: our tasks, and the team's own."""
    root = Collection(*TASKS, backups(), roles())
    for each in more:
        if isinstance(each, Collection):
            root.add_collection(each)
        else:
            root.add_task(each)
    return root
