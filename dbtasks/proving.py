"""Asks the tiers before what they have proven of the revisions that one tier is to take. Reads only.

The tier right before decides. Those before it are asked only for the table of a refusal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import psycopg

from dbtasks.conninfo import mask
from dbtasks.errors import DbtasksError, UrlNotConfiguredError
from dbtasks.evidence import Database, StampState
from dbtasks.looking import look_at
from dbtasks.migration_rules import torn_words
from dbtasks.migrations import lineage
from dbtasks.migrations.history import History, Revision
from dbtasks.plan import RevisionBytes
from dbtasks.project import Project
from dbtasks.proof import Code, Fault, Finding, Held, ProofReport, Witness
from dbtasks.situation import situate
from dbtasks.targets import resolve
from dbtasks.tiers import Loss, Tier
from dbtasks.values import dataclass
from dbtasks.verdicts import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be proven: the revisions that a tier is `needed` to take, or those that it is to give `back`."""

    history: History
    needed: tuple[str, ...] = ()
    back: tuple[RevisionBytes, ...] = ()


def prove(project: Project, request: Request, database: Database | None, wanted: Wanted) -> ProofReport | None:
    """Return what the tiers before, and the tier's own history, say to that; `None` where nothing need be proven."""
    tier, history = request.tier, wanted.history
    own = tuple(own_faults(request, database, wanted))
    before = project.settings.predecessors(tier) if request.operation.proves else ()
    if not own and not before:
        return None
    there = lineage.standing(history, database.revisions) if database else frozenset()
    ids = frozenset(each.id for each in history.revisions)
    here = witness_of(tier, database, there, known=ids)
    asked = [_ask_or_read(project, request, before[-1], history)] if before and (wanted.needed or own) else []
    findings = (*own, *(missing(*asked[0], wanted) if asked else ()))
    if findings and asked:  # the table shows the whole way
        asked = [*(_ask(project, each, history) for each in before[:-1]), *asked]
    code = _code(history, {*wanted.needed, *(each for finding in findings for each in finding.revisions)})
    return ProofReport(findings=findings, code=code, tiers=(*(witness for witness, _ in asked), here))


def own_faults(request: Request, database: Database | None, wanted: Wanted) -> Iterator[Finding]:
    """Yield how the tier's own history and the code's contradict each other."""
    history, builds = wanted.history, request.operation.builds
    known = {each.id: each.checksum for each in history.revisions}
    if database is not None and not builds and (unknown := sorted(database.revisions - known.keys())):
        yield Finding(fault=Fault.NOT_IN_CODE, revisions=tuple(unknown))
        return
    if request.tier.after is None:  # it may be built anew at any time, and what it runs proves nothing yet
        return
    if database is not None and not builds:
        there = lineage.standing(history, database.revisions)
        ran = {id_: checksum for id_, checksum in database.ledger if id_ in there}
        looked_at = {each.id for each in wanted.back} if request.operation.takes_back else there
        edited = [
            each.id
            for each in history.revisions
            if each.id in looked_at and ran.get(each.id, each.checksum) != each.checksum
        ]
        yield from _found(Fault.EDITED_HERE, edited)
        if request.operation.proves:
            yield from _found(Fault.GAP_HERE, lineage.left_out(history, database.revisions, ran))
    if request.operation.proves:
        yield from _found(Fault.HEADS, lineage.loose_heads(history))


def missing(before: Witness, standing: frozenset[str], wanted: Wanted) -> Iterator[Finding]:
    """Yield why the tier right before does not prove the revisions that are needed."""
    if before.silent and before.built:
        yield Finding(fault=Fault.UNREACHABLE, revisions=wanted.needed)
        return
    if before.failing:
        yield Finding(fault=Fault.FAILING, revisions=wanted.needed)
    code = _code(wanted.history, set(wanted.needed))
    yield from _found(Fault.EDITED, [each.id for each in code if before.holds(each) is Held.OTHER])
    lacks = [each.id for each in code if before.holds(each) not in (Held.SAME, Held.OTHER)]
    yield from _found(Fault.GAP, [each for each in lacks if each in standing])
    yield from _found(Fault.MISSING, [each for each in lacks if each not in standing])


def _found(fault: Fault, revisions: Iterable[str]) -> Iterator[Finding]:
    if named := tuple(revisions):
        yield Finding(fault=fault, revisions=named)


def _code(history: History, wanted: set[str]) -> tuple[Code, ...]:
    """Return these revisions in their order, those that the code does not have first."""
    known = {each.id for each in history.revisions}
    gone = tuple(Code(id=each, checksum="", path="") for each in sorted(wanted - known))
    return (*gone, *(_as_code(each) for each in history.revisions if each.id in wanted))


def _as_code(revision: Revision) -> Code:
    return Code(id=revision.id, checksum=revision.checksum, path=revision.path.as_posix())


def _ask_or_read(project: Project, request: Request, tier: Tier, history: History) -> tuple[Witness, frozenset[str]]:
    """Ask the tier; where it cannot be seen from here, take its word from the approved plan that is brought.

    Whether the signatures under that hold is for the guard's own rule, which refuses the plan where they do not.
    """
    asked, standing = _ask(project, tier, history)
    said = request.brought.vouched if request.brought else None
    if said is None or said.tier != tier.name or not asked.elsewhere:
        return asked, standing
    ids = frozenset(id_ for id_, _ in said.ledger)
    return replace(asked, ledger=said.ledger, silent="", built=True), ids


def _ask(project: Project, tier: Tier, history: History) -> tuple[Witness, frozenset[str]]:
    """Return what a tier's database says of itself, and every revision that stands there by its version table."""
    settings, nowhere = project.settings, frozenset[str]()
    try:
        target = resolve(settings, project.variables, tier, lambda _line: None, start=False)
        if target is None:
            return replace(
                witness_of(tier, None, nowhere), silent="not built yet", built=False, elsewhere=True
            ), nowhere
        server, database = look_at(target, settings.migrations.version_tables, lambda _oid: None)
    except UrlNotConfiguredError as error:
        return replace(witness_of(tier, None, nowhere), silent=f"{error.variable} is not set", elsewhere=True), nowhere
    except (DbtasksError, PermissionError, psycopg.Error) as error:
        text = " ".join(str(error).split()) or type(error).__name__
        return replace(witness_of(tier, None, nowhere), silent=f"cannot be asked: {mask(text)}"), nowhere
    standing = lineage.standing(history, database.revisions)
    seen = (server, database, target.conninfo.database)
    stamp = situate(tier, settings.project, settings.tiers, seen).stamp
    witness = witness_of(tier, database, standing, known=frozenset(each.id for each in history.revisions))
    ours = stamp in (StampState.MATCHES, StampState.PROMOTED)
    wrong = failing(database) if ours else f"{database.name} does not bear the stamp of {tier.label}"
    return replace(witness, failing=wrong, server=server.system_identifier, oid=database.oid), standing


def failing(database: Database) -> str:
    """Return what is wrong with a database that is the right one; empty where nothing is."""
    return torn_words(database.torn) if database.torn else database.unproven


def witness_of(
    tier: Tier, database: Database | None, standing: frozenset[str], *, known: frozenset[str] = frozenset()
) -> Witness:
    """Return a tier's word. A revision counts that its ledger has and its version table has not lost since.

    `known` are the revisions of this code. What stands under others, and whether these do, cannot be told.
    """
    rows = database.ledger if database else ()
    ahead = database is not None and not database.revisions <= known
    ledger = tuple(each for each in rows if ahead or each[0] in standing or each[0] not in known)
    rest = {id_ for id_, _ in rows} - {id_ for id_, _ in ledger}
    return Witness(
        tier=tier.name,
        label=tier.label,
        ledger=ledger,
        taken_back=frozenset(rest) | (database.taken_back if database else frozenset()),
        free=tier.may_lose is Loss.EVERYTHING,
        first=tier.after is None,
    )
