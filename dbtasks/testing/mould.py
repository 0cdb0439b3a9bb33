"""Moulds: copies of a template that hold the stamps of the clones to be made from them, by their oids.

A stamp counts for one oid alone, and PostgreSQL 15 lets whoever creates a database choose its oid. So a clone has its
own stamp from its first moment on, and nobody need connect to it only to write one, which costs as much as the clone.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from zlib import crc32

import psycopg
from psycopg import sql

from dbtasks import identity, snapshots
from dbtasks.database import session_lock
from dbtasks.registry import Registry, row_of
from dbtasks.testing.way_in import WayIn

_FIRST_SERVER_VERSION = 150000

# A mould's stamps are copied with every clone, so they are few; a new mould costs about as much as two clones.
_STAMPS = 128
# The server counts its own oids upwards and starts at 16384.
_LOWEST_OID, _HIGHEST_OID = 2**31, 2**32 - _STAMPS - 1

_TAKE = """
UPDATE dbtasks.registry SET record = jsonb_set(record, '{mould,next}', to_jsonb((record #>> '{mould,next}')::int + 1)),
       used_at = now()
 WHERE id = (SELECT r.id FROM dbtasks.registry r JOIN pg_database d ON d.oid::bigint = r.oid AND d.datname = r.name
              WHERE r.project = %(project)s AND r.tier = %(tier)s AND r.kind = 'template'
                AND r.record #>> '{mould,source}' = %(source)s AND r.record #> '{mould,stamp}' = %(stamp)s::jsonb
                AND (r.record #>> '{mould,next}')::int < (r.record #>> '{mould,count}')::int
              ORDER BY r.id LIMIT 1)
   AND (record #>> '{mould,next}')::int < (record #>> '{mould,count}')::int
RETURNING name, (record #>> '{mould,first}')::bigint + (record #>> '{mould,next}')::int - 1
"""

_USED_UP = """
SELECT id, tier, kind, name, oid, keep_until, entry, made_by, since FROM dbtasks.registry
 WHERE project = %(project)s AND tier = %(tier)s AND kind = 'template' AND record ? 'mould'
   AND (record #>> '{mould,next}')::int >= (record #>> '{mould,count}')::int
"""

_SHAPE = """
SELECT md5(jsonb_build_array(j -> 'encoding', j -> 'datcollate', j -> 'datctype', j -> 'datlocprovider',
                             coalesce(j -> 'datlocale', j -> 'daticulocale'), j -> 'dattablespace')::text)
  FROM pg_database d, to_jsonb(d) j
 WHERE d.oid::bigint = coalesce(%s, (SELECT oid::bigint FROM pg_database WHERE datname = 'template1'))
"""

_STAMP_AHEAD = """
INSERT INTO dbtasks.identity (system_identifier, database_oid, timeline, project, tier, may_lose, consent,
                              scripts_may_answer, approvals, signers_digest, stamped_by)
SELECT system_identifier, %s + ahead, timeline, project, tier, may_lose, consent, scripts_may_answer, approvals,
       signers_digest, stamped_by
  FROM dbtasks.identity, generate_series(0, %s - 1) AS ahead
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stamp:
    """A mould, and the oid for which it holds a stamp that nobody else uses."""

    mould: str
    oid: int


def cast(way_in: WayIn, registry: Registry, name: str, what: tuple[str, Callable[[Registry, str], None]]) -> bool:
    """Create a database from a mould, stamped from its first moment on; False where the server cannot.

    `what` names what is to be had, the same for whoever wants the same, and makes it where there is no mould of it.
    """
    connection = registry.connection
    if connection.info.server_version < _FIRST_SERVER_VERSION:
        return False
    while True:
        stamp = _take(way_in, registry, what)
        # Somebody else's database has that oid, or the mould went where its room was needed.
        with suppress(psycopg.errors.DuplicateObject, psycopg.errors.InvalidCatalogName):
            snapshots.clone(connection, name, stamp.mould, stamp.oid)
            return True


def shape(registry: Registry, model_oid: int | None) -> str:
    """Return a name for an empty database with the encoding, locale and tablespace of a model, or of `template1`."""
    row = registry.connection.execute(_SHAPE, [model_oid]).fetchone()
    return f"empty {row[0] if row else ''}"


def _take(way_in: WayIn, registry: Registry, what: tuple[str, Callable[[Registry, str], None]]) -> _Stamp:
    wanted = _wanted(way_in, registry, what[0])
    found = _next(registry, wanted)
    if found is not None:
        return found
    key = crc32(f"{registry.project}/{way_in.tier.name}/mould".encode()) & 0x7FFFFFFF
    with session_lock(registry.connection, key, "the mould of clones", lambda _line: None):
        while (found := _next(registry, wanted)) is None:  # somebody else may have been faster
            _make(way_in, registry, what[1], wanted)
            _drop_used_up(registry, wanted)
    return found


def _wanted(way_in: WayIn, registry: Registry, source: str) -> Mapping[str, object]:
    evidence = way_in.clearance.evidence
    stamp = {"floor": identity.floor_data(evidence.situation.floor), "timeline": evidence.server.timeline}
    return {
        "project": registry.project,
        "tier": way_in.tier.name,
        "source": source,
        "stamp": json.dumps(stamp),
    }


def _next(registry: Registry, wanted: Mapping[str, object]) -> _Stamp | None:
    row = registry.connection.execute(_TAKE, wanted).fetchone()
    return _Stamp(mould=str(row[0]), oid=int(str(row[1]))) if row else None


def _make(
    way_in: WayIn, registry: Registry, create: Callable[[Registry, str], None], wanted: Mapping[str, object]
) -> None:
    connection, tier = registry.connection, way_in.tier.name
    first = _LOWEST_OID + secrets.randbelow(_HIGHEST_OID - _LOWEST_OID)
    row = registry.reserve(tier, way_in.entry)
    try:
        create(registry, row.name)
        registry.record_built(row)
        with way_in.open(row.name) as inside:
            floor, person = way_in.clearance.evidence.situation.floor, way_in.project.who.person
            identity.put_stamp(inside, project=registry.project, tier=tier, floor=floor, person=person, alone=True)
            inside.execute(_STAMP_AHEAD, [first, _STAMPS])
        connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(row.name)))
        mould = {
            "source": wanted["source"],
            "stamp": json.loads(str(wanted["stamp"])),
            "first": first,
            "next": 0,
            "count": _STAMPS,
        }
        connection.execute(
            "UPDATE dbtasks.registry SET kind = 'template', record = %s, used_at = now(), since = now() WHERE id = %s",
            [json.dumps({"mould": mould}), row.id],
        )
    except BaseException:
        registry.drop(row)
        raise
    finally:
        registry.release(row)


def _drop_used_up(registry: Registry, wanted: Mapping[str, object]) -> None:
    for values in registry.connection.execute(_USED_UP, wanted).fetchall():
        registry.drop(row_of(values))
