"""What is tried, what should stop it, and what came of it: values."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING

from dbtasks.values import dataclass

if TYPE_CHECKING:
    from dbtasks.drill.ground import Ground


class Layer(enum.StrEnum):
    """What stops an attempt."""

    ADMISSION = "admission, before any connection"
    CONSENT = "consent, at the question"
    JUDGEMENT = "judgement, by the live database"
    STAMP = "stamp in the database"
    FLOOR = "floor in the stamp"
    PROOF = "proof of the tier before"
    APPROVALS = "approvals and their signatures"
    RECHECK = "looked at again, under the lock"
    PIN = "pin of test processes"
    LIMITS = "limits"
    GUARDS = "guards inside PostgreSQL"
    TRAIL = "trail, written first"
    CHAIN = "trail's chain of hashes"
    ANCHORS = "trail's anchors on the server"
    BACKUP = "backup that could be restored"
    MARK = "proof that a recovery is possible"
    SWAP = "swap in one transaction"


class Verdict(enum.StrEnum):
    """What came of an attempt. Only STOPPED is good."""

    STOPPED = "stopped"
    BREACH = "BREACH"
    LATE = "late"
    UNPROVEN = "unproven"
    NOT_TRIED = "not tried"

    @property
    def fails(self) -> bool:
        """Whether the drill fails by it. What could not be tried is no pass, and no failure of what guards."""
        return self not in (Verdict.STOPPED, Verdict.NOT_TRIED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A command that ended. `harm`: whether the forbidden thing happened, where no database could show it."""

    code: int
    text: str
    harm: bool | None = None


def nothing_missing(_ground: Ground) -> str:
    return ""


def prod(ground: Ground) -> object:
    """What PROD holds, and which database it is."""
    return ground.state("drill_prod")


def stg(ground: Ground) -> object:
    return ground.state("drill_stg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One forbidden thing. Its id begins with the property that it shows.

    `looks` reads what must stay as it is; what is written there by the attempt is a breach, whatever was said. `by` is
    what is said by the layer that should stop it. `allowed` does the same where it is allowed, and returns why that
    did not work, or nothing: what would not have worked anyway has shown nothing. `missing`: why it cannot be tried.
    """

    id: str
    tried: str
    layer: Layer
    by: str
    forbidden: Callable[[Ground], Ran]
    allowed: Callable[[Ground], str]
    looks: Callable[[Ground], object] = prod
    missing: Callable[[Ground], str] = nothing_missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of an attempt: what stopped it, or why that was not shown."""

    attempt: Attempt
    verdict: Verdict
    by: str = ""
    ms: int = 0
    why: str = ""
