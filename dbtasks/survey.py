"""The look before anything is decided: evidence of the live database, the project's materials, and the plan of both.

It is made twice: to ask, and again under the lock, right before the first write. If the two plans differ, nothing runs.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg

from dbtasks import inspection, kept, registry
from dbtasks.conninfo import Conninfo
from dbtasks.database import BOUNDS, Connection, connect_to_look, exists_elsewhere, look, unreachable, unreadable
from dbtasks.errors import DbtasksError, RefusedError, ServerUnreachableError
from dbtasks.evidence import Database, Evidence, Proof, Replacing, Server, own_stamp
from dbtasks.means import with_means
from dbtasks.operations import verb
from dbtasks.plan import Kept, Materials, Plan, RevisionBytes
from dbtasks.project import Project
from dbtasks.situation import situate
from dbtasks.targets import Target, resolve
from dbtasks.tiers import Consent, Loss, Tier
from dbtasks.values import dataclass
from dbtasks.verdicts import Request

if TYPE_CHECKING:
    from dbtasks.migrations.history import History, Revision
    from dbtasks.seeders import Seeds


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the command line adds to the verb: a command to run, read-only or not, other seed sets than the tier's.

    `purpose` says what this process wants the way in for, where there is no command. `entry` is the one to undo.
    `fresh`: built from nothing, whatever is in stock.
    """

    command: tuple[str, ...] = ()
    read_only: bool = False
    purpose: str = ""
    seed_sets: tuple[str, ...] | None = None
    retry: tuple[str, ...] = ()
    entry: int | None = None
    fresh: bool = False


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

    @property
    def history(self) -> History:
        if self._history is None:
            from dbtasks.migrations.history import read_history  # late: seeding and opening do without

            self._history = read_history(self._project.settings.root, self._project.settings.migrations)
        return self._history

    def seeds(self, sets: tuple[str, ...]) -> Seeds:
        if sets not in self._seeds:
            from dbtasks.seeders import read  # late: only some verbs read seeds

            self._seeds[sets] = read(self._project.settings.root, self._project.settings.seeds, sets)
        return self._seeds[sets]


def survey(project: Project, request: Request, target: Target, wish: Wish, before: Survey | None = None) -> Survey:
    """Return what is there and what would be done. Reads only.

    `before` is an earlier survey of the same call: its files and its connection serve once more.
    """
    operation, settings = request.operation, project.settings
    files = before.files if before else Files(project)
    needs_history = operation.proves or operation.builds or operation.catalogue_only
    history = files.history if needs_history else None  # what is wrong in a file is told before anything is contacted
    seed_sets, seed_digest = _seeds(request, wish, files)
    beside = before.beside if before else _beside(request, target)
    glance = _glance(beside, project, request, target)
    if glance is None and beside is not None:
        beside.close()
        beside = None
    server, database, server_way = glance or _look(project, request, target)
    if glance is None and operation.replaces:
        server, database = with_means(server, database, request, target)
    materials = replace(_materials(request, wish, history, database), seed_sets=seed_sets, seed_digest=seed_digest)
    name = target.conninfo.database
    proof = Proof.NOT_NEEDED
    if operation.proves and request.tier.after is not None:
        needed = materials.revisions if operation.replaces else materials.pending
        proof = _proof(project, settings.tier(request.tier.after), needed)
    situation = situate(request.tier, settings.project, settings.tiers, (server, database, name), proof)
    inside = situation.replacing is Replacing.BY_SCHEMAS
    materials = _with_kept(materials, project, request, target, (wish, beside, inside))
    evidence = Evidence(
        tier=request.tier,
        project=settings.project,
        name=name,
        place=target.conninfo.place,
        server=server,
        database=database,
        situation=situation,
    )
    return Survey(
        evidence=evidence,
        plan=verb(operation).plan(evidence, materials),
        materials=materials,
        server_way=server_way,
        files=files,
        beside=beside,
    )


def look_at(
    target: Target, version_table: str | None, registered: Callable[[int], str | None]
) -> tuple[Server, Database]:
    """Return server and database of a target that exists. ServerUnreachableError when it cannot be reached."""
    with closing(look(target.conninfo)) as connection:
        server = inspection.look_at_server(connection)
        database = inspection.look_at_database(connection, server, version_table, registered)
        return server, database


_CANNOT_TELL = (
    PermissionError,
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.InsufficientPrivilege,
)


def _beside(request: Request, target: Target) -> Connection | None:
    """Return a connection to the coordination database where its word is enough.

    That is so where the answer does not depend on what the database holds: nobody is asked, and nothing need be proven.
    """
    tier = request.tier
    free = tier.may_lose is Loss.EVERYTHING and tier.consent is Consent.NONE and tier.after is None
    if request.dry_run or not request.operation.replaces or not free:
        return None
    try:
        return connect_to_look(target.conninfo.with_database(registry.COORDINATION))
    except ServerUnreachableError:
        return None


def _glance(
    beside: Connection | None, project: Project, request: Request, target: Target
) -> tuple[Server, Database, Conninfo] | None:
    """Return server and database as the coordination database knows them, through one connection; `None`: look."""
    if beside is None:
        return None
    tier, name = request.tier.name, target.conninfo.database
    try:
        bounds = () if beside.autocommit else BOUNDS  # on the second look it may write, and waits as long as it needs
        found = inspection.look_from_beside(beside, name, project.settings.project, tier, *bounds)
    except _CANNOT_TELL:
        return None
    if found is None:
        return None
    server, database, registers = found
    if not server.can_create:
        return None
    # A stamp that asks more than the settings do is looked at where it is.
    if any(stamp.floor != request.tier.floor for stamp in database.stamps or ()):
        return None
    way = target.conninfo.with_database(registry.COORDINATION)
    return replace(server, registers=registers or server.superuser), database, way


def _look(project: Project, request: Request, target: Target) -> tuple[Server, Database | None, Conninfo]:
    writes = not (request.looks_only or request.operation.hands_out)

    def registered(oid: int) -> str | None:
        return registry.kind_of(target.conninfo, oid) if writes else None

    try:
        try:
            table = None if request.operation.hands_out else project.settings.migrations.version_table
            server, database = look_at(target, table, registered)
            return server, database, target.conninfo
        except ServerUnreachableError as error:
            return _look_beside(target, error)
    except (PermissionError, psycopg.Error) as error:
        raise unreadable(target.tier.label, target.masked, str(error)) from None


def _look_beside(target: Target, error: ServerUnreachableError) -> tuple[Server, None, Conninfo]:
    """Return the server where only the database is missing; else say that the target cannot be reached."""
    try:
        way = exists_elsewhere(target.conninfo, target.conninfo.database)
    except ServerUnreachableError:
        way = None
    if way is None:
        raise unreachable(target.tier.label, target.masked, str(error), embedded=target.is_embedded) from None
    with closing(look(way)) as connection:
        return inspection.look_at_server(connection), None, way


def _materials(request: Request, wish: Wish, history: History | None, database: Database | None) -> Materials:
    current = database.revisions if database else frozenset()
    # A look tells what it can, and a replacement is built from nothing: revisions that the code does not have stop
    # only what would go on from them.
    goes_on = not (request.operation.catalogue_only or request.operation.builds)
    known = history is not None and (goes_on or current <= {revision.id for revision in history.revisions})
    return Materials(
        revisions=tuple(_bytes(each) for each in history.revisions) if history else (),
        pending=tuple(_bytes(each) for each in history.pending(current)) if history and known else (),
        heads=history.heads if history else (),
        command=wish.command,
        read_only=wish.read_only,
        purpose=wish.purpose,
        retry=wish.retry,
    )


def _seeds(request: Request, wish: Wish, files: Files) -> tuple[tuple[str, ...], str]:
    """Return the seed sets that are wanted, and the digest over their files."""
    sets = tuple(wish.seed_sets if wish.seed_sets is not None else request.tier.seeds)
    return (sets, files.seeds(sets).digest) if request.operation.seeds and sets else ((), "")


def _with_kept(
    materials: Materials,
    project: Project,
    request: Request,
    target: Target,
    means: tuple[Wish, Connection | None, bool],
) -> Materials:
    """Add what `undo` would bring back, or `prune` would drop. RefusedError where there is nothing to bring back."""
    operation, (wish, beside, inside) = request.operation, means
    if not (operation.brings_back or operation.drops):
        return materials
    name, tier = project.settings.project, request.tier.name
    there = (
        kept.read(beside, name, tier, target.conninfo.database) if beside else kept.kept(target.conninfo, name, tier)
    )
    if operation.drops:
        there = (*there, *kept.inside(target.conninfo))
        gone = kept.gone(target.conninfo, name, tier)
        return replace(materials, ended=(*(each for each, ended in there if ended), *gone))
    there = kept.inside(target.conninfo, whole=True) if inside else there
    chosen = kept.choose([each for each, _ in there], wish.entry, kept.maker(project.who), tier)
    return replace(materials, kept=chosen if beside or inside else _looked_into(chosen, name, tier, target))


def _looked_into(chosen: Kept, project: str, tier: str, target: Target) -> Kept:
    """Return a kept database with what it holds. RefusedError where its own stamp is another tier's."""
    with closing(look(target.conninfo.with_database(chosen.name))) as connection:
        server = inspection.look_at_server(connection)
        database = inspection.look_at_database(connection, server, None, lambda _oid: None)
    stamp = own_stamp(server, database)
    if stamp is None or (stamp.project, stamp.tier) != (project, tier):
        raise RefusedError(
            code="E-STAMP",
            saw=f"The kept database {chosen.name} does not bear the stamp of {tier.upper()}.",
            why="Nothing was changed.",
            instead=f"To see what else is kept: invoke undo --tier={tier} --list",
        )
    rows = sum(table.rows for table in database.tables)
    return replace(chosen, tables=len(database.tables), rows=rows)


def _bytes(revision: Revision) -> RevisionBytes:
    return RevisionBytes(id=revision.id, checksum=revision.checksum, message=revision.message)


def _proof(project: Project, before: Tier, needed: tuple[RevisionBytes, ...]) -> Proof:
    """Return whether the tier before has all these revisions, from the same bytes, in its ledger."""
    if not needed:
        return Proof.PROVEN
    try:
        target = resolve(project.settings, project.variables, before, lambda _line: None, start=False)
        if target is None:
            return Proof.UNPROVEN
        _, database = look_at(target, project.settings.migrations.version_table, lambda _oid: None)
    except (DbtasksError, PermissionError, psycopg.Error):
        return Proof.UNKNOWN
    ledger = dict(database.ledger)
    proven = all(ledger.get(revision.id) == revision.checksum for revision in needed)
    return Proof.PROVEN if proven else Proof.UNPROVEN
