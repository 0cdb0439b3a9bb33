"""Kills every operation at every point, prints how many and what came of it; ends with 1 where something did not hold.

python -m tests.faults [--every=12] [--only=undo] [--at='RENAME|DROP'] [--moments=200] [--part=1/6] [--jobs=2]
"""

from __future__ import annotations

import argparse
import os
import random
import re
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from tests import warm
from tests.faults.campaign import BROKEN, Kill, Trial, ViolationError
from tests.faults.ground import ground
from tests.faults.guarded import Guarded
from tests.faults.once import Once, Rationed
from tests.faults.operations import Operation, Sort, operations
from tests.faults.plan import Part, Plan
from tests.faults.stepwise import Stepwise

_TRIALS: dict[Sort, type[Trial]] = {
    Sort.WHOLE: Trial,
    Sort.STEPS: Stepwise,
    Sort.GUARDS: Guarded,
    Sort.ONCE: Once,
    Sort.RATIONED: Rationed,
}
_MOST_VIOLATIONS = 5  # of one operation: each takes a new ground
_MOST_TRIES = 6


@dataclass(slots=True, kw_only=True)
class Row:
    """What the table says of one operation: outcomes by who was killed."""

    operation: Operation
    points: int = 0
    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def count(self, who: str, outcome: str) -> None:
        self.outcomes.setdefault(who, Counter())[outcome or "late"] += 1

    def of(self, who: str, *outcomes: str) -> int:
        counter = self.outcomes.get(who, Counter())
        return sum(counter[outcome] for outcome in outcomes)


class Round:
    """One operation, tried on a ground of its own."""

    def __init__(self, operation: Operation, plan: Plan) -> None:
        self.row, self.plan = Row(operation=operation), plan

    def go(self) -> Row:
        began = time.monotonic()
        with ExitStack() as self.stack:
            try:
                self.begin()
                self.row.points = len(self.trial.counted.points)
                for kill in self.plan.kills(self.trial):
                    self.kill_in_time(kill)
                if not self.plan.at.pattern:
                    for outcome in self.row.operation.outcomes:
                        self.look_for(outcome)
            except _TooManyError:
                pass
            except BROKEN as error:
                self.violated(f"{self.row.operation.name}, without a kill\n  {error}")
        self.row.seconds = time.monotonic() - began
        _say(_line(self.row))
        return self.row

    def begin(self) -> None:
        """Start from a new ground."""
        self.stack.close()
        self.trial = _TRIALS[self.row.operation.sort](self.stack.enter_context(ground()), self.row.operation)
        self.trial.begin()

    def kill_in_time(self, kill: Kill) -> None:
        """Kill, and where the command had ended before the moment came, which is none then, try an earlier one."""
        for _ in range(_MOST_TRIES):
            if self.kill(kill) or kill.moment is None:
                return
            kill = replace(kill, moment=0.7 * kill.moment)

    def kill(self, kill: Kill) -> str:
        """Return the outcome, empty where the command had ended before."""
        who = "moment" if kill.moment is not None else "server" if kill.is_of_server else "process"
        try:
            outcome = self.trial.kill(kill)
        except ViolationError as error:
            self.violated(str(error))
            if len(self.row.violations) >= _MOST_VIOLATIONS:
                raise _TooManyError from error
            self.begin()
            return "violated"
        self.row.count(who, outcome)
        return outcome

    def look_for(self, outcome: str) -> None:
        """Halve the points until the command was killed at one with this outcome, where none that was tried had it.

        Few of the points are tried in a part, or where many are passed over. Among all of them it must be found.
        """
        own = self.plan.own(self.trial)
        low, high = 0, len(own) - 1
        while not self.row.of("process", outcome) and low <= high:
            middle = (low + high) // 2
            # Not every run comes as far: what goes on behind a command differs from run to run.
            earlier = self.kill(own[middle]) in ("", "new") or outcome == "old"
            low, high = (low, middle - 1) if earlier else (middle + 1, high)
        if not self.row.of("process", outcome):
            self.violated(f"{self.row.operation.name}, all points\n  none of the kills had the outcome '{outcome}'")

    def violated(self, what: str) -> None:
        self.row.violations.append(what)
        _say(f"! {what}")


class _TooManyError(Exception):
    """Of one operation enough is known."""


_COLUMNS = ("points", "killed", "old", "new", "part", "server", "old", "new", "part", "moments", "old", "new", "part")


def _line(row: Row) -> str:
    cells = [row.points]
    for who in ("process", "server", "moment"):
        cells += [row.of(who, "old", "new", "part"), row.of(who, "old"), row.of(who, "new"), row.of(who, "part")]
    numbers = "".join(f"{cell:8}" for cell in cells)
    return f"{row.operation.name:32}{numbers}{row.seconds:8.0f} s{'  FAILED' if row.violations else ''}"


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a program's output


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="try each n-th point")
    parser.add_argument("--only", default="", help="the operation of this name, else those whose names hold it")
    parser.add_argument("--servers", type=int, default=1, help="0: let the servers live")
    parser.add_argument("--at", type=re.compile, default=re.compile(""), help="points whose line has this pattern")
    parser.add_argument("--moments", type=int, default=200, help="random moments, in all")
    parser.add_argument("--part", type=Part.read, default=Part(), help="one part of several, for example 2/6")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--seed", type=int, default=random.randrange(10_000))  # noqa: S311 - it is no secret
    options = parser.parse_args()
    chosen = [each for each in operations() if options.only == each.name]
    chosen = chosen or [each for each in operations() if options.only in each.name]
    plan = Plan(
        every=options.every,
        at=options.at,
        servers=bool(options.servers),
        moments=-(-options.moments // (sum(each.moments for each in chosen) or 1)),
        part=options.part,
        seed=options.seed,
    )
    _say(f"every {options.every}. point, {options.moments} moments, --seed={options.seed}\n")
    _say(f"{'':32}{''.join(f'{name:>8}' for name in _COLUMNS)}")
    warm.compiled("dbtasks", "tests/faults")  # each worker is a new process
    with ThreadPoolExecutor(options.jobs) as pool:
        rows = list(pool.map(lambda operation: Round(operation, plan).go(), chosen))
    return _sum_up(rows)


def _sum_up(rows: list[Row]) -> int:
    """Print what it comes to, and what was violated in a line each; return the exit code."""
    total = sum(row.of(who, "old", "new", "part") for row in rows for who in ("process", "server", "moment"))
    violations = [violation for row in rows for violation in row.violations]
    _say(f"\n{sum(row.points for row in rows)} points, {total} kills; {len(violations)} violations")
    for violation in violations:
        where, what, *_ = (*violation.splitlines(), "")
        _say(f"violated: {where}: {what.strip()}")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
