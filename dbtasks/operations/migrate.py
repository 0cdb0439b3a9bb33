"""migrate: apply the pending revisions and keep the rows."""

from __future__ import annotations

from dbtasks.effects import Effect, Operation, Stamping
from dbtasks.evidence import Evidence, StampState
from dbtasks.plan import ApplyRevisions, Materials, Plan, PutStamp, Step, Verify, plan_of

OPERATION = Operation(
    name="migrate",
    effect=Effect.CHANGE,
    summary="Apply the pending revisions; the rows stay.",
    proves=True,
    stamps=Stamping.EMPTY,
)


def plan(evidence: Evidence, materials: Materials) -> Plan:
    """Return the plan of a migration. Where nothing is pending it only verifies."""
    steps: list[Step] = []
    if evidence.situation.stamp in (StampState.MISSING, StampState.PROMOTED):
        steps.append(PutStamp(floor=evidence.situation.floor))
    if materials.pending:
        steps.append(ApplyRevisions(revisions=materials.pending, heads=materials.heads, retry=materials.retry))
    return plan_of(
        OPERATION, evidence, Effect.CHANGE if steps else Effect.READ, (*steps, Verify(heads=materials.heads))
    )
