"""What the database remembers of seed files, in `dbtasks.seeds`: which bytes filled a table, and what it held then.

A row says: to load these bytes into a table that holds this would change nothing. It stays true whoever writes to the
table; whether the table holds this again, the server computes each time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

from psycopg import sql

from dbtasks.seeders.catalogue import Table
from dbtasks.seeders.checksum import Held
from dbtasks.seeders.files import Mode, SeedFile
from dbtasks.seeders.statements import Query, Watch

# Whoever finds another way to load a file, or to compute a checksum, counts this up.
_VERSION = 1
# To look at more than this would cost more than to load the file.
_MOST_BYTES_FOR_A_BYTE = 8
_SMALL_TABLE_BYTES = 1 << 20


class Look(NamedTuple):
    """Two statements that are sent one after the other."""

    ask: sql.SQL
    answer: sql.SQL


# Whether rows can be kept, and those that are: in a setting, since a table that is not there cannot be selected from.
# A role that may not write there seeds all the same, and nothing is remembered.
_LOOK = sql.SQL("""
DO $look$
DECLARE
    room oid := (SELECT oid FROM pg_catalog.pg_namespace
                 WHERE nspname = 'dbtasks' AND has_schema_privilege(oid, 'USAGE'));
    known oid := (SELECT oid FROM pg_catalog.pg_class WHERE relnamespace = room AND relname = 'seeds');
    found text := '';
BEGIN
    IF room IS NOT NULL AND known IS NULL THEN
        found := CASE WHEN has_schema_privilege(room, 'CREATE') THEN 'none' ELSE '' END;
    ELSIF has_table_privilege(known, 'SELECT') AND has_table_privilege(known, 'INSERT')
            AND has_table_privilege(known, 'UPDATE') THEN
        found := coalesce((SELECT json_agg(s) FROM dbtasks.seeds s)::text, '[]');
    END IF;
    PERFORM set_config('dbtasks.seeds', found, true);
END
$look$
""")
_SEEN = sql.SQL("SELECT current_setting('dbtasks.seeds')")
LOOK = Look(ask=_LOOK, answer=_SEEN)

_CREATE = sql.SQL("""
CREATE TABLE dbtasks.seeds (
    seed_set    text NOT NULL,
    table_name  text NOT NULL,
    file_digest text NOT NULL,
    mode        text NOT NULL,
    columns     text[] NOT NULL,
    hashed      text[] NOT NULL,
    reading     text NOT NULL,
    file_rows   bigint NOT NULL,
    table_rows  bigint NOT NULL,
    checksum    numeric NOT NULL,
    PRIMARY KEY (seed_set, table_name)
)
""")
_COMMENT = sql.SQL(
    "COMMENT ON TABLE dbtasks.seeds IS 'From which file a table was filled, and what it held then; kept by dbtasks.'"
)
_WRITE = sql.SQL("""
INSERT INTO dbtasks.seeds AS s SELECT * FROM json_populate_recordset(NULL::dbtasks.seeds, $1::json)
ON CONFLICT (seed_set, table_name) DO UPDATE
SET (file_digest, mode, columns, hashed, reading, file_rows, table_rows, checksum)
  = (EXCLUDED.file_digest, EXCLUDED.mode, EXCLUDED.columns, EXCLUDED.hashed, EXCLUDED.reading, EXCLUDED.file_rows,
     EXCLUDED.table_rows, EXCLUDED.checksum)
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """One row. `reading` is a digest of what else decides how a file is read: the columns' types, the table's keys."""

    seed_set: str
    table_name: str
    file_digest: str
    mode: str
    columns: list[str]
    hashed: list[str]
    reading: str
    file_rows: int
    table_rows: int
    checksum: int

    @property
    def held(self) -> Held:
        return Held(rows=self.table_rows, checksum=self.checksum)


@dataclass(slots=True, kw_only=True)
class Manifest:
    """The rows read, and those to be written when everything else has been done."""

    usable: bool = False
    exists: bool = False
    rows: Mapping[tuple[str, str], Remembered] = field(default_factory=dict)
    noted: dict[tuple[str, str], Remembered] = field(default_factory=dict)

    def of(self, file: SeedFile, table: Table, mode: Mode) -> Remembered | None:
        """Return what is remembered of a file, if it still is that file and would be read in the same way."""
        row = self.rows.get((file.set, _name(table)))
        if row is None or not worth_it(file, table) or (row.file_digest, row.mode) != (file.digest, mode):
            return None
        known = {column.name for column in table.columns}
        if not known.issuperset(row.columns) or row.reading != _reading(table, row.columns):
            return None
        return row

    def note(self, watch: Watch, held: Held) -> None:
        """Note what a table holds right after a file was loaded into it."""
        names = [column.name for column in watch.given]
        row = Remembered(
            seed_set=watch.source.file.set,
            table_name=_name(watch.table),
            file_digest=watch.source.file.digest,
            mode=watch.mode,
            columns=names,
            hashed=[column.name for column in watch.hashed],
            reading=_reading(watch.table, names),
            file_rows=watch.rows,
            table_rows=held.rows,
            checksum=held.checksum,
        )
        self.noted[row.seed_set, row.table_name] = row

    def to_write(self) -> list[Query]:
        """Return the statements that keep what was noted; none where that is known already."""
        news = [asdict(row) for key, row in self.noted.items() if self.rows.get(key) != row]
        if not news or not self.usable:
            return []
        made = [] if self.exists else [Query(text=_CREATE), Query(text=_COMMENT)]
        return [*made, Query(text=_WRITE, parameters=(json.dumps(news),))]


def manifest(seen: str) -> Manifest:
    """Return the manifest from the answer to `LOOK`."""
    if seen in ("", "none"):
        return Manifest(usable=seen == "none")
    rows = [Remembered(**row) for row in json.loads(seen)]
    return Manifest(usable=True, exists=True, rows={(row.seed_set, row.table_name): row for row in rows})


def worth_it(file: SeedFile, table: Table) -> bool:
    """Return whether to compute a table's checksum is cheap beside loading the file."""
    return table.size_bytes <= max(_SMALL_TABLE_BYTES, _MOST_BYTES_FOR_A_BYTE * file.size_bytes)


def _name(table: Table) -> str:
    return f"{table.schema}.{table.name}"


def _reading(table: Table, names: Iterable[str]) -> str:
    types = {column.name: column.type for column in table.columns}
    keys = [(key.columns, key.primary, key.nulls_equal) for key in table.keys]
    text = json.dumps([_VERSION, [(name, types[name]) for name in names], keys])
    return hashlib.sha256(text.encode()).hexdigest()
