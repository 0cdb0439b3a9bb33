"""Guards that are put into a database or lifted, and killed: each stands or does not, and both ways lead back."""

from __future__ import annotations

import itertools

from tests.faults.campaign import Kill, Trial, differences
from tests.faults.ground import Record, Run
from tests.faults.states import GUARD, LIFT


class Guarded(Trial):
    """`harden` or its undo on one ground. What is guarded stays as it was, and the check tells what stands."""

    plain: str

    def begin(self) -> None:
        self.turns = itertools.count()
        super().begin()
        self.plain = self.unguarded()

    def unguarded(self) -> str:
        """Return what the guards do not touch: the tables and their rows, without who may do what with them."""
        options = ("--section=pre-data", "--section=data", "--no-privileges")
        return self.ground.dump(self.operation.tier, self.operation.target, *options)

    def dump(self) -> str:
        """Return the limits of people's roles as well, which no dump has; their settings have no order."""
        limits = self.ground.sql(self.operation.tier, "SELECT rolconnlimit FROM pg_roles WHERE rolname = 'app'")
        lines = super().dump().splitlines()
        settings = sorted(line for line in lines if line.startswith("ALTER ROLE "))
        return "\n".join([line for line in lines if line not in settings] + [*settings, str(limits)])

    def outcome(self) -> str:
        now, plain = self.dump(), self.unguarded()
        assert plain == self.plain, f"not only guards were changed:\n{differences(self.plain, plain)}"
        whole = self.stored.new if self.operation.words == GUARD else self.stored.old
        check = self.ground.run("harden --check --tier=stg")
        assert (check.code == 0) is (now == whole), f"the check ends with {check.code}:\n{check.text}"
        return "old" if now == self.stored.old else "new" if now == self.stored.new else "part"

    def is_worth_another(self, outcome: str, rows: list[Record]) -> bool:
        """Return that always for a part, which is not what the next kill starts from."""
        return super().is_worth_another(outcome, rows) or outcome == "part"

    def run_again(self, _kill: Kill) -> Run:
        """Run it once more; in turn after it was all taken back, which must lead to what was before."""
        if next(self.turns) % 2:
            self.ground.works(LIFT if self.operation.words == GUARD else GUARD)
            now = self.dump()
            assert now == self.stored.old, f"taken back, it is not as before:\n{differences(self.stored.old, now)}"
        return self.ground.run(self.operation.words)
