"""The unit that a call takes of what its tier limits: looked at before anybody is asked, taken before it runs."""

from __future__ import annotations

from dbtasks.errors import PlanChangedError
from dbtasks.guard import Clearance
from dbtasks.project import Project
from dbtasks.runner import run
from dbtasks.site import Result, Site
from dbtasks.targets import Target
from dbtasks.tiers import Floor
from dbtasks.uses import Asked, look_first, note_failure, take
from dbtasks.verdicts import Request


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

    def look(self, target: Target, floor: Floor) -> None:
        """Raise RefusedError where there is no unit now."""
        if self._limits and self._unit is None:
            look_first(target, self._asked, floor)

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
