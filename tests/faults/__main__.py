"""Kills every operation at every point, prints how many and what came of it; ends with 1 where something did not hold.

python -m tests.faults [--every=12] [--only=undo] [--at='RENAME|DROP'] [--moments=200] [--jobs=2] [--seed=1]
"""

from __future__ import annotations

import argparse
import os
import random
import re
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field

from tests.faults.campaign import Kill, Trial, ViolationError, kills, server_kills
from tests.faults.ground import Ground, ground
from tests.faults.operations import Operation, operations

_MOST_VIOLATIONS = 5  # of one operation: each takes a new ground


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


@dataclass(kw_only=True)
class Plan:
    """What is tried of each operation."""

    every: int
    moments: int
    servers: bool
    at: re.Pattern[str]
    random: random.Random
    statements: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def kills(self, trial: Trial) -> list[Kill]:
        """Return the kills of one operation; the last two always, since what follows the commit is short."""
        operation, seconds = trial.operation, trial.seconds
        lines = trial.counted.points
        own = [kill for kill in kills(trial.counted, operation.until) if self.at.search(lines[kill.at - 1])]
        step = self.every * operation.every
        with self.lock:
            chosen = own[self.random.randrange(step) :: step]
            chosen += [kill for kill in own[-2:] if kill not in chosen]
            if operation.servers and self.servers:
                servers = list(server_kills(trial.counted, self.statements, self.random))
                servers = [kill for kill in servers if self.at.search(lines[kill.at - 1])]
                chosen += servers[self.random.randrange(self.every) :: self.every]
            if operation.moments and self.moments:
                whom = ("own", "all", "own", "all", "server")
                chosen += [
                    Kill(whom=whom[number % len(whom)], moment=self.random.uniform(0, 1.1 * seconds))
                    for number in range(self.moments)
                ]
        return chosen


def go_through(operation: Operation, plan: Plan) -> Row:
    """Try one operation on a ground of its own."""
    row, began = Row(operation=operation), time.monotonic()
    with ExitStack() as stack:
        trial = _trial(stack.enter_context(ground()), operation)
        row.points = len(trial.counted.points)
        for kill in plan.kills(trial):
            who = "moment" if kill.moment is not None else "server" if kill.is_of_server else "process"
            try:
                row.count(who, trial.kill(kill))
            except ViolationError as error:
                row.violations.append(str(error))
                _say(f"! {error}")
                if len(row.violations) >= _MOST_VIOLATIONS:
                    break
                stack.close()
                trial = _trial(stack.enter_context(ground()), operation)
    row.seconds = time.monotonic() - began
    if not (row.violations or plan.at.pattern or (row.of("process", "old") and row.of("process", "new"))):
        row.violations.append(f"{operation.name}: only one outcome occurred: {row.outcomes}")
    _say(_line(row))
    return row


def _trial(it: Ground, operation: Operation) -> Trial:
    trial = Trial(it, operation)
    trial.begin()
    return trial


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
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--seed", type=int, default=random.randrange(10_000))  # noqa: S311 - it is no secret
    options = parser.parse_args()
    chosen = [each for each in operations() if options.only == each.name]
    chosen = chosen or [each for each in operations() if options.only in each.name]
    with_moments = sum(each.moments for each in chosen) or 1
    plan = Plan(
        every=options.every,
        at=options.at,
        servers=bool(options.servers),
        moments=-(-options.moments // with_moments),
        random=random.Random(options.seed),  # noqa: S311
    )
    _say(f"every {options.every}. point, {options.moments} moments, --seed={options.seed}\n")
    _say(f"{'':32}{''.join(f'{name:>8}' for name in _COLUMNS)}")
    with ThreadPoolExecutor(options.jobs) as pool:
        rows = list(pool.map(lambda operation: go_through(operation, plan), chosen))
    total = sum(row.of(who, "old", "new", "part") for row in rows for who in ("process", "server", "moment"))
    points, violations = sum(row.points for row in rows), sum(len(row.violations) for row in rows)
    _say(f"\n{points} points, {total} kills; {violations} violations")
    return 1 if any(row.violations for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
