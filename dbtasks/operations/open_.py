"""open: give a process the way in. `shell`, `run`, `database_url()` and `connect()` are all this one verb."""

from __future__ import annotations

from dbtasks.effects import Effect, Operation
from dbtasks.evidence import Evidence
from dbtasks.plan import HandOut, Materials, Plan

OPERATION = Operation(
    name="open",
    effect=Effect.CHANGE,
    summary="Give a command or this process the way into the database.",
    hands_out=True,
)


def plan(evidence: Evidence, materials: Materials) -> Plan:
    """Return the plan of an opening: which command gets the way in, and whether it may write."""
    return Plan(
        operation=OPERATION,
        tier=evidence.tier.name,
        project=evidence.project,
        database=evidence.name,
        server=evidence.server.system_identifier,
        target=evidence.identity,
        effect=Effect.READ if materials.read_only else Effect.CHANGE,
        steps=(HandOut(command=materials.command, read_only=materials.read_only),),
    )
