"""How far a recovery goes: the point before which everything is there, and after which nothing is."""

from __future__ import annotations

from datetime import datetime

from dbtasks import wal
from dbtasks.recovery.marks import Mark
from dbtasks.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BeforeMark:
    """A mark. It is found by its position: of two restore points with one name, the server would take the first."""

    mark: Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class AtTime:
    """A time by the server's clock; what was committed then or later is left out."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AtPosition:
    """A position in the log, of the timeline that the base backup has."""

    lsn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AtName:
    """A restore point that somebody made. Of several with one name, the first after the newest base backup counts."""

    name: str


Goal = BeforeMark | AtTime | AtPosition | AtName


def settings(goal: Goal) -> dict[str, str]:
    """Return the settings that end a recovery there. The point itself is left out, and the timeline is never left."""
    match goal:
        case BeforeMark(mark=mark):
            target = {"recovery_target_lsn": wal.shown(mark.lsn), "recovery_target_timeline": str(mark.timeline)}
        case AtPosition(lsn=lsn):
            target = {"recovery_target_lsn": wal.shown(lsn)}
        case AtTime(at=at):
            target = {"recovery_target_time": at.isoformat()}
        case AtName(name=name):
            target = {"recovery_target_name": name}
    fixed = {"recovery_target_inclusive": "off", "recovery_target_action": "pause"}
    return {"recovery_target_timeline": "current", **fixed, **target}


def told(goal: Goal) -> str:
    """Return the goal in words."""
    match goal:
        case BeforeMark(mark=mark):
            return f"the mark {mark.name} of {mark.at:%Y-%m-%d %H:%M:%S %Z} ({wal.shown(mark.lsn)})"
        case AtPosition(lsn=lsn):
            return f"position {wal.shown(lsn)}"
        case AtTime(at=at):
            return f"the time {at.isoformat(sep=' ')}"
        case AtName(name=name):
            return f"the restore point {name}"
