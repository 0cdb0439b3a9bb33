"""Databases kept beside the live one, and the swap that puts one of them in its place.

The swap is one transaction in the coordination database: rename the live one away, rename the new one in, give it
the old one's owner, grants, settings, limit and comment, and note both in the registry. Whoever is killed, and
whenever: either all of it has happened or nothing.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import LiteralString

import psycopg
from psycopg import sql

from dbtasks.database import Connection
from dbtasks.errors import RefusedError
from dbtasks.registry import Registry, Row

# How long the rename waits quietly before sessions are ended: an idle database never pays for a second connection.
_QUIET_S = 0.03
_LIST_SETTINGS = frozenset(
    {
        "search_path",
        "temp_tablespaces",
        "local_preload_libraries",
        "session_preload_libraries",
        "shared_preload_libraries",
        "unix_socket_directories",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """What takes whose place. `old_oid` is `None` where there is no database of that name yet."""

    tier: str
    name: str
    old_oid: int | None
    new: Row
    new_oid: int
    keep: timedelta


def create_like(connection: Connection, name: str, model_oid: int | None) -> None:
    """Create a database; where the model's encoding, locale or tablespace is not the usual one, it is taken over."""
    statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
    row = connection.execute(_MODEL, [model_oid]).fetchone()
    if row is not None:
        unusual, encoding, collate, ctype, provider, locale, tablespace = row
        if unusual:
            statement += sql.SQL(" TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}").format(
                sql.Literal(str(encoding)), sql.Literal(str(collate)), sql.Literal(str(ctype))
            )
            if provider in _PROVIDERS:
                statement += sql.SQL(_PROVIDERS[str(provider)]).format(sql.Literal(str(locale)))
        if tablespace is not None:
            statement += sql.SQL(" TABLESPACE {}").format(sql.Identifier(str(tablespace)))
    connection.execute(statement)


# Through JSON, because the columns differ between the versions 14, 15 and 17: absent ones are NULL.
_MODEL = """
WITH known AS (
    SELECT oid, datname, dattablespace, pg_encoding_to_char(encoding) AS encoding, datcollate::text AS collate,
           datctype::text AS ctype, to_jsonb(d) ->> 'datlocprovider' AS provider,
           coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') AS locale
      FROM pg_database d
)
SELECT (m.encoding, m.collate, m.ctype, m.provider, m.locale)
       IS DISTINCT FROM (t.encoding, t.collate, t.ctype, t.provider, t.locale),
       m.encoding, m.collate, m.ctype, m.provider, m.locale,
       CASE WHEN m.dattablespace <> t.dattablespace
            THEN (SELECT spcname::text FROM pg_tablespace s WHERE s.oid = m.dattablespace) END
  FROM known m, known t WHERE m.oid::bigint = %s AND t.datname = 'template1'
"""

# By pg_database.datlocprovider; what is not here is libc.
_PROVIDERS: dict[str, LiteralString] = {
    "i": " LOCALE_PROVIDER icu ICU_LOCALE {}",
    "b": " LOCALE_PROVIDER builtin BUILTIN_LOCALE {}",
}


def swap(registry: Registry, change: Swap, second: Callable[[], Connection]) -> str | None:
    """Do the swap and return the name under which the old database is kept; `None` where there was none.

    `second` opens another connection to the server, used only when sessions must be ended.
    """
    connection = registry.connection
    retired = f"{change.new.name}_old" if change.old_oid is not None else None
    with _ending_sessions(change.name, change.old_oid, second), connection.transaction():
        connection.execute("SET LOCAL lock_timeout = '30s'")
        found = connection.execute("SELECT oid::bigint FROM pg_database WHERE datname = %s", [change.name]).fetchone()
        if (found[0] if found else None) != change.old_oid:
            raise RefusedError(
                code="E-CHANGED",
                saw=f"The database {change.name} was replaced by somebody else in the meantime.",
                why="Nothing was changed.",
                instead="Run the command again.",
            )
        dress = tuple(_dress(connection, change)) if change.old_oid is not None else ()
        if retired is not None and change.old_oid is not None:
            connection.execute(_rename(change.name, retired))
            registry.record_retired(change.tier, retired, change.old_oid, change.keep)
        connection.execute(_rename(change.new.name, change.name))
        for statement in dress:
            connection.execute(statement)
        registry.record_live(change.tier, change.name, change.new_oid)
    return retired


def _rename(old: str, new: str) -> sql.Composed:
    return sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(old), sql.Identifier(new))


@contextmanager
def _ending_sessions(name: str, oid: int | None, second: Callable[[], Connection]) -> Iterator[None]:
    """End the sessions of a database from a second connection while the block's rename holds its lock."""
    done = threading.Event()

    def end() -> None:
        if done.wait(_QUIET_S):
            return
        with suppress(psycopg.Error), second() as connection:
            while not done.wait(0.01):
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datid = %s::bigint::oid AND pid <> pg_backend_pid()",
                    [oid],
                )

    helper = threading.Thread(target=end, name=f"end sessions of {name}", daemon=True)
    if oid is not None:
        helper.start()
    try:
        yield
    finally:
        done.set()
        if oid is not None:
            helper.join(timeout=5)


def _dress(connection: Connection, change: Swap) -> Iterator[sql.Composed]:
    """Yield what a clone or a new database lacks: owner, limit, comment, grants and settings of the old one."""
    name, oid = sql.Identifier(change.name), change.old_oid
    row = connection.execute(
        "SELECT o.datdba = n.datdba, pg_get_userbyid(o.datdba)::text, o.datconnlimit,"
        " shobj_description(o.oid, 'pg_database'), o.datacl IS NOT NULL"
        " FROM pg_database o, pg_database n WHERE o.oid::bigint = %s AND n.oid::bigint = %s",
        [oid, change.new_oid],
    ).fetchone()
    if row is None:
        return
    same_owner, owner, limit, comment, has_grants = row
    if not same_owner:
        yield sql.SQL("ALTER DATABASE {} OWNER TO {}").format(name, sql.Identifier(str(owner)))
    yield sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(name, sql.Literal(limit))
    if comment is not None:
        yield sql.SQL("COMMENT ON DATABASE {} IS {}").format(name, sql.Literal(comment))
    if has_grants:
        yield sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name)
        yield from _grants(connection, change)
    yield from _settings(connection, change)


def _grants(connection: Connection, change: Swap) -> Iterator[sql.Composed]:
    rows = connection.execute(
        "SELECT CASE a.grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(a.grantee)::text END, a.privilege_type,"
        " a.is_grantable FROM pg_database d, aclexplode(d.datacl) a WHERE d.oid::bigint = %s ORDER BY 1, 2",
        [change.old_oid],
    ).fetchall()
    for grantee, privilege, grantable in rows:
        yield sql.SQL("GRANT {} ON DATABASE {} TO {}{}").format(
            sql.SQL(_PRIVILEGES[str(privilege)]),
            sql.Identifier(change.name),
            sql.SQL("PUBLIC") if grantee is None else sql.Identifier(str(grantee)),
            sql.SQL(" WITH GRANT OPTION" if grantable else ""),
        )


_PRIVILEGES = {"CREATE": "CREATE", "CONNECT": "CONNECT", "TEMPORARY": "TEMPORARY"}


def _settings(connection: Connection, change: Swap) -> Iterator[sql.Composed]:
    rows = connection.execute(
        "SELECT CASE setrole WHEN 0 THEN NULL ELSE pg_get_userbyid(setrole)::text END, unnest(setconfig)"
        " FROM pg_db_role_setting WHERE setdatabase::bigint = %s",
        [change.old_oid],
    ).fetchall()
    for role, assignment in rows:
        key, _, value = str(assignment).partition("=")
        whom = sql.SQL("DATABASE {}").format(sql.Identifier(change.name))
        if role is not None:
            whom = sql.SQL("ROLE {} IN ").format(sql.Identifier(str(role))) + whom
        yield sql.SQL("ALTER {} SET {} TO {}").format(whom, sql.Identifier(*key.split(".")), _setting_value(key, value))


def _setting_value(key: str, value: str) -> sql.Composable:
    # A list setting is stored as quoted identifiers; as one literal it would come back as a single name.
    if key not in _LIST_SETTINGS:
        return sql.Literal(value)
    parts = [
        (quoted.replace('""', '"') if quoted else plain)
        for quoted, plain in re.findall(r'"((?:[^"]|"")*)"|([^,\s"]+)', value)
    ]
    return sql.SQL(", ").join([sql.Literal(part) for part in parts] or [sql.Literal("")])
