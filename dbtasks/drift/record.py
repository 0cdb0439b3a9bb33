"""What the database remembers of its schema, in `dbtasks.drift`: how it was left, and what people have accepted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString, cast

from dbtasks.database import Connection
from dbtasks.values import dataclass

# A row without a reason says how a migration left the schema, one with a reason what a person has accepted.
_CREATE: LiteralString = """
DO $create$
BEGIN
    IF to_regclass('dbtasks.drift') IS NULL THEN
        PERFORM pg_advisory_xact_lock(hashtext('dbtasks.drift'));
        CREATE TABLE IF NOT EXISTS dbtasks.drift (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            fingerprint text NOT NULL,
            accepted text[] NOT NULL DEFAULT '{}',
            reason text,
            at timestamptz NOT NULL DEFAULT now(),
            person text NOT NULL,
            entry bigint NOT NULL
        );
        COMMENT ON TABLE dbtasks.drift IS 'How migrations left the schema, and which differences were accepted.';
    END IF;
END
$create$
"""
_PUT = "INSERT INTO dbtasks.drift (fingerprint, accepted, reason, person, entry) VALUES (%s, %s, %s, %s, %s)"
_IS_MADE = "SELECT to_regclass('dbtasks.drift') IS NOT NULL"
_READ = "SELECT fingerprint, accepted, reason, at, person FROM dbtasks.drift ORDER BY id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """Why a difference is meant, who said so and when."""

    reason: str
    person: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """`fingerprint` is that of the schema as it was last left or accepted; empty where nobody has written any."""

    fingerprint: str = ""
    accepted: tuple[tuple[str, Accepted], ...] = ()

    def why(self, digest: str) -> Accepted | None:
        """Return the latest acceptance of a difference, by its digest."""
        return dict(self.accepted).get(digest)


def read(connection: Connection) -> Recorded:
    """Return what is remembered. psycopg.Error where the role may not read it."""
    if connection.execute(_IS_MADE).fetchone() != (True,):
        return Recorded()
    fingerprint, accepted = "", []
    for seen, digests, reason, at, person in connection.execute(_READ).fetchall():
        fingerprint = str(seen)
        if reason is not None:
            word = Accepted(reason=str(reason), person=str(person), at=cast(datetime, at))
            accepted += [(digest, word) for digest in cast("list[str]", digests)]
    return Recorded(fingerprint=fingerprint, accepted=tuple(accepted))


def put(
    connection: Connection, fingerprint: str, who: tuple[str, int], accepted: Sequence[str] = (), reason: str = ""
) -> None:
    """Remember how the schema is now; with a `reason` also which differences are meant. `who`: person and entry."""
    with connection.transaction():
        connection.execute(_CREATE)
        connection.execute(_PUT, [fingerprint, list(accepted), reason or None, *who])
