"""Goes through the points of an operation: kill, look, run again, look again."""

from __future__ import annotations

import difflib
import os
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

import psycopg

from dbtasks.errors import DbtasksError
from tests.faults.ground import Ground, Record, Run, strays
from tests.faults.operations import Operation
from tests.faults.ways_back import OWN_STAMPS

ABSENT = "no database"
BROKEN = (AssertionError, DbtasksError, psycopg.Error, OSError)  # what did not hold, or could not be looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The two dumps, and those of the templates by what they were built from: revisions, seeds or not."""

    old: str
    new: str
    templates: dict[tuple[int, bool], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """One kill: at which point of the command who, or (`moment` in seconds) at any time.

    `after`: the server, after so many of the statements that were sent as one text.
    """

    at: int = 0
    whom: str = "own"
    after: int = 0
    moment: float | None = None

    @property
    def is_of_server(self) -> bool:
        return self.whom in ("server", "postmaster")


@dataclass(slots=True)
class ViolationError(Exception):
    """What did not hold, and where."""

    operation: str
    kill: Kill
    last: str
    what: str
    text: str = ""

    def __str__(self) -> str:
        return f"{self.operation}, {self.kill}, after {self.last}\n  {self.what}\n{self.text}"


@dataclass(slots=True)
class Trial:
    """One operation on one ground."""

    ground: Ground
    operation: Operation
    stored: Stored = field(init=False)
    counted: Run = field(init=False)
    seconds: float = field(init=False)
    arranged: bool = False
    left: Counter[tuple[object, ...]] = field(default_factory=Counter)

    def begin(self) -> None:
        """Let the command run once as it is, and store what was and what came of it."""
        self.operation.begin(self.ground)
        self.operation.arrange(self.ground)
        old = self.dump()
        self.operation.last(self.ground)
        began = time.monotonic()
        self.counted = self.ground.run(self.operation.words)
        self.seconds = time.monotonic() - began
        if self.counted.code != 0 or self.operation.says not in self.counted.text:
            raise AssertionError(f"{self.operation.name} without a kill:\n{self.counted.text}")
        self.stored = Stored(old=old, new=self.dump(), templates=self.templates(frozenset()))

    # One kill

    def kill(self, kill: Kill) -> str:
        """Return the outcome, `old`, `new` or `part`; empty where the command ended before. Raises `ViolationError`."""
        ground, operation = self.ground, self.operation
        if not self.arranged:
            try:
                operation.arrange(ground)
            except BROKEN as error:
                raise ViolationError(operation.name, kill, "the kill before", f"no way on: {error}") from error
        ground.mark_trail()
        before = ground.databases(operation.home), ground.registry(operation.home)
        there, self.arranged = frozenset(before[0]), False
        if kill.is_of_server:
            ground.sql(operation.home, "CHECKPOINT")  # what was arranged is to survive: INT commits before it writes
        operation.last(ground)
        try:
            run = self.strike(kill)
        except OSError as error:
            raise ViolationError(operation.name, kill, "?", f"no answer: {error}") from error
        try:
            ground.settle(operation.tier)
            outcome = self.outcome()
            self.check_after(run, outcome, there)
            after = ground.databases(operation.home), ground.registry(operation.home)
            if run.struck and self.is_worth_another(outcome, after[1] + self.tried_out()):
                again = self.run_again(kill)
                assert again.code == 0, f"the next run ended with {again.code}:\n{again.text}"
                self.check_again(outcome, there)
            else:
                self.arranged = outcome == "old" and after == before
        except BROKEN as error:
            raise ViolationError(operation.name, kill, run.last, str(error), run.text) from error
        return outcome if run.struck else ""

    def run_again(self, _kill: Kill) -> Run:
        """Run the command once more, as a person does who has seen it killed."""
        self.operation.again(self.ground)
        return self.ground.run(self.operation.words)

    def tried_out(self) -> list[Record]:
        """Return the registry of the private server, where something of the operation's is tried out there."""
        return self.ground.registry("int") if self.operation.tries else []

    def is_worth_another(self, outcome: str, rows: list[Record]) -> bool:
        """Return whether to run the command again: always, until a kill has left the same three times; then at times.

        The same: so many databases of each kind, there or not, known by their oid or not.
        """
        shape = Counter((row.kind, row.oid is None, row.there is None) for row in rows)
        left = (outcome, *sorted(shape.items()))
        self.left[left] += 1
        return self.left[left] <= 3 or self.left[left] % 4 == 0

    def strike(self, kill: Kill) -> Run:
        if kill.moment is None:
            words, tier = self.operation.words, self.operation.tier
            return self.ground.run(words, at=kill.at, whom=kill.whom, after=kill.after, tier=tier)
        return at_a_moment(self.ground, self.operation, kill.moment, kill.whom)

    def dump(self) -> str:
        tier, target = self.operation.tier, self.operation.target
        options = ("--create", "--exclude-schema=*_dbtasks_*")
        return self.ground.dump(tier, target, *options) if target in self.ground.databases(tier) else ABSENT

    def outcome(self) -> str:
        """Return which of the two states this is; AssertionError where it is neither."""
        now, stored, done = self.dump(), self.stored, self.operation.done
        if done is None:
            assert now in (stored.old, stored.new), (
                f"neither the old nor the new database; from the old:\n{differences(stored.old, now)}"
                f"from the new:\n{differences(stored.new, now)}"
            )
            return "old" if now == stored.old else "new"
        assert now == stored.old, f"another database than before:\n{differences(stored.old, now)}"
        return {False: "old", True: "new", None: "part"}[done(self.ground)]

    def check_after(self, run: Run, outcome: str, there: frozenset[str]) -> None:
        """Assert what must hold right after a kill, before anything is cleared up."""
        ground, tier = self.ground, self.operation.home
        if self.stored.old != ABSENT or outcome == "new":
            ground.sql(self.operation.tier, "SET ROLE app; SELECT * FROM people", database=self.operation.target)
        rows = ground.registry(tier)
        unknown = set(ground.databases(tier)) - {row.name for row in rows} - {self.operation.target}
        assert not unknown, f"nobody knows of {unknown}"
        for row in rows:
            assert row.kind == "building" or row.oid == row.there or row.there is None, f"another database: {row}"
        kept = [row for row in rows if row.kind == "retired" and row.name not in there]
        if kept and not self.operation.toggles:
            assert ground.dump(tier, kept[-1].name, "--create") == self.stored.old, "what is kept is not the old one"
        unknown = set(ground.databases("int")) - {row.name for row in self.tried_out()}
        assert not (self.operation.tries and unknown), f"nobody knows of {unknown} on the private server"
        self.templates(there)
        # A note is a mark: it says nothing of what became of the run.
        entries = [entry for entry in ground.entries(run.pid, tier) if entry["kind"] != "note"]
        kinds = [entry["kind"] for entry in entries]
        assert kinds in ([], ["refusal"], ["intent"], ["intent", "result"]), f"the trail says {kinds}"
        changed = outcome != "old" or frozenset(ground.databases(tier)) != there
        assert "intent" in kinds or not changed, "something was done and no intent is in the trail"
        if kinds[1:] and entries[1]["outcome"] == "done":
            assert outcome == "new", "the trail says that it is done"
        assert "Traceback" not in run.text, "it ended with a traceback"
        assert run.code or kinds[1:] or not run.struck or self.stored.old == self.stored.new, (
            "it seems to have ended well"
        )

    def check_again(self, outcome: str, known: frozenset[str]) -> None:
        """Assert what must hold once the command was run again, and has ended well."""
        ground, operation, stored = self.ground, self.operation, self.stored
        now = self.dump()
        wanted = stored.old if operation.done or (operation.toggles and outcome == "new") else stored.new
        assert now == wanted, f"the next run made another database:\n{differences(wanted, now)}"
        assert operation.done is None or operation.done(ground), "the next run did not do it"
        assert operation.left(ground) == [], "the next run has left that"
        there, rows = ground.databases(operation.home), ground.registry(operation.home)
        assert there == {row.name: row.oid for row in rows}, f"{there} is there, registered are {rows}"
        kinds = {row.kind for row in (*rows, *self.tried_out())}
        assert kinds <= {"live", "retired", "template", "spare", "restored"}, f"left over: {rows}"
        live = [row.name for row in rows if row.kind == "live" and row.tier == operation.tier]
        assert operation.inside or live == [operation.target], f"live are {live}"
        own = ground.sql(operation.tier, OWN_STAMPS, database=operation.target)
        assert own == [(1,)], f"{own} stamps of its own"
        self.templates(known)

    def templates(self, known: frozenset[str]) -> dict[tuple[int, bool], str]:
        """Return the dumps of the stock, but of those templates that are known; each must be as it was stored."""
        found: dict[tuple[int, bool], str] = {}
        for row in self.ground.registry(self.operation.home):
            if row.kind not in ("template", "spare") or row.name in known or row.there is None:
                continue
            made = row.made["recipe"]
            key = len(made["revisions"]), made["seeds"] != ""
            found[key] = self.cloned(row)
            if hasattr(self, "stored") and key in self.stored.templates:
                wanted = self.stored.templates[key]
                assert found[key] == wanted, f"{row.kind} {row.name}:\n{differences(wanted, found[key])}"
        return found

    def cloned(self, row: Record) -> str:
        """Return the dump of a clone of a database: into a template nobody can look."""
        ground, tier = self.ground, self.operation.home
        ground.sql(tier, f"CREATE DATABASE looked_at TEMPLATE {row.name} STRATEGY file_copy")
        try:
            return ground.dump(tier, "looked_at")
        finally:
            ground.sql(tier, "DROP DATABASE looked_at")


def differences(wanted: str, found: str) -> str:
    """Return the lines that differ."""
    lines = difflib.unified_diff(wanted.splitlines(), found.splitlines(), "wanted", "found", n=1, lineterm="")
    return "".join(f"    {line[:150]}\n" for line in islice(lines, 40))


def at_a_moment(ground: Ground, operation: Operation, seconds: float, whom: str) -> Run:
    """Run the command and kill it after some seconds: `own` it alone, `all` of its processes, or the `server`."""
    output = ground.root.with_name("faults") / "output"
    pid = ground.start(operation.words, output)
    time.sleep(seconds)
    victims = [pid] if whom == "own" else strays(ground.root)
    if whom == "server":
        victims = [found for found in (ground.server(operation.tier).pid,) if found]
    for victim in victims:
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
    code = ground.end(pid)
    text = output.read_text(encoding="utf-8", errors="replace")
    return Run(words=operation.words, pid=pid, code=code, text=text, points=(f"{seconds:.3f} s",), struck=code != 0)


def kills(counted: Run, until: str = "") -> Iterator[Kill]:
    """Yield the kills of a command's own processes, up to the first point that holds `until`.

    One for each point; where several processes run, in turn of one of them or of all. The moment at which something
    that only reads was sent is left out: it is the one before.
    """
    pids = [int(line.split()[0]) for line in counted.points]
    ends = {pid: number for number, pid in enumerate(pids)}
    begins = {pid: number for number, pid in reversed(list(enumerate(pids)))}
    turn = 0
    for number, (pid, line) in enumerate(zip(pids, counted.points, strict=True)):
        if until and until in line:
            return
        kind, statement = parsed(line)
        if kind == "sql sent" and _READING.match(statement):
            continue
        whom = ["own"]
        if any(begins[other] <= number < ends[other] for other in begins if other != pid):
            whom += ["all"] if pid == pids[0] else ["all", "first"]
        yield Kill(at=number + 1, whom="torn" if kind == "file write begun" else whom[turn % len(whom)])
        turn += 1


def server_kills(counted: Run, seen: set[str], chance: random.Random) -> Iterator[Kill]:
    """Yield a kill of the server in the middle of each distinct statement: what only reads, if it was not seen.

    Between any two of those that are sent as one text, too.
    """
    mine: set[str] = set()
    for number, line in enumerate(counted.points):
        kind, statement = parsed(line)
        known = seen if _READING.match(statement) else mine
        if kind == "sql sent" and statement not in known:
            known.add(statement)
            yield Kill(at=number + 1, whom=chance.choice(("server", "postmaster")))
            if known is mine:
                for after in range(1, _number(line)):
                    yield Kill(at=number + 1, whom=chance.choice(("server", "postmaster")), after=after)


def parsed(line: str) -> tuple[str, str]:
    """Return the kind of a point and what is done, without names and numbers of this one run."""
    kind, _, what = line.partition(" ")[2].partition(": ")
    return kind, re.sub(r"[0-9a-f]{8}|\d+", "?", _NUMBER.sub("", what))


def _number(line: str) -> int:
    """Return how many statements a point sends."""
    found = _NUMBER.search(line.partition(": ")[2])
    return int(found[1]) if found else 1


_NUMBER = re.compile(r"^\[(\d+)\] ")


# What changes nothing beyond its session.
_READING = re.compile(
    r"(?!.*(setval|pg_terminate|INSERT|UPDATE|DELETE))(SELECT|WITH|SHOW|SET|SAVEPOINT|_rollback_gen|_enter_gen)\b",
    re.IGNORECASE,
)
