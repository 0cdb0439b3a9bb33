"""Anchors: which entry a trail had reached, and its hash, kept where the trail's own machine cannot take it back.

In the coordination database, else in schema `dbtasks` of the target. The rows are added by one function, which runs
as its owner: a role that uses it can add a row and neither change nor remove one. Whoever owns the table, and a
superuser, could, on purpose: triggers stop the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import cast

import psycopg
from psycopg import sql

from dbtasks.database import Connection, several
from dbtasks.values import dataclass

_CREATE = """
DO $create$
BEGIN
IF to_regclass('dbtasks.anchors') IS NULL THEN
    CREATE TABLE dbtasks.anchors (
        project text NOT NULL,
        chain   text NOT NULL,
        entry   bigint NOT NULL,
        hash    text NOT NULL,
        place   text NOT NULL,
        at      timestamptz NOT NULL DEFAULT clock_timestamp(),
        by_role text NOT NULL DEFAULT session_user,
        PRIMARY KEY (project, chain, entry)
    );
    CREATE INDEX anchors_of_a_place ON dbtasks.anchors (project, place);
    COMMENT ON TABLE dbtasks.anchors IS 'Up to which entry each audit trail had come; kept by dbtasks.';
    GRANT SELECT ON dbtasks.anchors TO PUBLIC;
END IF;
END
$create$;

CREATE OR REPLACE FUNCTION dbtasks.anchors_stay() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $stay$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE = 'dbtasks.anchors is only added to',
        HINT = 'It proves what the audit trails were. Nothing was changed.';
END
$stay$;
CREATE OR REPLACE TRIGGER anchors_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON dbtasks.anchors
    EXECUTE FUNCTION dbtasks.anchors_stay();
ALTER TABLE dbtasks.anchors ENABLE ALWAYS TRIGGER anchors_stay;

-- An entry comes late where two processes write at once. It comes far ahead where others lay on other servers, and a
-- trail grows only so fast: whoever claims an entry of the far future would shut out all until then.
CREATE OR REPLACE FUNCTION dbtasks.anchor(of_project text, of_chain text, of_entry bigint, of_hash text, of_place text)
RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $anchor$
DECLARE
    known text;
    head  record;
BEGIN
    IF of_chain !~ '^[0-9a-f]{64}$' OR of_hash !~ '^[0-9a-f]{64}$' OR of_entry < 1
       OR length(of_project) > 100 OR length(of_place) > 2000 THEN
        RETURN 'malformed';
    END IF;
    SELECT hash INTO known FROM dbtasks.anchors
     WHERE project = of_project AND chain = of_chain AND entry = of_entry;
    IF FOUND THEN
        RETURN CASE WHEN known = of_hash THEN 'anchored' ELSE 'differs' END;
    END IF;
    SELECT entry, at INTO head FROM dbtasks.anchors
     WHERE project = of_project AND chain = of_chain ORDER BY entry DESC LIMIT 1;
    IF FOUND THEN
        IF of_entry < head.entry AND head.at < clock_timestamp() - interval '10 minutes' THEN
            RETURN 'behind';
        END IF;
        IF of_entry > head.entry + 10000 + 100 * extract(epoch FROM clock_timestamp() - head.at) THEN
            RETURN 'ahead';
        END IF;
    END IF;
    INSERT INTO dbtasks.anchors (project, chain, entry, hash, place)
    VALUES (of_project, of_chain, of_entry, of_hash, of_place) ON CONFLICT DO NOTHING;
    RETURN CASE WHEN FOUND THEN 'anchored' ELSE 'differs' END;
END
$anchor$;
"""

_MISSING = (
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedTable,
)
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('dbtasks.anchors'))"
_PUT = sql.SQL("SELECT dbtasks.anchor({}, {}, {}, {}, {})")
_THERE = "SELECT to_regclass('dbtasks.anchors') IS NOT NULL"
_KNOWN = "SELECT entry, hash FROM dbtasks.anchors WHERE project = %s AND chain = %s"
_OTHERS = """
SELECT chain, max(entry), max(at) FROM dbtasks.anchors
 WHERE project = %s AND place = %s AND chain <> %s GROUP BY chain ORDER BY max(at)
"""

# What the function answers, where it does not take an entry.
_WHY = {
    "differs": "another entry of that number is anchored: this trail was rewritten, or a copy of it has gone on",
    "behind": "a later entry has been anchored for a while: the trail's end was cut off, or this is an older copy",
    "ahead": "it is too far ahead of the last one that is anchored",
    "malformed": "it is no anchor",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """One entry of a trail. `chain` is the hash of the trail's first entry, `place` its machine and file."""

    project: str
    chain: str
    entry: int
    hash: str
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """Another trail that stood in this one's place, as far as it was anchored."""

    chain: str
    entry: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What one database knows of a trail: hashes by entry, and which other trails stood in its place."""

    hashes: Mapping[int, str]
    others: tuple[Replaced, ...] = ()


class NotAnchoredError(Exception):
    """The server's function did not take an entry; the message says why."""


def put(connection: Connection, anchor: Anchor, *then: sql.Composable) -> None:
    """Add an anchor, and run statements in the same round trip. Autocommit connections only.

    What it needs is made where it is missing, but not the schema. NotAnchoredError: it contradicts what is there, and
    the statements were run. psycopg.Error: it could not be written, and they were not.
    """
    statement = _PUT.format(anchor.project, anchor.chain, anchor.entry, anchor.hash, anchor.place)
    try:
        (answer,), *_ = several(connection, statement, *then)
    except _MISSING:
        with connection.transaction():
            connection.execute(_LOCK)
            connection.execute(_CREATE)
        (answer,), *_ = several(connection, statement, *then)
    if answer[0] != "anchored":
        raise NotAnchoredError(_WHY.get(str(answer[0]), "the server does not say why"))


def read(connection: Connection, anchor: Anchor) -> Known:
    """Return what is known of the trail that an anchor is of; its entry and hash are not looked at."""
    if connection.execute(_THERE).fetchone() != (True,):
        return Known(hashes={})
    rows = connection.execute(_KNOWN, [anchor.project, anchor.chain]).fetchall()
    others = connection.execute(_OTHERS, [anchor.project, anchor.place, anchor.chain]).fetchall()
    return Known(
        hashes={cast(int, entry): str(hash_) for entry, hash_ in rows},
        others=tuple(
            Replaced(chain=str(chain), entry=cast(int, entry), at=cast(datetime, at)) for chain, entry, at in others
        ),
    )
