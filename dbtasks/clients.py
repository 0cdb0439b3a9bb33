"""PostgreSQL's client programs, led to a database without a secret that others could see.

Whatever stands on a command line can be read by everybody on the machine. The password goes by the program's own
environment, which its user and the superuser alone can read, as they can its memory; no file that a kill would leave
holds it, and our own environment never does.
"""

from __future__ import annotations

import psycopg.conninfo

from dbtasks.conninfo import Conninfo, Permit, Secret
from dbtasks.errors import DbtasksError
from dbtasks.programs import child_environment
from dbtasks.values import dataclass

_NEEDS_TLS = frozenset({"require", "verify-ca", "verify-full"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a program is told where to connect. `environ` is the whole of what it gets to see, the password included."""

    dbname: str
    environ: dict[str, str]
    tls: bool

    def __repr__(self) -> str:
        return f"Way(dbname={self.dbname!r})"


def way(conninfo: Conninfo, permit: Permit, doing: str = "") -> Way:
    """Return how to lead a program to a database. DbtasksError where a secret has no way that others cannot see."""
    options = dict(conninfo.every_option)
    hidden = [name for name, value in options.items() if isinstance(value, Secret)]
    if hidden:
        raise DbtasksError(f"PostgreSQL's programs cannot be given {', '.join(hidden)} without showing it to others.")
    name = {"application_name": f"{permit.application_name} {doing}".rstrip()}
    given = {"connect_timeout": "10"} | name
    given |= {name: str(value) for name, value in options.items()} | (name if permit.entry else {})
    dbname = psycopg.conninfo.make_conninfo(
        **given,
        host=conninfo.host,
        port=conninfo.port,
        dbname=conninfo.database,
        **({"user": conninfo.user} if conninfo.user else {}),
    )
    secret = {"PGPASSWORD": conninfo.password.reveal(permit)} if conninfo.password else {}
    return Way(dbname=dbname, environ={**child_environment(), **secret}, tls=options.get("sslmode") in _NEEDS_TLS)
