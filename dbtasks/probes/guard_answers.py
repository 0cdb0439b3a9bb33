"""What the real guard says of a tier as it lives, to somebody who is not here. Shared by the probes that ask it."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.effects import Effect, Operation
from dbtasks.guard import admit, judge
from dbtasks.operations import VERBS
from dbtasks.probes.ground import Ground, Seen
from dbtasks.surroundings import Kind, Surroundings
from dbtasks.tiers import Tier
from dbtasks.verdicts import Case, Decision, Proceed, Refuse, Request

# Who cannot be asked, or must not answer.
NOBODY = (Kind.PYTEST, Kind.AGENT, Kind.CI, Kind.RUNTIME, Kind.SCRIPT)


def operations(least: Effect = Effect.READ) -> Iterator[Operation]:
    """Yield the operations that do more than look at the catalogue, and at least this to a database."""
    for verb in VERBS:
        if not verb.OPERATION.catalogue_only and verb.OPERATION.effect >= least:
            yield verb.OPERATION


def request(ground: Ground, tier: Tier, operation: Operation, kind: Kind, *, yes: bool = False) -> Request:
    """Return the request of a process of this kind that has set every flag there is."""
    return Request(
        operation=operation,
        tier=tier,
        surroundings=Surroundings(kind=kind, because="the score asks as if it were so", person="score"),
        is_default=tier.name == ground.default.name,
        flag_on=True,
        yes=yes,
        before=ground.project.settings.tier(tier.after) if tier.after else None,
    )


def verdict(ground: Ground, seen: Seen, operation: Operation, kind: Kind, *, yes: bool = False) -> Decision:
    """Return what the guard says to that, with the database as it was seen."""
    asked = request(ground, seen.tier, operation, kind, yes=yes)
    admitted = admit(asked)
    if isinstance(admitted, Refuse):
        return admitted
    case = Case(
        request=asked,
        situation=seen.evidence.situation,
        database=seen.evidence.name,
        effect=operation.effect,
        plan_hash="0" * 64,
    )
    return judge(case)


def let_in(ground: Ground, seen: Seen, kinds: tuple[Kind, ...], least: Effect, *, yes: bool) -> str:
    """Return in words the first of these processes that the guard would let do the first such thing; empty: none."""
    for kind in kinds:
        for operation in operations(least):
            if not isinstance(verdict(ground, seen, operation, kind, yes=yes), Refuse):
                return f"{kind.value} may {operation.command}"
    return ""


def unasked(ground: Ground, seen: Seen, least: Effect) -> str:
    """Return the first such operation that a person at a terminal is not asked about; empty: there is none."""
    for operation in operations(least):
        if isinstance(verdict(ground, seen, operation, Kind.TERMINAL), Proceed):
            return operation.command
    return ""
