"""The stamp: the row inside a database that says which tier it is, bound to the server's identity and the oid.

Schema `dbtasks` in the target describes that database and nothing else; schemas of the application are not touched.
"""

from __future__ import annotations

from collections.abc import Mapping

from dbtasks import spent
from dbtasks.database import Connection
from dbtasks.migrations import ledger
from dbtasks.tiers import Consent, Floor, Loss

# Whoever may connect may read which tier this is: an application's own role asks, too.
_CREATE = """
DO $create$
BEGIN
IF to_regclass('dbtasks.identity') IS NOT NULL THEN
    RETURN;
END IF;
CREATE SCHEMA IF NOT EXISTS dbtasks;
CREATE TABLE dbtasks.identity (
    system_identifier  bigint NOT NULL,
    database_oid       bigint NOT NULL,
    timeline           integer NOT NULL,
    project            text NOT NULL,
    tier               text NOT NULL,
    may_lose           text NOT NULL,
    consent            text NOT NULL,
    scripts_may_answer boolean NOT NULL,
    approvals          integer NOT NULL,
    signers_digest     text,
    stamped_at         timestamptz NOT NULL DEFAULT now(),
    stamped_by         text NOT NULL,
    PRIMARY KEY (system_identifier, database_oid)
);
COMMENT ON SCHEMA dbtasks IS 'dbtasks: which tier this database is, and which revisions were applied to it';
GRANT USAGE ON SCHEMA dbtasks TO PUBLIC;
GRANT SELECT ON dbtasks.identity TO PUBLIC;
END
$create$
"""

# Rows of other databases stay: they tell where a copy came from.
_PUT = """
INSERT INTO dbtasks.identity AS i (system_identifier, database_oid, timeline, project, tier, may_lose, consent,
                                   scripts_may_answer, approvals, signers_digest, stamped_by)
SELECT s.system_identifier, d.oid::bigint, ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int,
       %(project)s, %(tier)s, %(may_lose)s, %(consent)s, %(scripts)s, %(approvals)s, %(digest)s, %(person)s
  FROM pg_control_system() s, pg_database d WHERE d.datname = current_database()
    ON CONFLICT (system_identifier, database_oid) DO UPDATE
   SET (timeline, project, tier, may_lose, consent, scripts_may_answer, approvals, signers_digest, stamped_at,
        stamped_by)
     = (EXCLUDED.timeline, EXCLUDED.project, EXCLUDED.tier, EXCLUDED.may_lose, EXCLUDED.consent,
        EXCLUDED.scripts_may_answer, EXCLUDED.approvals, EXCLUDED.signers_digest, now(), EXCLUDED.stamped_by)
RETURNING timeline, to_char(stamped_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.USZ')
"""


def put_stamp(
    connection: Connection, *, project: str, tier: str, floor: Floor, person: str, alone: bool = False
) -> dict[str, object]:
    """Stamp the connected database, in one transaction, and make room for the ledger beside the stamp.

    Returns what the stamp says, as plain data. `alone`: rows of other databases go; a clone of our own making carries
    those of its template.
    """
    with connection.transaction():
        # Two first stamps at once would both find no schema; the loser of the race would fail on a unique index.
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('dbtasks.identity'))")
        connection.execute(_CREATE)
        connection.execute(ledger.CREATE)
        connection.execute(spent.CREATE)
        if alone:
            connection.execute("DELETE FROM dbtasks.identity")
        said = floor_data(floor)
        row = connection.execute(_PUT, {"project": project, "tier": tier, "person": person, **said}).fetchone()
    timeline, at = row or (0, "")
    return {"tier": tier, "floor": said, "timeline": timeline, "at": str(at), "by": person}


def floor_data(floor: Floor) -> dict[str, object]:
    """Return a floor as the stamp's columns have it.

    >>> from dbtasks.tiers import Consent, Loss
    >>> floor_from(floor_data(Floor(may_lose=Loss.ASKED, consent=Consent.NONE))).may_lose.name
    'ASKED'
    """
    return {
        "may_lose": floor.may_lose.name.lower(),
        "consent": floor.consent.name.lower(),
        "scripts": floor.scripts_may_answer,
        "approvals": floor.approvals,
        "digest": floor.signers_digest,
    }


def floor_from(data: Mapping[str, object]) -> Floor:
    """Return the floor that was written as data. KeyError, TypeError and ValueError where it is none."""
    return Floor(
        may_lose=Loss[str(data["may_lose"]).upper()],
        consent=Consent[str(data["consent"]).upper()],
        scripts_may_answer=data["scripts"] is True,
        approvals=int(str(data["approvals"])),
        signers_digest=None if data["digest"] is None else str(data["digest"]),
    )
