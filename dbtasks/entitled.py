"""Which rights the roles of a tier are to have, and which of them are there."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

from dbtasks import granting
from dbtasks.conninfo import Conninfo, parse
from dbtasks.database import look
from dbtasks.errors import UsageError
from dbtasks.evidence import Database
from dbtasks.materials import Materials
from dbtasks.project import Project
from dbtasks.role_changes import changes
from dbtasks.roles import Facts, Part, Roles
from dbtasks.targets import Target
from dbtasks.tiers import Tier


def add(materials: Materials, project: Project, target: Target, database: Database | None) -> Materials:
    """Add the statements that are yet to be run."""
    if database is None:
        return materials
    return replace(materials, changes=changes(look_at(project, target)))


def look_at(project: Project, target: Target) -> Facts:
    """Return what there is. UsageError where the tier declares no role."""
    tier = target.tier
    roles = declared(project, tier)
    if not roles.names:
        raise UsageError(
            f"tiers.{tier.name}.roles names no role. Write, for example {{reader: shop_reader, migrator: shop_owner}}"
        )
    with closing(look(target.conninfo)) as connection:
        return granting.read(connection, roles, login(project, target))


def login(project: Project, target: Target) -> str | None:
    """Return whoever the tier's own URL logs in as, though an administrator's may be in use; `None`: nobody knows."""
    tier = target.tier
    if target.variable != tier.admin_url_variable or not target.variable:
        return target.conninfo.user
    return _user_of(project, tier.url_variable)


def declared(project: Project, tier: Tier) -> Roles:
    """Return the tier's roles. The application's is that of its own URL, where that is set here and no name is."""
    roles = tier.roles
    variable = tier.runtime_url_variable
    user = _user_of(project, variable) if variable and roles.names and not roles.of(Part.RUNTIME) else None
    if user is None or user in dict(roles.names).values():
        return roles
    return replace(roles, names=(*roles.names, (Part.RUNTIME, user)))


def _user_of(project: Project, variable: str) -> str | None:
    value = project.variables.get(variable)
    conninfo: Conninfo | None = None if value is None else parse(value.text, variable=value.variable)
    return conninfo.user if conninfo else None
