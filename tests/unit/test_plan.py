"""A plan's hash: the same for the same deeds, another for any other, and blind to measurements."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest

from dbtasks.arming import Seat
from dbtasks.effects import Effect
from dbtasks.evidence import Identity
from dbtasks.measures import Guard, LiftGuards, Measure, PutGuards
from dbtasks.plan import (
    AcceptDrift,
    ApplyRevisions,
    BringBack,
    BuildAside,
    DropKept,
    HandOut,
    KeepReady,
    LoadSeeds,
    Plan,
    Prove,
    PutStamp,
    RecordBaseline,
    RevisionBytes,
    Step,
    SwapIn,
    TakeBack,
    Verify,
    plan_of,
)
from dbtasks.risks import Ceiling
from dbtasks.roles import Change, GiveRights
from dbtasks.tiers import Consent, Floor, Loss
from dbtasks.way_back import Back, CopyBack, NameBeside, PutMark, RecoverTo, RestoreBackup, TakeBackup
from tests.unit.guard_cells import STG
from tests.unit.guard_samples import ARMS, BASE, HEAD, IDENTITY, RESET, SEED, evidence_of

STAMP = PutStamp(floor=Floor(may_lose=Loss.ASKED, consent=Consent.QUESTION, scripts_may_answer=True))
CEILING = Ceiling(deed="drops_column", what="users.phone", most=18_500)
APPLY = ApplyRevisions(revisions=(BASE, HEAD), heads=("c41f",), ceilings=(CEILING,))
LOAD = LoadSeeds(sets=("reference", "demo"), digest="33" * 32)
VERIFY = Verify(heads=("c41f",))
SWAP = SwapIn(keep=timedelta(days=7), replaces=True)
HAND = HandOut(command=("uvicorn", "app.main:app"), read_only=False)
BACK = BringBack(oid=16384, keep=timedelta(days=7))
PROVE = Prove(models=True, check=("python", "check.py"))
TAKE = TakeBack(revisions=(HEAD,), to="a1f0")
DROP = DropKept(oids=(16385, 16386))
THERE = RecordBaseline(revisions=(BASE,))
ACCEPT = AcceptDrift(fingerprint="55" * 32, differences=("5f0e",), reason="made by hand")
SAVE = TakeBackup(engine="pg_dump", sealed_to=("age1qz",))
MARK = PutMark(engine="archive")
RESTORE = RestoreBackup(id="20260131T140200Z-0a1b2c", digest="66" * 32)
COPY = CopyBack(id=RESTORE.id, digest=RESTORE.digest, tables=("bookings",), back=Back.CHANGED)
BESIDE = NameBeside(name="shop_then")
RECOVER = RecoverTo(engine="archive", goal="before entry 12")
MEASURE = Measure(guard=Guard.SETTING, on="anna", value="statement_timeout=300000")
PUT, LIFT = PutGuards(passes="migrator", measures=(MEASURE,)), LiftGuards(passes="migrator")
CHANGE = Change(sql="GRANT USAGE ON SCHEMA public TO shop_reader")
GIVE = GiveRights(changes=(CHANGE,))
STEPS: tuple[Step, ...] = (
    *(BuildAside(), STAMP, APPLY, LOAD, VERIFY, SWAP, KeepReady(), BACK, DROP, HAND, THERE, TAKE, ACCEPT, PROVE),
    *(SAVE, MARK, RESTORE, BESIDE, COPY, RECOVER, PUT, LIFT, ARMS, GIVE),
)
PLAN = plan_of(RESET, evidence_of(STG), Effect.DESTROY, STEPS)


def with_step(old: Step, new: Step) -> Plan:
    return replace(PLAN, steps=tuple(new if step is old else step for step in PLAN.steps))


def test_the_hash_of_one_plan_is_the_same_in_every_run() -> None:
    assert PLAN.hash == "69aa3c293ac6a31607be3681516f1e3302f8bf29ac909dabaa8656b09bfbde5f"


def test_equal_plans_have_equal_hashes() -> None:
    assert copy.deepcopy(PLAN).hash == PLAN.hash


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(replace(PLAN, operation=SEED), id="operation"),
        pytest.param(replace(PLAN, tier="prod"), id="tier"),
        pytest.param(replace(PLAN, project="club"), id="project"),
        pytest.param(replace(PLAN, database="shop_prod"), id="database"),
        pytest.param(replace(PLAN, server=1), id="server"),
        pytest.param(replace(PLAN, target=None), id="no target"),
        pytest.param(replace(PLAN, target=replace(IDENTITY, oid=1)), id="target's oid"),
        pytest.param(replace(PLAN, target=replace(IDENTITY, system_identifier=1)), id="target's server"),
        pytest.param(replace(PLAN, effect=Effect.ADD), id="effect"),
        pytest.param(replace(PLAN, steps=()), id="no steps"),
        pytest.param(replace(PLAN, steps=STEPS[::-1]), id="order of the steps"),
        pytest.param(replace(PLAN, steps=(*STEPS, VERIFY)), id="one step more"),
        pytest.param(replace(PLAN, steps=STEPS[1:]), id="one step less"),
        pytest.param(with_step(STAMP, PutStamp(floor=replace(STAMP.floor, may_lose=Loss.NOTHING))), id="may lose"),
        pytest.param(with_step(STAMP, PutStamp(floor=replace(STAMP.floor, consent=Consent.NONE))), id="consent"),
        pytest.param(with_step(STAMP, PutStamp(floor=replace(STAMP.floor, scripts_may_answer=False))), id="scripts"),
        pytest.param(with_step(STAMP, PutStamp(floor=replace(STAMP.floor, approvals=1))), id="approvals"),
        pytest.param(with_step(STAMP, PutStamp(floor=replace(STAMP.floor, signers_digest="ab"))), id="signers"),
        pytest.param(with_step(APPLY, replace(APPLY, revisions=(HEAD, BASE))), id="order of the revisions"),
        pytest.param(with_step(APPLY, replace(APPLY, revisions=(BASE,))), id="revisions"),
        pytest.param(with_step(APPLY, replace(APPLY, revisions=(BASE, replace(HEAD, id="c420")))), id="revision"),
        pytest.param(with_step(APPLY, replace(APPLY, revisions=(BASE, replace(HEAD, checksum="0")))), id="bytes"),
        pytest.param(with_step(APPLY, replace(APPLY, revisions=(BASE, replace(HEAD, message="x")))), id="message"),
        pytest.param(with_step(APPLY, replace(APPLY, heads=("c41f", "d7aa"))), id="heads to reach"),
        pytest.param(with_step(APPLY, replace(APPLY, retry=("c41f",))), id="torn revision to run again"),
        pytest.param(with_step(APPLY, replace(APPLY, statements=("5e" * 32,))), id="what was executed"),
        pytest.param(with_step(APPLY, replace(APPLY, lint=("drop-table c41f",))), id="what lint says of it"),
        pytest.param(with_step(APPLY, replace(APPLY, ceilings=())), id="no ceiling"),
        pytest.param(
            with_step(APPLY, replace(APPLY, ceilings=(replace(CEILING, most=18_600),))), id="a higher ceiling"
        ),
        pytest.param(with_step(APPLY, replace(APPLY, ceilings=(replace(CEILING, what="users.name"),))), id="of what"),
        pytest.param(with_step(APPLY, replace(APPLY, ceilings=(replace(CEILING, deed="empties"),))), id="another loss"),
        pytest.param(with_step(TAKE, replace(TAKE, revisions=(replace(HEAD, checksum="0"),))), id="bytes taken back"),
        pytest.param(with_step(PROVE, replace(PROVE, models=False)), id="models not compared"),
        pytest.param(with_step(PROVE, replace(PROVE, check=("python",))), id="another check"),
        pytest.param(with_step(PROVE, replace(PROVE, records=True)), id="a failure is written down"),
        pytest.param(with_step(PUT, replace(PUT, passes="anna")), id="who passes the guards"),
        pytest.param(with_step(PUT, replace(PUT, measures=())), id="no measure"),
        pytest.param(with_step(PUT, replace(PUT, measures=(replace(MEASURE, guard=Guard.LIMIT),))), id="measure"),
        pytest.param(with_step(PUT, replace(PUT, measures=(replace(MEASURE, on="ben"),))), id="on whom"),
        pytest.param(with_step(PUT, replace(PUT, measures=(replace(MEASURE, value="x=1"),))), id="what is set"),
        pytest.param(with_step(PUT, replace(PUT, measures=(replace(MEASURE, done=True),))), id="set already"),
        pytest.param(with_step(LIFT, replace(LIFT, passes="anna")), id="whose guards go"),
        pytest.param(with_step(ARMS, replace(ARMS, minutes=16)), id="minutes"),
        pytest.param(with_step(ARMS, replace(ARMS, seat=replace(ARMS.seat, person="ben"))), id="who is armed"),
        pytest.param(with_step(ARMS, replace(ARMS, seat=replace(ARMS.seat, host="sofa"))), id="host"),
        pytest.param(with_step(ARMS, replace(ARMS, seat=replace(ARMS.seat, terminal="/dev/pts/4"))), id="terminal"),
        pytest.param(with_step(GIVE, GiveRights(changes=())), id="no statement"),
        pytest.param(with_step(GIVE, GiveRights(changes=(replace(CHANGE, sql="DROP ROLE anna"),))), id="statement"),
        pytest.param(with_step(GIVE, GiveRights(changes=(replace(CHANGE, doubt="why"),))), id="what may refuse it"),
        pytest.param(with_step(TAKE, replace(TAKE, statements=("5e" * 32,))), id="what took it back"),
        pytest.param(with_step(TAKE, replace(TAKE, ceilings=(CEILING,))), id="a ceiling for what is taken back"),
        pytest.param(with_step(TAKE, replace(TAKE, lint=("drop-table c41f",))), id="what lint says of taking it back"),
        pytest.param(with_step(TAKE, replace(TAKE, to="base")), id="revision to go back to"),
        pytest.param(with_step(TAKE, replace(TAKE, retry=("c41f",))), id="torn downgrade to run again"),
        pytest.param(with_step(LOAD, replace(LOAD, sets=("reference",))), id="seed sets"),
        pytest.param(with_step(LOAD, replace(LOAD, digest="44" * 32)), id="seed digest"),
        pytest.param(with_step(VERIFY, Verify(heads=("d7aa",))), id="heads to verify"),
        pytest.param(with_step(SWAP, replace(SWAP, keep=timedelta(days=8))), id="retention"),
        pytest.param(with_step(SWAP, replace(SWAP, replaces=False)), id="replaces"),
        pytest.param(with_step(SWAP, replace(SWAP, schemas=())), id="inside the database"),
        pytest.param(with_step(SWAP, replace(SWAP, schemas=("public",))), id="schemas"),
        pytest.param(with_step(BACK, replace(BACK, oid=16387)), id="what comes back"),
        pytest.param(with_step(BACK, replace(BACK, mark="1f3a90c2")), id="schemas that come back"),
        pytest.param(with_step(BACK, replace(BACK, keep=timedelta(days=8))), id="retention of an undo"),
        pytest.param(with_step(DROP, replace(DROP, oids=(16385,))), id="what is dropped"),
        pytest.param(with_step(DROP, replace(DROP, marks=("1f3a90c2",))), id="schemas that are dropped"),
        pytest.param(with_step(DROP, replace(DROP, backups=(RESTORE.id,))), id="backups that are dropped"),
        pytest.param(with_step(THERE, RecordBaseline(revisions=(BASE, HEAD))), id="what was there before"),
        pytest.param(with_step(THERE, replace(THERE, unknown=("f00d",))), id="what is there and nobody knows"),
        pytest.param(with_step(HAND, replace(HAND, command=("psql",))), id="command"),
        pytest.param(with_step(HAND, replace(HAND, command=("uvicorn app.main:app",))), id="command's words"),
        pytest.param(with_step(HAND, replace(HAND, read_only=True)), id="read-only"),
        pytest.param(with_step(HAND, replace(HAND, purpose="task recount")), id="purpose"),
        pytest.param(with_step(ACCEPT, replace(ACCEPT, fingerprint="66" * 32)), id="accepted schema"),
        pytest.param(with_step(ACCEPT, replace(ACCEPT, differences=())), id="accepted differences"),
        pytest.param(with_step(ACCEPT, replace(ACCEPT, reason="by mistake")), id="why they are accepted"),
        pytest.param(with_step(SAVE, replace(SAVE, engine="copy")), id="engine of the backup"),
        pytest.param(with_step(SAVE, replace(SAVE, sealed_to=())), id="who can read the backup"),
        pytest.param(with_step(MARK, replace(MARK, engine="receivewal")), id="engine of the mark"),
        pytest.param(with_step(RESTORE, replace(RESTORE, id="20260131T140200Z-0a1b2d")), id="backup"),
        pytest.param(with_step(RESTORE, replace(RESTORE, digest="67" * 32)), id="what the backup holds"),
        pytest.param(with_step(BESIDE, replace(BESIDE, name="shop_now")), id="name of what is restored beside"),
        pytest.param(with_step(COPY, replace(COPY, id="20260131T140200Z-0a1b2d")), id="backup to copy from"),
        pytest.param(with_step(COPY, replace(COPY, digest="67" * 32)), id="what it holds"),
        pytest.param(with_step(COPY, replace(COPY, tables=())), id="tables to copy"),
        pytest.param(with_step(COPY, replace(COPY, back=Back.WHOLE)), id="how much of them"),
        pytest.param(with_step(RECOVER, replace(RECOVER, engine="receivewal")), id="engine of a recovery"),
        pytest.param(with_step(RECOVER, replace(RECOVER, goal="before entry 13")), id="how far it goes"),
    ],
)
def test_another_deed_has_another_hash(other: Plan) -> None:
    assert other.hash != PLAN.hash


def fields_of(*kinds: type) -> set[str]:
    return {f"{kind.__name__}.{field.name}" for kind in kinds for field in dataclasses.fields(kind)}


def test_every_field_of_a_plan_is_one_that_the_hash_covers_and_none_measures() -> None:
    assert fields_of(Plan, Identity, RevisionBytes, Floor, Ceiling, Measure, Seat, Change, *get_args(Step)) == {
        *(
            f"Plan.{name}"
            for name in ("operation", "tier", "project", "database", "server", "target", "effect", "steps")
        ),
        *(f"Identity.{name}" for name in ("system_identifier", "oid")),
        *(f"RevisionBytes.{name}" for name in ("id", "checksum", "message")),
        *(f"Floor.{name}" for name in ("may_lose", "consent", "scripts_may_answer", "approvals", "signers_digest")),
        *(f"Ceiling.{name}" for name in ("deed", "what", "most")),
        "PutStamp.floor",
        *(f"RecordBaseline.{name}" for name in ("revisions", "unknown")),
        *(f"ApplyRevisions.{name}" for name in ("revisions", "heads", "retry", "statements", "lint", "ceilings")),
        *(f"TakeBack.{name}" for name in ("revisions", "to", "retry", "statements", "lint", "ceilings")),
        *(f"LoadSeeds.{name}" for name in ("sets", "digest")),
        "Verify.heads",
        *(f"Prove.{name}" for name in ("models", "check", "records")),
        *(f"SwapIn.{name}" for name in ("keep", "replaces", "schemas")),
        *(f"BringBack.{name}" for name in ("oid", "keep", "mark")),
        *(f"DropKept.{name}" for name in ("oids", "marks", "backups")),
        *(f"HandOut.{name}" for name in ("command", "read_only", "purpose")),
        *(f"AcceptDrift.{name}" for name in ("fingerprint", "differences", "reason")),
        *(f"TakeBackup.{name}" for name in ("engine", "sealed_to")),
        "PutMark.engine",
        *(f"RestoreBackup.{name}" for name in ("id", "digest")),
        "NameBeside.name",
        *(f"CopyBack.{name}" for name in ("id", "digest", "tables", "back")),
        *(f"RecoverTo.{name}" for name in ("engine", "goal")),
        *(f"PutGuards.{name}" for name in ("passes", "measures")),
        *(f"Measure.{name}" for name in ("guard", "on", "value", "done", "doubt")),
        "LiftGuards.passes",
        *(f"Seat.{name}" for name in ("person", "host", "terminal")),
        *(f"ArmTerminal.{name}" for name in ("seat", "minutes")),
        "GiveRights.changes",
        *(f"Change.{name}" for name in ("sql", "doubt")),
    }


def test_what_people_do_meanwhile_leaves_the_hash_alone() -> None:
    before = evidence_of(STG)
    assert before.database is not None
    grown = replace(before.database, size_bytes=10**12, user_objects=99, tables=(), sessions=())
    after = replace(before, database=grown, place="elsewhere:5432")

    assert plan_of(RESET, after, Effect.DESTROY, STEPS).hash == PLAN.hash


def test_an_operations_prose_is_no_deed() -> None:
    assert replace(PLAN, operation=replace(RESET, summary="Said better.")).hash == PLAN.hash


@pytest.mark.parametrize(
    "value",
    [1.5, b"x", ["x"], {"x"}, frozenset({"x"}), datetime(2026, 1, 1, tzinfo=UTC), Path("x"), object()],
    ids=lambda value: type(value).__name__,
)
def test_a_value_without_one_spelling_is_refused(value: object) -> None:
    plan = with_step(HAND, HandOut(command=(value,), read_only=False))  # type: ignore[arg-type] # the mistake under test

    with pytest.raises(TypeError, match=f"^a plan cannot hold a {type(value).__name__}$"):
        _ = plan.hash


def test_a_plan_is_plain_data_for_json() -> None:
    plan = plan_of(SEED, evidence_of(STG), Effect.CHANGE, (LOAD, SWAP))

    assert plan.as_data() == {
        "operation": "seed",
        "tier": "stg",
        "database": "shop_stg",
        "effect": "CHANGE",
        "steps": [
            {"is": "LoadSeeds", "sets": ["reference", "demo"], "digest": "33" * 32},
            {"is": "SwapIn", "keep": 604800.0, "replaces": True, "schemas": None},
        ],
        "hash": plan.hash,
    }
