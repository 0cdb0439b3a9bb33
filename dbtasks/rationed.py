"""The unit that a call takes of what its tier limits: looked at before anybody is asked, taken before it runs."""

from __future__ import annotations

from dbtasks.errors import PlanChangedError, RefusedError
from dbtasks.guard import Clearance
from dbtasks.project import Project
from dbtasks.runner import run
from dbtasks.site import Result, Site
from dbtasks.targets import Target
from dbtasks.tiers import Floor
from dbtasks.uses import Asked, look_first, note_failure, note_refusal, take
from dbtasks.verdicts import Refuse, Request


class Ration:
    """One for a call, however often it is planned anew. What only looks and a managed runtime are not limited."""

    def __init__(self, project: Project, request: Request) -> None:
        self._limits = request.tier.limits.concern(request.operation.name) and not request.managed
        self._asked = Asked(
            project=project.settings.project,
            tier=request.tier.name,
            operation=request.operation.name,
            person=project.who.person,
        )
        self._unit: int | None = None
        self._by_others = request.brought is not None
        self._pauses = self._limits and not request.dry_run and request.tier.limits.cool_down is not None

    def look(self, target: Target, floor: Floor) -> tuple[str, ...]:
        """Return what is left, in clauses. RefusedError where there is no unit now."""
        return look_first(target, self._asked, floor) if self._limits and self._unit is None else ()

    def foresee(self, target: Target, floor: Floor) -> tuple[tuple[str, ...], Refuse | None]:
        """Return the same for a dry run, with the refusal there would be; who will run a paper is not known yet."""
        try:
            return self.look(target, floor), None
        except RefusedError as no:
            if self._by_others:
                return (), None
            return (), Refuse(code=no.code, saw=no.saw, why=no.why, instead=no.instead)

    def refused(self, target: Target, code: str) -> None:
        """Count a refusal, where two of them have a pause follow. Being told to wait, or to arm, is none."""
        if self._pauses and code not in ("E-LIMIT", "E-LIMIT-UNKNOWN", "E-DISARMED"):
            note_refusal(target, self._asked)

    def run(self, clearance: Clearance, site: Site) -> Result:
        """Take the unit, run what was cleared, and write down where that failed."""
        if not self._limits:
            return run(clearance, site)
        if self._unit is None:
            self._unit = take(clearance, site.target, self._asked)
        try:
            return run(clearance, site)
        except PlanChangedError:
            raise  # nothing ran
        except BaseException:
            if self._unit is not None:
                note_failure(clearance, site.target, self._unit)
            raise
