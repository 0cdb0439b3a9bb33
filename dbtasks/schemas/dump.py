"""A scratch database as it goes into the target: its definitions, its rows, and what hangs on its schemas.

Made by the programs of the scratch server's own version: pg_dump writes an archive, pg_restore turns it into text,
first what tables need, then their rows, then indexes, constraints and triggers. Schemas and extensions themselves are
left out: those of the target are put aside, or stay.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from dbtasks.clients import way
from dbtasks.conninfo import Conninfo, Permit
from dbtasks.database import Connection
from dbtasks.errors import DbtasksError, RefusedError
from dbtasks.masking import mask
from dbtasks.programs import child_environment, find_client
from dbtasks.schemas import script
from dbtasks.schemas.obstacles import loose
from dbtasks.schemas.privileges import Attributes, Defaults, attributes_of, defaults_of
from dbtasks.values import dataclass

PRE_DATA, POST_DATA = "pre-data", "post-data"

# By the words of `pg_restore --list`. Made from the catalogue instead: schemas, their grants and comments, default
# privileges, extensions.
_LEFT_OUT = re.compile(
    r"\d+; \d+ \d+ (EXTENSION|SCHEMA|DEFAULT ACL|(ACL|COMMENT|SECURITY LABEL) - (SCHEMA|EXTENSION)) "
)
# The rows of an extension's own tables came with it.
_ROWS = re.compile(r"\d+; 0 (\d+) (TABLE DATA|SEQUENCE SET) ")

_SCHEMAS = """
SELECT n.nspname::text FROM pg_namespace n
 WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname NOT IN ('information_schema', 'dbtasks')
   AND n.nspname !~ '_dbtasks_[0-9a-f]{8}$'
   AND (NOT EXISTS (SELECT FROM pg_extension e WHERE e.extnamespace = n.oid) OR n.nspname = 'public'
        OR EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND NOT EXISTS (
            SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')))
 ORDER BY 1
"""
_MEMBER_TABLES = "SELECT objid::bigint FROM pg_depend WHERE classid = 'pg_class'::regclass AND deptype = 'e'"
_EXTENSIONS = """
SELECT e.extname::text, n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
 WHERE e.extname <> 'plpgsql' ORDER BY e.oid
"""
_LEDGER = """
SELECT revision, checksum, direction, started_at, duration_ms, person, entry, tool_version
  FROM dbtasks.ledger ORDER BY id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dump:
    """What goes into the target. `extensions` are pairs of name and schema; `ledger` rows lack their ids."""

    archive: Path
    listing: Path
    pg_restore: Path
    schemas: dict[str, Attributes]
    defaults: Defaults
    extensions: tuple[tuple[str, str], ...]
    ledger: tuple[tuple[object, ...], ...]

    def definitions(self, section: str) -> bytes:
        """Return the statements of the section before or after the rows."""
        with self._section(section) as stream:
            return script.definitions(stream.read())

    def data(self) -> Iterator[script.Copy | bytes]:
        """Yield the rows, table by table."""
        with self._section("data") as stream:
            yield from script.data(stream)

    @contextmanager
    def _section(self, name: str) -> Iterator[BinaryIO]:
        options = [f"--section={name}", f"--use-list={self.listing}", "--file=-", str(self.archive)]
        process = subprocess.Popen(
            [str(self.pg_restore), *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=child_environment(),
        )
        try:
            yield cast(BinaryIO, process.stdout)  # it is a pipe
            if process.wait() != 0:
                raise DbtasksError(f"pg_restore could not read what pg_dump wrote (exit {process.returncode}).")
        finally:
            process.kill()
            process.communicate()


def dump(conninfo: Conninfo, connection: Connection, permit: Permit, folder: Path) -> Dump:
    """Dump a scratch database, to which `connection` leads, into an empty folder.

    Raises RefusedError where something in it could not be loaded: what lies in no schema.
    """
    found = loose(connection)
    if found:
        raise RefusedError(
            code="E-OBSTACLE",
            saw=f"The revisions make what lies in no schema: {', '.join(found)}.",
            why="It cannot be put beside the old one. Nothing was changed.",
            instead="Make it with your server's own tools, outside of the revisions.",
        )
    major = connection.info.server_version // 10000
    archive, listing = folder / "archive", folder / "listing"
    _run(find_client("pg_dump", major), conninfo, permit, archive)
    restore = find_client("pg_restore", major)
    told = subprocess.run(
        [str(restore), "--list", str(archive)], env=child_environment(), capture_output=True, check=True
    ).stdout.decode()
    members = {str(oid) for (oid,) in connection.execute(_MEMBER_TABLES).fetchall()}
    listing.write_text("\n".join(line for line in told.splitlines() if _belongs(line, members)), encoding="utf-8")
    names = [str(name) for (name,) in connection.execute(_SCHEMAS).fetchall()]
    has_ledger = connection.execute("SELECT to_regclass('dbtasks.ledger')").fetchone() != (None,)
    return Dump(
        archive=archive,
        listing=listing,
        pg_restore=restore,
        schemas=attributes_of(connection, names),
        defaults=defaults_of(connection),
        extensions=cast("tuple[tuple[str, str], ...]", tuple(connection.execute(_EXTENSIONS).fetchall())),
        ledger=tuple(connection.execute(_LEDGER).fetchall()) if has_ledger else (),
    )


def _belongs(line: str, members: set[str]) -> bool:
    rows = _ROWS.match(line)
    return not _LEFT_OUT.match(line) and not (rows and rows[1] in members)


def _run(pg_dump: Path, conninfo: Conninfo, permit: Permit, archive: Path) -> None:
    options = ["--format=custom", "--compress=0", "--no-sync", "--exclude-schema=dbtasks", f"--file={archive}"]
    options += ["--exclude-schema=*_dbtasks_????????"]  # of a backup: what was kept when others took its place
    to = way(conninfo, permit)
    # As the one who logs in: sessions of a scratch database begin as somebody who may see less.
    options += [f"--role={conninfo.user}", f"--dbname={to.dbname}"]
    done = subprocess.run(
        [str(pg_dump), *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=to.environ,
        check=False,
    )
    if done.returncode != 0:
        raise DbtasksError(f"pg_dump failed: {mask(done.stderr.decode(errors='replace')).strip()}")
