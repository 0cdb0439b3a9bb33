"""What clones are made from."""

from __future__ import annotations

import time
from zlib import crc32

import psycopg
from psycopg import sql

from dbtasks.database import Connection, session_lock
from dbtasks.errors import DbtasksError
from dbtasks.registry import Registry
from dbtasks.testing.way_in import WayIn

_TRIES = 3


def create_clone(way_in: WayIn, registry: Registry, name: str) -> None:
    """Create a database as a reset of the default tier would build it."""
    _clone(registry.connection, name, _template(way_in, registry))


def _clone(connection: Connection, name: str, template: str) -> None:
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    if _copies_files(connection):
        statement += sql.SQL(" STRATEGY FILE_COPY")
    for left in reversed(range(_TRIES)):
        try:
            connection.execute(statement)
            return
        except psycopg.errors.ObjectInUse as error:
            if not left:
                text = f"{template} cannot be cloned while somebody is connected to it: {error.diag.message_detail}"
                raise DbtasksError(text) from None
            time.sleep(0.1)


def _template(way_in: WayIn, registry: Registry) -> str:
    """Return the database to clone: a copy of the default tier's own, made once, which nobody connects to."""
    tier, key = way_in.tier.name, _key(way_in, registry)
    with session_lock(registry.connection, crc32(b"template") & 0x7FFFFFFF, "the template", lambda _line: None):
        for row in registry.rows(tier, "template"):
            found = registry.connection.execute("SELECT entry FROM dbtasks.registry WHERE id = %s", [row.id]).fetchone()
            if found == (key,) and row.oid is not None:
                return row.name
        row = registry.reserve(tier, key, "template")
        try:
            _clone(registry.connection, row.name, _live(way_in, registry))
            registry.record_built(row)
        except BaseException:
            registry.drop(row)
            raise
        finally:
            registry.release(row)
        return row.name


def _live(way_in: WayIn, registry: Registry) -> str:
    live = registry.rows(way_in.tier.name, "live")
    return live[-1].name if live else way_in.conninfo.database


def _key(way_in: WayIn, registry: Registry) -> int:
    root = way_in.project.settings.root
    files = sorted(
        path for name in ("migrations", "seeds") for path in (root / name).rglob("*.*") if path.suffix != ".pyc"
    )
    oid = registry.connection.execute(
        "SELECT oid::bigint FROM pg_database WHERE datname = %s", [_live(way_in, registry)]
    ).fetchone()
    return crc32(repr((oid, [(str(path), path.stat().st_mtime_ns) for path in files])).encode())


def _copies_files(connection: Connection) -> bool:
    """Whether copying files beats writing them through the log: only where nothing waits for the disk."""
    row = connection.execute(
        "SELECT current_setting('fsync') = 'off' AND current_setting('server_version_num')::int >= 150000"
    ).fetchone()
    return bool(row and row[0])
