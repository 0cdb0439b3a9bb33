"""How the score was before, from the notes in the trail that each score leaves."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from dbtasks.errors import TrailError
from dbtasks.probes.audit_logging import OPERATION
from dbtasks.project import Project
from dbtasks.safety import Score, Verdict
from dbtasks.trail import Act, Trail
from dbtasks.trail_query import Entry, Filters, read
from dbtasks.values import dataclass

_BARS = "▁▂▃▄▅▆▇█"
_MOST = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """One score of before."""

    value: int
    at: datetime


def past(project: Project, score: Score) -> tuple[Past, ...]:
    """Return the scores that looked at the same tiers, oldest first. A score that knows less is another one."""
    with suppress(TrailError):
        notes = read(project.settings.trail, Filters(operation=OPERATION))
        alike = [entry for entry in notes if entry.detail.get("looked_at") == list(score.looked_at)]
        return tuple(_past(entry) for entry in alike if isinstance(entry.detail.get("score"), int))[-_MOST:]
    return ()


def _past(entry: Entry) -> Past:
    return Past(value=int(entry.detail["score"]), at=entry.moment)


def keep(project: Project, score: Score) -> None:
    """Leave the score in the trail, for the next one to compare with. Where that cannot be written, it was said."""
    detail = {
        "score": score.value,
        "proven": score.proven,
        "looked_at": score.looked_at,
        "failing": [each.about.name for each in score.answers if each.verdict is Verdict.FAIL],
    }
    with suppress(TrailError):
        Trail(project.settings.trail, project.who).note(Act(operation=OPERATION), detail)


def sparkline(values: Sequence[int]) -> str:
    """Return scores from 0 to 100 as a line of bars.

    >>> sparkline([0, 43, 68, 100])
    '▁▄▆█'
    """
    return "".join(_BARS[min(len(_BARS) - 1, value * len(_BARS) // 100)] for value in values)
