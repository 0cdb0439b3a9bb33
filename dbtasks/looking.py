"""What is there: the target's server and database, from a look into it, or from the coordination database beside it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import psycopg

from dbtasks import inspection, registry
from dbtasks.conninfo import Conninfo, parse
from dbtasks.database import BOUNDS, Connection, connect_to_look, exists_elsewhere, look, unreachable, unreadable
from dbtasks.errors import ServerUnreachableError, UsageError
from dbtasks.evidence import Database, Server
from dbtasks.means import with_means
from dbtasks.project import Project
from dbtasks.revision_facts import VersionTables
from dbtasks.targets import Target
from dbtasks.tiers import Consent, Loss
from dbtasks.variables import IN_A_FILE
from dbtasks.verdicts import Request

# Server, database, and a way that leads to some database which exists on that server.
Found = tuple[Server, Database | None, Conninfo]

_CANNOT_TELL = (
    PermissionError,
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.InsufficientPrivilege,
)


def look_around(
    project: Project, request: Request, target: Target, beside: Connection | None
) -> tuple[Found, Connection | None]:
    """Return what is there, and `beside` where that alone was asked; where its word does not do, it is closed."""
    glance = _glance(beside, project, request, target)
    if glance is not None:
        return glance, beside
    if beside is not None:
        beside.close()
    _require_same(project, target)
    server, database, server_way = _look(project, request, target)
    if request.operation.replaces or request.operation.restores:
        server, database = with_means(server, database, request, target)
    return (server, database, server_way), None


def _require_same(project: Project, target: Target) -> None:
    """UsageError where a role's own URL and the tier's lead to different databases; where both are set here."""
    tier = target.tier
    if target.variable not in {spelling for _, name in tier.roles.variables for spelling in _spellings(name)}:
        return
    value = project.variables.get(tier.url_variable)
    if value is not None and _which(target.conninfo) != _which(parse(value.text, variable=value.variable)):
        raise UsageError(
            f"{target.variable} and {value.variable} lead to different databases, both for [{tier.label}]."
        )


def _which(conninfo: Conninfo) -> object:
    with closing(look(conninfo)) as connection:
        return connection.execute(_WHICH).fetchone()


def _spellings(name: str) -> tuple[str, ...]:
    return name, name.lower(), name.upper(), f"{name}{IN_A_FILE}"


_WHICH = """
SELECT (SELECT system_identifier FROM pg_control_system()), oid::bigint
  FROM pg_database WHERE datname = current_database()
"""


def look_at(
    target: Target, tables: VersionTables | None, registered: Callable[[int], str | None]
) -> tuple[Server, Database]:
    """Return server and database of a target that exists. ServerUnreachableError when it cannot be reached."""
    with closing(look(target.conninfo)) as connection:
        server = inspection.look_at_server(connection)
        database = inspection.look_at_database(connection, server, tables, registered)
        return server, database


def connection_beside(request: Request, target: Target) -> Connection | None:
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


def _glance(beside: Connection | None, project: Project, request: Request, target: Target) -> Found | None:
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
    if not server.can_create or database.template:  # whether that is a guard, only the database can tell
        return None
    # A stamp that asks more than the settings do is looked at where it is.
    if any(stamp.floor != request.tier.floor for stamp in database.stamps or ()):
        return None
    way = target.conninfo.with_database(registry.COORDINATION)
    return replace(server, registers=registers or server.superuser), database, way


def _look(project: Project, request: Request, target: Target) -> Found:
    writes = not (request.looks_only or request.operation.hands_out)

    def registered(oid: int) -> str | None:
        return registry.kind_of(target.conninfo, oid) if writes else None

    try:
        try:
            tables = None if request.operation.hands_out else project.settings.migrations.version_tables
            server, database = look_at(target, tables, registered)
            return server, database, target.conninfo
        except ServerUnreachableError as error:
            return _look_beside(target, error)
    except (PermissionError, psycopg.Error) as error:
        raise unreadable(target.tier.label, target.masked, str(error)) from None


def _look_beside(target: Target, error: ServerUnreachableError) -> Found:
    """Return the server where only the database is missing; else say that the target cannot be reached."""
    try:
        way = exists_elsewhere(target.conninfo, target.conninfo.database)
    except ServerUnreachableError:
        way = None
    if way is None:
        raise unreachable(target.tier.label, target.masked, str(error), embedded=target.is_embedded) from None
    with closing(look(way)) as connection:
        return inspection.look_at_server(connection), None, way
