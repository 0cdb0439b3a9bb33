"""lift: take the guards out of the database again."""

from __future__ import annotations

from dbtasks.effects import Effect, Operation
from dbtasks.evidence import Evidence, StampState
from dbtasks.materials import Materials
from dbtasks.measures import LiftGuards
from dbtasks.plan import Plan, PutStamp, Step, plan_of

OPERATION = Operation(
    name="lift",
    effect=Effect.DESTROY,
    summary="Take the guards out of the database again, and restore what they have changed.",
    administers=True,
    lifts=True,
    asked_as="harden --undo",
)


def plan(evidence: Evidence, materials: Materials) -> Plan:
    """Return the plan of taking them all back. Where none were put, there is no step to take."""
    if not materials.passes:
        return plan_of(OPERATION, evidence, Effect.READ, ())
    promoted = evidence.situation.stamp is StampState.PROMOTED
    stamp: tuple[Step, ...] = (PutStamp(floor=evidence.situation.floor),) if promoted else ()
    return plan_of(OPERATION, evidence, Effect.DESTROY, (*stamp, LiftGuards(passes=materials.passes)))
