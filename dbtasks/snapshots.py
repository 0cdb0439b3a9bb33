"""Databases kept beside the live one, and the swap that puts one of them in its place.

The swap is one transaction in the coordination database: rename the live one away, rename the new one in, give it
the old one's owner, grants, settings, limit and comment, and note both in the registry. Whoever is killed, and
whenever: either all of it has happened or nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import LiteralString, cast

import psycopg
from psycopg import sql

from dbtasks.clothes import CLOTHES, dress, dressing
from dbtasks.database import Connection, several
from dbtasks.errors import RefusedError, ServerUnreachableError
from dbtasks.registry import Registry, Row
from dbtasks.values import dataclass


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

    It takes two round trips: a look, and the whole transaction. `second` opens another connection to the server, used
    only when sessions must be ended.
    """
    connection = registry.connection
    retired = f"{registry.new_name(change.tier)}_old" if change.old_oid is not None else None
    busy, clothes = _looked_at(connection, change)
    statements = tuple(_statements(registry, change, retired, clothes))
    oids = [oid for oid in (change.old_oid, change.new_oid) if oid is not None]
    try:
        if busy or not _at_once(connection, statements):
            with _ending_sessions(change.name, oids, second):
                _transact(connection, "30s", "0", statements)
    except (psycopg.errors.DivisionByZero, psycopg.errors.InvalidCatalogName):
        raise _changed(change) from None
    return retired


def name_beside(registry: Registry, new: Row, oid: int, name: str) -> None:
    """Give a database that was built a name, beside what is in service, and note it. One transaction.

    Who is neither its owner nor a superuser, nor was granted it by name, may not connect. RefusedError where there is a
    database of that name by now.
    """
    connection = registry.connection
    closed = sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name))
    noted = registry.becoming_restored(new.tier, name, oid, new.entry or 0)
    await_quiet(connection, oid)
    try:
        _transact(connection, "30s", "0", (_rename(new.name, name), closed, *noted))
    except psycopg.errors.DuplicateDatabase:
        raise RefusedError(
            code="E-TAKEN",
            saw=f"There is a database {name} on the server by now.",
            why="It was not touched.",
            instead="Run the command again with another name.",
        ) from None


def _looked_at(connection: Connection, change: Swap) -> tuple[bool, tuple[sql.Composed, ...]]:
    """Return whether anybody is connected to what is swapped, and the statements that dress the new database.

    RefusedError where the name belongs to another database than is to be replaced.
    """
    old, new, name = change.old_oid, change.new_oid, change.name
    there, clothed = several(connection, _THERE.format(name, old, new), sql.SQL(CLOTHES).format(old, new))
    found, busy = there[0]
    if found != old:
        raise _changed(change)
    dressed = old is not None and change.dressed and clothed
    return bool(busy), tuple(dressing(connection, clothed[0], old or 0, name)) if dressed else ()


def _statements(
    registry: Registry, change: Swap, retired: str | None, clothes: Sequence[sql.Composed]
) -> Iterator[sql.Composed]:
    """Yield the statements of the swap's transaction."""
    meant = [(change.new_oid, change.name)]
    if retired is not None and change.old_oid is not None:
        meant.append((change.old_oid, retired))
        yield _rename(change.name, retired)
        yield from registry.becoming_retired(
            change.tier, (retired, change.name), change.old_oid, change.keep, change.entry
        )
    yield _rename(change.new.name, change.name)
    yield from clothes
    yield from registry.becoming_live(change.tier, change.name, change.new_oid, change.stamp)
    pairs = sql.SQL(", ").join(sql.SQL("({}, {})").format(*pair) for pair in meant)
    yield sql.SQL(_AS_MEANT).format(len(meant), pairs)


def _at_once(connection: Connection, statements: Sequence[sql.Composed]) -> bool:
    """Do the transaction where nobody stands in its way, and return whether that was so."""
    try:
        _transact(connection, "1s", "1s", statements)
    except (psycopg.errors.QueryCanceled, psycopg.errors.ObjectInUse, psycopg.errors.LockNotAvailable):
        return False
    return True


def _transact(connection: Connection, lock: str, statement: str, statements: Sequence[sql.Composed]) -> None:
    """Run one transaction in one round trip. Whatever goes wrong, the connection is in none afterwards."""
    bounds = sql.SQL("SET LOCAL lock_timeout = {}; SET LOCAL statement_timeout = {}").format(lock, statement)
    try:
        several(connection, sql.SQL("BEGIN"), bounds, *statements, sql.SQL("COMMIT"))
    except BaseException:
        with suppress(psycopg.Error):
            connection.rollback()
        raise


def _changed(change: Swap) -> RefusedError:
    return RefusedError(
        code="E-CHANGED",
        saw=f"The database {change.name} was replaced by somebody else in the meantime.",
        why="Nothing was changed.",
        instead="Run the command again.",
    )


_THERE = sql.SQL("""
SELECT (SELECT oid::bigint FROM pg_database WHERE datname = {}),
       coalesce(pg_stat_get_db_numbackends({}::oid), 0) + pg_stat_get_db_numbackends({}::oid) > 0
""")

# A division by zero, which ends the transaction, where the names are not those of the databases that were meant.
_AS_MEANT: LiteralString = "SELECT 1 / (count(*) = {})::int FROM pg_database WHERE (oid::bigint, datname::text) IN ({})"


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
