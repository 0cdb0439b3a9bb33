"""A hardened PROD, and somebody who has never heard of dbtasks: psql, or any other client, with valid credentials."""

from __future__ import annotations

import sys
from collections.abc import Callable

from dbtasks.drill import signing
from dbtasks.drill.attempt import Attempt, Layer, Ran
from dbtasks.drill.ground import Ground
from dbtasks.drill.signing import last_line
from dbtasks.errors import ProgramNotFoundError
from dbtasks.programs import find_client

# What is run where no psql is installed.
_CLIENT = "import sys, psycopg; psycopg.connect(sys.argv[1], autocommit=True).execute(sys.argv[2])"


def _client(ground: Ground, statement: str, *, clerk: bool, database: str = "drill_prod") -> Ran:
    """Run a statement as the superuser, or as the role that may do what migrations do."""
    url = ground.urls["clerk_url"].replace("/drill_prod", f"/{database}") if clerk else ground.url(database)
    try:
        program = [str(find_client("psql")), "-X", "-v", "ON_ERROR_STOP=1", "-c", statement, url]
    except ProgramNotFoundError:
        program = [sys.executable, "-c", _CLIENT, url, statement]
    return ground.run(program)


def _not_hardened(ground: Ground) -> str:
    """Harden PROD, once; return why that was not possible."""
    if ground.hardened:
        return ""
    ran = signing.deploy(ground, "harden")
    if ran.code:
        return f"PROD could not be hardened: {last_line(ran)}"
    ground.hardened = True
    return ""


def _forbidden(statement: str, *, clerk: bool, database: str = "drill_prod") -> Callable[[Ground], Ran]:
    return lambda ground: _client(ground, statement, clerk=clerk, database=database)


def _allowed(statement: str, *, clerk: bool, database: str = "drill_prod") -> Callable[[Ground], str]:
    """Run the same statement once the guards were lifted, by an approved plan."""

    def allowed(ground: Ground) -> str:
        if ground.hardened:
            lifted = signing.deploy(ground, "lift")
            if lifted.code:
                return last_line(lifted)
            ground.hardened = False
        before = ground.state("drill_prod")
        ran = _client(ground, statement, clerk=clerk, database=database)
        return "" if ran.code == 0 and ground.state("drill_prod") != before else last_line(ran)

    return allowed


def _attempt(
    id_: str, tried: str, statement: str, *, clerk: bool, by: str = "guarded", database: str = "drill_prod"
) -> Attempt:
    return Attempt(
        id=f"hardened_server.{id_}",
        tried=tried,
        layer=Layer.GUARDS,
        by=by,
        forbidden=_forbidden(statement, clerk=clerk, database=database),
        allowed=_allowed(statement, clerk=clerk, database=database),
        missing=_not_hardened,
    )


HARDENED = (
    _attempt("truncate", "`psql`: `TRUNCATE notes`, by the migrator's equal", "TRUNCATE notes", clerk=True),
    _attempt("truncate_boss", "`psql`: `TRUNCATE lessons`, by the superuser", "TRUNCATE lessons", clerk=False),
    _attempt(
        "drop_column",
        "`psql`: `ALTER TABLE people DROP COLUMN name`",
        "ALTER TABLE people DROP COLUMN name",
        clerk=True,
    ),
    _attempt(
        "drop_table",
        "`psql`: `SET ROLE migrator; DROP TABLE crm.calls`",
        "SET ROLE migrator; DROP TABLE crm.calls",
        clerk=True,
    ),
    _attempt(
        "drop_schema", "`psql`: `DROP SCHEMA crm CASCADE`, by the superuser", "DROP SCHEMA crm CASCADE", clerk=False
    ),
)
# Takes the whole away, so nothing comes after this one.
DROPPED = (
    _attempt(
        "drop_database",
        "`psql`: `DROP DATABASE drill_prod WITH (FORCE)`, by the superuser",
        "DROP DATABASE drill_prod WITH (FORCE)",
        clerk=False,
        by="template",
        database="postgres",
    ),
)
