"""rights: say which rights the declared roles lack, and which are too much."""

from __future__ import annotations

from dbtasks.effects import Effect, Operation
from dbtasks.evidence import Evidence
from dbtasks.materials import Materials
from dbtasks.plan import Plan, plan_of

OPERATION = Operation(
    name="rights",
    effect=Effect.READ,
    summary="Say which rights the declared roles lack, and which are too much.",
    catalogue_only=True,
    administers=True,
    entitles=True,
    asked_as="roles.check",
)


def plan(evidence: Evidence, materials: Materials) -> Plan:
    """Return a plan without steps: what is there is the answer."""
    del materials  # what is looked at needs nothing of the project
    return plan_of(OPERATION, evidence, Effect.READ, ())
