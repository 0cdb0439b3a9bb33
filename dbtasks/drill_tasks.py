"""The drill as a task."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from invoke.context import Context

from dbtasks.command_line import end
from dbtasks.console import Console
from dbtasks.errors import UsageError
from dbtasks.project import open_project
from dbtasks.surroundings import Kind
from dbtasks.task_calls import guarded, words

if TYPE_CHECKING:
    from dbtasks.drill.attempt import Attempt

_FORMATS = ("text", "json", "markdown")


@guarded(
    only="only attempts whose id begins so, separated by commas; the result is not kept",
    format_="text, json or markdown",
)
def drill(_c: Context, only: str = "", format_: str = "text") -> None:
    """Really try what is forbidden, in a sandbox of its own, and say what stopped it; exit 1 where nothing did."""
    if format_ not in _FORMATS:
        raise UsageError(f"--format: expected {', '.join(_FORMATS)}, found {format_!r}.")
    project = open_project()
    if project.surroundings.kind is Kind.PYTEST:
        raise UsageError(
            "tests reach nothing but the default tier, so a drill inside of one could try nothing. "
            "Run it outside of tests: invoke drill"
        )
    from dbtasks.drill import results  # late: it loads the driver, and approvals
    from dbtasks.drill.attempts import FAMILIES
    from dbtasks.drill.building import build
    from dbtasks.drill.ground import Ground
    from dbtasks.drill.judging import carry_out
    from dbtasks.drill.sandbox import sandbox

    families = [tuple(each for each in family if _wanted(each, only)) for family in FAMILIES]
    ids = [each.id for family in families for each in family]
    count = len(ids)
    if not count:
        raise UsageError(f"--only: no attempt begins with {only!r}. They stand in docs/drill.md.")
    console, began, outcomes = Console(), time.monotonic(), []
    console.say(f"drill: {count} attempts in a sandbox of their own; nothing of this project is touched")
    with sandbox() as root:
        ground = Ground(root)
        build(ground, lambda line: console.fact("build", f"{line}   {time.monotonic() - began:.1f} s"))

        def begins(attempt: Attempt, allowed: bool) -> None:
            where = " where it is allowed" if allowed else ""
            console.at("try", f"{attempt.id}{where}", ids.index(attempt.id), count)

        for outcome in carry_out(families, ground, begins):
            outcomes.append(outcome)
            (console.text if format_ == "text" else console.say)(results.line(outcome))
    data = results.as_data(outcomes)
    if not only:
        results.keep(project.settings.root, data)
    if format_ == "json":
        console.data(data)
    elif format_ == "markdown":
        console.text(results.markdown(outcomes))
    console.say(results.summary(outcomes, time.monotonic() - began))
    if not data["ok"]:
        end(1)


def _wanted(attempt: Attempt, only: str) -> bool:
    wanted = words(only)
    return not wanted or attempt.id.startswith(wanted)
