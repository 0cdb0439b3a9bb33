"""The tasks that people type. Each builds one call and sends it down the road; none of them decides anything.

In a project's `tasks.py`: `from dbtasks.invoke_tasks import namespace`, then `ns = namespace()`.
Invoke makes a task's flags from its parameters, so these functions have more of them than others here may.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

from invoke import Collection, Context
from invoke.tasks import Task, task

from dbtasks.command_line import GuardedTask, after_two_dashes, checked_format, end
from dbtasks.console import Console
from dbtasks.effects import Operation
from dbtasks.errors import UsageError
from dbtasks.operations import adopt as adopt_
from dbtasks.operations import migrate as migrate_
from dbtasks.operations import open_
from dbtasks.operations import reset as reset_
from dbtasks.operations import seed as seed_
from dbtasks.project import Project, open_project
from dbtasks.selection import Choice, choose
from dbtasks.tiers import Consent

HELP = {
    "tier": "which tier, by name or alias; without it the flag in the environment, else the default tier",
    "dry_run": "show the plan and what the guard would say to it; change nothing",
    "format_": "text or json; json goes to standard output, everything else to standard error",
    "yes": "answer questions that the tier lets scripts answer; it is never a person's consent",
    "reason": "why, for the audit trail",
}


def _guarded(**more: str) -> Any:
    """Return the decorator of a task whose flags read like everybody's, plus its own."""
    return lambda body: task(klass=GuardedTask, auto_shortflags=False, help=_help_for(body, more))(body)


def _help_for(body: Any, more: dict[str, str]) -> dict[str, str]:
    names = body.__code__.co_varnames[: body.__code__.co_argcount]
    return {name: text for name, text in {**HELP, **more}.items() if name in names}


@_guarded()
def reset(
    c: Context, tier: str = "", dry_run: bool = False, format_: str = "text", yes: bool = False, reason: str = ""
) -> None:
    """Build the database anew from migrations and seeds beside the old one, then swap it in whole."""
    _carry_out(reset_.OPERATION, tier=tier, dry_run=dry_run, format_=format_, yes=yes, reason=reason)


@_guarded(sets="seed sets, separated by commas; without it the tier's own")
def seed(
    c: Context,
    tier: str = "",
    sets: str = "",
    dry_run: bool = False,
    format_: str = "text",
    yes: bool = False,
    reason: str = "",
) -> None:
    """Add the rows that the seed sets hold and the database lacks; what people changed is kept."""
    _carry_out(seed_.OPERATION, tier=tier, sets=sets, dry_run=dry_run, format_=format_, yes=yes, reason=reason)


@_guarded(through="migrate every tier in the declared order, up to and with this one; stops at the first that fails")
def migrate(
    c: Context,
    tier: str = "",
    through: str = "",
    dry_run: bool = False,
    format_: str = "text",
    yes: bool = False,
    reason: str = "",
) -> None:
    """Apply the pending revisions; the rows stay. Each tier needs the tier before it to have them first."""
    options = {"dry_run": dry_run, "format_": format_, "yes": yes, "reason": reason}
    if through and tier:
        raise UsageError("--tier and --through contradict each other. Name one of them.")
    _carry_out(migrate_.OPERATION, tier=tier, through=through, **options)


@_guarded()
def adopt(
    c: Context, tier: str = "", dry_run: bool = False, format_: str = "text", yes: bool = False, reason: str = ""
) -> None:
    """Stamp an existing database as this tier, with what the tier may lose and who must consent."""
    _carry_out(adopt_.OPERATION, tier=tier, dry_run=dry_run, format_=format_, yes=yes, reason=reason)


@_guarded()
def shell(c: Context, tier: str = "", reason: str = "") -> None:
    """Open psql on a tier, its prompt in the tier's colour; read-only where a person must consent."""
    from dbtasks.shell import psql  # only this task looks for psql

    project = open_project()
    choice = choose(project.settings, tier or None, project.environ)
    _run(project, choice, psql(choice.tier), reason, read_only=choice.tier.consent is Consent.PERSON)


@_guarded(read_only="sessions of the command may only read")
def run(c: Context, tier: str = "", read_only: bool = False, reason: str = "") -> None:
    """Run a command with a tier's URL in its environment: invoke run --tier=stg -- <command>"""
    command = after_two_dashes(sys.argv)
    if not command:
        raise UsageError("there is no command. Write it after two dashes: invoke run --tier=stg -- <command>")
    project = open_project()
    _run(project, choose(project.settings, tier or None, project.environ), command, reason, read_only=read_only)


@_guarded(tier="show this tier only, by name or alias")
def status(c: Context, tier: str = "", format_: str = "text") -> None:
    """Show every tier at a glance: where it leads, its revision, its stamp, what happened last."""
    from dbtasks.overview_tasks import show_status  # late, as everywhere below

    show_status(open_project(), Console(), tier=tier, as_json=checked_format(format_))


@_guarded()
def check(c: Context, format_: str = "text") -> None:
    """Validate the settings, connect to every tier, and say what is wrong and how to mend it."""
    from dbtasks.overview_tasks import show_check

    if not show_check(open_project(), Console(), as_json=checked_format(format_)):
        end(2)


@_guarded(
    operation="only this operation: reset, seed, migrate, adopt, open",
    outcome="only this outcome: done, failed, partial, interrupted, unfinished, refused, or a code such as E-AGENT",
    person="only this person",
    since="from then on: today, yesterday, 2h, 3d, 2026-01-31",
    until="up to then",
    entry="only this entry",
    text="only what holds this text",
    limit="how many at the most, the newest",
    verify="verify the chain of hashes instead",
)
def audit(
    c: Context,
    tier: str = "",
    operation: str = "",
    outcome: str = "",
    person: str = "",
    since: str = "",
    until: str = "",
    entry: str = "",
    text: str = "",
    limit: str = "20",
    format_: str = "text",
    verify: bool = False,
) -> None:
    """Show what happened: who did what, where, and whether it worked."""
    from dbtasks import audit_view

    project, as_json = open_project(), checked_format(format_)
    if verify:
        if not audit_view.show_verdict(project, Console(), as_json=as_json):
            end(1)
        return
    wanted = {"operation": operation, "outcome": outcome, "person": person, "text": text, "entry": entry}
    filters = audit_view.filters(project, {**wanted, "tier": tier, "since": since, "until": until})
    audit_view.show(project, Console(), filters, limit=audit_view.number("--limit", limit), as_json=as_json)


@_guarded()
def start(c: Context) -> None:
    """Start the embedded PostgreSQL servers that stand in for tiers without a URL."""
    from dbtasks import server_tasks

    server_tasks.start(open_project(), Console())


@_guarded()
def stop(c: Context) -> None:
    """Stop the embedded PostgreSQL servers of this project; their data stays."""
    from dbtasks import server_tasks

    server_tasks.stop(open_project(), Console())


@task(klass=GuardedTask, name="status", auto_shortflags=False)
def server_status(c: Context) -> None:
    """Show the embedded PostgreSQL servers of this project."""
    from dbtasks import server_tasks

    server_tasks.status(open_project(), Console())


TASKS: tuple[Task[Any], ...] = (reset, seed, migrate, adopt, shell, run, status, check, audit)


def namespace(*more: Collection | Task[Any]) -> Collection:
    """Return the root namespace for a `tasks.py`: our tasks, `server.*`, and the team's own."""
    root = Collection(*TASKS)
    root.add_collection(Collection("server", start, stop, server_status))
    for each in more:
        if isinstance(each, Collection):
            root.add_collection(each)
        else:
            root.add_task(each)
    return root


def _carry_out(
    operation: Operation, *, tier: str, format_: str, sets: str = "", through: str = "", **flags: Any
) -> None:
    from dbtasks.pipeline import Call, carry_out  # a mistake in the settings never loads a driver
    from dbtasks.survey import Wish

    as_json, project, console = checked_format(format_), open_project(), Console()
    wish = Wish(seed_sets=tuple(word.strip() for word in sets.split(",") if word.strip()) or None)
    reports = []
    for choice in _choices(project, tier, through):
        call = Call(operation=operation, choice=choice, wish=wish, **flags)
        reports.append(carry_out(project, call, console))
    if as_json:
        data = [report.as_data() for report in reports]
        console.data(data if through else data[0])


def _choices(project: Project, tier: str, through: str) -> list[Choice]:
    choice = choose(project.settings, through or tier or None, project.environ)
    if not through:
        return [choice]
    order = (*project.settings.predecessors(choice.tier), choice.tier)
    return [replace(choice, tier=each, notices=choice.notices if each is choice.tier else ()) for each in order]


def _run(project: Project, choice: Choice, command: tuple[str, ...], reason: str, *, read_only: bool) -> None:
    from dbtasks.pipeline import Call, carry_out
    from dbtasks.survey import Wish

    wish = Wish(command=command, read_only=read_only)
    call = Call(operation=open_.OPERATION, choice=choice, wish=wish, reason=reason)
    report = carry_out(project, call, Console())
    if report.result.exit_code:
        end(report.result.exit_code)
