"""reset: build the database anew beside the old one, then put it in its place."""

from __future__ import annotations

from dbtasks.effects import Effect, Operation, Stamping
from dbtasks.evidence import Contents, Evidence, Replacing
from dbtasks.materials import Materials
from dbtasks.plan import ApplyRevisions, BuildAside, LoadSeeds, Plan, PutStamp, Step, SwapIn, Verify, plan_of
from dbtasks.way_back import precautions

OPERATION = Operation(
    name="reset",
    effect=Effect.DESTROY,
    summary="Build the database anew from migrations and seeds, and swap it in whole.",
    replaces=True,
    proves=True,
    seeds=True,
    builds=True,
    stamps=Stamping.EMPTY,
)


def plan(evidence: Evidence, materials: Materials) -> Plan:
    """Return the plan of a reset: everything is built and verified before the swap touches what is in service.

    Replacing a database that holds no user object destroys nothing, so its effect is ADD.
    """
    holds = evidence.situation.contents is Contents.HOLDS
    before = precautions(evidence.policy) if holds else ()
    steps = (*before, *build(evidence, materials), swap_in(evidence))
    return plan_of(OPERATION, evidence, Effect.DESTROY if holds else Effect.ADD, steps)


def build(evidence: Evidence, materials: Materials) -> tuple[Step, ...]:
    """Return the steps that build and verify a database of the tier, beside whatever is in service."""
    seeds: tuple[Step, ...] = ()
    if materials.seed_sets:
        seeds = (LoadSeeds(sets=materials.seed_sets, digest=materials.seed_digest),)
    return (
        BuildAside(),
        PutStamp(floor=evidence.situation.floor),
        ApplyRevisions(revisions=materials.revisions, heads=materials.heads),
        *seeds,
        Verify(heads=materials.heads),
    )


def swap_in(evidence: Evidence) -> SwapIn:
    """Return the step that puts what was built in the place of what is there."""
    database = evidence.database
    inside = database if evidence.situation.replacing is Replacing.BY_SCHEMAS else None
    schemas = inside.schemas if inside is not None else None
    return SwapIn(keep=evidence.tier.retention, replaces=database is not None, schemas=schemas)
