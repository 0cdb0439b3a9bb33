"""A live server as base backups and receivers reach it."""

from __future__ import annotations

from typing import cast

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
        options["application_name"] = self.permit.application_name
        where = psycopg.conninfo.make_conninfo(host=conninfo.host, port=conninfo.port, user=conninfo.user, **options)
        return where, {"PGPASSWORD": conninfo.password.reveal(self.permit)} if conninfo.password else {}


def settings_of(connection: Connection) -> dict[str, str]:
    """Return the settings that a server on a copy of this one must not fall below, and the libraries it needs."""
    return {str(name): str(value) for name, value in connection.execute(_SETTINGS).fetchall() if value}


def superuser_of(connection: Connection) -> str:
    """Return the role that made the server."""
    row = connection.execute("SELECT rolname::text FROM pg_roles WHERE oid = 10").fetchone()
    return str(row[0]) if row else ""


def identifier_of(connection: Connection) -> int:
    """Return the server's system identifier."""
    row = connection.execute("SELECT system_identifier FROM pg_control_system()").fetchone()
    return cast(int, row[0]) if row else 0


_SETTINGS = """
SELECT name, setting FROM pg_settings
 WHERE name IN ('max_connections', 'max_worker_processes', 'max_wal_senders', 'max_prepared_transactions',
                'max_locks_per_transaction', 'shared_preload_libraries')
"""
