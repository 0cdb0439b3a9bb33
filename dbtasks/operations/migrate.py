"""migrate: apply the pending revisions and keep the rows."""

from __future__ import annotations

from dbtasks.effects import Effect, Operation, Stamping
from dbtasks.evidence import Evidence, Rehearsal, StampState
from dbtasks.materials import Materials
from dbtasks.plan import ApplyRevisions, Plan, PutStamp, Step, Verify, plan_of
from dbtasks.rehearsed import fingerprint
from dbtasks.risks import ceilings
from dbtasks.roles import Part
from dbtasks.tiers import Loss
from dbtasks.way_back import precautions

OPERATION = Operation(
    name="migrate",
    effect=Effect.DESTROY,
    summary="Apply the pending revisions; the rows stay.",
    proves=True,
    rehearses=True,
    stamps=Stamping.EMPTY,
    part=Part.MIGRATOR,
)


def plan(evidence: Evidence, materials: Materials) -> Plan:
    """Return the plan of a migration. Where nothing is pending it only verifies, and records what a check says.

    What would take data away destroys; so does what could not be tried out, as far as anybody knows.
    """
    steps: list[Step] = []
    if evidence.situation.stamp in (StampState.MISSING, StampState.PROMOTED):
        steps.append(PutStamp(floor=evidence.situation.floor))
    prove = (materials.prove,) if materials.prove else ()
    if materials.pending:
        steps.append(_apply(evidence, materials))
    notes = Effect.ADD if materials.prove and materials.prove.records else Effect.READ
    effect = notes if not steps else Effect.DESTROY if _may_destroy(evidence) else Effect.CHANGE
    before = precautions(evidence.policy) if effect is Effect.DESTROY else ()
    return plan_of(OPERATION, evidence, effect, (*before, *steps, Verify(heads=materials.heads), *prove))


def _apply(evidence: Evidence, materials: Materials) -> ApplyRevisions:
    rehearsed = evidence.rehearsed
    done = evidence.situation.rehearsal is Rehearsal.DONE and rehearsed is not None
    return ApplyRevisions(
        revisions=materials.pending,
        heads=materials.heads,
        retry=materials.retry,
        statements=tuple(fingerprint(rehearsed.of(each.id)) for each in materials.pending)
        if done and rehearsed
        else (),
        ceilings=materials.agreed or ceilings(evidence.risks),
        lint=tuple(f"{each.rule} {each.revision}" for each in evidence.objections),
    )


def _may_destroy(evidence: Evidence) -> bool:
    unknown = evidence.situation.rehearsal is Rehearsal.NOT_REHEARSED
    return any(risk.loses for risk in evidence.risks) or (
        unknown and evidence.situation.floor.may_lose is not Loss.EVERYTHING
    )
