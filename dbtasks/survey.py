"""The look before anything is decided: evidence of the live database, the project's materials, and the plan of both.

It is made twice: to ask, and again under the lock, right before the first write. If the two plans differ, nothing runs.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import psycopg

from dbtasks import inspection, registry
from dbtasks.conninfo import Conninfo
from dbtasks.database import exists_elsewhere, look, unreachable, unreadable
from dbtasks.errors import DbtasksError, ServerUnreachableError
from dbtasks.evidence import Database, Evidence, Proof, Server, situate
from dbtasks.operations import verb
from dbtasks.plan import Materials, Plan, RevisionBytes
from dbtasks.project import Project
from dbtasks.targets import Target, resolve
from dbtasks.tiers import Tier
from dbtasks.verdicts import Request

if TYPE_CHECKING:
    from dbtasks.migrations.history import History, Revision


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the command line adds to the verb: a command to run, read-only or not, other seed sets than the tier's.

    `purpose` says what this process wants the way in for, where there is no command.
    """

    command: tuple[str, ...] = ()
    read_only: bool = False
    purpose: str = ""
    seed_sets: tuple[str, ...] | None = None
    retry: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """`server_way` leads to some database that exists on the target's server."""

    evidence: Evidence
    plan: Plan
    materials: Materials
    server_way: Conninfo


def survey(project: Project, request: Request, target: Target, wish: Wish) -> Survey:
    """Return what is there and what would be done. Reads only."""
    operation, settings = request.operation, project.settings
    server, database, server_way = _look(project, request, target)
    if operation.replaces and server.can_create and not server.superuser:
        server = replace(server, registers=registry.may_register(target.conninfo))
    history = _history(project) if operation.proves or operation.catalogue_only else None
    materials = _materials(project, request, wish, history, database)
    name = target.conninfo.database
    proof = Proof.NOT_NEEDED
    if operation.proves and request.tier.after is not None:
        needed = materials.revisions if operation.replaces else materials.pending
        proof = _proof(project, settings.tier(request.tier.after), needed)
    situation = situate(request.tier, settings.project, settings.tiers, (server, database, name), proof)
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
    )


def look_at(
    target: Target, version_table: str | None, registered: Callable[[int], str | None]
) -> tuple[Server, Database]:
    """Return server and database of a target that exists. ServerUnreachableError when it cannot be reached."""
    with closing(look(target.conninfo)) as connection:
        server = inspection.look_at_server(connection)
        database = inspection.look_at_database(connection, server, version_table, registered)
        return server, database


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


def _history(project: Project) -> History:
    from dbtasks.migrations.history import read_history  # late: seeding and opening do without

    return read_history(project.settings.root, project.settings.migrations)


def _materials(
    project: Project, request: Request, wish: Wish, history: History | None, database: Database | None
) -> Materials:
    current = database.revisions if database else frozenset()
    # A look tells what it can, and a replacement is built from nothing: revisions that the code does not have stop
    # only what would go on from them.
    goes_on = not (request.operation.catalogue_only or request.operation.replaces)
    known = history is not None and (goes_on or current <= {revision.id for revision in history.revisions})
    sets = wish.seed_sets if wish.seed_sets is not None else request.tier.seeds
    seeds = None
    if request.operation.seeds and sets:
        from dbtasks.seeders import read as read_seeds  # late: only two verbs read seeds

        seeds = read_seeds(project.settings.root, project.settings.seeds, sets)
    return Materials(
        revisions=tuple(_bytes(each) for each in history.revisions) if history else (),
        pending=tuple(_bytes(each) for each in history.pending(current)) if history and known else (),
        heads=history.heads if history else (),
        seed_sets=tuple(sets) if seeds else (),
        seed_digest=seeds.digest if seeds else "",
        command=wish.command,
        read_only=wish.read_only,
        purpose=wish.purpose,
        retry=wish.retry,
    )


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
