"""What came of a recovery, by what its server wrote into its log. Its messages are in English: `lc_messages` is C."""

from __future__ import annotations

import re

from dbtasks.values import dataclass

_STOP = re.compile(r"LOG:  (recovery stopping (?:before|after|at) .*)")
_LOWER = re.compile(r"DETAIL:  (\w+) = \d+ is a lower setting than on the primary server, where its value was (\d+)\.")
_RESTORED = re.compile(r'LOG:  restored log file "([0-9A-F]{24})" from archive')

# By the program itself, or by the shell that runs it.
_KILLED = re.compile(
    r'could not restore file "[^"]*" from archive: .*(?:signal|exit code (?:129|1[3-8]\d|19[0-2]|202)\b)'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a log says: the line at which replay stopped, settings that were too low, why it failed."""

    stopped: str | None = None
    too_low: tuple[tuple[str, str], ...] = ()
    failed: str | None = None
    too_early: bool = False
    restored: int = 0


def judge(log: str) -> Judgement:
    """Return what a log says.

    >>> judge('LOG:  recovery stopping before WAL location (LSN) "0/3000060"').stopped
    'recovery stopping before WAL location (LSN) "0/3000060"'
    """
    stop, killed = _STOP.search(log), _KILLED.search(log)
    return Judgement(
        stopped=stop[1] if stop else None,
        too_low=tuple((found[1], found[2]) for found in _LOWER.finditer(log)),
        failed=KILLED if killed else next((why for sign, why in _FAILURES.items() if sign in log), None),
        too_early=_TOO_EARLY in log,
        restored=len(set(_RESTORED.findall(log))),
    )


UNREACHED, KILLED = "the archive could not be reached", "what fetches the log was killed"
_TOO_EARLY = "requested recovery stop point is before consistent recovery point"
_FAILURES = {
    "could not restore file": UNREACHED,
    "recovery ended before configured recovery target was reached": "the log ends before the point",
    _TOO_EARLY: "the base backup was made after the point",
    "could not locate required checkpoint record": "the log lacks the segment that the base backup begins with",
    "could not locate a valid checkpoint record": "the log lacks the segment that the base backup begins with",
    "could not find redo location referenced by checkpoint record": "the log lacks what the base backup begins with",
    "WAL file is from different database system": "the log is another server's",
    "No space left on device": "the disk is full",
}
