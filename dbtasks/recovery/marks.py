"""A mark: a named record in the server's write-ahead log, written before what may have to be undone."""

from __future__ import annotations

import enum
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import cast

import psycopg
from psycopg import sql

from dbtasks import wal
from dbtasks.database import Connection, several
from dbtasks.errors import DbtasksError, NoMarkError
from dbtasks.registry import COORDINATION
from dbtasks.values import dataclass

PREFIX = "dbt_"


class Record(enum.StrEnum):
    """What stands in the log. Who may not create restore points writes a message; recovery goes by its position."""

    RESTORE_POINT = "restore point"
    MESSAGE = "message"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A mark. What was written before `lsn` was there when it was made; the record lies between `begins` and `lsn`.

    `at` is the server's clock. `switched`: the segment that holds the record was ended, so that it is archived at once.
    """

    name: str
    lsn: int
    begins: int
    timeline: int
    segment_bytes: int
    system_identifier: int
    at: datetime
    record: Record = Record.RESTORE_POINT
    switched: bool = True

    @property
    def segment(self) -> str:
        """The file of the log in which the record ends."""
        return wal.segment(self.timeline, self.lsn, self.segment_bytes)

    @property
    def segments(self) -> tuple[str, ...]:
        """The files that hold the record: two where it lies across their border."""
        return wal.segments(self.timeline, self.begins, self.lsn, self.segment_bytes)

    def as_data(self) -> dict[str, object]:
        """Return the mark as the trail keeps it."""
        return {
            "name": self.name,
            "lsn": wal.shown(self.lsn),
            "begins": wal.shown(self.begins),
            "segment": self.segment,
            "timeline": self.timeline,
            "segment_bytes": self.segment_bytes,
            "system_identifier": str(self.system_identifier),
            "at": self.at.isoformat(),
            "record": self.record.value,
            "switched": self.switched,
        }


def mark_from(data: Mapping[str, object]) -> Mark:
    """Return the mark that was kept as data. DbtasksError where it is none."""
    try:
        return Mark(
            name=str(data["name"]),
            lsn=wal.position(str(data["lsn"])),
            begins=wal.position(str(data["begins"])),
            timeline=int(str(data["timeline"])),
            segment_bytes=int(str(data["segment_bytes"])),
            system_identifier=int(str(data["system_identifier"])),
            at=datetime.fromisoformat(str(data["at"])),
            record=Record(str(data["record"])),
            switched=data["switched"] is True,
        )
    except (KeyError, ValueError) as error:
        raise DbtasksError(f"What was kept of a recovery mark cannot be read: {error}.") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Means:
    """What the role may do, and what the server is."""

    points: bool
    messages: bool
    switches: bool
    segment_bytes: int
    system_identifier: int


def may_mark(connection: Connection) -> bool:
    """Return whether the role may do through this database all that a mark can need."""
    return connection.execute(_MAY).fetchone() == (True,)


def needed(connection: Connection) -> str:
    """Return what a superuser grants, and where: a database that is replaced takes its grants along."""
    where, role = connection.info.dbname, connection.info.user
    place = where if where == COORDINATION else f"{COORDINATION}, where the server has that database, else in {where}"
    functions = "pg_create_restore_point(text), pg_switch_wal()"
    return f"As a superuser, in {place}: GRANT EXECUTE ON FUNCTION {functions} TO {role}"


def make_mark(connection: Connection) -> Mark:
    """Put a mark into the log of the connection's server, and end the segment that holds it. Two round trips.

    `connection` is one that may write, in no transaction. NoMarkError says why there can be none.
    """
    means = _means(connection)
    mark = _made(connection, means)
    while mark.lsn % mark.segment_bytes == 0:  # the record filled its segment, and what ends it lies in the next one
        mark = _made(connection, means)
    return mark


def _means(connection: Connection) -> _Means:
    row = connection.execute(_MEANS).fetchone()
    standby, level, points, messages, switches, size, identifier = row or (True,) * 7
    if standby is not False:
        raise NoMarkError("The server follows another one: marks are made on the primary.")
    if level == "minimal":
        raise NoMarkError(
            "The server keeps too little of its write-ahead log for a recovery (wal_level is minimal). "
            "Set wal_level to replica in its configuration and restart it."
        )
    if not (points or messages):
        raise NoMarkError(f"The role may put no mark into the log. {needed(connection)}")
    return _Means(
        points=bool(points),
        messages=bool(messages),
        switches=bool(switches),
        segment_bytes=cast(int, size),
        system_identifier=cast(int, identifier),
    )


def _made(connection: Connection, means: _Means) -> Mark:
    name = f"{PREFIX}{secrets.token_hex(8)}"
    record = _POINT if means.points else _MESSAGE
    ending = (sql.SQL("SELECT pg_switch_wal()"),) if means.switches else ()
    try:
        begins, ends, facts, *_ = several(connection, _HERE, record.format(name), _FACTS, *ending)
    except psycopg.errors.ObjectNotInPrerequisiteState as error:
        raise NoMarkError(f"The server takes no mark: {str(error).splitlines()[0]}.") from error
    at, file = facts[0]
    return Mark(
        name=name,
        lsn=wal.position(str(ends[0][0])),
        begins=wal.position(str(begins[0][0])),
        timeline=int(str(file)[:8], 16),
        segment_bytes=means.segment_bytes,
        system_identifier=means.system_identifier,
        at=cast(datetime, at),
        record=Record.RESTORE_POINT if means.points else Record.MESSAGE,
        switched=means.switches,
    )


_MAY = """
SELECT has_function_privilege('pg_create_restore_point(text)', 'EXECUTE')
   AND has_function_privilege('pg_switch_wal()', 'EXECUTE')
"""
_MEANS = """
SELECT pg_is_in_recovery(), current_setting('wal_level'),
       has_function_privilege('pg_create_restore_point(text)', 'EXECUTE'),
       has_function_privilege(p.oid, 'EXECUTE'), has_function_privilege('pg_switch_wal()', 'EXECUTE'),
       pg_size_bytes(current_setting('wal_segment_size')), s.system_identifier
  FROM pg_control_system() s, pg_proc p
 WHERE p.proname = 'pg_logical_emit_message' AND p.proargtypes[2] = 'text'::regtype
"""
_HERE = sql.SQL("SELECT pg_current_wal_insert_lsn()::text")
_POINT = sql.SQL("SELECT pg_create_restore_point({})::text")
_MESSAGE = sql.SQL("SELECT pg_logical_emit_message(false, {}, ''::text)::text")
_FACTS = sql.SQL("SELECT clock_timestamp(), pg_walfile_name(pg_current_wal_insert_lsn())")
