"""How a test process gets its right to make databases: it is let in once, by the guard, for the default tier."""

from __future__ import annotations

import enum

import psycopg

from dbtasks import readiness
from dbtasks.conninfo import Conninfo
from dbtasks.console import Console
from dbtasks.database import Connection, open_to_write
from dbtasks.errors import ClonesImpossibleError, RefusedError, ServerUnreachableError
from dbtasks.guard import Clearance
from dbtasks.kept import maker
from dbtasks.project import Project
from dbtasks.readiness import PURPOSE, Ready
from dbtasks.registry import Registry, may_write, open_registry
from dbtasks.tiers import Tier
from dbtasks.values import dataclass

# What can be mended by building the default tier first.
_UNBUILT = frozenset({"E-ABSENT", "E-NO-STAMP"})


class Obstacle(enum.Enum):
    """Why a server lets us make no databases, and what its owner can do about it."""

    POOLED = (
        "the connection goes through a pooler, which shares locks between clients",
        "Set the tier's URL to the server itself.",
    )
    NO_CREATEDB = ("the role may not create databases", "As a superuser: ALTER ROLE <role> CREATEDB")
    NO_REGISTRY = (
        "the role may not write dbtasks.registry in the server's database dbtasks",
        "As that database's owner: GRANT INSERT, UPDATE, DELETE ON dbtasks.registry TO <role>",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WayIn:
    """One process's way to the default tier's server, for as long as the process lives.

    `console` hears what is built first.
    """

    project: Project
    ready: Ready
    console: Console

    @property
    def tier(self) -> Tier:
        return self.project.settings.default

    @property
    def entry(self) -> int:
        """The trail's number of the opening."""
        return self.ready.report.entry or 0

    @property
    def clearance(self) -> Clearance:
        return self.ready.clearance

    @property
    def conninfo(self) -> Conninfo:
        return self.ready.report.target.conninfo

    def to(self, name: str) -> Conninfo:
        """Return the way to another database of the same server."""
        return self.conninfo.with_database(name)

    def open(self, name: str) -> Connection:
        return open_to_write(self.clearance, self.to(name))

    def registry(self) -> Registry:
        """Return the server's registry on a connection of its own. ClonesImpossibleError where it cannot be written."""
        server = self.clearance.evidence.server
        if server.pooled:
            raise self._impossible(Obstacle.POOLED)
        if not server.can_create:
            raise self._impossible(Obstacle.NO_CREATEDB)
        try:
            connection = open_registry(self.clearance, self.conninfo, self.conninfo)
        except (ServerUnreachableError, psycopg.errors.InsufficientPrivilege):
            raise self._impossible(Obstacle.NO_REGISTRY) from None
        if not may_write(connection):
            connection.close()
            raise self._impossible(Obstacle.NO_REGISTRY)
        # CREATE DATABASE waits for the disk, and so for the row before it; what else is written here may be lost.
        connection.execute("SET synchronous_commit = off")
        return Registry(connection, self.project.settings.project, maker(self.project.who))

    def _impossible(self, obstacle: Obstacle) -> ClonesImpossibleError:
        reason, instead = obstacle.value
        return ClonesImpossibleError(self.ready.label, reason, instead)


def let_in(project: Project) -> WayIn:
    """Return the way into the default tier of a project; the tier is built first where it is missing.

    Raises what the road raises.
    """
    try:
        ready = readiness.let_in(project, PURPOSE)
    except RefusedError as refused:
        if refused.code not in _UNBUILT:
            raise
        ready = readiness.make_ready(project, readiness.Unheard(), PURPOSE)
    return WayIn(project=project, ready=ready, console=readiness.Unheard())
