"""seed: add what the seed sets hold and the database lacks."""

from __future__ import annotations

from dbtasks.effects import Effect, Operation
from dbtasks.evidence import Evidence, StampState
from dbtasks.materials import Materials
from dbtasks.plan import LoadSeeds, Plan, PutStamp, Step, plan_of
from dbtasks.roles import Part

OPERATION = Operation(
    name="seed",
    effect=Effect.CHANGE,
    summary="Add the rows that the seed sets hold and the database lacks; what people changed is kept.",
    seeds=True,
    part=Part.WRITER,
)


def plan(evidence: Evidence, materials: Materials) -> Plan:
    """Return the plan of a seeding: one transaction. A changed timeline, once confirmed, is recorded first."""
    load = LoadSeeds(sets=materials.seed_sets, digest=materials.seed_digest)
    promoted = evidence.situation.stamp is StampState.PROMOTED
    stamp: tuple[Step, ...] = (PutStamp(floor=evidence.situation.floor),) if promoted else ()
    return plan_of(OPERATION, evidence, Effect.CHANGE, (*stamp, load))
