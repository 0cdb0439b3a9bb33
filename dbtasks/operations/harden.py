"""harden: put guards into the database itself, for whoever has never heard of us."""

from __future__ import annotations

from dbtasks.effects import Effect, Operation
from dbtasks.evidence import Evidence, StampState
from dbtasks.materials import Materials
from dbtasks.measures import PutGuards
from dbtasks.plan import Plan, PutStamp, Step, plan_of

OPERATION = Operation(
    name="harden",
    effect=Effect.CHANGE,
    summary="Put guards into the database against drops, TRUNCATE and long or writing sessions of people.",
    administers=True,
)


def plan(evidence: Evidence, materials: Materials) -> Plan:
    """Return the plan: the measures that are not taken yet. Where all are, there is no step to take."""
    if not materials.measures:
        return plan_of(OPERATION, evidence, Effect.READ, ())
    promoted = evidence.situation.stamp is StampState.PROMOTED
    stamp: tuple[Step, ...] = (PutStamp(floor=evidence.situation.floor),) if promoted else ()
    put = PutGuards(passes=materials.passes, measures=materials.measures)
    return plan_of(OPERATION, evidence, Effect.CHANGE, (*stamp, put))
