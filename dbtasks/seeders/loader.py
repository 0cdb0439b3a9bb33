"""Seeds into a database: everything in the caller's transaction, all of it or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from psycopg import sql
from psycopg.rows import dict_row

from dbtasks.errors import SeedError
from dbtasks.seeders import catalogue as catalogue_of
from dbtasks.seeders import losses, sizes
from dbtasks.seeders.batch import Connection, run
from dbtasks.seeders.catalogue import Catalogue
from dbtasks.seeders.files import RowFormat, Seeds, Source
from dbtasks.seeders.loading import Loading
from dbtasks.seeders.manifest import LOOK, Manifest, manifest
from dbtasks.seeders.results import LoadResult, Progress
from dbtasks.seeders.sql_file import script
from dbtasks.seeders.statements import Statement

_SAVEPOINT = "dbtasks_seeds"

# What a file says must not depend on who loads it, and a checksum of texts not on how they are written.
_FIXED = sql.SQL(
    "SELECT set_config(name, value, true) FROM (VALUES ('TimeZone', 'UTC'), ('DateStyle', 'ISO, YMD'),"
    " ('IntervalStyle', 'postgres'), ('extra_float_digits', '1'), ('bytea_output', 'hex'),"
    " ('standard_conforming_strings', 'on')) AS fixed (name, value)"
)
# Memory for sorting, joining and staging, for this transaction, where the server's setting is lower.
_ROOM = sql.SQL("""
DO $room$
BEGIN
    PERFORM set_config(name, wanted, true) FROM (VALUES ('work_mem', '128MB'), ('maintenance_work_mem', '256MB'))
        AS room (name, wanted) WHERE pg_size_bytes(current_setting(name)) < pg_size_bytes(wanted);
    PERFORM set_config('temp_buffers', '128MB', true)
        WHERE pg_size_bytes(current_setting('temp_buffers')) < pg_size_bytes('128MB');
EXCEPTION WHEN invalid_parameter_value THEN
    NULL; -- the session has had temporary tables already
END
$room$
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opening:
    """What the first round trip told."""

    catalogue: Catalogue
    manifest: Manifest
    counts: losses.Counts


def load(
    connection: Connection,
    seeds: Seeds,
    formats: Mapping[str, RowFormat],
    report: Callable[[Progress], None],
    *,
    may_lose: bool,
    alone: bool,
) -> LoadResult:
    """Return what was done. See `dbtasks.seeders.load`."""
    if connection.autocommit:
        raise ValueError("seeds need a transaction: the connection must not be in autocommit mode")
    sources = [Source(file=file, root=seeds.root) for file in seeds.files]
    scripts = {source.file: script(source) for source in sources if source.file.table is None}
    large = sum(file.size_bytes for file in seeds.files) > sizes.SMALL_BYTES
    opening = _open(connection, [file.table for file in seeds.files if file.table is not None], large=large)
    try:
        loading = Loading(
            connection=connection,
            catalogue=opening.catalogue,
            manifest=opening.manifest,
            seeds=seeds,
            formats=formats,
            report=report,
            scripts=scripts,
            large=large,
            alone=alone,
        )
        for name in dict.fromkeys(file.set for file in seeds.files):
            loading.load_set([source for source in sources if source.file.set == name])
        result, done = loading.finish()
    except SeedError:
        _take_back(connection)
        raise
    if scripts:
        losses.refuse(opening.counts, done, may_lose=may_lose)
    # After the look at what the scripts did to our bookkeeping, since this is bookkeeping.
    _write(connection, opening.manifest)
    return result


def _open(connection: Connection, tables: Sequence[str], *, large: bool) -> _Opening:
    """Return the catalogue and what is remembered, after a savepoint, in one round trip."""
    parameters = {"names": catalogue_of.names_of(tables)}
    cursors = []
    with connection.pipeline():
        connection.execute(_FIXED, prepare=False)
        if large:
            connection.execute(_ROOM, prepare=False)
        connection.execute(LOOK.ask, prepare=False)
        seen = connection.execute(LOOK.answer, prepare=False)
        looked = connection.execute(losses.LOOK, prepare=False)
        for query in (catalogue_of.TABLES, catalogue_of.COLUMNS, catalogue_of.KEYS, catalogue_of.FOREIGN_KEYS):
            cursor = connection.cursor(row_factory=dict_row)
            cursors.append(cursor.execute(query, parameters, prepare=False))
        connection.execute(f"SAVEPOINT {_SAVEPOINT}", prepare=False)
    row = seen.fetchone()
    return _Opening(
        catalogue=catalogue_of.catalogue(*(cursor.fetchall() for cursor in cursors)),
        manifest=manifest(str(row[0]) if row else ""),
        counts=losses.counts(looked.fetchall()),
    )


def _take_back(connection: Connection) -> None:
    if not connection.broken:
        connection.execute(f"ROLLBACK TO {_SAVEPOINT}")
        connection.execute(f"RELEASE {_SAVEPOINT}")


def _write(connection: Connection, kept: Manifest) -> None:
    # The savepoint is left to the caller's commit: releasing it would be a round trip more.
    if statements := [Statement(query=query) for query in kept.to_write()]:
        run(connection, statements)
