"""Migrations that are killed, forward or back: every revision is whole or absent, or torn and told of alike everywhere.

The version table, the ledger and the objects are compared with each other after each kill. The next run goes on, or
stops at the torn revision and names what it left; what it names is removed then, as a person does, and it is retried.
"""

from __future__ import annotations

import re

from tests.faults.campaign import Kill, Trial
from tests.faults.ground import Record, Run
from tests.faults.pending import INDEX, TORN, WHOLE

_THERE = "SELECT relname::text FROM pg_class WHERE relname IN ('one', 'two', 'three', %s)"
_VALID = "SELECT indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE relname = %s"
_LEDGER = "SELECT revision, duration_ms IS NULL, entry, direction FROM dbtasks.ledger ORDER BY id"
_DONE = {False: "applied", True: "taken_back"}  # in the trail
_WAYS = {"upgrade": ("r3", "r4", "r6"), "downgrade": ("r6", "r5", "r3")}  # from, where one is torn, to


class Stepwise(Trial):
    """One migration of several revisions on one ground."""

    def outcome(self) -> str:
        """Return `old`, `new` or `part`; AssertionError where version table, ledger and objects disagree."""
        old, torn_at, new = self._way
        at, torn = self._at(), self._torn()
        there = {row[0] for row in self._ask(_THERE, INDEX)}
        assert torn in ([], [TORN]), f"torn are {torn}"
        if torn:
            assert at == torn_at, f"{TORN} is torn and the version table says {at}"
            assert there - {INDEX} == WHOLE[at] - {INDEX}, f"at {at} with {TORN} torn there are {there}"
        else:
            assert there == WHOLE[at], f"at {at} there are {there}"
            assert self._valid() in (None, True), f"an invalid index and nothing torn, at {at}"
        words = {revision: direction for revision, unfinished, _, direction in self._ask(_LEDGER) if not unfinished}
        applied = sorted(str(revision) for revision, direction in words.items() if direction == "upgrade")
        assert applied == [f"r{number}" for number in range(1, int(at[1:]) + 1)], f"at {at} the ledger has {applied}"
        return "part" if torn or at not in (old, new) else "old" if at == old else "new"

    def is_worth_another(self, outcome: str, rows: list[Record]) -> bool:
        """Return that for each revision at which it can have ended, torn or not."""
        return super().is_worth_another(f"{outcome} {self._at()} {self._torn()} {self._valid()}", rows)

    def check_after(self, run: Run, outcome: str, there: frozenset[str]) -> None:
        super().check_after(run, outcome, there)
        results = [entry for entry in self.ground.entries(run.pid, self.operation.home) if entry["kind"] == "result"]
        for result in results:
            mine = [row[0] for row in self._ask(_LEDGER) if row[2] == result["of"] and not row[1]]
            told = result.get("detail", {}).get(_DONE[self.operation.down], [])
            # Where the server could not be asked any more, the trail says that, and no more than it knows.
            unknown = "what is listed as not applied may have been" in result.get("detail", {}).get("error", "")
            assert told == (mine[: len(told)] if unknown else mine), f"the trail says {told}, the ledger {mine}"

    def run_again(self, _kill: Kill) -> Run:
        """Run the command again; where it stops at the torn revision, remove what it names and do what it says."""
        torn, left = self._torn(), self._valid()
        again = self.ground.run(self.operation.words)
        if not torn:
            return again
        assert again.code == 3, f"{TORN} is torn, and the next run ended with {again.code}:\n{again.text}"
        named = f"revision {TORN} left public.{INDEX} behind, invalid"
        said = named if left is False else f"revision {TORN} left its transaction and did not come back"
        assert "E-REVISION-TORN" in again.text, again.text
        assert said in again.text, f"{again.text}\nnot said: {said}"
        self._ask(f"DROP INDEX IF EXISTS {INDEX}")
        way = re.search(
            rf"then: invoke ({self.operation.words.split()[0]} .*--retry={TORN})$", again.text, re.MULTILINE
        )
        assert way, f"{again.text}\nno way on"
        self.ground.works(f"{way[1]} --yes")  # of what goes on from r5, a table's rows are lost by r6
        return self.ground.run(self.operation.words)

    def check_again(self, outcome: str, known: frozenset[str]) -> None:
        super().check_again(outcome, known)
        assert self.outcome() == "new", "the next run did not come to the head"

    @property
    def _way(self) -> tuple[str, str, str]:
        return _WAYS["downgrade" if self.operation.down else "upgrade"]

    def _at(self) -> str:
        ((version,),) = self._ask("SELECT version_num FROM alembic_version")
        return str(version)

    def _torn(self) -> list[str]:
        return [str(revision) for revision, unfinished, *_ in self._ask(_LEDGER) if unfinished]

    def _valid(self) -> bool | None:
        rows = self._ask(_VALID, INDEX)
        return bool(rows[0][0]) if rows else None

    def _ask(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        return self.ground.sql(self.operation.tier, statement, *values, database=self.operation.target)
