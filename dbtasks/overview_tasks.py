"""How `status` and `check` show what `overview` saw."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime

from dbtasks.console import Console
from dbtasks.errors import DbtasksError
from dbtasks.operations import check
from dbtasks.overview import Row, in_words, look_over, same_database
from dbtasks.project import Project
from dbtasks.report import Report, Standing
from dbtasks.report.attention import age, newest_good
from dbtasks.report.glancing import glance
from dbtasks.report.lately import Reader
from dbtasks.tiers import Loss
from dbtasks.trail_query import Entry
from dbtasks.trail_runs import State


def show_status(project: Project, console: Console, only: str, *, as_json: bool) -> None:
    """Write one row a tier, or the row of the tier named, and what did not finish."""
    report = glance(project, only)
    if as_json:
        console.data(status_data(report))
    else:
        console.text("\n".join(status_lines(report, console)))


def watch_status(project: Project, console: Console, only: str, *, seconds: int, as_json: bool) -> None:
    """Write the same again and again, in place on a terminal, until somebody ends it with Ctrl-C."""
    reader = Reader(project)
    try:
        while True:
            try:
                report = glance(project, only, reader)
                lines = (
                    [_json(status_data(report))]
                    if as_json
                    else [_title(report, seconds), *status_lines(report, console)]
                )
            except DbtasksError as error:  # such as of a trail that nobody may read just now
                now = datetime.now().astimezone()
                lines = [_json({"error": error.as_data()}) if as_json else f"{now:%d %b %H:%M:%S} · {error}"]
            console.frame(lines, in_place=not as_json)
            time.sleep(seconds)
    except KeyboardInterrupt:
        console.say("")  # what is typed next begins a line


def _title(report: Report, seconds: int) -> str:
    return f"{report.project} · {report.at:%d %b %H:%M:%S} · every {seconds} s · Ctrl-C ends"


def status_data(report: Report) -> dict[str, object]:
    """Return what `status` tells as plain data."""
    unfinished = [{"entry": run.number, "what": in_words(run)} for run in report.unfinished]
    agents = [{"entry": each.entry, "what": _tried(each), "code": each.outcome} for each in report.agents]
    tiers = [each.row.as_data() | {"backup": _backup_data(each)} for each in report.tiers]
    scored = {"score": report.scored.value, "at": report.scored.at.isoformat()} if report.scored else None
    return {"tiers": tiers, "unfinished": unfinished, "agents": agents, "score": scored}


def _json(data: object) -> str:
    return json.dumps(data, ensure_ascii=False, default=str)


def _backup_data(standing: Standing) -> dict[str, str] | None:
    newest = newest_good(standing.backups or ())
    return {"id": newest.id, "taken_at": newest.at.isoformat(), "grade": newest.grade} if newest else None


def status_lines(report: Report, console: Console) -> Iterator[str]:
    """Yield one row a tier, then a line for each thing that somebody should look at."""
    rows = [standing.row for standing in report.tiers]
    width = max(len(row.target) for row in rows)
    for standing in report.tiers:
        row = standing.row
        badge = console.badge(row.tier, row.armed, on_stdout=True)
        badge += " " * (6 - len(f"{row.tier.label} {row.armed}".rstrip()))
        newest = newest_good(standing.backups or ())
        backup = f"  backup {age(newest.at, report.at)} old, {newest.grade}" if newest else ""
        last = f"  {row.last}" if row.last else ""
        yield f"{badge} {row.target:<{width}}  {_state(row)}{backup}{last}".rstrip()
    for row in rows:
        if row.ended and row.tier.may_lose is not Loss.EVERYTHING:  # such a tier's resets clear away by themselves
            which = f"{row.ended} replaced database{'s' if row.ended > 1 else ''} of {row.tier.label}"
            yield f" !      the retention of {which} has ended. See: invoke prune --tier={row.tier.name} --dry-run"
    for run in report.unfinished:
        gone = f"(pid {run.first.pid} gone)" if run.state is State.UNFINISHED else f"(on {run.first.host})"
        yield f" !      did not finish: {in_words(run)} {gone}. See: invoke audit --entry={run.number}"
    tried = report.agents
    if tried:
        times = f"{len(tried)} time{'s' if len(tried) > 1 else ''}"
        last = f"{_tried(tried[-1])} ({tried[-1].outcome})"
        yield f" !      AI agents were refused {times} in a week, the last: {last}. See: invoke audit --agent"
    if report.scored is not None:
        when = f"{report.scored.at.astimezone():%d %b %H:%M}"
        yield f"Safety score {report.scored.value}, measured {when}. See: invoke score"


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
        badge = console.badge(row.tier, row.armed, on_stdout=True)
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
