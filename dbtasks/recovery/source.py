"""A live server as base backups and receivers reach it."""

from __future__ import annotations

import psycopg.conninfo

from dbtasks.conninfo import Conninfo, Permit
from dbtasks.database import Connection
from dbtasks.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A live server: a connection to look at it, and the way in for programs, by a role that may replicate."""

    connection: Connection
    conninfo: Conninfo
    permit: Permit

    @property
    def major(self) -> int:
        return self.connection.info.server_version // 10000

    def way(self) -> tuple[str, dict[str, str]]:
        """Return a connection string without its password, and the variable that has it."""
        conninfo = self.conninfo
        options = {name: value for name, value in conninfo.options if isinstance(value, str) and name != "options"}
        where = psycopg.conninfo.make_conninfo(host=conninfo.host, port=conninfo.port, user=conninfo.user, **options)
        return where, {"PGPASSWORD": conninfo.password.reveal(self.permit)} if conninfo.password else {}
