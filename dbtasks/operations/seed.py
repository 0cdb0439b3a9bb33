"""seed: add what the seed sets hold and the database lacks."""

from __future__ import annotations

from dbtasks.effects import Effect, Operation
from dbtasks.evidence import Evidence
from dbtasks.plan import LoadSeeds, Materials, Plan, plan_of

OPERATION = Operation(
    name="seed",
    effect=Effect.CHANGE,
    summary="Add the rows that the seed sets hold and the database lacks; what people changed is kept.",
)


def plan(evidence: Evidence, materials: Materials) -> Plan:
    """Return the plan of a seeding: one step, one transaction."""
    step = LoadSeeds(sets=materials.seed_sets, digest=materials.seed_digest)
    return plan_of(OPERATION, evidence, Effect.CHANGE, (step,))
