"""The look before anything is decided: evidence of the live database, the project's materials, and the plan of both.

It is made twice: to ask, and again under the lock, right before the first write. If the two plans differ, nothing runs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dbtasks.conninfo import Conninfo
from dbtasks.database import Connection, unreadable
from dbtasks.effects import Operation, Stamping
from dbtasks.environment import for_worker
from dbtasks.evidence import Contents, Database, Drift, Evidence, Proof, Replacing, Server, Situation, StampState
from dbtasks.looking import connection_beside, look_around
from dbtasks.materials import Materials
from dbtasks.moment import Hearing
from dbtasks.operations import verb
from dbtasks.plan import Plan, Prove, RevisionBytes
from dbtasks.project import Project
from dbtasks.situation import situate
from dbtasks.targets import Target
from dbtasks.tiers import Loss
from dbtasks.torn import torn
from dbtasks.values import dataclass
from dbtasks.verdicts import Request
from dbtasks.wish import Wish as Wish

if TYPE_CHECKING:
    from dbtasks.drift import Comparing
    from dbtasks.migrations.history import History, Revision
    from dbtasks.proof import ProofReport
    from dbtasks.seeders import Seeds


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """`server_way` leads to some database that exists on the target's server.

    `beside` is the connection to the coordination database where that alone was asked; who made the survey closes it.
    """

    evidence: Evidence
    plan: Plan
    materials: Materials
    server_way: Conninfo
    files: Files
    beside: Connection | None = None


class Files:
    """What the project's files say, read once: nothing is run from them but the bytes that the plan names."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._history: History | None = None
        self._seeds: dict[tuple[str, ...], Seeds] = {}
        self._comparing: Comparing | None = None

    @property
    def history(self) -> History:
        if self._history is None:
            from dbtasks.migrations.history import read_history  # late: seeding and opening do without

            settings, environ = self._project.settings, for_worker(self._project, "")
            self._history = read_history(settings.root, settings.migrations, environ=environ)
        return self._history

    def seeds(self, sets: tuple[str, ...]) -> Seeds:
        if sets not in self._seeds:
            from dbtasks.seeders import read  # late: only some verbs read seeds

            self._seeds[sets] = read(self._project.settings.root, self._project.settings.seeds, sets)
        return self._seeds[sets]

    def comparing(self, say: Hearing) -> Comparing:
        """Return what compares a schema with what the revisions produce. `say` hears what takes a while."""
        if self._comparing is None:
            from dbtasks.drift import Comparing  # late: only what goes on from a schema asks for it

            self._comparing = Comparing(self._project, say)
        return self._comparing


def survey(
    project: Project,
    request: Request,
    target: Target,
    wish: Wish,
    before: Survey | None = None,
    *,
    say: Hearing = lambda _line: None,
) -> Survey:
    """Return what is there and what would be done. Reads only.

    `before` is an earlier survey of the same call: its files, its connection and its rehearsal serve once more. `say`
    hears what takes a while.
    """
    operation = request.operation
    files = before.files if before else Files(project)
    history = files.history if _reads_history(operation) else None  # a file's fault is told before anything is reached
    seeds = _seeds(request, wish, files)
    beside = before.beside if before else connection_beside(request, target)
    (server, database, server_way), beside = look_around(project, request, target, beside)
    materials = _materials(wish, history, database, seeds, _to_prove(project, request, wish, database))
    if history and operation.takes_back:
        from dbtasks.going_back import going_back  # late: most verbs take nothing back

        materials = going_back(project.settings, history, database, wish.to, materials)
    around = Around(project=project, request=request, target=target, wish=wish, files=files)
    situation = _situated(around, (server, database), history, materials)
    if _is_compared(around, situation, materials, database):
        situation, materials = _compared(around, files.comparing(say), (situation, materials, database))
    if operation.brings_back or operation.drops or operation.restores or operation.recovers:
        from dbtasks import bringing  # late, as below: most operations neither bring anything back nor destroy

        inside, found = situation.replacing is Replacing.BY_SCHEMAS, (server, database, server_way)
        means = bringing.Means(wish=wish, found=found, connection=beside, inside=inside)
        materials = bringing.add(materials, project, request, target, means)
    if operation.entitles:
        from dbtasks import entitled

        materials = entitled.add(materials, project, target, database)
    elif operation.administers:
        from dbtasks import guards

        materials = guards.add(materials, project, request, target, (server, database))
    policy = None
    if way_back_is_wanted(request, situation, materials):
        from dbtasks import provision

        situation, policy = provision.provide(project, request, target, situation, wish.no_backup_because)
    evidence = Evidence(
        tier=request.tier,
        project=project.settings.project,
        name=target.conninfo.database,
        place=target.conninfo.place,
        server=server,
        database=database,
        situation=situation,
        policy=policy,
    )
    evidence, materials, plan = _planned(around, evidence, materials, before, say)
    return Survey(evidence=evidence, plan=plan, materials=materials, server_way=server_way, files=files, beside=beside)


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What one look is about, by which each part of it goes."""

    project: Project
    request: Request
    target: Target
    wish: Wish
    files: Files


def _situated(
    around: Around, seen: tuple[Server, Database | None], history: History | None, materials: Materials
) -> Situation:
    """Return the situation as far as it can be told without comparing schemas."""
    (server, database), settings, request = seen, around.project.settings, around.request
    report = _proof(around.project, request, database, history, materials)
    name = around.target.conninfo.database
    situation = situate(request.tier, settings.project, settings.tiers, (server, database, name), report)
    left = torn(history, database, materials, back=request.operation.takes_back)
    return replace(situation, torn=left, leftovers=database.leftovers if database else ())


def _planned(
    around: Around, evidence: Evidence, materials: Materials, before: Survey | None, say: Hearing
) -> tuple[Evidence, Materials, Plan]:
    """Return the plan, made once more with what a rehearsal showed where there is one."""
    operation, situation = around.request.operation, evidence.situation
    plan = verb(operation).plan(evidence, materials)
    goes_on = not situation.torn and situation.drift in (Drift.NONE, Drift.ACCEPTED)  # else it is refused
    if operation.rehearses and goes_on:
        from dbtasks import tried_out  # late: most operations try nothing out

        if tried_out.is_wanted(around.request, plan, evidence, materials):
            earlier = before.evidence if before else None
            evidence, materials = tried_out.add(around.project, around.target, (evidence, materials), earlier, say)
            plan = verb(operation).plan(evidence, materials)
    return evidence, materials, plan


def _reads_history(operation: Operation) -> bool:
    reads = operation.proves or operation.takes_back or operation.builds or operation.catalogue_only
    return reads or operation.accepts or operation.stamps is Stamping.ANY


def _materials(
    wish: Wish,
    history: History | None,
    database: Database | None,
    seeds: tuple[tuple[str, ...], str],
    prove: Prove | None,
) -> Materials:
    current = database.revisions if database else frozenset()
    # Revisions that the code does not have stop only what would go on from them, and that is the guard's to say.
    unknown = current - {each.id for each in history.revisions} if history else frozenset[str]()
    known = history is not None and not unknown
    revisions = tuple(_bytes(each) for each in history.revisions) if history else ()
    pending = tuple(_bytes(each) for each in history.pending(current)) if history and known else ()
    written = {*(dict(database.ledger) if database else ()), *(database.torn if database else ())}
    told = written | {each.id for each in pending}
    return Materials(
        revisions=revisions,
        pending=pending,
        unrecorded=tuple(each for each in revisions if each.id not in told) if known else (),
        unknown=tuple(sorted(unknown)),
        heads=history.heads if history else (),
        seed_sets=seeds[0],
        seed_digest=seeds[1],
        prove=prove,
        command=wish.command,
        read_only=wish.read_only,
        purpose=wish.purpose,
        retry=wish.retry,
        agreed=wish.agreed,
        arms=wish.arms,
    )


def way_back_is_wanted(request: Request, situation: Situation, materials: Materials) -> bool:
    """Whether a way back is asked for, or could be needed: where there is nothing to lose, it is not."""
    operation = request.operation
    if operation.saves:
        return True
    if situation.contents is not Contents.HOLDS or situation.floor.may_lose is Loss.EVERYTHING:
        return False
    revisions = operation.rehearses and bool(materials.pending or materials.back)
    return revisions or operation.replaces or operation.restores


def _is_compared(around: Around, situation: Situation, materials: Materials, database: Database | None) -> bool:
    """Return whether something would go on from a schema that must be what its revisions produce.

    What may lose everything is built anew where it is not; what is refused for its stamp, for a proof that is missing
    or for a torn revision is not looked into.
    """
    operation = around.request.operation
    if situation.torn or not (operation.accepts or (operation.proves and not operation.builds and materials.pending)):
        return False
    if situation.floor.may_lose is Loss.EVERYTHING and not operation.accepts:
        return False
    proven = operation.accepts or situation.proof in (Proof.PROVEN, Proof.NOT_NEEDED)
    owns = situation.stamp in (StampState.MATCHES, StampState.PROMOTED) and situation.contents is Contents.HOLDS
    return proven and owns and database is not None and (operation.accepts or bool(database.revisions))


def _compared(
    around: Around, comparing: Comparing, seen: tuple[Situation, Materials, Database | None]
) -> tuple[Situation, Materials]:
    """Add whether the schema is what its revisions produce, and where it is not."""
    (situation, materials, database), target = seen, around.target
    accepts, history = around.request.operation.accepts, around.files.history
    current = database.revisions if database else frozenset()
    look = comparing.whole if accepts else comparing.as_left
    found = look(target, history, current)
    situation = replace(situation, drift=found.drift, drifted=found.clauses)
    if accepts and not found.fingerprint:
        raise unreadable(target.tier.label, target.masked, found.unknown)
    if not accepts:
        return situation, materials
    there = (*found.found, *(each for each, _ in found.accepted))
    told = tuple(f"{each.digest} {each.clause}" for each in there)
    return situation, replace(materials, schema=found.fingerprint, drift=told, reason=around.wish.reason)


def _to_prove(project: Project, request: Request, wish: Wish, database: Database | None) -> Prove | None:
    """Return what is asked of a tier besides being at head: in a walk, and where it has failed at that before."""
    settings, operation = project.settings.migrations, request.operation
    models, failed = not settings.ignore_models, database is not None and bool(database.unproven)
    if not operation.proves or operation.builds or not (failed or (wish.walks and (models or settings.check))):
        return None
    followed = any(tier.after == request.tier.name for tier in project.settings.tiers)
    return Prove(models=models, check=settings.check, records=followed or failed)


def _seeds(request: Request, wish: Wish, files: Files) -> tuple[tuple[str, ...], str]:
    """Return the seed sets that are wanted, and the digest over their files."""
    sets = tuple(wish.seed_sets if wish.seed_sets is not None else request.tier.seeds)
    return (sets, files.seeds(sets).digest) if request.operation.seeds and sets else ((), "")


def _bytes(revision: Revision) -> RevisionBytes:
    return RevisionBytes(id=revision.id, checksum=revision.checksum, message=revision.message)


def _proof(
    project: Project, request: Request, database: Database | None, history: History | None, materials: Materials
) -> ProofReport | None:
    """Return what the tiers before have proven, where the operation asks for that."""
    operation = request.operation
    if history is None or not (operation.proves or operation.takes_back):
        return None
    from dbtasks.proving import Wanted, prove  # late: most verbs prove nothing

    needed = materials.revisions if operation.replaces else materials.pending
    ids = tuple(each.id for each in needed)
    return prove(project, request, database, Wanted(history=history, needed=ids, back=materials.back))
