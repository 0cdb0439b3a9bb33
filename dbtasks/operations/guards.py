"""guards: say which guards stand inside the database."""

from __future__ import annotations

from dbtasks.effects import Effect, Operation
from dbtasks.evidence import Evidence
from dbtasks.materials import Materials
from dbtasks.plan import Plan, plan_of

OPERATION = Operation(
    name="guards",
    effect=Effect.READ,
    summary="Say which guards stand inside the database, and which are missing.",
    catalogue_only=True,
    administers=True,
    asked_as="harden --check",
)


def plan(evidence: Evidence, materials: Materials) -> Plan:
    """Return a plan without steps: what is there is the answer."""
    del materials  # what is looked at needs nothing of the project
    return plan_of(OPERATION, evidence, Effect.READ, ())
