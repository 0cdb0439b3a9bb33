"""Databases that backups become beside the one in service: what they may be called, and where they can be made."""

from __future__ import annotations

import re
from contextlib import closing

from dbtasks import kept
from dbtasks.conninfo import Conninfo
from dbtasks.database import look
from dbtasks.errors import RefusedError, UsageError
from dbtasks.evidence import Replacing, Server
from dbtasks.project import Project
from dbtasks.registry import COORDINATION
from dbtasks.schemas import no_place_to_build
from dbtasks.tiers import Tier
from dbtasks.wording import quoted

_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,62}")


def check_name(name: str) -> None:
    """UsageError where no database of people's may be called so."""
    if not _NAME.fullmatch(name):
        expected = "small letters, digits, _ and -, no digit first, at most 63 characters"
        raise UsageError(f"--into: expected the name of a new database ({expected}), found {quoted(name)}.")
    if name == COORDINATION or name.startswith(f"{COORDINATION}_"):
        raise UsageError(f"--into: {name} is a name of dbtasks' own. Choose one that does not begin with it.")


def check(project: Project, tier: Tier, name: str, server: Server, way: Conninfo) -> None:
    """RefusedError where the name is another tier's or taken, or where the role may make no database.

    `way` leads to some database of the server.
    """
    again = f"invoke restore --tier={tier.name} --into=<name>"
    if any(other.fits(name) for other in project.settings.tiers if other.name != tier.name):
        raise RefusedError(
            code="E-NAME",
            saw=f"The name {name} says that the database belongs to another tier than {tier.label}.",
            why="Nothing was changed.",
            instead=f"With another name: {again}",
        )
    lack = _lack(server)
    if lack:
        raise RefusedError(
            code="E-NO-DATABASE",
            saw=f"No database can be made beside the one in service: {lack}.",
            why="Nothing was changed.",
            instead=f"To copy tables out of a backup: invoke restore --tier={tier.name} --table=<names>",
        )
    with closing(look(way)) as connection:
        taken = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
    if taken is not None:
        ours = any(each.name == name for each in kept.restored(way, project.settings.project, tier.name))
        drop = f" To drop it: invoke prune --tier={tier.name} --restored={name}" if ours else ""
        raise RefusedError(
            code="E-TAKEN",
            saw=f"There is a database {name} on the server already.",
            why="A backup becomes a new one. Nothing was changed.",
            instead=f"With another name: {again}.{drop}",
        )


def check_place(tier: Tier, server: Server) -> None:
    """RefusedError where a backup can become a database nowhere, not even while tables are copied out of it."""
    lack = _lack(server)
    missing = no_place_to_build() if lack else ()
    if missing:
        raise RefusedError(
            code="E-NO-DATABASE",
            saw=f"A backup becomes a database while tables are copied out of it: here {lack}, and {missing[0]}.",
            why="Nothing was changed.",
            instead=f"Install that, then: invoke restore --tier={tier.name} --table=<names>",
        )


def _lack(server: Server) -> str:
    """Return why the role can make no database on a server; empty: it can."""
    if server.can_create:
        return "" if server.registers else Replacing.NO_REGISTRY.value
    return Replacing.NO_CREATEDB.value
