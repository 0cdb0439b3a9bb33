"""One command, and what became of it."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from dbtasks.brought import Brought
from dbtasks.effects import Operation
from dbtasks.evidence import Evidence
from dbtasks.guard import Clearance
from dbtasks.plan import Plan
from dbtasks.project import Project
from dbtasks.selection import Choice
from dbtasks.site import Result
from dbtasks.survey import Wish
from dbtasks.targets import Target
from dbtasks.tiers import Tier
from dbtasks.values import dataclass
from dbtasks.verdicts import Refuse

if TYPE_CHECKING:
    from dbtasks.migrations.ahead import Ahead


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One command: what is asked, of which tier, and how to answer."""

    operation: Operation
    choice: Choice
    dry_run: bool = False
    yes: bool = False
    managed: bool = False
    brought: Brought | None = None
    reason: str = ""
    wish: Wish = field(default_factory=Wish)
    ahead: Ahead | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of a call. `plan` and `target` are as they were cleared, or planned on a dry run.

    `refusal` is what a dry run foresees, `limits` what is left before the run.
    """

    project: Project
    tier: Tier
    target: Target
    plan: Plan
    verdict: str
    result: Result
    entry: int | None = None
    clearance: Clearance | None = None
    evidence: Evidence | None = None
    refusal: Refuse | None = None
    limits: tuple[str, ...] = ()

    def as_data(self) -> dict[str, object]:
        from dbtasks.rehearsal_view import as_data  # late: most output is text

        rehearsal = as_data(self.evidence) if self.evidence else None
        refusal, shown = self.refusal, self.refusal.shown if self.refusal else None
        return {
            "tier": self.tier.name,
            "target": self.target.masked,
            "verdict": self.verdict,
            **({"code": refusal.code} if refusal else {}),
            **({shown.name: shown.as_data()} if shown else {}),
            **({"limits": list(self.limits)} if self.limits else {}),
            "entry": self.entry,
            "plan": self.plan.as_data(),
            **({"rehearsal": rehearsal} if rehearsal else {}),
            "result": self.result.facts,
        }
