"""One healthy database and what was seen of it, for tests that then change one thing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from dbtasks.arming import ArmTerminal, Seat
from dbtasks.effects import Operation
from dbtasks.evidence import (
    Contents,
    Database,
    Evidence,
    Identity,
    NameState,
    Proof,
    Replacing,
    Route,
    Server,
    ServerRole,
    Situation,
    Stamp,
    StampState,
    Use,
    WayBack,
)
from dbtasks.guard import admit, decide
from dbtasks.materials import Kept, Materials
from dbtasks.measures import Guard, Measure
from dbtasks.operations import (
    accept,
    adopt,
    arm,
    backup,
    copy_back,
    downgrade,
    harden,
    lift,
    migrate,
    open_,
    prepare,
    prune,
    recover,
    reset,
    restore,
    restore_beside,
    roles,
    seed,
    status,
    undo,
    verb,
)
from dbtasks.plan import Plan, RevisionBytes
from dbtasks.proof import Code, Fault, Finding, ProofReport, Witness
from dbtasks.roles import Change
from dbtasks.surroundings import Kind, Surroundings
from dbtasks.tiers import Tier
from dbtasks.verdicts import Decision, Refuse, Request
from dbtasks.way_back import Backup, Policy
from tests.unit.guard_cells import INT, PROD, STG

RESET, SEED, MIGRATE, ADOPT, OPEN = (each.OPERATION for each in (reset, seed, migrate, adopt, open_))
RESTORE_BESIDE = restore_beside.OPERATION
STATUS, DOWNGRADE = status.OPERATION, downgrade.OPERATION
PREPARE, UNDO, PRUNE, ACCEPT = (each.OPERATION for each in (prepare, undo, prune, accept))
HARDEN, LIFT, ARM = harden.OPERATION, lift.OPERATION, arm.OPERATION
ROLES = roles.OPERATION
BACK_UP, RESTORE, COPY_BACK, RECOVER = (each.OPERATION for each in (backup, restore, copy_back, recover))
EMPTY = {"stamp": StampState.MISSING, "contents": Contents.EMPTY}
ABSENT = {"stamp": StampState.MISSING, "contents": Contents.ABSENT}

SERVER = Server(
    system_identifier=7301,
    timeline=1,
    version="PostgreSQL 18.6",
    version_number=180006,
    address="10.0.3.7:5432",
    role="anna",
    superuser=False,
    can_create=True,
    standby=False,
    pooled=False,
)
IDENTITY = Identity(system_identifier=7301, oid=16384)
BASE = RevisionBytes(id="a1f0", checksum="11" * 32, message="users")
HEAD = RevisionBytes(id="c41f", checksum="22" * 32, message="bookings")
KEPT = Kept(
    oid=16390,
    name="dbtasks_shop_stg_0a1b2c3d_old",
    entry=12,
    made_by="anna@desk",
    since=datetime(2026, 1, 31, 14, 2, tzinfo=UTC),
    until=datetime(2026, 2, 7, 14, 2, tzinfo=UTC),
    size_bytes=61_000_000,
    tables=14,
    rows=48_310,
)
BACKUP = Backup(
    id="20260131T140200Z-0a1b2c",
    digest="66" * 32,
    engine="pg_dump",
    database="shop_stg",
    at=datetime(2026, 1, 31, 14, 2, tzinfo=UTC),
    tables=14,
    rows=48_310,
    size_bytes=9_000_000,
    grade="restorable",
    heads=("c41f",),
    entry=12,
    made_by="anna@desk",
)
MEASURE = Measure(guard=Guard.DATABASE)
ARMS = ArmTerminal(seat=Seat(person="anna", host="desk", terminal="/dev/pts/3 4711 boot-99"), minutes=15)
CHANGE = Change(sql="GRANT SELECT ON TABLE public.people TO shop_reader")
POLICY = Policy(backup="pg_dump", sealed_to=("age1qz",), mark="archive")
MATERIALS = Materials(
    revisions=(BASE, HEAD),
    pending=(HEAD,),
    heads=("c41f",),
    seed_sets=("reference", "demo"),
    seed_digest="33" * 32,
    command=("uvicorn", "app.main:app"),
    kept=KEPT,
    backup=BACKUP,
    into="shop_then",
    tables=("bookings",),
    goal="before entry 12",
    ended=(KEPT,),
    back=(HEAD,),
    to="a1f0",
    down_to=("a1f0",),
    schema="44" * 32,
    drift=("5f0e index public.by_hand is extra",),
    reason="made by hand on Sunday",
    passes="migrator",
    measures=(MEASURE,),
    arms=ARMS,
    changes=(CHANGE,),
)


def report_of(*faults: Fault) -> ProofReport:
    """What would be found if PROD were to take revision c41f, which INT has and STG is said to lack."""
    code = Code(id="c41f", checksum="22" * 32, path="migrations/versions/c41f.py")
    tiers = (
        Witness(tier="int", label="INT", ledger=(("c41f", "22" * 32),), free=True, first=True),
        Witness(tier="stg", label="STG"),
        Witness(tier="prod", label="PROD"),
    )
    findings = tuple(Finding(fault=fault, revisions=("c41f",)) for fault in faults)
    return ProofReport(findings=findings, code=(code,), tiers=tiers)


def stamp_of(tier: Tier) -> Stamp:
    return Stamp(
        project="shop",
        tier=tier.name,
        identity=IDENTITY,
        timeline=1,
        floor=tier.floor,
        stamped_at=datetime(2026, 3, 3, 9, 30, tzinfo=UTC),
        stamped_by="anna",
    )


def database_of(tier: Tier) -> Database:
    return Database(
        oid=16384,
        name=f"shop_{tier.name}",
        owner="anna",
        owned=True,
        template=False,
        size_bytes=61_000_000,
        user_objects=14,
        stamps=(stamp_of(tier),),
    )


def situation_of(tier: Tier) -> Situation:
    return Situation(
        stamp=StampState.MATCHES,
        contents=Contents.HOLDS,
        name=NameState.FITS,
        server_role=ServerRole.PRIMARY,
        route=Route.DIRECT,
        use=Use.LIVE,
        replacing=Replacing.POSSIBLE,
        proof=Proof.NOT_NEEDED,
        floor=tier.floor,
        way_back=WayBack.PROVIDED,
    )


def evidence_of(tier: Tier, situation: Situation | None = None) -> Evidence:
    situation = situation or situation_of(tier)
    exists = situation.contents is not Contents.ABSENT
    return Evidence(
        tier=tier,
        project="shop",
        name=f"shop_{tier.name}",
        place="db-7.example.com:5432",
        server=SERVER,
        database=database_of(tier) if exists else None,
        situation=situation,
    )


def plan_for(request: Request, evidence: Evidence) -> Plan:
    materials = replace(MATERIALS, read_only=request.read_only)
    return verb(request.operation).plan(evidence, materials)


BECAUSE = {
    Kind.PYTEST: "PYTEST_VERSION is set",
    Kind.AGENT: "CLAUDECODE is set",
    Kind.CI: "GITHUB_ACTIONS is set",
    Kind.RUNTIME: "FLY_APP_NAME marks the managed runtime of PROD",
    Kind.TERMINAL: "standard input and standard error are a terminal",
    Kind.SCRIPT: "standard input is not a terminal",
}


def request_for(tier: Tier, operation: Operation, kind: Kind, *flags: str) -> Request:
    """A request with these flags on; `reloaded` among them is the surroundings'."""
    around = Surroundings(
        kind=kind,
        because=BECAUSE[kind],
        runtime_tier=tier.name if kind is Kind.RUNTIME else None,
        reloaded="reloaded" in flags,
    )
    on = {flag: True for flag in flags if flag != "reloaded"}
    before = next((each for each in (INT, STG, PROD) if each.name == tier.after), None)
    return Request(operation=operation, tier=tier, surroundings=around, is_default=tier is INT, before=before, **on)  # type: ignore[arg-type] # booleans by name


def verdict_on(request: Request, **seen: object) -> Decision:
    """The verdict of the road: admission, then the decision on a healthy database with these things changed."""
    admitted = admit(request)
    if isinstance(admitted, Refuse):
        return admitted
    evidence = evidence_of(request.tier, replace(situation_of(request.tier), **seen))  # type: ignore[arg-type] # enums by name
    return decide(request, plan_for(request, evidence), evidence)
