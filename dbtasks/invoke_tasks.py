"""The tasks that people type. Each builds one call and sends it down the road; none of them decides anything.

In a project's `tasks.py`: `from dbtasks.invoke_tasks import namespace`, then `ns = namespace()`.
Invoke makes a task's flags from its parameters, so these functions have more of them than others here may.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import Task

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

if TYPE_CHECKING:
    from dbtasks.survey import Wish

HELP = {
    "tier": "which tier, by name or alias; without it the flag in the environment, else the default tier",
    "dry_run": "show the plan and what the guard would say to it; change nothing",
    "format_": "text or json; json goes to standard output, everything else to standard error",
    "yes": "answer questions that the tier lets scripts answer; it is never a person's consent",
    "reason": "why, for the audit trail",
}


def _guarded(**more: str) -> Callable[[Callable[..., None]], Task[Any]]:
    """Return the decorator of a task whose flags read like everybody's, plus its own."""

    def decorate(body: Callable[..., None]) -> Task[Any]:
        known = {**HELP, **more}
        told = {name: known[name] for name in inspect.signature(body).parameters if name in known}
        return GuardedTask(body, auto_shortflags=False, help=told)

    return decorate


@_guarded()
def reset(
    _c: Context, tier: str = "", dry_run: bool = False, format_: str = "text", yes: bool = False, reason: str = ""
) -> None:
    """Build the database anew from migrations and seeds beside the old one, then swap it in whole."""
    _carry_out(reset_.OPERATION, _Options(tier=tier, format_=format_), dry_run=dry_run, yes=yes, reason=reason)


@_guarded(sets="seed sets, separated by commas; without it the tier's own")
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
    options = _Options(tier=tier, sets=sets, format_=format_)
    _carry_out(seed_.OPERATION, options, dry_run=dry_run, yes=yes, reason=reason)


@_guarded(
    retry="run this revision again, after a kill outside of its transaction, once you have put right what it left",
    through="migrate every tier in the declared order, up to and with this one; stops at the first that fails",
)
def migrate(
    _c: Context,
    tier: str = "",
    through: str = "",
    retry: str = "",
    dry_run: bool = False,
    format_: str = "text",
    yes: bool = False,
    reason: str = "",
) -> None:
    """Apply the pending revisions and keep the rows. Each tier needs the tier before it to have them first."""
    if through and tier:
        raise UsageError("--tier and --through contradict each other. Name one of them.")
    options = _Options(tier=tier, through=through, retry=retry, format_=format_)
    _carry_out(migrate_.OPERATION, options, dry_run=dry_run, yes=yes, reason=reason)


@_guarded()
def adopt(
    _c: Context, tier: str = "", dry_run: bool = False, format_: str = "text", yes: bool = False, reason: str = ""
) -> None:
    """Stamp an existing database as this tier, with what the tier may lose and who must consent."""
    _carry_out(adopt_.OPERATION, _Options(tier=tier, format_=format_), dry_run=dry_run, yes=yes, reason=reason)


@_guarded()
def shell(_c: Context, tier: str = "", dry_run: bool = False, reason: str = "") -> None:
    """Open psql on a tier, its prompt in the tier's colour; read-only where a person must consent."""
    from dbtasks.shell import psql  # only this task looks for psql
    from dbtasks.survey import Wish

    project = open_project()
    choice = choose(project.settings, tier or None, project.environ)
    wish = Wish(command=psql(choice.tier), read_only=choice.tier.consent is Consent.PERSON, purpose="shell")
    _run(project, choice, wish, dry_run=dry_run, reason=reason)


@_guarded(read_only="sessions of the command may only read")
def run(_c: Context, tier: str = "", read_only: bool = False, dry_run: bool = False, reason: str = "") -> None:
    """Run a command with a tier's URL in its environment: invoke run --tier=stg -- <command>"""
    command = after_two_dashes(sys.argv)
    if not command:
        raise UsageError("there is no command. Write it after two dashes: invoke run --tier=stg -- <command>")
    from dbtasks.survey import Wish

    project = open_project()
    wish = Wish(command=command, read_only=read_only)
    _run(project, choose(project.settings, tier or None, project.environ), wish, dry_run=dry_run, reason=reason)


@_guarded(tier="show this tier only, by name or alias")
def status(_c: Context, tier: str = "", format_: str = "text") -> None:
    """Show every tier at a glance: where it leads, its revision, its stamp, what happened last."""
    from dbtasks.overview_tasks import show_status  # late, as everywhere below

    show_status(open_project(), Console(), tier, as_json=checked_format(format_))


@_guarded(tier="only this tier; without it every tier")
def check(_c: Context, tier: str = "", format_: str = "text") -> None:
    """Validate the settings, connect to every tier, and say what is wrong and how to mend it."""
    from dbtasks.overview_tasks import show_check

    if not show_check(open_project(), Console(), tier, as_json=checked_format(format_)):
        end(2)


@_guarded(
    tier="only this tier",
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
    _c: Context,
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


@_guarded(action="start, stop or status")
def server(_c: Context, action: str) -> None:
    """Start, stop or show the embedded PostgreSQL servers of this project: invoke server start"""
    from dbtasks import server_tasks

    server_tasks.do(action, open_project(), Console())


TASKS: tuple[Task[Any], ...] = (reset, seed, migrate, adopt, shell, run, status, check, audit, server)


def namespace(*more: Collection | Task[Any]) -> Collection:
    """Return the root namespace for a `tasks.py`: our tasks, and the team's own."""
    root = Collection(*TASKS)
    for each in more:
        if isinstance(each, Collection):
            root.add_collection(each)
        else:
            root.add_task(each)
    return root


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    """What the flags of a task say, as typed."""

    tier: str
    format_: str
    sets: str = ""
    through: str = ""
    retry: str = ""


def _carry_out(operation: Operation, options: _Options, *, dry_run: bool, yes: bool, reason: str) -> None:
    from dbtasks.pipeline import Call, carry_out  # a mistake in the settings never loads a driver
    from dbtasks.survey import Wish

    as_json, project, console = checked_format(options.format_), open_project(), Console()
    wish = Wish(seed_sets=_words(options.sets) or None, retry=_words(options.retry))
    reports = []
    for choice in _choices(project, options.tier, options.through):
        call = Call(operation=operation, choice=choice, wish=wish, dry_run=dry_run, yes=yes, reason=reason)
        reports.append(carry_out(project, call, console))
    if as_json:
        data = [report.as_data() for report in reports]
        console.data(data if options.through else data[0])


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _choices(project: Project, tier: str, through: str) -> list[Choice]:
    choice = choose(project.settings, through or tier or None, project.environ)
    if not through:
        return [choice]
    order = (*project.settings.predecessors(choice.tier), choice.tier)
    return [replace(choice, tier=each, notices=choice.notices if each is choice.tier else ()) for each in order]


def _run(project: Project, choice: Choice, wish: Wish, *, dry_run: bool, reason: str) -> None:
    from dbtasks.pipeline import Call, carry_out

    call = Call(operation=open_.OPERATION, choice=choice, wish=wish, dry_run=dry_run, reason=reason)
    report = carry_out(project, call, Console())
    if report.result.exit_code:
        end(report.result.exit_code)
