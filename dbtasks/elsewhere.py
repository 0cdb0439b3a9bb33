"""Servers for databases that are thrown away: the project's private one, or the one that the settings name."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from dbtasks import embedded
from dbtasks.conninfo import Conninfo, parse
from dbtasks.database import Scratch
from dbtasks.errors import DbtasksError
from dbtasks.guard import Clearance
from dbtasks.pin import PIN
from dbtasks.project import Project
from dbtasks.registry import Registry, open_registry
from dbtasks.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """A server of ours. `base` leads to it, `known` is its registry, `identifier` its system identifier.

    `shown` is what people know it as.
    """

    base: Conninfo
    known: Registry
    identifier: int
    permit: Clearance | Scratch
    shown: str

    def way(self, database: str) -> Conninfo:
        return self.base.with_database(database)

    def close(self) -> None:
        self.known.connection.close()


def find(clearance: Clearance, project: Project, made_by: str, report: Callable[[str], None]) -> Elsewhere:
    """Return the private throw-away server, started where needed. EmbeddedServerError says what to install."""
    return _opened(clearance, _private(project, report), project, made_by)


def scratch(project: Project, made_by: str, report: Callable[[str], None]) -> Elsewhere:
    """Return the server for rehearsals: the one that the settings name, else the private throw-away one.

    DbtasksError says what to do where there is none. Nothing is asked before: no tier's data is on it.
    """
    name = project.settings.migrations.scratch
    if not name:
        base = _private(project, report)
        return _opened(Scratch(base.place), base, project, made_by)
    value = project.variables.get(name)
    if value is None:
        raise DbtasksError(f"{name}, which migrations.scratch names, is not set.")
    base = parse(value.text, variable=value.variable)
    return _opened(Scratch(base.place), base, project, made_by)


def _private(project: Project, report: Callable[[str], None]) -> Conninfo:
    server = embedded.ensure(project.settings.root, embedded.Kind.THROWAWAY, report)
    PIN.enter(server.host, server.port)
    return server.conninfo("postgres")


def _opened(permit: Clearance | Scratch, base: Conninfo, project: Project, made_by: str) -> Elsewhere:
    connection = open_registry(permit, base, base)
    row = connection.execute("SELECT system_identifier FROM pg_control_system()").fetchone()
    version = connection.info.server_version
    return Elsewhere(
        base=base,
        known=Registry(connection, project.settings.project, made_by),
        identifier=cast(int, row[0]) if row else 0,
        permit=permit,
        shown=f"PostgreSQL {version // 10000}.{version % 10000}",
    )
