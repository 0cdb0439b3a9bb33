"""From the flags of a task to a call, and down the road: what the tasks have in common."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from invoke.tasks import Task

from dbtasks.command_line import GuardedTask, checked_format, end, whole_number
from dbtasks.console import Console
from dbtasks.effects import Operation
from dbtasks.errors import DbtasksError, UsageError
from dbtasks.operations import open_
from dbtasks.project import Project, open_project
from dbtasks.selection import Choice, choose
from dbtasks.surroundings import Kind
from dbtasks.values import dataclass
from dbtasks.way_back import Back
from dbtasks.wording import quoted

if TYPE_CHECKING:
    from dbtasks.migrations.ahead import Ahead
    from dbtasks.pipeline import Report
    from dbtasks.survey import Wish

HELP = {
    "tier": "which tier, by name or alias; without it the flag in the environment, else the default tier",
    "dry_run": "show the plan and what the guard would say to it; change nothing",
    "format_": "text or json; json goes to standard output, everything else to standard error",
    "yes": "answer questions that the tier lets scripts answer; it is never a person's consent",
    "reason": "why, for the audit trail",
    "no_backup_because": "why what is destroyed needs no backup; not where nothing may be lost",
}


def guarded(*optional: str, **more: str) -> Callable[[Callable[..., None]], Task[Any]]:
    """Return the decorator of a task whose flags read like everybody's, plus its own. `optional` need no value."""

    def decorate(body: Callable[..., None]) -> Task[Any]:
        known = {**HELP, **more}
        told = {name: known[name] for name in inspect.signature(body).parameters if name in known}
        return GuardedTask(body, auto_shortflags=False, help=told, optional=optional)

    return decorate


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the flags of a task say, as typed."""

    tier: str
    format_: str
    sets: str = ""
    through: str = ""
    retry: str = ""
    entry: str = ""
    fresh: bool = False
    to: str = ""
    backup: str = ""
    into: str = ""
    restored: str = ""
    tables: str = ""
    back: str = ""
    before: str = ""
    no_backup_because: str = ""


def carry_out(operation: Operation, options: Options, *, dry_run: bool, yes: bool, reason: str) -> list[Report]:
    """Carry an operation out, on one tier or through several, and return what became of it."""
    as_json, project = checked_format(options.format_), open_project()
    entry = whole_number("--entry", options.entry) if options.entry else None
    choices = _choices(project, options.tier, options.through)
    with _worker_ahead(project, operation, [] if dry_run else choices) as ahead:
        from dbtasks import pipeline  # late: what the settings or the command line refuse never loads a driver
        from dbtasks.survey import Wish

        wish = Wish(
            seed_sets=words(options.sets) or None,
            retry=words(options.retry),
            entry=entry,
            fresh=options.fresh,
            to=options.to,
            walks=bool(options.through),
            reason=reason if operation.accepts else "",
            backup=options.backup,
            into=options.into,
            restored=options.restored,
            tables=words(options.tables),
            back_how=back_how(options.back),
            before=whole_number("--before", options.before) if options.before else None,
            no_backup_because=options.no_backup_because.strip(),
        )
        console = Console()
        call = pipeline.Call(
            operation=operation, choice=choices[0], wish=wish, dry_run=dry_run, yes=yes, reason=reason, ahead=ahead
        )
        reports: list[Report] = []
        for choice in choices:
            try:
                reports.append(pipeline.carry_out(project, replace(call, choice=choice), console))
            except DbtasksError as error:
                if options.through:
                    error.before = _so_far(reports, choices)
                raise
    if as_json:
        data = [report.as_data() for report in reports]
        console.data(data if options.through else data[0])
    return reports


@contextmanager
def _worker_ahead(project: Project, operation: Operation, choices: list[Choice]) -> Iterator[Ahead | None]:
    """Start a worker while the driver is imported and the target looked at, where a migration seems to be pending.

    Not where a person is asked, whom it would wait for, nor in tests: their children are pinned by what they are
    started with.
    """
    settings, tiers = project.settings, [choice.tier for choice in choices]
    migrates = operation.proves and not operation.replaces and not settings.migrations.histories
    if not migrates or not tiers or project.surroundings.kind is Kind.PYTEST or tiers[0].needs_flag:
        yield None
        return
    from dbtasks.environment import for_worker
    from dbtasks.migrations.ahead import Ahead, looks_pending, note_migrated

    pending = any(looks_pending(settings.root, settings.migrations, tier.name) for tier in tiers)
    ahead = Ahead(settings.root, settings.migrations, for_worker(project, "")) if pending else None
    try:
        yield ahead
        for tier in tiers:
            note_migrated(settings.root, tier.name)
    finally:
        if ahead is not None:
            ahead.end()


def _so_far(reports: list[Report], choices: list[Choice]) -> tuple[Mapping[str, object], ...]:
    """Return what became of each tier of a walk that stopped after these reports."""
    stopped, *rest = [choice.tier.name for choice in choices[len(reports) :]]
    done = [report.as_data() for report in reports]
    return (*done, {"tier": stopped, "verdict": "stopped"}, *({"tier": each, "verdict": "not asked"} for each in rest))


def back_how(text: str) -> Back:
    known = {each.name.lower(): each for each in Back}
    if text and text not in known:
        raise UsageError(f"--back: expected {', '.join(known)}, found {quoted(text)}.")
    return known[text] if text else Back.CHANGED


def words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _choices(project: Project, tier: str, through: str) -> list[Choice]:
    choice = choose(project.settings, through or tier or None, project.environ)
    if not through:
        return [choice]
    order = (*project.settings.predecessors(choice.tier), choice.tier)
    return [replace(choice, tier=each, notices=choice.notices if each is choice.tier else ()) for each in order]


def run_with(project: Project, choice: Choice, wish: Wish, *, dry_run: bool, reason: str) -> None:
    """Give a command the way in; its exit code becomes ours."""
    from dbtasks.pipeline import Call, carry_out

    call = Call(operation=open_.OPERATION, choice=choice, wish=wish, dry_run=dry_run, reason=reason)
    report = carry_out(project, call, Console())
    if report.result.exit_code:
        end(report.result.exit_code)
