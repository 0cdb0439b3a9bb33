"""Servers for databases that are thrown away: the project's private one, or the one that the settings name."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, suppress
from typing import cast

import psycopg

from dbtasks import embedded
from dbtasks.conninfo import Conninfo, parse
from dbtasks.database import Scratch, look
from dbtasks.errors import DbtasksError, ServerUnreachableError
from dbtasks.guard import Clearance
from dbtasks.pin import PIN
from dbtasks.project import Project
from dbtasks.registry import COORDINATION, Registry, open_registry
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


def scratch(project: Project, made_by: str, report: Callable[[str], None], *, not_on: int) -> Elsewhere:
    """Return the server for rehearsals: the one that the settings name, else the private throw-away one.

    DbtasksError says what to do where there is none. Nobody is asked, and so it must not be the server `not_on`, nor
    one that the settings name and a tier lives on.
    """
    name = project.settings.migrations.scratch
    if name:
        value = project.variables.get(name)
        if value is None:
            raise DbtasksError(f"{name}, which migrations.scratch names, is not set")
        base = parse(value.text, variable=value.variable)
        _hold_apart(base, name)
    else:
        base = _private(project, report)
    with closing(look(base)) as connection:
        if connection.execute(_IDENTIFIER).fetchone() == (not_on,):
            raise DbtasksError("the scratch server is the target's own, where nothing is tried out")
    return _opened(Scratch(base), base, project, made_by)


def _hold_apart(base: Conninfo, name: str) -> None:
    """Raise where a tier's database is on the server, as far as its registry knows."""
    unknown = (ServerUnreachableError, psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege)
    with suppress(*unknown), closing(look(base.with_database(COORDINATION))) as connection:
        live = connection.execute("SELECT name FROM dbtasks.registry WHERE kind = 'live' ORDER BY name").fetchone()
        if live is not None:
            raise DbtasksError(f"{name} leads to a server on which a tier lives, {live[0]}")


_IDENTIFIER = "SELECT system_identifier FROM pg_control_system()"


def _private(project: Project, report: Callable[[str], None]) -> Conninfo:
    server = embedded.ensure(project.settings.root, embedded.Kind.THROWAWAY, report)
    PIN.enter(server.host, server.port)
    return server.conninfo("postgres")


def _opened(permit: Clearance | Scratch, base: Conninfo, project: Project, made_by: str) -> Elsewhere:
    connection = open_registry(permit, base, base)
    row = connection.execute(_IDENTIFIER).fetchone()
    version = connection.info.server_version
    return Elsewhere(
        base=base,
        known=Registry(connection, project.settings.project, made_by),
        identifier=cast(int, row[0]) if row else 0,
        permit=permit,
        shown=f"PostgreSQL {version // 10000}.{version % 10000}",
    )
