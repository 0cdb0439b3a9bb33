"""The trail as people read it: one line a run, newest last."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from dbtasks.command_line import whole_number
from dbtasks.project import Project
from dbtasks.trail_query import Filters
from dbtasks.trail_runs import Run, State
from dbtasks.trail_times import parse_moment
from dbtasks.wording import one_line


def lines(found: list[Run]) -> Iterator[str]:
    """Yield one line a run: time, entry, tier, operation, person, state, duration, what it did."""
    today = datetime.now().astimezone().date()
    for run in found:
        moment = run.first.moment.astimezone()
        when = f"{moment:%H:%M:%S}" if moment.date() == today else f"{moment:%d %b %H:%M}"
        badge = f"[{run.first.tier.upper()}]" if run.first.tier else ""
        cells = (f"{when:<12}", f"{run.number:>5}", f"{badge:<7}", f"{run.first.operation:<9}")
        yield "  ".join((*cells, f"{run.first.person:<10}", f"{run.state:<11}", more(run))).rstrip()


def more(run: Run) -> str:
    """Return what a run was about, besides who ran it where: how long, how it ended, what for."""
    if run.state is State.REFUSED:
        return f"{run.first.outcome} ({run.first.surroundings})"
    parts = []
    if run.result is not None and run.result.duration_ms is not None:
        parts.append(f"{run.result.duration_ms / 1000:.1f} s")
    if run.state is State.UNFINISHED:
        parts.append(f"pid {run.first.pid} gone")
    detail = run.result.detail if run.result is not None else {}
    if "error" in detail:
        parts.append(str(detail["error"]).split("\n")[0])
    if detail.get("heads"):
        parts.append("at " + ", ".join(map(str, detail["heads"])))
    if "code" in detail:
        parts.append(str(detail["code"]))
    if run.first.detail.get("purpose"):
        parts.append(str(run.first.detail["purpose"]))
    elif run.first.detail.get("command"):
        parts.append(one_line(run.first.detail["command"]))
    return "  ".join(parts)


def as_data(run: Run) -> dict[str, object]:
    """Return a run as plain data."""
    return {
        "entry": run.number,
        "state": run.state.value,
        "intent": msgspec.to_builtins(run.first),
        "result": msgspec.to_builtins(run.result) if run.result is not None else None,
    }


def filters(project: Project, wanted: dict[str, str]) -> Filters:
    """Return the filters that flags ask for; empty ones ask for nothing."""
    now = datetime.now().astimezone()
    given = {name: value for name, value in wanted.items() if value}
    return Filters(
        tier=project.settings.tier(given["tier"]).name if "tier" in given else None,
        operation=given.get("operation"),
        outcome=given.get("outcome"),
        person=given.get("person"),
        text=given.get("text"),
        surroundings=given.get("surroundings"),
        entry=whole_number("--entry", given["entry"]) if "entry" in given else None,
        since=parse_moment(given["since"], now) if "since" in given else None,
        until=parse_moment(given["until"], now, end=True) if "until" in given else None,
    )
