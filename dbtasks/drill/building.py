"""Building the ground: two private servers, three tiers, and a PROD whose stamp demands what a team's does."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable

from dbtasks import embedded
from dbtasks.drill import sample, signing
from dbtasks.drill.attempt import Ran
from dbtasks.drill.ground import ARMED, Ground
from dbtasks.errors import DbtasksError, UsageError
from dbtasks.identity import put_stamp
from dbtasks.settings import load

MIGRATOR, CLERK = "migrator", "clerk"


class NotBuiltError(DbtasksError):
    """The sandbox could not be built, so nothing was tried."""


def build(ground: Ground, report: Callable[[str], None]) -> None:
    """Build everything by the commands that people type. NotBuiltError with what they said."""
    if not hasattr(os, "openpty"):
        raise UsageError(
            "the drill needs pseudo-terminals, which this system has not. Run it on Linux or macOS: invoke drill"
        )
    if shutil.which("ssh-keygen") is None:
        raise UsageError(
            "the drill approves what is allowed in its sandbox with keys, and there is no ssh-keygen here. "
            "Install OpenSSH's client, then run: invoke drill"
        )
    for path, text in sample.FILES.items():
        ground.write(path, text)
    ground.revise(*sample.TABLES)
    signing.make_keys(ground)
    embedded.ensure(ground.root, embedded.Kind.DURABLE)
    _roles(ground)
    report("a private PostgreSQL for STG and PROD, one for INT")
    for words in ("reset --tier=int", "reset --tier=stg", "reset --tier=prod --yes"):
        _must(words, ground.invoke(words, ARMED if "prod" in words else {}))
        report(f"invoke {words}")
    ground.replace("config/tiers.yaml", sample.BUILT, sample.GUARDED)
    _raise_floor(ground)
    report("PROD's stamp demands a person, or an approval")


def _roles(ground: Ground) -> None:
    """Make the role that migrates, and another one that may do as it; both are none of superusers."""
    passwords = {role: secrets.token_urlsafe(18) for role in (MIGRATOR, CLERK)}
    for role, password in passwords.items():
        ground.sql(f"CREATE ROLE {role} LOGIN CREATEDB PASSWORD '{password}'")
    ground.sql(f"GRANT {MIGRATOR} TO {CLERK}")
    ground.urls = {
        "stg_database_url": ground.url("drill_stg", MIGRATOR, passwords[MIGRATOR]),
        "database_url": ground.url("drill_prod", MIGRATOR, passwords[MIGRATOR]),
        "database_admin_url": ground.url("drill_prod"),
        "clerk_url": ground.url("drill_prod", CLERK, passwords[CLERK]),
    }


def _raise_floor(ground: Ground) -> None:
    """Let PROD's stamp demand what its settings do by now: a person, or an approval by the sandbox's signers.

    In a team a person says so at a terminal (`invoke adopt`), and no program may.
    """
    floor = load(ground.root).tier("prod").floor
    with ground.connected("drill_prod") as connection:
        put_stamp(connection, project="drill", tier="prod", floor=floor, person="the drill")


def _must(words: str, ran: Ran) -> None:
    if ran.code:
        said = "\n".join(f"  {line}" for line in ran.text.splitlines()[-12:])
        raise NotBuiltError(f"The sandbox was not built: invoke {words} ended with {ran.code}.\n{said}")
