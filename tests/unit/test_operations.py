"""Every verb: what it says of itself, what it plans, and that the guard has an answer for it everywhere."""

from __future__ import annotations

import builtins
import socket
from dataclasses import replace
from typing import NoReturn

import pytest

from dbtasks.effects import Effect, Operation, Stamping
from dbtasks.evidence import Contents, Objection, Rehearsal, Replacing, Situation, StampState
from dbtasks.guard import decide
from dbtasks.materials import Materials
from dbtasks.measures import LiftGuards, PutGuards
from dbtasks.operations import VERBS, Verb, verb
from dbtasks.plan import (
    AcceptDrift,
    ApplyRevisions,
    BringBack,
    BuildAside,
    DropKept,
    HandOut,
    KeepReady,
    LoadSeeds,
    Prove,
    PutStamp,
    RecordBaseline,
    Step,
    SwapIn,
    TakeBack,
    Verify,
)
from dbtasks.roles import GiveRights
from dbtasks.tiers import Consent, Floor, Loss
from dbtasks.verdicts import Ask, Proceed, Refuse
from dbtasks.way_back import Back, CopyBack, NameBeside, PutMark, RecoverTo, RestoreBackup, TakeBackup
from tests.unit.guard_cells import INT, STG, TIERS, effects, plain_situations, requests
from tests.unit.guard_oracle import may_connect
from tests.unit.guard_samples import (
    ABSENT,
    ACCEPT,
    ADOPT,
    BACK_UP,
    BACKUP,
    BASE,
    CHANGE,
    COPY_BACK,
    DOWNGRADE,
    EMPTY,
    HARDEN,
    HEAD,
    KEPT,
    LIFT,
    MATERIALS,
    MEASURE,
    MIGRATE,
    OPEN,
    POLICY,
    PREPARE,
    PRUNE,
    RECOVER,
    RESET,
    RESTORE,
    RESTORE_BESIDE,
    ROLES,
    SEED,
    STATUS,
    UNDO,
    evidence_of,
    plan_for,
    situation_of,
)

NAMES = [each.OPERATION.name for each in VERBS]
every_verb = pytest.mark.parametrize("each", VERBS, ids=NAMES)


def test_no_two_verbs_share_a_name() -> None:
    assert sorted(NAMES) == [
        "accept", "adopt", "arm", "backup", "check", "copy_back", "downgrade", "drift", "guards", "harden", "lift",
        "lint", "migrate", "open", "prepare", "prune", "recover", "reset", "restore", "restore_beside", "rights",
        "roles", "seed", "status", "undo",
    ]  # fmt: skip


@every_verb
def test_a_verb_says_what_it_does(each: Verb) -> None:
    documented = (each.__doc__ or "").split("\n", 1)[0]

    assert documented.startswith((f"{each.OPERATION.name}: ", f"{each.OPERATION.name.title()}: "))
    assert documented.endswith(".")
    assert (each.plan.__doc__ or "").startswith("Return ")
    assert each.OPERATION.summary.endswith(".")


@every_verb
def test_a_verb_is_found_by_its_operation(each: Verb) -> None:
    assert verb(each.OPERATION) is each


@every_verb
def test_what_is_in_the_catalogue_only_reads(each: Verb) -> None:
    operation = each.OPERATION

    assert (operation.effect is Effect.READ) == operation.catalogue_only
    assert not (operation.catalogue_only and (operation.stamps is not Stamping.NEVER or operation.hands_out))


def forbidden(*_: object, **__: object) -> NoReturn:
    raise AssertionError("a plan was made by looking at the world")


@every_verb
def test_a_plan_is_made_of_what_was_seen_alone(each: Verb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtins, "open", forbidden)
    monkeypatch.setattr(socket, "socket", forbidden)
    plans = [each.plan(evidence_of(STG), MATERIALS) for _ in range(2)]
    hashes = {plan.hash for plan in plans}
    monkeypatch.undo()

    assert (plans[0] == plans[1], len(hashes)) == (True, 1)


@every_verb
def test_a_plan_is_its_operations_own_on_the_target_that_was_seen(each: Verb) -> None:
    evidence = evidence_of(STG)
    plan = each.plan(evidence, MATERIALS)

    assert plan.operation is each.OPERATION
    assert (plan.tier, plan.project, plan.database, plan.server, plan.target) == (
        "stg", "shop", "shop_stg", 7301, evidence.identity,
    )  # fmt: skip


@every_verb
def test_a_plan_does_what_the_decision_table_takes_it_for(each: Verb) -> None:
    for tier in TIERS:
        request = next(request for request in requests(tier) if request.operation is each.OPERATION)
        for situation in plain_situations(tier):
            nothing = replace(MATERIALS, pending=(), back=(), kept=None, ended=(), backup=None)
            nothing = replace(nothing, measures=(), passes="", arms=None, changes=())
            walked = replace(nothing, prove=Prove(models=True, records=True))
            everything = replace(MATERIALS, pending=(HEAD,), back=(HEAD,), kept=KEPT, ended=(KEPT,))
            seen = evidence_of(tier, situation)
            ways = replace(seen, policy=POLICY)
            only_backup = replace(everything, kept=None, back_how=Back.MISSING)
            made_of = ((seen, nothing), (seen, walked), (ways, everything), (ways, only_backup))
            found = {each.plan(evidence, materials).effect for evidence, materials in made_of}
            assert found == set(effects(request, situation))
            assert max(found) <= each.OPERATION.effect


@every_verb
def test_the_guard_has_a_verdict_in_every_tier_and_surrounding(each: Verb) -> None:
    for tier in TIERS:
        for request in requests(tier):
            if request.operation is each.OPERATION and may_connect(request):
                verdict = decide(request, plan_for(request, evidence_of(tier)), evidence_of(tier))
                assert isinstance(verdict, Proceed | Ask | Refuse)


APPLY_ALL = ApplyRevisions(revisions=(BASE, HEAD), heads=("c41f",))
APPLY_PENDING = ApplyRevisions(revisions=(HEAD,), heads=("c41f",))
LOAD = LoadSeeds(sets=("reference", "demo"), digest="33" * 32)
VERIFY = Verify(heads=("c41f",))
STAMP = PutStamp(floor=INT.floor)
STRICT = Floor(may_lose=Loss.NOTHING, consent=Consent.PERSON)


def steps(operation: Operation, materials: Materials = MATERIALS, /, **seen: object) -> tuple[Step, ...]:
    situation: Situation = replace(situation_of(INT), **seen)  # type: ignore[arg-type] # enums by name
    return verb(operation).plan(evidence_of(INT, situation), materials).steps


def test_reset_builds_and_verifies_everything_before_it_swaps() -> None:
    swap = SwapIn(keep=INT.retention, replaces=True)

    assert steps(RESET) == (BuildAside(), STAMP, APPLY_ALL, LOAD, VERIFY, swap)


def test_reset_of_nothing_replaces_nothing() -> None:
    assert steps(RESET, **ABSENT)[-1] == SwapIn(keep=INT.retention, replaces=False)


def test_reset_without_seed_sets_loads_none() -> None:
    swap = SwapIn(keep=INT.retention, replaces=True)

    assert steps(RESET, replace(MATERIALS, seed_sets=())) == (BuildAside(), STAMP, APPLY_ALL, VERIFY, swap)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ({}, (APPLY_PENDING, VERIFY)),
        (EMPTY, (STAMP, APPLY_PENDING, VERIFY)),
        ({"stamp": StampState.PROMOTED}, (STAMP, APPLY_PENDING, VERIFY)),
    ],
    ids=["stamped", "fresh", "after a failover"],
)
def test_migrate_applies_what_is_pending_and_records_where_it_is(
    seen: dict[str, object], expected: tuple[Step, ...]
) -> None:
    assert steps(MIGRATE, **seen) == expected


def test_migrate_with_nothing_pending_only_verifies() -> None:
    assert steps(MIGRATE, replace(MATERIALS, pending=())) == (VERIFY,)


BACK = TakeBack(revisions=(HEAD,), to="a1f0")


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ({}, (BACK, Verify(heads=("a1f0",)))),
        ({"stamp": StampState.PROMOTED}, (STAMP, BACK, Verify(heads=("a1f0",)))),
    ],
    ids=["stamped", "after a failover"],
)
def test_a_downgrade_takes_back_and_looks_where_it_stands(seen: dict[str, object], expected: tuple[Step, ...]) -> None:
    assert steps(DOWNGRADE, **seen) == expected


@pytest.mark.parametrize("operation", [MIGRATE, DOWNGRADE], ids=["migrate", "downgrade"])
def test_what_lint_objects_to_is_a_part_of_the_plan_in_both_directions(operation: Operation) -> None:
    objection = Objection(rule="drop-table", severity="critical", revision="c41f", message="drops bookings")
    evidence = replace(evidence_of(STG), objections=(objection,))

    first = verb(operation).plan(evidence, MATERIALS).steps[0]

    assert isinstance(first, ApplyRevisions | TakeBack)
    assert first.lint == ("drop-table c41f",)


def test_a_downgrade_to_where_the_database_is_only_verifies() -> None:
    assert steps(DOWNGRADE, replace(MATERIALS, back=())) == (Verify(heads=("a1f0",)),)


def test_a_walk_proves_the_tier_after_everything_else() -> None:
    prove = Prove(models=True, check=("python", "-m", "app.check"))

    assert steps(MIGRATE, replace(MATERIALS, prove=prove)) == (APPLY_PENDING, VERIFY, prove)
    assert steps(MIGRATE, replace(MATERIALS, pending=(), prove=prove)) == (VERIFY, prove)


@pytest.mark.parametrize(("records", "effect"), [(False, Effect.READ), (True, Effect.ADD)])
def test_a_walk_at_head_writes_at_most_what_a_check_says(records: bool, effect: Effect) -> None:
    materials = replace(MATERIALS, pending=(), prove=Prove(models=True, records=records))

    assert verb(MIGRATE).plan(evidence_of(STG), materials).effect is effect


def test_prepare_builds_what_a_reset_builds_and_keeps_it() -> None:
    assert steps(PREPARE) == (*steps(RESET)[:-1], KeepReady())


def test_undo_is_one_swap() -> None:
    assert steps(UNDO) == (BringBack(oid=KEPT.oid, keep=INT.retention),)


def test_prune_drops_what_has_ended_and_nothing_else() -> None:
    assert steps(PRUNE) == (DropKept(oids=(KEPT.oid,)),)


def test_where_no_database_can_be_created_a_reset_replaces_schemas_by_name() -> None:
    situation = replace(situation_of(INT), replacing=Replacing.BY_SCHEMAS)
    evidence = evidence_of(INT, situation)
    assert evidence.database is not None
    database = replace(evidence.database, schemas=("billing", "public"))

    swap = verb(RESET).plan(replace(evidence, database=database), MATERIALS).steps[-1]

    assert swap == SwapIn(keep=INT.retention, replaces=True, schemas=("billing", "public"))


def test_kept_schemas_are_brought_back_and_dropped_by_their_mark() -> None:
    inside = replace(KEPT, oid=0, mark="1f3a90c2")

    assert steps(UNDO, replace(MATERIALS, kept=inside)) == (BringBack(oid=0, keep=INT.retention, mark="1f3a90c2"),)
    assert steps(PRUNE, replace(MATERIALS, ended=(KEPT, inside))) == (DropKept(oids=(KEPT.oid,), marks=("1f3a90c2",)),)


@pytest.mark.parametrize("operation", [UNDO, PRUNE, RESTORE], ids=lambda each: each.name)
def test_where_nothing_is_kept_there_is_nothing_to_do(operation: Operation) -> None:
    assert steps(operation, replace(MATERIALS, kept=None, ended=(), backup=None)) == ()


TAKE = TakeBackup(engine="pg_dump", sealed_to=("age1qz",))
MARK = PutMark(engine="archive")
RESTORED = (
    RestoreBackup(id=BACKUP.id, digest=BACKUP.digest),
    STAMP,
    SwapIn(keep=INT.retention, replaces=True),
)


def with_policy(operation: Operation, materials: Materials = MATERIALS, /, **seen: object) -> tuple[Step, ...]:
    situation: Situation = replace(situation_of(INT), **seen)  # type: ignore[arg-type] # enums by name
    return verb(operation).plan(replace(evidence_of(INT, situation), policy=POLICY), materials).steps


def test_a_restore_builds_aside_from_the_backup_and_swaps_it_in() -> None:
    assert steps(RESTORE) == RESTORED
    assert steps(RESTORE, floor=STRICT)[1] == PutStamp(floor=STRICT)


def test_an_undo_restores_where_only_a_backup_is_left() -> None:
    assert steps(UNDO, replace(MATERIALS, kept=None)) == RESTORED


@pytest.mark.parametrize("operation", [RESET, RESTORE, UNDO, DOWNGRADE, COPY_BACK], ids=lambda each: each.name)
def test_the_way_back_is_provided_before_anything_is_destroyed(operation: Operation) -> None:
    assert with_policy(operation)[:2] == (TAKE, MARK)


@pytest.mark.parametrize("operation", [RESET, RESTORE, UNDO], ids=lambda each: each.name)
def test_where_nothing_is_destroyed_no_way_back_is_needed(operation: Operation) -> None:
    assert not {TAKE, MARK} & set(with_policy(operation, **EMPTY))


def test_a_migration_takes_a_backup_only_where_it_may_destroy() -> None:
    unknown = {"rehearsal": Rehearsal.NOT_REHEARSED, "floor": STRICT}

    assert with_policy(MIGRATE) == steps(MIGRATE)
    assert with_policy(MIGRATE, **unknown) == (TAKE, MARK, *steps(MIGRATE, **unknown))


def test_a_backup_is_one_step_and_none_where_the_tier_has_no_engine() -> None:
    assert with_policy(BACK_UP) == (TAKE,)
    assert steps(BACK_UP) == ()


def test_copying_back_needs_a_way_back_itself_unless_it_only_adds() -> None:
    copied = CopyBack(id=BACKUP.id, digest=BACKUP.digest, tables=("bookings",), back=Back.CHANGED)

    assert with_policy(COPY_BACK) == (TAKE, MARK, copied)
    assert with_policy(COPY_BACK, replace(MATERIALS, back_how=Back.MISSING)) == (replace(copied, back=Back.MISSING),)
    assert with_policy(COPY_BACK, replace(MATERIALS, tables=())) == ()


def test_restoring_beside_adds_a_database_and_touches_nothing_that_is_there() -> None:
    restored = RestoreBackup(id=BACKUP.id, digest=BACKUP.digest)

    assert with_policy(RESTORE_BESIDE) == (restored, NameBeside(name="shop_then"))
    assert with_policy(RESTORE_BESIDE, replace(MATERIALS, backup=None)) == ()
    assert with_policy(RESTORE_BESIDE, replace(MATERIALS, into="")) == ()


def test_a_recovery_saves_what_it_has_recovered() -> None:
    assert with_policy(RECOVER) == (RecoverTo(engine="archive", goal="before entry 12"), TAKE)
    assert with_policy(RECOVER, replace(MATERIALS, goal="")) == ()


def test_guards_are_put_and_lifted_in_one_step_and_a_failover_is_noted() -> None:
    put, taken = PutGuards(passes="migrator", measures=(MEASURE,)), LiftGuards(passes="migrator")

    assert (steps(HARDEN), steps(LIFT)) == ((put,), (taken,))
    assert steps(HARDEN, stamp=StampState.PROMOTED) == (STAMP, put)
    assert steps(LIFT, stamp=StampState.PROMOTED) == (STAMP, taken)


def test_rights_are_given_in_one_step_and_where_none_is_lacking_there_is_nothing_to_do() -> None:
    given = GiveRights(changes=(CHANGE,))

    assert (steps(ROLES), steps(ROLES, replace(MATERIALS, changes=()))) == ((given,), ())
    assert steps(ROLES, stamp=StampState.PROMOTED) == (STAMP, given)


def test_where_every_guard_stands_or_none_does_there_is_nothing_to_do() -> None:
    bare = replace(MATERIALS, passes="", measures=())

    assert (steps(HARDEN, bare), steps(LIFT, bare)) == ((), ())


def test_seed_is_one_step() -> None:
    assert steps(SEED) == (LOAD,)


def test_accepting_names_the_schema_each_difference_and_the_reason() -> None:
    accepted = AcceptDrift(
        fingerprint="44" * 32, differences=("5f0e index public.by_hand is extra",), reason="made by hand on Sunday"
    )

    assert steps(ACCEPT) == (accepted,)
    assert steps(ACCEPT, stamp=StampState.PROMOTED) == (STAMP, accepted)


@pytest.mark.parametrize("operation", [RESET, MIGRATE], ids=["reset", "migrate"])
def test_a_stamp_put_on_the_way_never_lowers_the_floor(operation: Operation) -> None:
    put = [step for step in steps(operation, floor=STRICT, **EMPTY) if isinstance(step, PutStamp)]

    assert put == [PutStamp(floor=STRICT)]


def test_adopt_alone_puts_the_tiers_own_floor() -> None:
    assert steps(ADOPT, floor=STRICT, contents=Contents.HOLDS) == (PutStamp(floor=INT.floor),)


def test_adopt_notes_what_was_there_before() -> None:
    there = replace(MATERIALS, unrecorded=(BASE, HEAD))

    assert steps(ADOPT, there)[1:] == (RecordBaseline(revisions=(BASE, HEAD)),)


def test_a_database_at_revisions_that_the_code_does_not_have_gets_no_baseline_and_the_plan_says_so() -> None:
    ahead = replace(MATERIALS, unknown=("f00d",))

    assert steps(ADOPT, ahead)[1:] == (RecordBaseline(revisions=(), unknown=("f00d",)),)


@pytest.mark.parametrize("read_only", [True, False], ids=["read-only", "to write"])
def test_open_hands_out_the_way_in_as_asked(read_only: bool) -> None:
    expected = (HandOut(command=("uvicorn", "app.main:app"), read_only=read_only),)

    assert steps(OPEN, replace(MATERIALS, read_only=read_only)) == expected


def test_status_takes_no_step() -> None:
    assert steps(STATUS) == ()
