"""What the promises allow in one cell of the decision table, said a second time and in other words than the rules.

The guard is a list of rules that each refuse or ask. Here each promise of the design is stated as a condition that
must hold, and a cell's verdict follows from which hold. Whoever changes a rule has to change a promise too.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

from dbtasks.arming import Arming
from dbtasks.brought import Approval
from dbtasks.effects import Effect, Stamping
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
    Use,
    WayBack,
)
from dbtasks.surroundings import Kind
from dbtasks.tiers import Consent, Loss
from dbtasks.verdicts import Request

KEPT_WHOLE = frozenset({StampState.MATCHES, StampState.PROMOTED})
PROVEN = frozenset({Proof.PROVEN, Proof.NOT_NEEDED})
UNSTAMPED = frozenset({StampState.MISSING, StampState.COPIED})


class Word(enum.Enum):
    """Whose word a cell needs before it may proceed."""

    NOBODYS = "nobody's"
    PERSONS_CONSENT = "a person's full consent"
    PERSONS_NAME = "a person who types the database's name"
    ANYBODYS_NAME = "the database's name, typed or answered by --yes where the tier allows it"


class Cell(NamedTuple):
    """One cell: what is asked, what was seen, and how much the plan would do."""

    request: Request
    situation: Situation
    effect: Effect


def only_looks(request: Request) -> bool:
    """D3: plans and the catalogue show nothing that can be lost or learned."""
    return request.dry_run or request.operation.name in {"status", "check", "drift", "lint", "guards", "rights"}


def person_is_there(request: Request) -> bool:
    """Invariant 3 and D3: a terminal that is no agent's, no test's, no machine's, and asks once only."""
    return request.surroundings.kind is Kind.TERMINAL and not request.surroundings.reloaded


def is_allowed(request: Request) -> bool:
    """Issue 6: where the settings say who may do what, it is somebody whom they name, or everyone's to do."""
    named = {each.operation: each.people for each in request.tier.allow or ()}.get(request.operation.name, frozenset())
    return request.tier.allow is None or "everyone" in named or request.surroundings.person in named


def may_connect(request: Request) -> bool:
    """Whether the request is thinkable at all: everything that is known before a connection exists."""
    tier, where = request.tier, request.surroundings
    if where.kind is Kind.PYTEST and not request.is_default:  # invariant 1
        return False
    if request.managed:  # D3: the runtime's own way in, for the runtime's own tier, from its real environment
        own = where.kind is Kind.RUNTIME and where.runtime_tier == tier.name
        return own and request.operation.name in {"open", "status", "check", "drift", "lint", "guards", "rights"}
    brings = request.brought is not None and not only_looks(request)  # else it is one that is to be written
    if brings and (where.kind is Kind.AGENT or (request.brought and request.brought.forged)):
        return False  # agents plan, people apply
    if not (only_looks(request) or is_allowed(request)):
        return False
    if tier.consent is not Consent.PERSON:
        return True
    somebody = person_is_there(request) or others_have_agreed(request)
    return request.flag_on and (only_looks(request) or somebody)  # invariants 2 and 3


def others_have_agreed(request: Request) -> bool:
    """Invariant 2: an approval of this plan by another person, which no test brings, and which asks nothing."""
    where = request.surroundings
    return request.brought is not None and where.kind is not Kind.PYTEST and not where.reloaded


def right_database(cell: Cell) -> bool:
    """Invariants 4 and 5: the live connection leads to a database that this operation may take for the tier's."""
    operation, seen = cell.request.operation, cell.situation
    if seen.name is NameState.OTHER or not (seen.use is Use.LIVE or is_its_runs_own(cell)):
        return False
    if seen.server_role is ServerRole.RECOVERED:  # issue 5: every operation refuses a recovered copy, a runtime's, too
        return False
    if seen.server_role is ServerRole.STANDBY and not cell.request.managed:
        return False
    if seen.stamp in KEPT_WHOLE:
        return True
    if seen.stamp not in UNSTAMPED:
        return False
    if operation.name == "adopt":
        return seen.contents is not Contents.ABSENT
    fresh = seen.stamp is StampState.MISSING and seen.contents is not Contents.HOLDS
    fits = seen.name is NameState.FITS and seen.floor.consent is not Consent.PERSON
    exists = seen.contents is Contents.EMPTY or operation.name in {"reset", "restore"}
    return operation.name in {"reset", "restore", "migrate"} and fresh and fits and exists


def is_its_runs_own(cell: Cell) -> bool:
    """D1: a clone for tests serves the run that made it, and never becomes or removes what the tier's people have."""
    seen = cell.situation
    everything_may_go = (seen.floor.may_lose, seen.floor.consent) == (Loss.EVERYTHING, Consent.NONE)
    saving = {"backup", "restore_beside", "copy_back", "recover"}
    serving = saving | {"open", "seed", "migrate", "downgrade", "prepare", "accept", "harden", "lift", "arm", "roles"}
    serves = cell.request.operation.name in serving and everything_may_go
    return seen.use is Use.CLONE and seen.stamp is StampState.MATCHES and serves


def can_be_done(cell: Cell) -> bool:
    """Invariants 9 and 10, poolers and approvals: nothing stands in the way that no answer could remove."""
    operation, seen = cell.request.operation, cell.situation
    if operation.name != "open" and seen.route is Route.POOLED:
        return False
    if operation.name in {"reset", "undo", "restore"} and not way_back_is_kept(cell):
        return False
    inside = operation.name in {"migrate", "downgrade", "copy_back"}
    if inside and cell.effect is Effect.DESTROY and not can_come_back(seen):
        return False
    if operation.name in {"reset", "migrate"} and seen.proof not in PROVEN:
        return False
    if operation.name in {"migrate", "downgrade"} and not is_tried_out(seen):
        return False
    if operation.name in {"migrate", "downgrade"} and seen.torn:  # invariant 8
        return False
    if operation.name == "migrate" and cell.effect is not Effect.READ and seen.lacking:
        return False
    if operation.name == "downgrade" and (seen.proof is Proof.CONTRADICTED or loses_unseen(cell)):
        return False
    if operation.name == "migrate" and seen.drift in {Drift.THERE, Drift.UNKNOWN}:  # issue 4: until it is accepted
        return False
    return cell.request.managed or (approvals_suffice(cell) and sits_armed(cell))


def sits_armed(cell: Cell) -> bool:
    """Issue 6: where a tier asks for it, the terminal was armed a while ago at the most, or others have approved."""
    request, seen = cell.request, cell.situation
    if not request.tier.arming or request.brought is not None or request.operation.name == "arm":
        return True
    to_be = request.operation.name == "adopt" and seen.stamp not in KEPT_WHOLE  # it is not the tier yet
    return to_be or seen.armed.state is Arming.ARMED


def approvals_suffice(cell: Cell) -> bool:
    """D2: those that are brought hold, or none are demanded; what changes the demand goes by the one from before."""
    request, seen = cell.request, cell.situation
    if request.brought is None:
        return (seen.approvals_before if request.operation.name == "adopt" else seen.floor.approvals) == 0
    guarded = seen.floor.consent is Consent.PERSON
    meant = request.flag_on and request.surroundings.kind is not Kind.PYTEST
    return seen.approval is Approval.GIVEN and (meant or not guarded)


def is_tried_out(seen: Situation) -> bool:
    """The revisions ran on a scratch server; what may lose something, but not all, may go on without, once asked."""
    if seen.rehearsal is Rehearsal.NOT_REHEARSED:
        return seen.floor.may_lose is not Loss.NOTHING
    return seen.rehearsal in {Rehearsal.NOT_NEEDED, Rehearsal.DONE}


def can_come_back(seen: Situation) -> bool:
    """Invariant 9: a backup goes before, or where that is a person's to decide, a reason why there is none."""
    match seen.floor.may_lose:
        case Loss.EVERYTHING:
            return True
        case Loss.ASKED:
            return seen.way_back in {WayBack.PROVIDED, WayBack.WAIVED}
        case Loss.NOTHING:
            return seen.way_back is WayBack.PROVIDED


def loses_unseen(cell: Cell) -> bool:
    """Invariant 9: what may lose nothing, or is a person's to consent to, loses nothing that no rehearsal has shown."""
    floor, shown = cell.situation.floor, cell.situation.rehearsal is Rehearsal.DONE
    strict = floor.may_lose is Loss.NOTHING or floor.consent is Consent.PERSON
    return strict and cell.effect is not Effect.READ and not shown


def way_back_is_kept(cell: Cell) -> bool:
    """Invariant 9: the whole database is kept, or its schemas are; what may lose nothing is not taken apart."""
    seen = cell.situation
    if seen.replacing is Replacing.BY_SCHEMAS:
        return seen.floor.may_lose is not Loss.NOTHING
    return seen.replacing is Replacing.POSSIBLE


def word_needed(cell: Cell) -> Word:
    """Invariant 2, D1, D2 and D3: whose word this takes."""
    request, seen = cell.request, cell.situation
    if request.managed:
        return Word.NOBODYS
    if request.brought is not None:  # who approved has read the plan; what has changed since is in no plan
        unseen = seen.stamp is StampState.PROMOTED and cell.effect is not Effect.READ
        return Word.PERSONS_NAME if unseen else Word.NOBODYS
    if request.operation.name == "accept" and request.surroundings.kind is Kind.AGENT and may_stop(cell):
        return Word.PERSONS_NAME  # which no agent can give
    if seen.floor.consent is Consent.PERSON:
        return Word.PERSONS_CONSENT
    if seen.stamp is StampState.PROMOTED and cell.effect is not Effect.READ:
        return Word.PERSONS_NAME
    if request.operation.stamps is Stamping.ANY and is_taken_over(cell):
        return Word.PERSONS_NAME
    everything_may_go = seen.floor.may_lose is Loss.EVERYTHING and seen.floor.consent is Consent.NONE
    if cell.effect is Effect.DESTROY and not everything_may_go:
        return Word.ANYBODYS_NAME
    return Word.NOBODYS


def may_stop(cell: Cell) -> bool:
    """Whether drift stops a migration there at all: what may lose everything is built anew."""
    return cell.situation.floor.may_lose is not Loss.EVERYTHING


def is_taken_over(cell: Cell) -> bool:
    """Whether adopting declares something that the database does not say already."""
    seen = cell.situation
    if seen.stamp is StampState.MATCHES:
        return cell.request.tier.floor != seen.floor  # D2: lowers what was promised before
    unclaimed = seen.contents is Contents.HOLDS or seen.name is not NameState.FITS
    return unclaimed or seen.stamp is StampState.COPIED


def word_can_be_given(cell: Cell) -> bool:
    """Whether somebody is here whose word counts for what the cell needs."""
    request = cell.request
    match word_needed(cell):
        case Word.NOBODYS:
            return True
        case Word.PERSONS_CONSENT:
            return person_is_there(request) and request.flag_on
        case Word.PERSONS_NAME:
            return person_is_there(request)
        case Word.ANYBODYS_NAME:
            return person_is_there(request) or yes_may_answer(cell)


def yes_may_answer(cell: Cell) -> bool:
    """D3: `--yes` was given and stands for the answer; a test's never, an agent's only where everything may go."""
    return cell.request.yes and yes_would_count(cell)


def yes_would_count(cell: Cell) -> bool:
    kind, floor = cell.request.surroundings.kind, cell.situation.floor
    if kind is Kind.PYTEST or (kind is Kind.AGENT and floor.may_lose is not Loss.EVERYTHING):
        return False
    return word_needed(cell) is Word.ANYBODYS_NAME and floor.scripts_may_answer


def must_be_refused(cell: Cell) -> bool:
    """Whether no answer may let this cell proceed."""
    if only_looks(cell.request):
        return False
    return not (right_database(cell) and can_be_done(cell) and word_can_be_given(cell))


def may_proceed(cell: Cell) -> bool:
    """Whether nobody need be asked."""
    if only_looks(cell.request):
        return True
    return right_database(cell) and can_be_done(cell) and word_needed(cell) is Word.NOBODYS


def questions(cell: Cell) -> int:
    """How many questions a cell that may ask asks. Invariant 2: what writes or hands out the URL takes the phrase."""
    phrase = cell.effect is not Effect.READ or cell.request.operation.name == "open"
    return 2 if word_needed(cell) is Word.PERSONS_CONSENT and phrase else 1
