"""The project's private server, on which a database is built where none can be created beside the target."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from dbtasks import embedded
from dbtasks.conninfo import Conninfo
from dbtasks.guard import Clearance
from dbtasks.pin import PIN
from dbtasks.project import Project
from dbtasks.registry import Registry, open_registry
from dbtasks.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """A server of ours for one build. `known` is its registry, `identifier` its system identifier."""

    server: embedded.Server
    known: Registry
    identifier: int

    def way(self, database: str) -> Conninfo:
        return self.server.conninfo(database)


def find(clearance: Clearance, project: Project, made_by: str, report: Callable[[str], None]) -> Elsewhere:
    """Return the private throw-away server, started where needed. EmbeddedServerError says what to install."""
    server = embedded.ensure(project.settings.root, embedded.Kind.THROWAWAY, report)
    PIN.enter(server.host, server.port)
    maintenance = server.conninfo("postgres")
    connection = open_registry(clearance, maintenance, maintenance)
    row = connection.execute("SELECT system_identifier FROM pg_control_system()").fetchone()
    return Elsewhere(
        server=server,
        known=Registry(connection, project.settings.project, made_by),
        identifier=cast(int, row[0]) if row else 0,
    )
