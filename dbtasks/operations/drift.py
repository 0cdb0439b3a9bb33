"""drift: compare the live schema with what the revisions produce."""

from __future__ import annotations

from dbtasks.effects import Effect, Operation
from dbtasks.evidence import Evidence
from dbtasks.materials import Materials
from dbtasks.plan import Plan, plan_of
from dbtasks.roles import Part

OPERATION = Operation(
    name="drift",
    effect=Effect.READ,
    summary="Compare the live schema with what the revisions that were applied produce.",
    catalogue_only=True,
    part=Part.READER,
)


def plan(evidence: Evidence, materials: Materials) -> Plan:
    """Return a plan without steps: the comparison is the answer."""
    del materials  # what is looked at needs nothing of the project
    return plan_of(OPERATION, evidence, Effect.READ, ())
