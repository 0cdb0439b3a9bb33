"""How far a step is, as a value: for a bar on a terminal, and for the line that stays."""

from __future__ import annotations

from collections.abc import Callable

from dbtasks.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """How far a step is. `text` is empty until the step has ended, `doing` what it is at right now, by name."""

    step: str
    done: int = 0
    total: int = 0
    seconds: float = 0.0
    text: str = ""
    doing: str = ""


# Hears lines, and of what takes a while how far it is.
Hearing = Callable[[str | Moment], None]
