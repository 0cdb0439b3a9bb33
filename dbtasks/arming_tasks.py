"""The tasks that arm a terminal and end that."""

from __future__ import annotations

from typing import Any

from invoke.context import Context
from invoke.tasks import Task

from dbtasks.arming import MOST_MINUTES, ArmTerminal
from dbtasks.command_line import checked_format, whole_number
from dbtasks.console import Console
from dbtasks.errors import DbtasksError, UsageError
from dbtasks.operations import arm as arm_
from dbtasks.project import Project, open_project
from dbtasks.selection import Choice, choose
from dbtasks.surroundings import Kind
from dbtasks.task_calls import guarded


@guarded(minutes=f"for how long, {MOST_MINUTES} at the most; the server's clock counts")
def arm(
    _c: Context,
    tier: str = "",
    minutes: str = "15",
    dry_run: bool = False,
    format_: str = "text",
    reason: str = "",
) -> None:
    """Arm this terminal for a while, where a tier asks for that; each operation asks as ever."""
    as_json, number, project = checked_format(format_), whole_number("--minutes", minutes), open_project()
    if not 1 <= number <= MOST_MINUTES:
        raise UsageError(f"--minutes: expected 1 to {MOST_MINUTES}, found {number}.")
    choice = _choice(project, tier)
    if not reason.strip():
        raise UsageError(
            f'arming needs a reason: invoke arm --tier={choice.tier.name} --minutes={number} --reason="..."'
        )
    from dbtasks import armed, pipeline  # late: what the command line refuses never loads a driver
    from dbtasks.wish import Wish

    seat = armed.seat(project)
    if project.surroundings.kind is Kind.TERMINAL and not seat.terminal:
        raise DbtasksError("This system does not tell one terminal from another, so that none can be armed.")
    call = pipeline.Call(
        operation=arm_.OPERATION,
        choice=choice,
        wish=Wish(arms=ArmTerminal(seat=seat, minutes=number)),
        dry_run=dry_run,
        reason=reason.strip(),
    )
    console = Console()
    report = pipeline.carry_out(project, call, console)
    if as_json:
        console.data(report.as_data())


@guarded()
def disarm(_c: Context, tier: str = "") -> None:
    """End every armed session of yours on a tier at once, on whatever machine; nobody is asked."""
    project = open_project()
    choice = _choice(project, tier)
    from dbtasks import disarming

    disarming.disarm(project, Console(), choice)


def _choice(project: Project, tier: str) -> Choice:
    choice = choose(project.settings, tier or None, project.environ)
    if not choice.tier.arming:
        asking = [each.name for each in project.settings.tiers if each.arming]
        text = f"Those that do: {', '.join(asking)}." if asking else "A tier does that by arming: true in its settings."
        raise UsageError(f"{choice.tier.name} asks for no armed terminal. {text}")
    return choice


ARMING_TASKS: tuple[Task[Any], ...] = (arm, disarm)
