"""A target's definitions, to make a database like it in which revisions are rehearsed. No row of an application's.

Made by pg_dump of the target's own version in one read-only transaction. Left out is what would reach out from the
scratch server: passwords to foreign servers, subscriptions, publications.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import cast

from psycopg import sql

from dbtasks.clients import way
from dbtasks.conninfo import Conninfo, Permit
from dbtasks.database import Connection
from dbtasks.errors import DbtasksError
from dbtasks.hardening.texts import IN_A_DUMP
from dbtasks.masking import mask
from dbtasks.programs import child_environment, find_client
from dbtasks.schemas import script
from dbtasks.schemas.likeness import Likeness, likeness_of
from dbtasks.values import dataclass

_DUMP = (
    "--format=custom",
    "--compress=0",
    "--no-sync",
    "--schema-only",
    "--exclude-schema=dbtasks",
    "--exclude-schema=*_dbtasks_????????",  # what was put aside when others took its place
    "--no-publications",
    "--no-subscriptions",
    "--no-security-labels",
    "--no-tablespaces",
    "--lock-wait-timeout=10000",
)
_SECONDS = 600
_REACHES_OUT = re.compile(r"\d+; \d+ \d+ USER MAPPING ")
_EXTENSION = re.compile(r"\d+; \d+ \d+ (?:EXTENSION -|COMMENT - EXTENSION) (\S+) ")

_VERSION_TABLES = """
SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'version_num' AND NOT a.attisdropped
 WHERE c.relname = ANY(%s) AND c.relkind IN ('r', 'p') AND n.nspname !~ '_dbtasks_[0-9a-f]{8}$' ORDER BY 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """`definitions` are statements. `versions` are pairs of a version table, as schema and name, and its rows."""

    definitions: bytes
    like: Likeness
    versions: tuple[tuple[tuple[str, str], tuple[str, ...]], ...]
    major: int

    @property
    def digest(self) -> str:
        """sha256 over all of it, in hexadecimal."""
        like = {name: getattr(self.like, name) for name in ("role", "superuser", "roles", "memberships", "settings")}
        text = json.dumps([like, self.versions, self.major], default=str)
        return hashlib.sha256(text.encode() + self.definitions).hexdigest()

    @property
    def bare(self) -> Likeness:
        """The likeness without the extensions: they come with the definitions."""
        return replace(self.like, extensions=())

    def load(self, connection: Connection) -> None:
        """Make the target's objects in an empty scratch database. psycopg.Error where it cannot hold them."""
        connection.execute("SET ROLE none")
        with connection.transaction():
            connection.execute(
                "SELECT set_config('search_path', '', true), set_config('check_function_bodies', 'off', true)"
            )
            if self.definitions:
                connection.execute(self.definitions)
        for (schema, name), rows in self.versions:
            into = sql.SQL("INSERT INTO {} (version_num) VALUES (%s)").format(sql.Identifier(schema, name))
            for row in rows:
                connection.execute(into, [row])
        for view in cast("list[tuple[str, str]]", connection.execute(_UNFILLED).fetchall()):
            connection.execute(sql.SQL("REFRESH MATERIALIZED VIEW {}").format(sql.Identifier(*view)))


# A materialized view that was never filled cannot be read; without rows it is filled at once.
_UNFILLED = """
SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'm' AND NOT c.relispopulated ORDER BY c.oid
"""


def model_of(conninfo: Conninfo, connection: Connection, permit: Permit, tables: Iterable[str]) -> Model:
    """Read the definitions of a target, to which `connection` leads, and the rows of its version `tables`.

    ProgramNotFoundError names a missing pg_dump.
    """
    major = connection.info.server_version // 10000
    like = likeness_of(connection)
    unused = {extension.name for extension in like.extensions if not extension.used}
    found = connection.execute(_VERSION_TABLES, [[table.rpartition(".")[2] for table in tables]]).fetchall()
    versions = []
    for schema, name in cast("list[tuple[str, str]]", found):
        read = sql.SQL("SELECT version_num::text FROM {} ORDER BY 1").format(sql.Identifier(schema, name))
        rows = tuple(str(number) for (number,) in connection.execute(read).fetchall())
        versions.append(((schema, name), rows))
    with tempfile.TemporaryDirectory(prefix="dbtasks-model-") as folder:
        definitions = _dumped(conninfo, permit, major, Path(folder), unused)
    return Model(definitions=definitions, like=like, versions=tuple(versions), major=major)


def _dumped(conninfo: Conninfo, permit: Permit, major: int, folder: Path, unused: set[str]) -> bytes:
    to = way(conninfo, permit)
    archive, listing = folder / "archive", folder / "listing"
    program = find_client("pg_dump", major, to.tls)
    _run([str(program), *_DUMP, f"--file={archive}", f"--dbname={to.dbname}"], to.environ)
    restore = str(find_client("pg_restore", major))
    told = _run([restore, "--list", str(archive)]).decode()
    listing.write_text("\n".join(line for line in told.splitlines() if _belongs(line, unused)), encoding="utf-8")
    return script.definitions(_run([restore, f"--use-list={listing}", "--file=-", str(archive)]))


def _belongs(line: str, unused: set[str]) -> bool:
    """Return whether an entry goes along: an extension that nothing of the application uses need not be there."""
    extension = _EXTENSION.match(line)
    return not (_REACHES_OUT.match(line) or IN_A_DUMP.match(line)) and not (extension and extension[1] in unused)


def _run(command: list[str], environ: dict[str, str] | None = None) -> bytes:
    name, environ = Path(command[0]).name, environ or child_environment()
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, env=environ, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise DbtasksError(f"{name} took longer than {_SECONDS} s") from None
    if done.returncode != 0:
        raise DbtasksError(f"{name} failed: {mask(done.stderr.decode(errors='replace')).strip()}")
    return done.stdout
