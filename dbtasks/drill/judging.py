"""Trying the attempts, and judging by what is there afterwards, never by what was said."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence

import psycopg

from dbtasks.drill.attempt import Attempt, Outcome, Ran, Verdict
from dbtasks.drill.ground import Ground
from dbtasks.drill.signing import last_line
from dbtasks.errors import DbtasksError

Family = tuple[Attempt, ...]
_CODE = re.compile(r"\bE-[A-Z]+(?:-[A-Z]+)*")
# What can go wrong around an attempt without being a mistake in the drill's own code.
_TROUBLE = (DbtasksError, OSError, psycopg.Error, subprocess.SubprocessError, ValueError, KeyError)


def carry_out(families: Sequence[Family], ground: Ground, begins: Callable[[Attempt, bool], None]) -> Iterator[Outcome]:
    """Try each family: everything forbidden first, then the same where it is allowed. `begins` hears which of both."""
    for family in families:
        tried = []
        for attempt in family:
            begins(attempt, False)
            tried.append(_forbidden(attempt, ground))
        shown: dict[Callable[[Ground], str], str] = {}
        for outcome in tried:
            twin = outcome.attempt.allowed
            if outcome.verdict is not Verdict.NOT_TRIED and twin not in shown:
                begins(outcome.attempt, True)
                shown[twin] = _allowed(twin, ground)
            yield _proven(outcome, shown.get(twin, ""))


def _forbidden(attempt: Attempt, ground: Ground) -> Outcome:
    """Try it, and return what came of it, as far as that can be told without its twin."""
    try:
        missing = attempt.missing(ground)
        if missing:
            return Outcome(attempt=attempt, verdict=Verdict.NOT_TRIED, why=missing)
        before, began = attempt.looks(ground), time.monotonic()
        ran = attempt.forbidden(ground)
        ms = round((time.monotonic() - began) * 1000)
        harmed = attempt.looks(ground) != before if ran.harm is None else ran.harm
    except _TROUBLE as error:
        return Outcome(attempt=attempt, verdict=Verdict.UNPROVEN, why=f"{type(error).__name__}: {error}")
    by = stopped_by(ran)
    if harmed:
        return Outcome(attempt=attempt, verdict=Verdict.BREACH, by=by, ms=ms, why="it happened")
    if by != attempt.by:
        why = f"{attempt.by} should have stopped it, and {by} did: {last_line(ran)}"
        return Outcome(attempt=attempt, verdict=Verdict.LATE, by=by, ms=ms, why=why)
    return Outcome(attempt=attempt, verdict=Verdict.STOPPED, by=by, ms=ms)


def _allowed(twin: Callable[[Ground], str], ground: Ground) -> str:
    try:
        return twin(ground)
    except _TROUBLE as error:
        return f"{type(error).__name__}: {error}"


def _proven(outcome: Outcome, problem: str) -> Outcome:
    if not problem or outcome.verdict not in (Verdict.STOPPED, Verdict.LATE):
        return outcome
    why = f"the same did not work where it is allowed, so this shows nothing: {problem}"
    return Outcome(attempt=outcome.attempt, verdict=Verdict.UNPROVEN, by=outcome.by, ms=outcome.ms, why=why)


def stopped_by(ran: Ran) -> str:
    """Return what a command says has stopped it: a refusal's code, a guard of PostgreSQL, else how it ended.

    >>> stopped_by(Ran(code=3, text="refused (E-NO-PERSON)")), stopped_by(Ran(code=4, text="Not confirmed."))
    ('E-NO-PERSON', 'E-NOT-CONFIRMED')
    """
    found = _CODE.search(ran.text)
    if found:
        return found[0]
    if "is guarded" in ran.text:
        return "guarded"
    if "cannot drop a template database" in ran.text:
        return "template"
    return "E-NOT-CONFIRMED" if ran.code == 4 else f"exit {ran.code}"
