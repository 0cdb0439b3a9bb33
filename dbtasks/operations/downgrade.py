"""downgrade: take revisions back, down to one that is named."""

from __future__ import annotations

from dbtasks.effects import Effect, Operation
from dbtasks.evidence import Evidence, StampState
from dbtasks.plan import Materials, Plan, PutStamp, Step, TakeBack, Verify, plan_of

OPERATION = Operation(
    name="downgrade",
    effect=Effect.DESTROY,
    summary="Take revisions back, down to the one that is named, with whatever they have made.",
    takes_back=True,
)


def plan(evidence: Evidence, materials: Materials) -> Plan:
    """Return the plan of a downgrade. Where the database is at the named revision already it only verifies."""
    verify = Verify(heads=materials.down_to)
    if not materials.back:
        return plan_of(OPERATION, evidence, Effect.READ, (verify,))
    steps: list[Step] = [TakeBack(revisions=materials.back, to=materials.to, retry=materials.retry), verify]
    if evidence.situation.stamp is StampState.PROMOTED:
        steps.insert(0, PutStamp(floor=evidence.situation.floor))
    return plan_of(OPERATION, evidence, Effect.DESTROY, tuple(steps))
