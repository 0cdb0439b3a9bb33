"""The databases that were replaced and are still there: what `undo` can bring back and `prune` may drop."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, cast

import psycopg

from dbtasks import inspection
from dbtasks.author import Who
from dbtasks.conninfo import Conninfo
from dbtasks.database import Connection, look
from dbtasks.errors import RefusedError, ServerUnreachableError
from dbtasks.evidence import Database, Server, own_stamp, own_stamps
from dbtasks.materials import Kept
from dbtasks.registry import COORDINATION

if TYPE_CHECKING:
    from dbtasks import schemas

_KEPT = """
SELECT r.oid, r.name, r.entry, r.made_by, coalesce(r.since, r.made_at), r.keep_until, pg_database_size(d.oid),
       coalesce(r.keep_until <= now(), false)
  FROM dbtasks.registry r JOIN pg_database d ON d.oid::bigint = r.oid AND d.datname = r.name
 WHERE r.project = %s AND r.tier = %s AND r.was = %s AND r.kind = 'retired'
 ORDER BY coalesce(r.since, r.made_at) DESC, r.id DESC
"""


def maker(who: Who) -> str:
    """Return how the registry signs an entry: entries are numbered in the trail of each machine."""
    return f"{who.person}@{who.host}"


def kept(conninfo: Conninfo, project: str, tier: str) -> tuple[tuple[Kept, bool], ...]:
    """Return what is kept of the tier's database that `conninfo` leads to, the newest first.

    With each goes whether its retention has ended, by the server's clock. Nothing is known where there is no registry.
    """
    try:
        with closing(look(conninfo.with_database(COORDINATION))) as connection:
            return read(connection, project, tier, conninfo.database)
    except (ServerUnreachableError, psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
        return ()


def read(connection: Connection, project: str, tier: str, database: str) -> tuple[tuple[Kept, bool], ...]:
    """Return the same, through a connection to the coordination database."""
    return tuple(_kept(row) for row in connection.execute(_KEPT, [project, tier, database]).fetchall())


def inside(conninfo: Conninfo, *, whole: bool = False) -> tuple[tuple[Kept, bool], ...]:
    """Return the same of schemas that are kept inside a database; nothing where it cannot be reached.

    `whole`: without what somebody began to drop.
    """
    from dbtasks import schemas  # late: most databases are replaced whole

    try:
        with closing(look(conninfo)) as connection:
            there = schemas.kept(connection)
    except (ServerUnreachableError, psycopg.errors.InsufficientPrivilege):
        return ()
    return tuple((_inside(each), each.ended) for each in reversed(there) if not (whole and each.dropping))


def restored(conninfo: Conninfo, project: str, tier: str) -> tuple[Kept, ...]:
    """Return the databases that backups of the tier became beside what is in service, the oldest first."""
    try:
        with closing(look(conninfo.with_database(COORDINATION))) as connection:
            rows = connection.execute(_RESTORED, [project, tier]).fetchall()
    except (ServerUnreachableError, psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
        return ()
    return tuple(replace(_kept(row)[0], restored=True) for row in rows)


_RESTORED = """
SELECT r.oid, r.name, r.entry, r.made_by, coalesce(r.since, r.made_at), r.keep_until, pg_database_size(d.oid), false
  FROM dbtasks.registry r JOIN pg_database d ON d.oid::bigint = r.oid AND d.datname = r.name
 WHERE r.project = %s AND r.tier = %s AND r.kind = 'restored' ORDER BY r.id
"""


def restored_as(name: str, conninfo: Conninfo, project: str, tier: str) -> Kept:
    """Return the one of that name. RefusedError where there is none, or where somebody has adopted it since."""
    there = restored(conninfo, project, tier)
    found = next((each for each in there if each.name == name), None)
    if found is None:
        known = ", ".join(each.name for each in there)
        raise RefusedError(
            code="E-NOTHING-KEPT",
            saw=f"No backup of {tier.upper()} was restored as {name}, or it is not there any more.",
            why=f"There are: {known}." if known else "There is none under another name either.",
            instead=f"To see what could be restored: invoke backups --tier={tier}",
        )
    server, database = _looked_at(conninfo.with_database(name))
    if database.stamps is None or own_stamps(server, database):
        what = "a stamp that cannot be read" if database.stamps is None else "a stamp of its own: somebody adopted it"
        raise RefusedError(
            code="E-STAMP",
            saw=f"{name} bears {what}.",
            why="What is in service is not dropped.",
            instead="To see what leads where: invoke check",
        )
    return found


def _looked_at(conninfo: Conninfo) -> tuple[Server, Database]:
    with closing(look(conninfo)) as connection:
        server = inspection.look_at_server(connection)
        return server, inspection.look_at_database(connection, server, None, lambda _oid: None)


def _inside(each: schemas.Kept) -> Kept:
    return Kept(
        oid=0,
        name=", ".join(held.kept for held in each.schemas) or f"no schema ({each.mark})",
        entry=each.entry,
        made_by=each.made_by,
        since=each.made_at,
        until=each.keep_until,
        size_bytes=each.size_bytes,
        tables=each.tables,
        rows=each.rows,
        mark=each.mark,
    )


def gone(conninfo: Conninfo, project: str, tier: str) -> tuple[Kept, ...]:
    """Return what is registered as kept and is not there any more: a run was killed between the drop and its note."""
    try:
        with closing(look(conninfo.with_database(COORDINATION))) as connection:
            rows = connection.execute(_GONE, [project, tier, conninfo.database]).fetchall()
    except (ServerUnreachableError, psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
        return ()
    return tuple(_kept((*row, 0, True))[0] for row in rows)


_GONE = """
SELECT r.oid, r.name, r.entry, r.made_by, coalesce(r.since, r.made_at), r.keep_until
  FROM dbtasks.registry r
 WHERE r.project = %s AND r.tier = %s AND r.was = %s AND r.kind = 'retired'
   AND NOT EXISTS (SELECT FROM pg_database d WHERE d.oid::bigint = r.oid)
 ORDER BY r.id
"""


def _kept(row: Sequence[object]) -> tuple[Kept, bool]:
    oid, name, entry, made_by, since, until, size, ended = row
    found = Kept(
        oid=cast(int, oid),
        name=str(name),
        entry=cast("int | None", entry),
        made_by=str(made_by),
        since=cast(datetime, since),
        until=cast("datetime | None", until),
        size_bytes=cast(int, size),
    )
    return found, bool(ended)


def looked_into(chosen: Kept, project: str, tier: str, conninfo: Conninfo) -> Kept:
    """Return a kept database with what it holds. RefusedError where its own stamp is another tier's."""
    server, database = _looked_at(conninfo.with_database(chosen.name))
    stamp = own_stamp(server, database)
    if stamp is None or (stamp.project, stamp.tier) != (project, tier):
        raise RefusedError(
            code="E-STAMP",
            saw=f"The kept database {chosen.name} does not bear the stamp of {tier.upper()}.",
            why="Nothing was changed.",
            instead=f"To see what else is kept: invoke undo --tier={tier} --list",
        )
    rows = sum(table.rows for table in database.tables)
    return replace(chosen, tables=len(database.tables), rows=rows)


def choose(there: Sequence[Kept], entry: int | None, mine: str, tier: str) -> Kept:
    """Return what is to be brought back: the newest, or what that entry of the trail replaced.

    RefusedError where there is none, or where entries of several machines bear that number and none is `mine`.
    """
    fitting = [each for each in there if entry is None or each.entry == entry]
    if not fitting:
        wanted = "" if entry is None else f" by entry {entry}"
        known = ", ".join(str(each.entry) for each in there if each.entry is not None)
        raise RefusedError(
            code="E-NOTHING-KEPT",
            saw=f"No database is kept for {tier.upper()} that was replaced{wanted}.",
            why=f"Kept are those of the entries {known}." if known else "Nothing can be brought back.",
            instead=f"To see what is kept: invoke undo --tier={tier} --list",
        )
    if entry is None:
        return fitting[0]
    own = [each for each in fitting if each.made_by == mine] or fitting
    if len(own) > 1:
        makers = ", ".join(each.made_by for each in own)
        raise RefusedError(
            code="E-NOTHING-KEPT",
            saw=f"Entry {entry} stands in several trails: {makers}.",
            why="Which of them is meant cannot be told from here.",
            instead=f"On the machine where it was run: invoke undo --tier={tier} --entry={entry}",
        )
    return own[0]
