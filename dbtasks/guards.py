"""Which guards a tier's settings want inside its database, and which of them stand there."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

from dbtasks import hardening
from dbtasks.conninfo import parse
from dbtasks.database import look
from dbtasks.errors import UsageError
from dbtasks.evidence import Database, Server
from dbtasks.materials import Materials
from dbtasks.measures import Grounds, Hardening, beware, measures, missing
from dbtasks.project import Project
from dbtasks.targets import Target
from dbtasks.verdicts import Request


def add(
    materials: Materials,
    project: Project,
    request: Request,
    target: Target,
    seen: tuple[Server, Database | None],
) -> Materials:
    """Add the measures that are yet to be taken, or who passes the guards that would be lifted."""
    server, database = seen
    if database is None:
        return materials
    if request.operation.lifts:
        return replace(materials, passes=database.passes)
    wanted = wanted_by(project, target, server)
    grounds = look_at(target, wanted)
    left = missing(measures(wanted, grounds))
    return replace(materials, passes=wanted.passes, measures=left, beware=beware(wanted, grounds))


def look_at(target: Target, wanted: Hardening) -> Grounds:
    """Return what is there. UsageError where the settings name a role that the server does not have."""
    with closing(look(target.conninfo)) as connection:
        grounds = hardening.read(connection, wanted)
    if grounds.unknown:
        names = ", ".join(grounds.unknown)
        raise UsageError(f"tiers.{target.tier.name}.harden names roles that the server does not have: {names}.")
    return grounds


def wanted_by(project: Project, target: Target, server: Server) -> Hardening:
    """Return what the settings want, with the name of the role that is to pass: the one of the tier's own URL."""
    tier = target.tier
    if tier.hardening.passes:
        return tier.hardening
    if target.variable != tier.admin_url_variable or not target.variable:
        return replace(tier.hardening, passes=server.role)
    value = project.variables.get(tier.url_variable)
    user = None if value is None else parse(value.text, variable=value.variable).user
    if user is None:
        raise UsageError(
            f"nothing says which role may drop in [{tier.label}]. Write its name: tiers.{tier.name}.harden.passes"
        )
    return replace(tier.hardening, passes=user)
