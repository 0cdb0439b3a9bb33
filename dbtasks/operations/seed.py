"""seed: add what the seed sets hold and the database lacks."""

from __future__ import annotations

from dbtasks.effects import Effect, Operation
from dbtasks.evidence import Evidence
from dbtasks.plan import LoadSeeds, Materials, Plan

OPERATION = Operation(
    name="seed",
    effect=Effect.CHANGE,
    summary="Add the rows that the seed sets hold and the database lacks; what people changed is kept.",
)


def plan(evidence: Evidence, materials: Materials) -> Plan:
    """Return the plan of a seeding: one step, one transaction."""
    return Plan(
        operation=OPERATION,
        tier=evidence.tier.name,
        project=evidence.project,
        database=evidence.name,
        server=evidence.server.system_identifier,
        target=evidence.identity,
        effect=Effect.CHANGE,
        steps=(LoadSeeds(sets=materials.seed_sets, digest=materials.seed_digest),),
    )
