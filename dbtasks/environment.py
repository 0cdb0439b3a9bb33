"""The environments of child processes: they see one database, the one that was cleared, and no flag of ours."""

from __future__ import annotations

import os

from dbtasks.conninfo import Permit
from dbtasks.migrations.environment import scrub, without_session
from dbtasks.project import Project
from dbtasks.settings_keys import DEPRECATED_FLAG
from dbtasks.surroundings import Kind
from dbtasks.targets import Target
from dbtasks.variables import IN_A_FILE

# What `run` leaves for a `dbtasks.database_url()` in the command. It grants nothing: who can set it has the URL.
HANDED_TIER = "DBTASKS_HANDED_TIER"
HANDED_URL = "DBTASKS_HANDED_URL"


def for_worker(project: Project, url: str) -> dict[str, str]:
    """Return the environment of Alembic's child process; the project's own variables stay."""
    return without_session(_with_one_database(project, url))


def _with_one_database(project: Project, url: str) -> dict[str, str]:
    settings = project.settings
    names = [name for tier in settings.tiers for name in tier.url_variables]
    names += [settings.migrations.scratch] if settings.migrations.scratch else []
    names += [tier.recovery.token for tier in settings.tiers if tier.recovery.token]
    secrets = project.variables.known(names)
    names += [f"{name}{IN_A_FILE}" for name in names]
    clean = scrub(
        dict(project.environ),
        url_variables=settings.migrations.url_variables,
        tier_url_variables=tuple(names),
        flags=(*(tier.flag for tier in settings.tiers if tier.flag), DEPRECATED_FLAG),
        secrets=secrets,
        url=url,
        declared=settings.migrations.variables,
    )
    if url and project.surroundings.kind is Kind.PYTEST:
        # A test's children are pinned to what this variable names, and lose their other ways in where it names nothing.
        clean[settings.default.url_variable] = url
    return {name: value for name, value in clean.items() if name not in (HANDED_TIER, HANDED_URL)}


def for_command(permit: Permit, project: Project, target: Target, *, read_only: bool) -> dict[str, str]:
    """Return the environment of a command that was given the way in: the URL's variables, and libpq's own."""
    conninfo = target.conninfo.read_only() if read_only else target.conninfo
    parameters, url = conninfo.parameters(permit), conninfo.url(permit)
    environ = _with_one_database(project, url)
    environ |= {target.tier.url_variable: url, HANDED_TIER: target.tier.name, HANDED_URL: url}
    environ |= {
        "PGHOST": str(parameters["host"]),
        "PGPORT": str(parameters["port"]),
        "PGDATABASE": str(parameters["dbname"]),
        "PGAPPNAME": f"{permit.application_name} run {target.tier.name}",
    }
    for variable, name in (("PGUSER", "user"), ("PGPASSWORD", "password"), ("PGSSLMODE", "sslmode")):
        if name in parameters:
            environ[variable] = str(parameters[name])
    if read_only:
        environ["PGOPTIONS"] = "-c default_transaction_read_only=on"
    return environ


def handed_over() -> tuple[str, str] | None:
    """Return tier and URL that `invoke run` gave to this process's command, if it did."""
    tier, url = os.environ.get(HANDED_TIER), os.environ.get(HANDED_URL)
    return (tier, url) if tier and url else None
