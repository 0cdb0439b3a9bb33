"""How far a backup is: what is told while it runs."""

from __future__ import annotations

from collections.abc import Callable

from dbtasks.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """`total` is what `done` may come to, 0 where nobody knows; both are bytes."""

    doing: str
    done: int = 0
    total: int = 0


Report = Callable[[Progress], None]


def unheard(_progress: Progress) -> None:
    """Nobody wants to know."""
