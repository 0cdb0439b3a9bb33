"""What a role could do to replace a database: create another beside it, or only replace its schemas."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

from dbtasks import registry
from dbtasks.database import look
from dbtasks.evidence import Database, Server
from dbtasks.targets import Target
from dbtasks.tiers import Loss
from dbtasks.verdicts import Request


def with_means(
    server: Server, database: Database | None, request: Request, target: Target
) -> tuple[Server, Database | None]:
    """Add whether the role may register databases; where it may make none, what else a replacement could do."""
    if server.can_create and not server.superuser:
        server = replace(server, registers=registry.may_register(target.conninfo))
    if (server.can_create and server.registers) or database is None or request.tier.may_lose is Loss.NOTHING:
        return server, database
    from dbtasks import schemas  # late: most roles may create databases

    with closing(look(target.conninfo)) as connection:
        names = tuple(schema.name for schema in schemas.schemas_of(connection))
        obstacles = schemas.obstacles(connection)
    if request.operation.builds or request.operation.restores:  # on the private server
        obstacles = (*obstacles, *schemas.no_place_to_build())
    return server, replace(database, schemas=names, obstacles=obstacles)
