"""Databases kept beside the live one, and the swap that puts one of them in its place.

The swap is one transaction in the coordination database: rename the live one away, rename the new one in, give it
the old one's owner, grants, settings, limit and comment, and note both in the registry. Whoever is killed, and
whenever: either all of it has happened or nothing.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import LiteralString, cast

import psycopg
from psycopg import sql

from dbtasks.database import Connection
from dbtasks.errors import RefusedError, ServerUnreachableError
from dbtasks.registry import Registry, Row
from dbtasks.values import dataclass

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
    """What takes whose place. `old_oid` is `None` where there is no database of that name yet.

    `stamp` is what the new one's stamp says, where the registry does not know. `dressed`: it gets the old one's owner,
    grants, settings, limit and comment; one that is brought back has its own.
    """

    tier: str
    name: str
    old_oid: int | None
    new: Row
    new_oid: int
    keep: timedelta
    entry: int
    stamp: Mapping[str, object] | None = None
    dressed: bool = True


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
    retired = f"{registry.new_name(change.tier)}_old" if change.old_oid is not None else None
    oids = [oid for oid in (change.old_oid, change.new_oid) if oid is not None]
    with _ending_sessions(change.name, oids, second), connection.transaction():
        connection.execute("SET LOCAL lock_timeout = '30s'")
        found = connection.execute("SELECT oid::bigint FROM pg_database WHERE datname = %s", [change.name]).fetchone()
        if (found[0] if found else None) != change.old_oid:
            raise RefusedError(
                code="E-CHANGED",
                saw=f"The database {change.name} was replaced by somebody else in the meantime.",
                why="Nothing was changed.",
                instead="Run the command again.",
            )
        clothes: tuple[sql.Composed, ...] = ()
        if change.old_oid is not None and change.dressed:
            clothes = tuple(dress(connection, change.old_oid, change.new_oid, change.name))
        if retired is not None and change.old_oid is not None:
            connection.execute(_rename(change.name, retired))
            registry.record_retired(change.tier, retired, change.old_oid, change.keep, change.entry)
        connection.execute(_rename(change.new.name, change.name))
        for statement in clothes:
            connection.execute(statement)
        registry.record_live(change.tier, change.name, change.new_oid, change.stamp)
    return retired


def clone(connection: Connection, name: str, template: str, new_oid: int | None = None) -> None:
    """Create a database from a template that nobody is connected to, by the strategy that is quicker there.

    A clone lacks what is kept outside of the database: settings, grants, limit and comment are copied, too. The owner
    is the connection's role. 55006 after five seconds where somebody stays connected to the template. `new_oid` is
    the clone's (PostgreSQL 15); 42710 where it is taken.
    """
    row = connection.execute(_TEMPLATE, [template]).fetchone()
    if row is None:
        raise psycopg.errors.InvalidCatalogName(f"there is no database {template}")
    oid, size, durable, version = cast("tuple[int, int, bool, int]", row)
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    if version >= _FIRST_WITH_STRATEGY:
        by_log = durable and size < _FILE_COPY_FROM_BYTES
        statement += sql.SQL(" STRATEGY WAL_LOG" if by_log else " STRATEGY FILE_COPY")
    if new_oid is not None:
        statement += sql.SQL(" OID {}").format(sql.Literal(new_oid))
    await_quiet(connection, oid)
    connection.execute(statement)
    made = connection.execute("SELECT oid::bigint FROM pg_database WHERE datname = %s", [name]).fetchone()
    for each in dress(connection, oid, cast(int, made[0]) if made else 0, name):
        connection.execute(each)


# pg_database_size looks at every file, which a durable server's choice is worth.
_TEMPLATE = """
SELECT oid::bigint, CASE WHEN current_setting('fsync') = 'on' THEN pg_database_size(oid) ELSE 0 END,
       current_setting('fsync') = 'on', current_setting('server_version_num')::int
  FROM pg_database WHERE datname = %s
"""
_FIRST_WITH_STRATEGY = 150000
_FILE_COPY_FROM_BYTES = 80_000_000


def await_quiet(connection: Connection, oid: int) -> None:
    """Wait for sessions that are just leaving a database: the server itself would look only every 100 ms."""
    for _ in range(_QUIET_TRIES):
        busy = connection.execute("SELECT 1 FROM pg_stat_activity WHERE datid::bigint = %s LIMIT 1", [oid]).fetchone()
        if busy is None:
            return
        time.sleep(_QUIET_PAUSE_S)


_QUIET_TRIES, _QUIET_PAUSE_S = 100, 0.002


def _rename(old: str, new: str) -> sql.Composed:
    return sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(old), sql.Identifier(new))


@contextmanager
def _ending_sessions(name: str, oids: Sequence[int], second: Callable[[], Connection]) -> Iterator[None]:
    """End the sessions of databases from a second connection while the block's rename holds its lock."""
    done = threading.Event()

    def end() -> None:
        if done.wait(_QUIET_S):
            return
        with suppress(psycopg.Error, ServerUnreachableError), second() as connection:
            while not done.wait(0.01):
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datid::bigint = ANY(%s) AND pid <> pg_backend_pid()",
                    [list(oids)],
                )

    helper = threading.Thread(target=end, name=f"end sessions of {name}", daemon=True)
    helper.start()
    try:
        yield
    finally:
        done.set()
        helper.join(timeout=5)


def dress(connection: Connection, old: int, new: int, new_name: str) -> Iterator[sql.Composed]:
    """Yield what a clone or a new database lacks: owner, limit, comment, grants and settings of the old one, by oid."""
    name = sql.Identifier(new_name)
    row = connection.execute(
        "SELECT o.datdba = n.datdba, pg_get_userbyid(o.datdba)::text, o.datconnlimit,"
        " shobj_description(o.oid, 'pg_database'), o.datacl IS NOT NULL, o.datconnlimit <> n.datconnlimit,"
        " EXISTS (SELECT FROM pg_db_role_setting WHERE setdatabase = o.oid)"
        " FROM pg_database o, pg_database n WHERE o.oid::bigint = %s AND n.oid::bigint = %s",
        [old, new],
    ).fetchone()
    if row is None:
        return
    same_owner, owner, limit, comment, has_grants, other_limit, has_settings = row
    if not same_owner:
        yield sql.SQL("ALTER DATABASE {} OWNER TO {}").format(name, sql.Identifier(str(owner)))
    if other_limit:
        yield sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(name, sql.Literal(limit))
    if comment is not None:
        yield sql.SQL("COMMENT ON DATABASE {} IS {}").format(name, sql.Literal(comment))
    if has_grants:
        yield sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name)
        yield from _grants(connection, old, name)
    if has_settings:
        yield from _settings(connection, old, name)


def _grants(connection: Connection, old: int, name: sql.Identifier) -> Iterator[sql.Composed]:
    rows = connection.execute(
        "SELECT CASE a.grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(a.grantee)::text END, a.privilege_type,"
        " a.is_grantable FROM pg_database d, aclexplode(d.datacl) a WHERE d.oid::bigint = %s ORDER BY 1, 2",
        [old],
    ).fetchall()
    for grantee, privilege, grantable in rows:
        yield sql.SQL("GRANT {} ON DATABASE {} TO {}{}").format(
            sql.SQL(_PRIVILEGES[str(privilege)]),
            name,
            sql.SQL("PUBLIC") if grantee is None else sql.Identifier(str(grantee)),
            sql.SQL(" WITH GRANT OPTION" if grantable else ""),
        )


_PRIVILEGES = {"CREATE": "CREATE", "CONNECT": "CONNECT", "TEMPORARY": "TEMPORARY"}


def _settings(connection: Connection, old: int, name: sql.Identifier) -> Iterator[sql.Composed]:
    rows = connection.execute(
        "SELECT CASE setrole WHEN 0 THEN NULL ELSE pg_get_userbyid(setrole)::text END, unnest(setconfig)"
        " FROM pg_db_role_setting WHERE setdatabase::bigint = %s",
        [old],
    ).fetchall()
    for role, assignment in rows:
        key, _, value = str(assignment).partition("=")
        whom = sql.SQL("DATABASE {}").format(name)
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
