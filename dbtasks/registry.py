"""The registry: which databases of a server are ours, and what each is for.

It lies in the coordination database `dbtasks` of the same server, which reset and undo never touch. A row precedes
each CREATE DATABASE, so that whatever a killed run leaves behind is known; only registered databases are ever swept.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import LiteralString, cast

import psycopg
from psycopg import sql

from dbtasks.conninfo import Conninfo
from dbtasks.database import Connection, Scratch, look, open_to_write, several, try_lock
from dbtasks.errors import ServerUnreachableError
from dbtasks.guard import Clearance
from dbtasks.values import dataclass

COORDINATION = "dbtasks"

# Session advisory locks of builders: this class, then the registry row's id. Free means that the builder is gone.
BUILD_LOCK_CLASS = 0x64627432  # "dbt2"

_CREATE = """
CREATE SCHEMA IF NOT EXISTS dbtasks;
CREATE TABLE IF NOT EXISTS dbtasks.registry (
    id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project    text NOT NULL,
    tier       text NOT NULL,
    kind       text NOT NULL,
    name       text NOT NULL UNIQUE,
    oid        bigint,
    entry      bigint,
    made_at    timestamptz NOT NULL DEFAULT now(),
    keep_until timestamptz
);
-- What version 0.1 did not have. `made_by`: whose trail `entry` is of. `record`: of a live database what its stamp
-- says, of a template or spare what it was built from; `inputs`: the files and variables that its build opened.
-- `was`: under which name a retired one was in service. A server may hold a tier's databases of several people.
ALTER TABLE dbtasks.registry
    ADD COLUMN IF NOT EXISTS made_by text NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS since   timestamptz,
    ADD COLUMN IF NOT EXISTS used_at timestamptz,
    ADD COLUMN IF NOT EXISTS record  jsonb,
    ADD COLUMN IF NOT EXISTS inputs  jsonb,
    ADD COLUMN IF NOT EXISTS was     text,
    DROP CONSTRAINT IF EXISTS registry_kind_check,
    ADD CONSTRAINT registry_kind_check
        CHECK (kind IN ('building', 'live', 'spare', 'template', 'retired', 'clone', 'backup', 'restored'));
GRANT USAGE ON SCHEMA dbtasks TO PUBLIC;
GRANT SELECT ON dbtasks.registry TO PUBLIC;
"""

_IS_MADE = (
    "SELECT EXISTS (SELECT FROM pg_constraint WHERE conrelid = to_regclass('dbtasks.registry')"
    " AND pg_get_constraintdef(oid) LIKE '%restored%')"
)

# What `rows` and `find` read of a row, in the order of `_row`.
_COLUMNS = "id, tier, kind, name, oid, keep_until, entry, made_by, since"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One database that is ours. `since` is when a retired one was replaced, `keep_until` ends its retention.

    `entry` is the number of the trail's entry that made it what it is, in the trail of `made_by`.
    """

    id: int
    tier: str
    kind: str
    name: str
    oid: int | None
    keep_until: datetime | None
    entry: int | None = None
    made_by: str = ""
    since: datetime | None = None


def open_registry(permit: Clearance | Scratch, conninfo: Conninfo, server_way: Conninfo) -> Connection:
    """Return a connection to the coordination database, which is made where it is missing.

    `server_way` leads to any database that exists on the server.
    """
    target = conninfo.with_database(COORDINATION)
    try:
        connection = open_to_write(permit, target)
    except ServerUnreachableError:
        # Somebody else may be faster; racing creates of one name raise either of these.
        raced = suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation)
        with open_to_write(permit, server_way) as maintenance, raced:
            maintenance.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(COORDINATION)))
        connection = open_to_write(permit, target)
    with suppress(psycopg.errors.InsufficientPrivilege), connection.transaction():
        if connection.execute(_IS_MADE).fetchone() != (True,):
            connection.execute("SELECT pg_advisory_xact_lock(hashtext('dbtasks.registry'))")
            connection.execute(_CREATE)
    return connection


def may_write(connection: Connection) -> bool:
    """Return whether the role may change the registry; a role that may not can still hold its tier's lock there."""
    row = connection.execute(
        "SELECT coalesce(bool_and(has_table_privilege(to_regclass('dbtasks.registry'), needed)), false)"
        " FROM unnest(ARRAY['INSERT', 'UPDATE', 'DELETE']) AS needed"
    ).fetchone()
    return bool(row and row[0])


def may_register(conninfo: Conninfo) -> bool:
    """Return whether a role that may create databases could also register one; the registry may yet have to be made."""
    try:
        with look(conninfo.with_database(COORDINATION)) as connection:
            found = connection.execute("SELECT to_regclass('dbtasks.registry')").fetchone()
            return found == (None,) or may_write(connection)
    except ServerUnreachableError:
        return True


def kind_of(conninfo: Conninfo, oid: int) -> str | None:
    """Return what a database is registered as; `None` where it or the registry is unknown."""
    try:
        with look(conninfo.with_database(COORDINATION)) as connection:
            row = connection.execute("SELECT kind FROM dbtasks.registry WHERE oid = %s", [oid]).fetchone()
    except (ServerUnreachableError, psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege):
        return None
    return str(row[0]) if row else None


def row_of(values: Sequence[object]) -> Row:
    """Return a row from its columns."""
    id_, tier, kind, name, oid, until, entry, made_by, since = values
    return Row(
        id=cast(int, id_),
        tier=str(tier),
        kind=str(kind),
        name=str(name),
        oid=cast("int | None", oid),
        keep_until=cast("datetime | None", until),
        entry=cast("int | None", entry),
        made_by=str(made_by),
        since=cast("datetime | None", since),
    )


_LEAVE_NAME: LiteralString = "DELETE FROM dbtasks.registry WHERE name = {name} AND oid IS DISTINCT FROM {oid}"

# The oid's own row becomes the new one, or there is none yet.
_BECOME: LiteralString = """
WITH there AS (
    UPDATE dbtasks.registry
       SET project = {project}, tier = {tier}, kind = {kind}, name = {name}, entry = {entry},
           made_by = {by}, was = {was}, since = now(), keep_until = now() + {keep}::interval,
           record = CASE WHEN kind IN ('live', 'retired') THEN coalesce({record}::jsonb, record)
                         ELSE {record}::jsonb END
     WHERE oid = {oid}
    RETURNING id
)
INSERT INTO dbtasks.registry (project, tier, kind, name, oid, entry, made_by, was, since, keep_until, record)
SELECT {project}, {tier}, {kind}, {name}, {oid}, {entry}::bigint, {by}, {was}, now(), now() + {keep}::interval,
       {record}::jsonb
 WHERE NOT EXISTS (SELECT FROM there)
"""


class Registry:
    """One project's rows, through a connection to the coordination database. `made_by` signs what is written."""

    def __init__(self, connection: Connection, project: str, made_by: str = "") -> None:
        self.connection, self.project, self.made_by = connection, project, made_by

    def new_name(self, tier: str) -> str:
        """Return a name of our own: 63 bytes at the most, which the server would cut, with room for `_old`."""
        return f"{f'dbtasks_{self.project}_{tier}'[:50]}_{secrets.token_hex(4)}"

    def reserve(self, tier: str, entry: int, kind: str = "building") -> Row:
        """Register a database to be made, under a name of our own, and hold its lock until the session ends."""
        name = self.new_name(tier)
        with self.connection.transaction():
            row = self.connection.execute(
                "INSERT INTO dbtasks.registry (project, tier, kind, name, entry, made_by)"
                " VALUES (%s, %s, %s, %s, %s, %s) RETURNING id",
                [self.project, tier, kind, name, entry, self.made_by],
            ).fetchone()
            id_ = cast(int, row[0]) if row else 0
            self.connection.execute("SELECT pg_advisory_lock(%s, %s)", [BUILD_LOCK_CLASS, id_])
        return Row(id=id_, tier=tier, kind=kind, name=name, oid=None, keep_until=None, entry=entry)

    def release(self, row: Row) -> None:
        """Give up the lock of a database that is not being built any more."""
        self.connection.execute("SELECT pg_advisory_unlock(%s, %s)", [BUILD_LOCK_CLASS, row.id])

    def record_built(self, row: Row) -> int:
        """Note the oid of a database that now exists, and return it."""
        found = self.connection.execute(
            "UPDATE dbtasks.registry r SET oid = d.oid::bigint FROM pg_database d"
            " WHERE r.id = %s AND d.datname = r.name RETURNING r.oid",
            [row.id],
        ).fetchone()
        return cast(int, found[0]) if found else 0

    def record_backup(self, row: Row, oid: int, record: str) -> None:
        """Note that a database which was built is a backup, with its manifest."""
        self.connection.execute(
            "UPDATE dbtasks.registry SET kind = 'backup', oid = %s, record = %s, since = now() WHERE id = %s",
            [oid, record, row.id],
        )

    def record_live(self, tier: str, name: str, oid: int, stamp: Mapping[str, object] | None = None) -> None:
        """Note which database is a tier's live one, and what its stamp says, where that is news."""
        several(self.connection, *self.becoming_live(tier, name, oid, stamp))

    def becoming_live(
        self, tier: str, name: str, oid: int, stamp: Mapping[str, object] | None = None
    ) -> tuple[sql.Composed, ...]:
        """Return the statements that note it.

        Whatever row the oid had becomes this one. A look takes what stands here for the stamp itself, so it is
        written by whoever writes the stamp, and in the transaction that makes the database live.
        """
        record = None if stamp is None else json.dumps(stamp)
        return self._becoming({"tier": tier, "kind": "live", "name": name, "oid": oid, "record": record})

    def becoming_retired(
        self, tier: str, names: tuple[str, str], oid: int, keep: timedelta, entry: int
    ) -> tuple[sql.Composed, ...]:
        """Return the statements that note a database taken out of service, by which entry, and its retention.

        `names`: the one it gets, and the one under which it was in service.
        """
        name, was = names
        values = {"kind": "retired", "name": name, "was": was, "oid": oid, "keep": keep, "entry": entry}
        return self._becoming({"tier": tier, **values})

    def becoming_restored(self, tier: str, name: str, oid: int, entry: int) -> tuple[sql.Composed, ...]:
        """Return the statements that note a database which a backup became beside what is in service."""
        return self._becoming({"tier": tier, "kind": "restored", "name": name, "oid": oid, "entry": entry})

    def _becoming(self, values: dict[str, object]) -> tuple[sql.Composed, ...]:
        unset = {"keep": None, "entry": None, "record": None, "was": None}
        literals = {**unset, **values, "project": self.project, "by": self.made_by}
        # A name that moves to another database leaves its old row. Not in one statement: names are unique all through.
        return tuple(sql.SQL(each).format(**literals) for each in (_LEAVE_NAME, _BECOME))

    def rows(self, tier: str, kind: str) -> tuple[Row, ...]:
        """Return the rows of one kind, oldest first."""
        return self._read(sql.SQL("tier = {} AND kind = {}").format(tier, kind))

    def retired(self, tier: str, was: str, *, ended: bool = False) -> tuple[Row, ...]:
        """Return what was replaced under a name, oldest first; `ended`: past its retention, by the server's clock."""
        condition = sql.SQL("tier = {} AND kind = 'retired' AND was = {} AND (NOT {} OR keep_until <= now())")
        return self._read(condition.format(tier, was, ended))

    def _read(self, condition: sql.Composed) -> tuple[Row, ...]:
        statement = sql.SQL("SELECT {} FROM dbtasks.registry WHERE project = {} AND {} ORDER BY since, id")
        found = self.connection.execute(statement.format(sql.SQL(_COLUMNS), self.project, condition)).fetchall()
        return tuple(row_of(values) for values in found)

    def drop(self, row: Row) -> None:
        """Drop a registered database and its row. Only a row's own oid and name are ever dropped."""
        known = self.connection.execute(
            "SELECT datistemplate FROM pg_database WHERE datname = %s AND (%s::bigint IS NULL OR oid::bigint = %s)",
            [row.name, row.oid, row.oid],
        ).fetchone()
        if known == (True,):  # it was in service once, and `harden` kept it from being dropped
            unflag = sql.SQL("ALTER DATABASE {} IS_TEMPLATE false")
            self.connection.execute(unflag.format(sql.Identifier(row.name)))
        if known:
            self.connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(row.name)))
        self.connection.execute("DELETE FROM dbtasks.registry WHERE id = %s", [row.id])

    def sweep(self, tier: str) -> tuple[str, ...]:
        """Drop what killed runs left half-built, and return the names. A builder that still runs keeps its own."""
        return tuple(row.name for row in self.rows(tier, "building") if self.drop_unused(row))

    def drop_unused(self, row: Row) -> bool:
        """Drop a database that nobody builds, clones or takes just now, and return whether it went.

        One that belongs to another role stays: several people may have a database of the tier on one server.
        """
        if not try_lock(self.connection, row.id, lock_class=BUILD_LOCK_CLASS):
            return False
        try:
            self.drop(row)
        except psycopg.errors.InsufficientPrivilege:
            return False
        finally:
            self.release(row)
        return True
