"""Adds to the evidence whether this terminal is armed, where the tier asks for that."""

from __future__ import annotations

from dataclasses import replace

from dbtasks import sessions
from dbtasks.arming import Armed, Seat
from dbtasks.author import terminal
from dbtasks.project import Project
from dbtasks.survey import Survey
from dbtasks.targets import Target
from dbtasks.verdicts import Request


class Terminal:
    """The terminal of one call. It is asked about anew for each look: sessions end while questions stand."""

    def __init__(self, project: Project, request: Request) -> None:
        self._counts = request.tier.arming and not request.managed and request.brought is None
        self._project = project
        self._shown: Armed | None = None

    def badge(self, target: Target) -> str:
        """Return what stands beside the tier's label."""
        if self._counts:
            self._shown = self._find(target)
        return self._shown.badge if self._shown else ""

    def add(self, target: Target, seen: Survey) -> Survey:
        """Return the survey with it. What the badge has just shown counts for the first look."""
        if not self._counts:
            return seen
        found, self._shown = self._shown or self._find(target), None
        situation = replace(seen.evidence.situation, armed=found)
        return replace(seen, evidence=replace(seen.evidence, situation=situation))

    def _find(self, target: Target) -> Armed:
        return sessions.find(target, self._project.settings.project, seat(self._project))


def seat(project: Project) -> Seat:
    """Return who sits where."""
    return Seat(person=project.who.person, host=project.who.host, terminal=terminal())
