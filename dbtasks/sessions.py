"""Armed terminals, in the coordination database: who, on which host, at which terminal, until when by its clock."""

from __future__ import annotations

from typing import cast

import psycopg

from dbtasks.arming import Armed, Arming, ArmTerminal, Seat
from dbtasks.conninfo import mask
from dbtasks.coordination import looking, tightening, writing
from dbtasks.errors import DbtasksError
from dbtasks.guard import Clearance
from dbtasks.targets import Target

_CREATE = """
CREATE SCHEMA IF NOT EXISTS dbtasks;
CREATE TABLE IF NOT EXISTS dbtasks.armed (
    project  text NOT NULL,
    tier     text NOT NULL,
    person   text NOT NULL,
    host     text NOT NULL,
    terminal text NOT NULL,
    since    timestamptz NOT NULL,
    until    timestamptz NOT NULL,
    reason   text NOT NULL,
    PRIMARY KEY (project, tier, person, host, terminal)
);
COMMENT ON TABLE dbtasks.armed IS 'Terminals that may do more than look for a while; kept by dbtasks.';
GRANT USAGE ON SCHEMA dbtasks TO PUBLIC;
GRANT SELECT ON dbtasks.armed TO PUBLIC;
"""

_LOCK = "SELECT pg_advisory_xact_lock(hashtext('dbtasks.armed'))"
_THERE = "SELECT to_regclass('dbtasks.armed') IS NOT NULL"

# Terminals that have gone are not told from others that rest; a day after its end, no row says anything any more.
_TIDY = "DELETE FROM dbtasks.armed WHERE until < clock_timestamp() - interval '1 day'"
_ARM = """
INSERT INTO dbtasks.armed AS a (project, tier, person, host, terminal, since, until, reason)
SELECT %(project)s, %(tier)s, %(person)s, %(host)s, %(terminal)s, now.at, now.at + make_interval(mins => %(minutes)s),
       %(reason)s
  FROM (SELECT clock_timestamp() AS at) AS now
    ON CONFLICT (project, tier, person, host, terminal) DO UPDATE
   SET (since, until, reason) = (EXCLUDED.since, EXCLUDED.until, EXCLUDED.reason)
RETURNING to_char(until AT TIME ZONE 'UTC', 'HH24:MI')
"""

# No clock but the server's, and no zone but UTC: what this machine takes for now is nowhere in it.
_FIND = """
SELECT until > clock_timestamp(), ceil(extract(epoch FROM until - clock_timestamp()) / 60)::int,
       to_char(until AT TIME ZONE 'UTC', 'DD Mon HH24:MI')
  FROM dbtasks.armed
 WHERE project = %(project)s AND tier = %(tier)s AND person = %(person)s AND host = %(host)s
   AND terminal = %(terminal)s
"""


_END = """
UPDATE dbtasks.armed SET until = clock_timestamp()
 WHERE project = %(project)s AND tier = %(tier)s AND person = %(person)s AND until > clock_timestamp()
"""


def find(target: Target, project: str, seat: Seat) -> Armed:
    """Return whether a terminal is armed. What cannot be asked is not."""
    if not seat.terminal:
        return Armed(state=Arming.OFF, why="there is none")
    try:
        with looking(target.conninfo) as connection:
            if connection.execute(_THERE).fetchone() != (True,):
                return Armed(state=Arming.OFF)
            row = connection.execute(_FIND, _values(target, project, seat)).fetchone()
    except (psycopg.Error, DbtasksError) as error:
        reason = (mask(str(error)).strip().splitlines() or ["no reason given"])[0]
        return Armed(state=Arming.UNKNOWN, why=reason.removesuffix("."))
    if row is None:
        return Armed(state=Arming.OFF)
    runs, minutes, until = row
    if not runs:
        return Armed(state=Arming.ENDED, why=f"it was until {until} UTC by the server's clock")
    return Armed(state=Arming.ARMED, minutes=cast(int, minutes))


def put(clearance: Clearance, target: Target, project: str, step: ArmTerminal, reason: str) -> str:
    """Arm a terminal, and return until when: hours and minutes, UTC."""
    values = {**_values(target, project, step.seat), "minutes": step.minutes, "reason": reason}
    with writing(clearance, target.conninfo) as connection, connection.transaction():
        connection.execute(_LOCK)  # two who are the first would both make the table
        if connection.execute(_THERE).fetchone() != (True,):
            connection.execute(_CREATE)
        connection.execute(_TIDY)
        row = connection.execute(_ARM, values).fetchone()
    return str(row[0]) if row else ""


def end(target: Target, project: str, person: str) -> int | None:
    """End every armed session of a person there, on whatever host, and return how many.

    `None`: the server has no coordination database, and the tier's own is not written to without a clearance.
    """
    values = {"project": project, "tier": target.tier.name, "person": person}
    with tightening(target.conninfo) as connection:
        if connection is None:
            return None
        nobody = connection.execute(_THERE).fetchone() != (True,)
        return 0 if nobody else connection.execute(_END, values).rowcount


def _values(target: Target, project: str, seat: Seat) -> dict[str, object]:
    where = {"person": seat.person, "host": seat.host, "terminal": seat.terminal}
    return {"project": project, "tier": target.tier.name, **where}
