"""The runs that count towards a tier's limits: in the coordination database, by the server's clock, one at a time.

Where the server has none, in schema `dbtasks` of the target. Whoever asks holds a lock from the count to the row that
takes the unit: of several who want the last one, exactly one has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import cast

import psycopg

from dbtasks.conninfo import mask
from dbtasks.coordination import looking, tightening, writing
from dbtasks.database import Connection
from dbtasks.errors import DbtasksError, RefusedError
from dbtasks.guard import Clearance
from dbtasks.limits import Limits, Use, Wait, longest, outlook, wait
from dbtasks.registry import COORDINATION
from dbtasks.targets import Target
from dbtasks.tiers import Consent, Floor, Loss
from dbtasks.values import dataclass

_CREATE = """
CREATE SCHEMA IF NOT EXISTS dbtasks;
CREATE TABLE IF NOT EXISTS dbtasks.uses (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project   text NOT NULL,
    tier      text NOT NULL,
    operation text NOT NULL,
    person    text NOT NULL,
    at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    failed    boolean NOT NULL DEFAULT false
);
ALTER TABLE dbtasks.uses ADD COLUMN IF NOT EXISTS refused boolean NOT NULL DEFAULT false;
CREATE INDEX IF NOT EXISTS uses_by_whom ON dbtasks.uses (project, tier, operation, person, at);
GRANT USAGE ON SCHEMA dbtasks TO PUBLIC;
GRANT SELECT ON dbtasks.uses TO PUBLIC;
"""

LOCK = "SELECT pg_advisory_xact_lock(hashtext('dbtasks.uses'))"
_THERE = """
SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('dbtasks.uses') AND attname = 'refused')
"""
_NOW = "SELECT clock_timestamp()"
_USES = """
SELECT at, failed, refused FROM dbtasks.uses
 WHERE project = %(project)s AND tier = %(tier)s AND operation = %(operation)s AND person = %(person)s
   AND at > %(since)s
"""
_TAKE = """
INSERT INTO dbtasks.uses (project, tier, operation, person, at)
VALUES (%(project)s, %(tier)s, %(operation)s, %(person)s, %(now)s) RETURNING id
"""

_REFUSED = """
INSERT INTO dbtasks.uses (project, tier, operation, person, refused)
VALUES (%(project)s, %(tier)s, %(operation)s, %(person)s, true)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Whose run of what it is."""

    project: str
    tier: str
    operation: str
    person: str


def look_first(target: Target, asked: Asked, floor: Floor) -> tuple[str, ...]:
    """Return what is left, in clauses. RefusedError where the run would have to wait. It takes nothing."""
    found: Wait | None = None
    left: tuple[str, ...] = ()
    with _closed(target, floor), looking(target.conninfo) as connection:
        limits, now = target.tier.limits, _now(connection)
        there = connection.execute(_THERE).fetchone() == (True,)
        uses = _uses(connection, asked, limits, now) if there else ()
        found, left = wait(limits, asked.operation, uses, now), outlook(limits, asked.operation, uses, now)
    if found is not None:
        raise _refusal(found, asked, target)
    return left


def take(clearance: Clearance, target: Target, asked: Asked) -> int | None:
    """Take a unit for this run, and return its number; RefusedError says from when on there is one."""
    found: int | Wait | None = None
    with _closed(target, clearance.evidence.situation.floor), writing(clearance, target.conninfo) as connection:
        found = take_in(connection, asked, target.tier.limits)
    if isinstance(found, Wait):
        raise _refusal(found, asked, target)
    return found


def take_in(connection: Connection, asked: Asked, limits: Limits) -> int | Wait:
    """Take a unit, or return until when there is none. One transaction, under the lock."""
    with connection.transaction():
        _locked(connection)
        now = _now(connection)
        found = wait(limits, asked.operation, _uses(connection, asked, limits, now), now)
        if found is not None:
            return found
        row = connection.execute(_TAKE, {**_values(asked), "now": now}).fetchone()
        return cast(int, row[0]) if row else 0


def note_failure(clearance: Clearance, target: Target, number: int) -> None:
    """Write down that a run failed, where the server still answers."""
    try:
        with writing(clearance, target.conninfo) as connection:
            connection.execute("UPDATE dbtasks.uses SET failed = true WHERE id = %s", [number])
    except (psycopg.Error, DbtasksError):
        return  # the failure itself is told, and the unit is taken


def note_refusal(target: Target, asked: Asked) -> None:
    """Write down that a run was refused, where the server has a coordination database and lets us."""
    try:
        with tightening(target.conninfo) as connection:
            if connection is not None:
                with connection.transaction():
                    _locked(connection)
                    connection.execute(_REFUSED, _values(asked))
    except (psycopg.Error, DbtasksError):
        return  # the refusal itself is told


def _locked(connection: Connection) -> None:
    """Hold the lock until the transaction ends, and see that the table is there."""
    connection.execute(LOCK)
    if connection.execute(_THERE).fetchone() != (True,):
        connection.execute(_CREATE)


@contextmanager
def _closed(target: Target, floor: Floor) -> Iterator[None]:
    """Refuse what cannot be counted where nothing may be lost or a person must agree; elsewhere let it run."""
    try:
        yield
    except RefusedError:
        raise
    except (psycopg.Error, DbtasksError) as error:
        if floor.may_lose is not Loss.NOTHING and floor.consent is not Consent.PERSON:
            return
        raise RefusedError(
            code="E-LIMIT-UNKNOWN",
            saw=f"[{target.tier.label}] has limits, and how often it ran cannot be asked: {_first_line(error)}.",
            why="What cannot be counted is not allowed. Nothing was changed.",
            instead=f"See that dbtasks.uses in the server's database {COORDINATION} can be written, then: "
            f"invoke check --tier={target.tier.name}",
        ) from None


def _first_line(error: Exception) -> str:
    return (mask(str(error)).strip().splitlines() or ["no reason given"])[0].removesuffix(".")


def _refusal(found: Wait, asked: Asked, target: Target) -> RefusedError:
    return RefusedError(
        code="E-LIMIT",
        saw=f"{asked.operation} on [{target.tier.label}] by {asked.person} has to wait: {found.why}.",
        why="Nothing was changed.",
        instead=f"From {found.until.astimezone():%a %d %b %H:%M %Z} on it is allowed again. "
        f"What ran: invoke audit --tier={target.tier.name} --operation={asked.operation}",
    )


def _now(connection: Connection) -> datetime:
    row = connection.execute(_NOW).fetchone()
    if row is None:
        raise DbtasksError("the server does not tell the time")
    return cast(datetime, row[0])


def _uses(connection: Connection, asked: Asked, limits: Limits, now: datetime) -> tuple[Use, ...]:
    values = {**_values(asked), "since": now - longest(limits, asked.operation)}
    rows = connection.execute(_USES, values).fetchall()
    return tuple(Use(at=cast(datetime, at), failed=bool(failed), refused=bool(refused)) for at, failed, refused in rows)


def _values(asked: Asked) -> dict[str, str]:
    return {name: getattr(asked, name) for name in ("project", "tier", "operation", "person")}
