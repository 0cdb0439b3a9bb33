"""The points that a tier can be recovered to: what a person means by one, and the marks that the trail knows."""

from __future__ import annotations

import re
from datetime import datetime

from dbtasks import wal
from dbtasks.errors import DbtasksError, UsageError
from dbtasks.project import Project
from dbtasks.recovery.goals import AtName, AtPosition, AtTime, BeforeMark, Goal
from dbtasks.recovery.marks import Mark, mark_from
from dbtasks.tiers import Tier
from dbtasks.trail_query import Filters, read
from dbtasks.wording import quoted

_LONGEST_POINT = 63  # bytes, as servers have it
_POSITION = re.compile(r"[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}")


def goal_words(project: Project, tier: Tier, before: int | None, to: str) -> str:
    """Return the point that a person means, in words that a plan shows. UsageError where there is none such."""
    if (before is None) == (not to):
        raise UsageError("name one point to recover to: --before=<entry>, or --to=<time, position or restore point>.")
    if before is not None:
        mark = _marked(project, tier, before)
        return f"mark {mark.name}, before entry {before}"
    if _POSITION.fullmatch(to):
        return f"position {wal.shown(wal.position(to))}"
    try:
        moment = datetime.fromisoformat(to)
    except ValueError:
        return f"restore point {_point(to)}"
    try:
        return f"time {moment.astimezone().isoformat() if moment.tzinfo is None else moment.isoformat()}"
    except (OverflowError, ValueError):
        raise UsageError(f"--to: no server has a log of {to}.") from None


def _point(name: str) -> str:
    """Return the name of a restore point. UsageError where no server could have taken it."""
    if len(name.encode()) > _LONGEST_POINT or not name.isprintable():
        raise UsageError(f"--to: expected a time, a position or a restore point's name, found {quoted(name)}.")
    return name


def marked_entries(project: Project, tier: Tier) -> tuple[tuple[int, Mark], ...]:
    """Return the entries before which a mark was put, with it, the newest first."""
    found = [
        (entry.run, mark_from(entry.detail["mark"]))
        for entry in read(project.settings.trail, Filters(tier=tier.name))
        if entry.kind == "note" and isinstance(entry.detail.get("mark"), dict)
    ]
    return tuple(reversed(found))


def _marked(project: Project, tier: Tier, before: int) -> Mark:
    there = dict(reversed(marked_entries(project, tier)))
    if before in there:
        return there[before]
    known = ", ".join(str(number) for number in list(there)[-5:]) or "none"
    raise UsageError(
        f"before entry {before} no mark was put on {tier.label} from this folder (marked are {known}): marks stand in "
        "the trail of the machine and the folder that they were made from, and so can be gone back to from there. "
        f"To go by the clock: invoke recover --tier={tier.name} --to=<time>, and the time is in: "
        f"invoke audit --entry={before}"
    )


def goal_of(project: Project, tier: Tier, words: str) -> Goal:
    """Return the goal that `goal_words` has worded."""
    kind, _, rest = words.partition(" ")
    match kind:
        case "mark":
            name = rest.partition(",")[0]
            marks = (mark for _, mark in marked_entries(project, tier) if mark.name == name)
            mark = next(marks, None)
            if mark is None:
                raise DbtasksError(f"The mark {name} is not in the trail {project.settings.trail} any more.")
            return BeforeMark(mark=mark)
        case "position":
            return AtPosition(lsn=wal.position(rest))
        case "time":
            return AtTime(at=datetime.fromisoformat(rest))
    return AtName(name=words.removeprefix("restore point "))


def check_server(goal: Goal, system_identifier: int, tier: Tier) -> None:
    """UsageError where a mark is of another server than the one that the tier leads to now."""
    if isinstance(goal, BeforeMark) and goal.mark.system_identifier != system_identifier:
        raise UsageError(
            f"the mark {goal.mark.name} of {goal.mark.at:%Y-%m-%d %H:%M} was put into the log of another server than "
            f"[{tier.label}] leads to now. To see where it leads: invoke check --tier={tier.name}"
        )
