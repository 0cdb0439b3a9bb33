"""roles: give the roles of a database their rights."""

from __future__ import annotations

from dbtasks.effects import Effect, Operation
from dbtasks.evidence import Evidence, StampState
from dbtasks.materials import Materials
from dbtasks.plan import Plan, PutStamp, Step, plan_of
from dbtasks.roles import GiveRights

OPERATION = Operation(
    name="roles",
    effect=Effect.CHANGE,
    summary="Make the declared roles, and give each the rights that it needs and no more.",
    administers=True,
    entitles=True,
    asked_as="roles.apply",
)


def plan(evidence: Evidence, materials: Materials) -> Plan:
    """Return the plan: the statements that are left to run. Where none are, there is no step to take."""
    if not materials.changes:
        return plan_of(OPERATION, evidence, Effect.READ, ())
    promoted = evidence.situation.stamp is StampState.PROMOTED
    stamp: tuple[Step, ...] = (PutStamp(floor=evidence.situation.floor),) if promoted else ()
    return plan_of(OPERATION, evidence, Effect.CHANGE, (*stamp, GiveRights(changes=materials.changes)))
