"""Connections: bounded in time, deaf to the `PG*` environment, and named after us.

Nothing here decides. A connection for a look is read-only by its transaction; one that may write needs a Clearance.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from dbtasks import looks
from dbtasks.conninfo import Conninfo, Permit, mask
from dbtasks.errors import LockTimeoutError, RefusedError, ServerFailedError, ServerUnreachableError
from dbtasks.guard import Clearance
from dbtasks.reach.ourselves import connecting
from dbtasks.reach.ourselves import without_pg_environment as without_pg_environment

CONNECT_TIMEOUT_S = 10
LOOK_TIMEOUT_MS = 15_000
LOCK_TIMEOUT_MS = 10_000
LOCK_WAIT_S = 120

# Our session advisory locks are pairs of int4: this class, then a key of their own kind.
LOCK_CLASS = 0x64627431  # "dbt1"

Connection = psycopg.Connection[tuple[object, ...]]

# SET LOCAL ends with the transaction: through a transaction pooler a plain SET would reach other clients.
BOUNDS = (
    sql.SQL("SET LOCAL statement_timeout = {}").format(LOOK_TIMEOUT_MS),
    sql.SQL("SET LOCAL lock_timeout = {}").format(LOCK_TIMEOUT_MS),
)


class Inspection(Permit):
    """Permission for the read-only look. It opens read-only transactions, and nothing else asks for one."""


class Scratch(Permit):
    """Permission to write on one scratch server: to its registry, and to what is made there under names of ours.

    `base` leads to it. No tier's database is opened with it, not even one that lies on the same server.
    """

    __slots__ = ("base",)

    def __init__(self, base: Conninfo) -> None:
        self.base = base

    def opens(self, conninfo: Conninfo) -> bool:
        known = conninfo.database in ("dbtasks", self.base.database) or _MADE.fullmatch(conninfo.database) is not None
        return known and conninfo.place == self.base.place


class Tally(Permit):
    """Permission to write into a server's coordination database that somebody may do less from now on.

    `coordination.tightening` is its only maker: what was refused, and what is not armed any more.
    """

    def opens(self, conninfo: Conninfo) -> bool:
        return conninfo.database == "dbtasks"


# What `registry` calls the databases that it makes.
_MADE = re.compile(r"dbtasks_.+_[0-9a-f]{8}")


def look(conninfo: Conninfo) -> Connection:
    """Return a connection whose transactions are read-only and bounded. It holds one snapshot from its first query."""
    idle = looks.idle(conninfo)
    while idle:
        connection = idle.pop()
        try:
            several(connection, *BOUNDS)
        except psycopg.OperationalError:  # its server has ended it meanwhile
            psycopg.Connection.close(connection)
        else:
            return connection
    connection = connect_to_look(conninfo)
    if idle is not None:
        connection.close = partial(looks.give_back, connection, conninfo)  # type: ignore[method-assign]
    several(connection, *BOUNDS)
    return connection


def connect_to_look(conninfo: Conninfo) -> Connection:
    """Return the same connection before its first statement, for whoever sends `BOUNDS` along with others."""
    connection = _connect(conninfo, Inspection(), autocommit=False)
    connection.read_only = True
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    return connection


def several(connection: Connection, *statements: sql.Composable) -> list[list[tuple[object, ...]]]:
    """Run statements in one round trip, and return the rows of each. Nothing runs after one that fails.

    There are no parameters in this: values are composed as literals.
    """
    cursor = connection.execute(sql.SQL(";\n").join(statements))
    found = [cursor.fetchall() if cursor.description else []]
    while cursor.nextset():
        found.append(cursor.fetchall() if cursor.description else [])
    return found


def open_to_write(permit: Clearance | Scratch | Tally, conninfo: Conninfo) -> Connection:
    """Return an autocommit connection for a cleared plan's steps, to a scratch server, or to the place of a tally."""
    if not (isinstance(permit, Clearance) or (isinstance(permit, Scratch | Tally) and permit.opens(conninfo))):
        raise TypeError("a connection that writes needs a Clearance")
    return _unlimited(_connect(conninfo, permit, autocommit=True))


def let_write(clearance: Clearance, connection: Connection) -> Connection:
    """Return a connection of the look as one for a cleared plan's steps: a second one would take twice as long."""
    if not isinstance(clearance, Clearance):
        raise TypeError("a connection that writes needs a Clearance")
    name = sql.SQL("SELECT set_config('application_name', {}, false)").format(clearance.application_name)
    _unlimited(connection, sql.SQL("ROLLBACK"), name)
    connection.read_only = connection.isolation_level = None
    connection.autocommit = True
    return connection


def _unlimited(connection: Connection, *before: sql.Composable) -> Connection:
    """Lift the limits that a role or database carries: they are for its application.

    The session that holds a lock is idle for as long as a build takes, and its end would give the lock away. And let
    what it commits survive a crash of the server: right after it, we say that it is done.
    """
    settings = [sql.SQL("SELECT set_config({}, {}, false)").format(*pair) for pair in _UNLIMITED.items()]
    several(connection, *before, *settings, sql.SQL(_NEWER_LIMITS), sql.SQL(_SURVIVES))
    return connection


_UNLIMITED = {
    "lock_timeout": str(LOCK_TIMEOUT_MS),
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}

# PostgreSQL 14 has both. A server whose client was killed stops within a second instead of finishing the statement,
# where its system can tell it.
_NEWER_LIMITS: LiteralString = """
SELECT set_config('idle_session_timeout', '0', false),
       CASE WHEN position('linux' IN version()) > 0 THEN set_config('client_connection_check_interval', '1s', false) END
 WHERE current_setting('server_version_num')::int >= 140000
"""

# A server that loses the last commits in a crash is quick, and its owner's choice, but `remote_apply` is one, too.
_SURVIVES: LiteralString = """
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'
"""


def exists_elsewhere(conninfo: Conninfo, name: str) -> Conninfo | None:
    """Return a way to the same server through another database when `name` is absent there; `None` when it exists.

    Raises ServerUnreachableError when the server cannot be asked at all. An error text is never read for this: it
    is in the server's language.
    """
    for other in ("dbtasks", "postgres", "template1"):
        candidate = conninfo.with_database(other)
        with suppress(ServerUnreachableError), look(candidate) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
            return None if found else candidate
    raise ServerUnreachableError("no database of the server accepts a connection")


@contextmanager
def session_lock(connection: Connection, key: int, what: str, waiting: Callable[[str], None]) -> Iterator[None]:
    """Hold a session advisory lock while the block runs. `waiting` hears who has it, as does LockTimeoutError."""
    unlock = take_lock(connection, key, what, waiting)
    try:
        yield
    finally:
        if not connection.closed:
            with suppress(psycopg.OperationalError):  # the session has gone, and its lock; what ended the block counts
                connection.execute(unlock)


def take_lock(connection: Connection, key: int, what: str, waiting: Callable[[str], None]) -> sql.Composed:
    """Take a session advisory lock, and return the statement that gives it back before the session ends.

    `waiting` hears who has it, as does LockTimeoutError.
    """
    if not try_lock(connection, key):
        waiting(f"{what} is locked by {_holder(connection, key)}; up to {LOCK_WAIT_S} s")
        _wait_for_lock(connection, key, what)
    return sql.SQL("SELECT pg_advisory_unlock({}, {})").format(LOCK_CLASS, key)


def _wait_for_lock(connection: Connection, key: int, what: str) -> None:
    connection.execute(sql.SQL("SET lock_timeout = {}").format(LOCK_WAIT_S * 1000))
    try:
        connection.execute("SELECT pg_advisory_lock(%s, %s)", [LOCK_CLASS, key])
    except psycopg.errors.LockNotAvailable:
        holder = _holder(connection, key)
        raise LockTimeoutError(f"{what} is locked by {holder}. Run the command again later.") from None
    finally:
        connection.execute(sql.SQL("SET lock_timeout = {}").format(LOCK_TIMEOUT_MS))


def try_lock(connection: Connection, key: int, *, lock_class: int = LOCK_CLASS) -> bool:
    """Return whether the lock was free and is now ours, until the session ends."""
    row = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", [lock_class, key]).fetchone()
    return bool(row and row[0])


def _holder(connection: Connection, key: int) -> str:
    row = connection.execute(
        "SELECT a.usename, a.pid, coalesce(nullif(a.application_name, ''), 'an unnamed program'),"
        " to_char(a.backend_start, 'HH24:MI:SS') FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
        " WHERE l.locktype = 'advisory' AND l.granted AND l.classid = %s AND l.objid = %s",
        [LOCK_CLASS, key],
    ).fetchone()
    return "somebody who has just left" if row is None else f"{row[0]} ({row[2]}, pid {row[1]}, since {row[3]})"


def _connect(conninfo: Conninfo, permit: Permit, *, autocommit: bool) -> Connection:
    defaults = {"application_name": permit.application_name, "connect_timeout": CONNECT_TIMEOUT_S}
    # Under an entry's name the server's log leads to the trail, whatever the URL calls its application's sessions.
    named = {"application_name": permit.application_name} if permit.entry else {}
    try:
        with connecting():
            connection = psycopg.connect(
                **{**defaults, **conninfo.parameters(permit), **named},  # type: ignore[arg-type]  # libpq's own keywords
                autocommit=autocommit,
                row_factory=tuple_row,
            )
    except psycopg.OperationalError as error:
        more = f"\n  It begins as {conninfo.role}, which invoke roles.apply sets up." if conninfo.role else ""
        raise ServerUnreachableError(f"{mask(str(error)).strip()}{more}") from None
    if conninfo.role:
        _require_role(connection, conninfo.role)
    return connection


def _require_role(connection: Connection, role: str) -> None:
    """ServerUnreachableError where the session is not the role that it was to begin as: some poolers drop that."""
    row = connection.execute("SELECT current_user::text").fetchone()
    if not connection.autocommit:
        connection.rollback()
    if row != (role,):
        connection.close()
        raise ServerUnreachableError(
            f"the session did not begin as {role}: a pooler in between leaves that out. Give the role a URL of its own"
        )


@contextmanager
def telling_failures(tier: str, database: str) -> Iterator[None]:
    """Turn what a server may well say meanwhile into a sentence: a full disk, a shutdown, a missing right."""
    try:
        yield
    except (
        psycopg.OperationalError,
        psycopg.errors.InsufficientPrivilege,
        psycopg.errors.ReadOnlySqlTransaction,
    ) as error:
        raise ServerFailedError(
            f"[{tier.upper()}] {database}: the server did not let this run end.\n  {mask(str(error)).strip()}\n"
            f"  How it stands now: invoke status --tier={tier}"
        ) from error


def unreachable(label: str, masked: str, reason: str, *, embedded: bool) -> ServerUnreachableError:
    """Return the error that names the tier, the masked target, the reason, and what to start or mend."""
    start = (
        "Start it with: invoke server start" if embedded else "Start that server, or mend its URL, then: invoke check"
    )
    return ServerUnreachableError(f"[{label}] {masked} cannot be reached.\n  {reason}\n  {start}")


def unreadable(label: str, masked: str, reason: str) -> RefusedError:
    """Return the refusal of a target that answers and does not let itself be looked at: unknown is no."""
    return RefusedError(
        code="E-UNKNOWN",
        saw=f"[{label}] {masked} could not be looked at: {reason.splitlines()[0] if reason else 'no reason given'}.",
        why="What is unknown is refused. Nothing was changed.",
        instead="Mend the role's rights or the URL, then: invoke check",
    )
