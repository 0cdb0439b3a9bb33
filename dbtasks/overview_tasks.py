"""How `status` and `check` show what `overview` saw."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from dbtasks.console import Console
from dbtasks.operations import check, status
from dbtasks.overview import Row, in_words, look_over, same_database
from dbtasks.project import Project
from dbtasks.surroundings import Kind
from dbtasks.tiers import Loss
from dbtasks.trail_query import REFUSED, Entry, Filters, read
from dbtasks.trail_runs import Run, State, runs, unfinished

_LATELY = timedelta(days=7)


def show_status(project: Project, console: Console, only: str, *, as_json: bool) -> None:
    """Write one row a tier, or the row of the tier named, and what did not finish."""
    rows = list(look_over(project, status.OPERATION, only))
    open_runs, tried = list(_open_runs(project)), _agents_tried(project)
    if as_json:
        open_data = [{"entry": run.number, "what": in_words(run)} for run in open_runs]
        agents = [{"entry": each.entry, "what": _tried(each), "code": each.outcome} for each in tried]
        console.data({"tiers": [row.as_data() for row in rows], "unfinished": open_data, "agents": agents})
        return
    width = max(len(row.target) for row in rows)
    for row in rows:
        badge = console.badge(row.tier, on_stdout=True) + " " * (6 - len(row.tier.label))
        last = f"  {row.last}" if row.last else ""
        console.text(f"{badge} {row.target:<{width}}  {_state(row)}{last}".rstrip())
    for row in rows:
        if row.ended and row.tier.may_lose is not Loss.EVERYTHING:  # such a tier's resets clear away by themselves
            which = f"{row.ended} replaced database{'s' if row.ended > 1 else ''} of {row.tier.label}"
            console.text(
                f" !      the retention of {which} has ended. See: invoke prune --tier={row.tier.name} --dry-run"
            )
    for run in open_runs:
        gone = f"(pid {run.first.pid} gone)" if run.state is State.UNFINISHED else f"(on {run.first.host})"
        console.text(f" !      did not finish: {in_words(run)} {gone}. See: invoke audit --entry={run.number}")
    if tried:
        times = f"{len(tried)} time{'s' if len(tried) > 1 else ''}"
        last = f"{_tried(tried[-1])} ({tried[-1].outcome})"
        console.text(f" !      AI agents were refused {times} in a week, the last: {last}. See: invoke audit --agent")


def _open_runs(project: Project) -> Iterator[Run]:
    """Yield what did not finish and was not made good since, by the same operation on the same tier."""
    trail, who = project.settings.trail, project.who
    for run in unfinished(trail, who):
        done = Filters(tier=run.first.tier, operation=run.first.operation, outcome=State.DONE)
        later = runs(trail, done, who, limit=1)
        if run.state is not State.RUNNING and not (later and later[-1].number > run.number):
            yield run


def _agents_tried(project: Project) -> list[Entry]:
    """Return what agents were refused within the last week, the newest last."""
    since = datetime.now(UTC) - _LATELY
    return list(read(project.settings.trail, Filters(surroundings=Kind.AGENT, outcome=REFUSED, since=since)))


def _tried(entry: Entry) -> str:
    where = f" of {entry.tier.upper()}" if entry.tier else ""
    return f"{entry.operation}{where} {entry.moment.astimezone():%d %b %H:%M}"


def show_check(project: Project, console: Console, only: str, *, as_json: bool) -> bool:
    """Write what is wrong with each tier and how to mend it; return whether nothing is."""
    rows = list(look_over(project, check.OPERATION, only))
    same = list(same_database(rows))
    fine = not same and not any(row.problem for row in rows if row.asked)
    if as_json:
        pairs = [[one.tier.name, other.tier.name] for one, other in same]
        notices = list(project.variables.notices)
        console.data({"ok": fine, "tiers": [row.as_data() for row in rows], "same": pairs, "notices": notices})
        return fine
    settings = project.settings
    console.text(f"{settings.file.relative_to(settings.root)} is valid: {len(settings.tiers)} tiers")
    for notice in project.variables.notices:
        console.text(f"!  {notice}")
    for row in rows:
        badge = console.badge(row.tier, on_stdout=True)
        state = "ok" if not row.problem else row.problem
        console.text(f"{badge} {row.target or row.tier.url_variable}: {state}")
        if row.instead and row.problem:
            console.text(f"  {row.instead}")
    for one, other in same:
        console.text(f"[{one.tier.label}] and [{other.tier.label}] are one database. Give each tier its own.")
    return fine


def _state(row: Row) -> str:
    if row.problem and row.revision == "unknown":
        return f"{row.problem.rstrip('.')}. {row.instead}" if row.instead else row.problem
    behind = "at head" if row.pending == 0 else f"{row.pending} behind" if row.pending else "unknown to this code"
    revision = f"{behind} ({row.revision})"
    problem = f"  ! {row.problem}" if row.problem else ""
    back = f"  undo: {row.kept}" if row.kept else ""
    return f"{revision}  stamp {row.stamp}{back}{problem}"
