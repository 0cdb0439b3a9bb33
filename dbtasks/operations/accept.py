"""accept: record that a schema which is not what its revisions produce is meant to be so."""

from __future__ import annotations

from dbtasks.effects import Effect, Operation
from dbtasks.evidence import Evidence, StampState
from dbtasks.materials import Materials
from dbtasks.plan import AcceptDrift, Plan, PutStamp, Step, plan_of

OPERATION = Operation(
    name="accept",
    effect=Effect.ADD,
    summary="Record that the schema as it is now is meant, and why; another difference is not covered.",
    accepts=True,
    asked_as="drift --accept",
)


def plan(evidence: Evidence, materials: Materials) -> Plan:
    """Return the plan of an acceptance: it holds for these differences of this schema alone."""
    accept = AcceptDrift(fingerprint=materials.schema, differences=materials.drift, reason=materials.reason)
    promoted = evidence.situation.stamp is StampState.PROMOTED
    stamp: tuple[Step, ...] = (PutStamp(floor=evidence.situation.floor),) if promoted else ()
    return plan_of(OPERATION, evidence, Effect.ADD, (*stamp, accept))
