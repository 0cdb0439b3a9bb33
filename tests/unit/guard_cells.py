"""Every cell of the guard's decision table: the tiers, the requests, and what a database can look like.

Left out is only what cannot exist; each place says why. Three grids cover the rest. In `consent_grid` every request
meets every stamp, content, name and floor, with at most one obstacle on the server's side. In `obstacle_grid` all
obstacles combine freely, for every operation. The obstacles are vetoes that look at the operation and the way in alone,
which the second grid shows: who asks, and how, changes nothing about them. `rehearsal_grid` has what came of a
rehearsal, which only operations that rehearse know of: with every request, stamp, content, name and floor, and for
favourable requests with two obstacles. `approval_grid` has approved plans that are brought: every request that can
bring one, and favourable ones with whatever the approval comes to, and with one obstacle. `arming_grid` has a tier
that asks for an armed terminal: every request with and without one, and favourable ones with one obstacle.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from dbtasks.arming import Armed, Arming
from dbtasks.brought import Approval, Brought
from dbtasks.effects import Effect, Operation
from dbtasks.evidence import (
    Contents,
    Drift,
    NameState,
    Proof,
    Rehearsal,
    Replacing,
    Route,
    ServerRole,
    Situation,
    StampState,
    Torn,
    Use,
    WayBack,
)
from dbtasks.operations import VERBS
from dbtasks.surroundings import Kind, Surroundings
from dbtasks.tiers import Allowed, Colour, Consent, Floor, Loss, Tier
from dbtasks.verdicts import Request
from tests.unit.guard_oracle import Cell, may_connect, only_looks

INT = Tier(
    name="int",
    label="INT",
    colour=Colour.GREEN,
    url_variable="test_database_url",
    may_lose=Loss.EVERYTHING,
    consent=Consent.NONE,
    scripts_may_answer=True,
    name_words=frozenset({"test", "int"}),
)
STG = Tier(
    name="stg",
    label="STG",
    colour=Colour.YELLOW,
    url_variable="stg_database_url",
    flag="USE_STG_DATABASE",
    may_lose=Loss.ASKED,
    consent=Consent.QUESTION,
    scripts_may_answer=True,
    name_words=frozenset({"stg", "staging"}),
    after="int",
    retention=timedelta(days=7),
)
PROD = Tier(
    name="prod",
    label="PROD",
    colour=Colour.RED,
    url_variable="database_url",
    flag="USE_PROD_DATABASE",
    may_lose=Loss.NOTHING,
    consent=Consent.PERSON,
    name_words=frozenset({"prod", "production"}),
    after="stg",
    retention=timedelta(days=30),
)
PREVIEW = Tier(
    name="preview",
    label="PREVIEW",
    colour=Colour.CYAN,
    url_variable="preview_database_url",
    may_lose=Loss.ASKED,
    consent=Consent.QUESTION,
    name_words=frozenset({"preview"}),
    after="int",
)
TIERS = (INT, STG, PREVIEW, PROD)
# Where the settings say who may do what; who asks changes nothing but whether the request is thinkable at all.
LIMITED = tuple(
    replace(
        tier,
        allow=(
            Allowed(operation="reset", people=frozenset({"ada"})),
            Allowed(operation="open", people=frozenset({"everyone"})),
        ),
    )
    for tier in (STG, PROD)
)
# A tier that asks for an armed terminal.
CAUTIOUS = replace(PROD, arming=True)
OPERATIONS: tuple[Operation, ...] = tuple(verb.OPERATION for verb in VERBS)

# What a stamp may demand besides what its tier declares; each is combined with the tier's own floor.
STAMPED_FLOORS = (
    Floor(may_lose=Loss.EVERYTHING, consent=Consent.QUESTION, scripts_may_answer=True),
    Floor(may_lose=Loss.ASKED, consent=Consent.NONE, scripts_may_answer=True),
    Floor(may_lose=Loss.ASKED, consent=Consent.QUESTION),
    Floor(may_lose=Loss.NOTHING, consent=Consent.PERSON),
    Floor(may_lose=Loss.EVERYTHING, consent=Consent.NONE, scripts_may_answer=True, approvals=2),
)
BROUGHT = Brought(
    id="5e" * 16,
    plan="7f3a" * 16,
    server=7301,
    oid=16384,
    requester=None,
    approvers=(),
    signers="ab",
    requested_at=datetime(2026, 1, 31, 14, 2, tzinfo=UTC),
    expires_at=datetime(2026, 2, 1, 14, 2, tzinfo=UTC),
)
FORGED = replace(BROUGHT, forged="Approval 1 is none.")
WITHOUT_A_FLOOR = frozenset({StampState.MISSING, StampState.UNREADABLE})
BOOLEANS = (False, True)


def surroundings(tier: Tier) -> Iterator[Surroundings]:
    """Every kind, the runtime of this and of another tier, each also inside a reloader; who asks, where that counts."""
    people = ("ada", "grace", "") if tier.allow is not None else ("",)
    for kind, reloaded, person in itertools.product(Kind, BOOLEANS, people):
        for runtime_tier in (tier.name, "another") if kind is Kind.RUNTIME else (None,):
            yield Surroundings(kind=kind, because="a sign", runtime_tier=runtime_tier, reloaded=reloaded, person=person)


def requests(tier: Tier) -> Iterator[Request]:
    """Every request for a tier. Only `open` can be asked to be read-only: no other operation has the option."""
    for around, operation in itertools.product(surroundings(tier), OPERATIONS):
        ways = (False, True) if operation.hands_out else (False,)
        for flag_on, dry_run, yes, managed in itertools.product(BOOLEANS, repeat=4):
            for read_only in ways:
                yield Request(
                    operation=operation,
                    tier=tier,
                    surroundings=around,
                    is_default=tier is INT,
                    flag_on=flag_on,
                    dry_run=dry_run,
                    yes=yes,
                    managed=managed,
                    read_only=read_only,
                )


def paper_requests(tier: Tier) -> Iterator[Request]:
    """Every request that brings an approved plan, or is to write one, which is a dry run. Neither has --yes."""
    operations = [each for each in OPERATIONS if each.on_paper]
    for around, operation in itertools.product(surroundings(tier), operations):
        for flag_on, dry_run, brought in itertools.product(BOOLEANS, BOOLEANS, (BROUGHT, FORGED)):
            yield Request(
                operation=operation,
                tier=tier,
                surroundings=around,
                is_default=tier is INT,
                flag_on=flag_on,
                dry_run=dry_run,
                brought=brought,
            )


def floors(tier: Tier) -> tuple[Floor, ...]:
    """The tier's own floor, and every other one that a stamp can raise it to."""
    return tuple(dict.fromkeys((tier.floor, *(floor.stricter(tier.floor) for floor in STAMPED_FLOORS))))


def plain_situations(tier: Tier) -> Iterator[Situation]:
    """Every stamp, content, name and floor, with nothing in the way on the server's side."""
    for stamp, contents, name in itertools.product(StampState, Contents, NameState):
        # What does not exist carries no row.
        if contents is Contents.ABSENT and stamp is not StampState.MISSING:
            continue
        # No row that can be read, no floor but the tier's own.
        there = (tier.floor,) if stamp in WITHOUT_A_FLOOR else floors(tier)
        # What is demanded was demanded by the stamp, or is new in the settings.
        for floor, before in ((each, before) for each in there for before in sorted({0, each.approvals})):
            yield Situation(
                approvals_before=before,
                stamp=stamp,
                contents=contents,
                name=name,
                server_role=ServerRole.PRIMARY,
                route=Route.DIRECT,
                use=Use.LIVE,
                replacing=Replacing.POSSIBLE,
                proof=Proof.NOT_NEEDED,
                floor=floor,
                way_back=WayBack.PROVIDED,
            )


def with_obstacles(tier: Tier, situation: Situation, *, at_most: int) -> Iterator[Situation]:
    """The situation with up to `at_most` of the server's five properties changed, in every way that can exist."""
    absent = situation.contents is Contents.ABSENT
    # What does not exist is no template and registered as nothing, has no owner and no slot.
    uses = (Use.LIVE,) if absent else tuple(Use)
    of_a_server = (Replacing.POSSIBLE, Replacing.FIXED_NAME, Replacing.NO_CREATEDB, Replacing.NO_REGISTRY)
    replacing = of_a_server if absent else tuple(Replacing)
    # The first tier of the order has none before it to prove anything on.
    proofs = tuple(Proof) if tier.after else (Proof.NOT_NEEDED, Proof.CONTRADICTED)
    good = (ServerRole.PRIMARY, Route.DIRECT, Use.LIVE, Replacing.POSSIBLE, Proof.NOT_NEEDED)
    for role, route, use, possible, proof in itertools.product(ServerRole, Route, uses, replacing, proofs):
        changed = sum(one is not other for one, other in zip((role, route, use, possible, proof), good, strict=True))
        if changed <= at_most:
            yield replace(situation, server_role=role, route=route, use=use, replacing=possible, proof=proof)
    # Vetoes of their own, which look at nothing else that is here.
    if not absent and at_most:
        yield replace(situation, lacking=("write dbtasks.ledger",))
        yield replace(situation, torn=(Torn(revision="c41f"),))
        for way_back in (WayBack.NONE, WayBack.WAIVED):
            yield replace(situation, way_back=way_back)
    # Schemas are compared only where revisions would go on from what the tier's own database holds.
    if situation.contents is Contents.HOLDS and situation.stamp is StampState.MATCHES:
        for drift in (Drift.ACCEPTED, Drift.THERE, Drift.UNKNOWN):
            yield replace(situation, drift=drift, drifted=("table public.lessons is extra",))


# With and without an engine, something that has ended, a revision to take back, a guard that is missing or stands, a
# terminal to arm.
TAKES_STEPS_OR_NONE = {
    "backup": Effect.ADD,
    "recover": Effect.ADD,
    "restore_beside": Effect.ADD,
    "prune": Effect.DESTROY,
    "downgrade": Effect.DESTROY,
    "harden": Effect.CHANGE,
    "lift": Effect.DESTROY,
    "arm": Effect.ADD,
    "roles": Effect.CHANGE,
}


def effects(request: Request, situation: Situation) -> tuple[Effect, ...]:
    """The effects that the operation's plan can have there (the tests of operations hold the plans to this)."""
    name = request.operation.name
    match name:
        case _ if name in TAKES_STEPS_OR_NONE:
            return (TAKES_STEPS_OR_NONE[name], Effect.READ)
        case "reset":
            return (Effect.DESTROY if situation.contents is Contents.HOLDS else Effect.ADD,)
        case "undo":  # with and without something kept
            return (Effect.DESTROY if situation.contents is Contents.HOLDS else Effect.ADD, Effect.READ)
        case "copy_back":  # rows that are missing, others too, without a backup
            return (Effect.CHANGE, Effect.DESTROY, Effect.READ)
        case "restore":  # with and without a backup
            return (Effect.DESTROY if situation.contents is Contents.HOLDS else Effect.ADD, Effect.READ)
        case "migrate" if situation.rehearsal is Rehearsal.NOT_REHEARSED:  # what is unknown may destroy
            free = situation.floor.may_lose is Loss.EVERYTHING
            return (Effect.CHANGE if free else Effect.DESTROY,)
        case "migrate" if situation.rehearsal is not Rehearsal.NOT_NEEDED:  # with and without something at risk
            return (Effect.CHANGE, Effect.DESTROY)
        case "migrate" if situation.stamp in (StampState.MISSING, StampState.PROMOTED):
            return (Effect.CHANGE,)
        case "migrate" if situation.stamp not in (StampState.MISSING, StampState.PROMOTED):
            return (Effect.CHANGE, Effect.ADD, Effect.READ)  # with and without something pending, or to be recorded
        case "open":
            return (Effect.READ if request.read_only else Effect.CHANGE,)
        case _:
            return (request.operation.effect,)


def cells(asked: Iterable[Request], seen: list[Situation], *, stride: int = 1) -> Iterator[Cell]:
    """Every request in every situation, or in every `stride`-th, from another one on each time."""
    starts = min(stride, len(seen))  # each request has one situation at least
    for turn, request in enumerate(asked):
        for situation in seen[turn % starts :: stride]:
            for effect in effects(request, situation):
                yield Cell(request, situation, effect)


def consent_grid(tier: Tier, *, stride: int = 1) -> Iterator[Cell]:
    """Every request that may connect at all; the others see no evidence, because no connection is made for them."""
    plain = list(plain_situations(tier))
    with_one = [each for situation in plain for each in with_obstacles(tier, situation, at_most=1)]
    connecting = [request for request in requests(tier) if may_connect(request)]
    # What only looks reads no evidence at all; the other grid shows it the obstacles.
    yield from cells(filter(only_looks, connecting), plain, stride=stride)
    yield from cells(itertools.filterfalse(only_looks, connecting), with_one, stride=stride)


def obstacle_grid(tier: Tier, *, at_most: int = 5, stride: int = 1) -> Iterator[Cell]:
    """Every combination of obstacles, for each operation and way in, asked as favourably as can be."""
    everything = [
        each for situation in plain_situations(tier) for each in with_obstacles(tier, situation, at_most=at_most)
    ]
    return cells(favourable(tier), everything, stride=stride)


def rehearsal_grid(tier: Tier, *, stride: int = 1) -> Iterator[Cell]:
    """What came of a rehearsal, for the operations that make one. The other grids have none."""
    plain = list(plain_situations(tier))
    tried = [rehearsal for rehearsal in Rehearsal if rehearsal is not Rehearsal.NOT_NEEDED]
    asked = [request for request in requests(tier) if may_connect(request) and request.operation.rehearses]
    seen = [replace(situation, rehearsal=rehearsal) for situation in plain for rehearsal in tried]
    yield from cells(asked, seen, stride=stride)
    best = [request for request in favourable(tier) if request.operation.rehearses]
    with_two = (each for situation in plain for each in with_obstacles(tier, situation, at_most=2))
    worse = [replace(situation, rehearsal=rehearsal) for situation in with_two for rehearsal in tried]
    yield from cells(best, worse, stride=stride)


def approval_grid(tier: Tier, *, stride: int = 1) -> Iterator[Cell]:
    """Approved plans that are brought. The other grids have none."""
    plain = list(plain_situations(tier))
    asked = [request for request in paper_requests(tier) if may_connect(request)]
    yield from cells(asked, [replace(each, approval=Approval.GIVEN) for each in plain], stride=stride)
    best = [each for each in asked if each.flag_on and each.surroundings.kind in (Kind.CI, Kind.TERMINAL)]
    best = [each for each in best if not each.surroundings.reloaded and not each.dry_run]
    yield from cells(best, [replace(each, approval=state) for each in plain for state in Approval], stride=stride)
    given = (replace(each, approval=Approval.GIVEN) for each in plain)
    with_one = [each for situation in given for each in with_obstacles(tier, situation, at_most=1)]
    yield from cells(best, with_one, stride=stride)


def arming_grid(tier: Tier, *, stride: int = 1) -> Iterator[Cell]:
    """Terminals that are armed, or are not for one reason or another. The other grids have tiers that do not ask."""
    plain = list(plain_situations(tier))
    asked = [each for each in itertools.chain(requests(tier), paper_requests(tier)) if may_connect(each)]
    seen = [replace(each, armed=Armed(state=state)) for each in plain for state in Arming]
    yield from cells(asked, seen, stride=2 * stride)  # each state meets each situation: there are five states
    armed = (replace(each, armed=Armed(state=Arming.ARMED)) for each in plain)
    with_one = [each for situation in armed for each in with_obstacles(tier, situation, at_most=1)]
    yield from cells(favourable(tier), with_one, stride=stride)


def favourable(tier: Tier) -> list[Request]:
    """The requests that a person who means it makes, for each operation and way in."""
    return [
        request
        for request in requests(tier)
        if may_connect(request)
        and request.flag_on
        and request.yes
        and not request.surroundings.reloaded
        and not request.read_only
        and not (request.dry_run and request.operation.name != "reset")
        and request.surroundings.kind is (Kind.RUNTIME if request.managed else Kind.TERMINAL)
    ]
