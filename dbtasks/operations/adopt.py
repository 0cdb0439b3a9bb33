"""adopt: stamp a database that is already there, on purpose."""

from __future__ import annotations

from dbtasks.effects import Effect, Operation, Stamping
from dbtasks.evidence import Evidence
from dbtasks.plan import Materials, Plan, PutStamp

OPERATION = Operation(
    name="adopt",
    effect=Effect.ADD,
    summary="Stamp an existing database as this tier, with what the tier may lose and who must consent.",
    stamps=Stamping.ANY,
)


def plan(evidence: Evidence, materials: Materials) -> Plan:
    """Return the plan of an adoption. The floor is the tier's own: this is the one way to lower it."""
    del materials  # nothing of the project goes into a stamp
    return Plan(
        operation=OPERATION,
        tier=evidence.tier.name,
        project=evidence.project,
        database=evidence.name,
        server=evidence.server.system_identifier,
        target=evidence.identity,
        effect=Effect.ADD,
        steps=(PutStamp(floor=evidence.tier.floor),),
    )
