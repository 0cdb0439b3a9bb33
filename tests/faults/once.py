"""What may run only once and is killed: an approved plan, and the last run that a limit allows. It never runs twice."""

from __future__ import annotations

from tests.faults import approved
from tests.faults.campaign import Kill, Trial, differences
from tests.faults.ground import Record, Run


class Once(Trial):
    """One run that may be had once, on one ground: it is used up, or nothing ran."""

    refusal = "E-REPLAYED"

    def used(self) -> int:
        return approved.used(self.ground)

    def renew(self) -> None:
        approved.agree(self.ground)

    def outcome(self) -> str:
        came, used = super().outcome(), self.used()
        assert used in (0, 1), f"used {used} times"
        assert came == "old" or used, "it ran, and was not used up"
        return came

    def check_after(self, run: Run, outcome: str, there: frozenset[str]) -> None:
        super().check_after(run, outcome, there)
        kinds = [entry["kind"] for entry in self.ground.entries(run.pid, self.operation.home)]
        assert "intent" in kinds or not self.used(), "it is used up and no intent is in the trail"

    def is_worth_another(self, outcome: str, rows: list[Record]) -> bool:
        """Return that always where it is used up: the next kill needs another one."""
        return super().is_worth_another(outcome, rows) or bool(self.used())

    def run_again(self, _kill: Kill) -> Run:
        """Run it once more; where it is used up that is refused and changes nothing, and only another one leads on."""
        used, before = self.used(), self.dump()
        again = self.ground.run(self.operation.words)
        if not used:
            return again
        assert again.code == 3, f"it was used up, and the next run ended with {again.code}:\n{again.text}"
        assert self.refusal in again.text, again.text
        now = self.dump()
        assert now == before, f"what was refused has changed something:\n{differences(before, now)}"
        self.renew()
        return self.ground.run(self.operation.words)


class Rationed(Once):
    """The last run that a limit allows."""

    refusal = "E-LIMIT"

    def used(self) -> int:
        return approved.taken(self.ground)

    def renew(self) -> None:
        approved.give(self.ground)
