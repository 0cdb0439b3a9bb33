"""An empty database for a backup to become, under a name that was reserved for it, never one that exists."""

from __future__ import annotations

from contextlib import suppress
from typing import LiteralString

import psycopg
from psycopg import sql

from dbtasks.backups.engines import Beside
from dbtasks.backups.manifest import Manifest, Shape
from dbtasks.database import Connection
from dbtasks.errors import BackupError


def create(beside: Beside, manifest: Manifest) -> int:
    """Create it as its source was created, and return its oid. A scratch server may lack the locale."""
    server = beside.known.connection
    _check_roles(server, manifest.roles, make=beside.roles)
    name = sql.Identifier(beside.row.name)
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {}").format(
        name, sql.Literal(manifest.shape.encoding)
    )
    try:
        server.execute(statement + _locale(manifest.shape))
    except _LACKING as error:
        if not beside.roles:
            raise BackupError(f"The server cannot make a database like the one of the backup: {error}") from None
        server.execute(statement + sql.SQL(" LC_COLLATE 'C' LC_CTYPE 'C'"))
    oid = beside.known.record_built(beside.row)
    with suppress(psycopg.errors.InsufficientPrivilege):  # then it belongs to whoever restores it
        server.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(name, sql.Identifier(manifest.owner)))
    return oid


# What a server says that has not the locale, or not its provider.
_LACKING = (
    psycopg.errors.InvalidParameterValue,
    psycopg.errors.WrongObjectType,
    psycopg.errors.FeatureNotSupported,
    psycopg.errors.SyntaxError,
    psycopg.errors.UndefinedObject,
    psycopg.errors.InvalidObjectDefinition,
)

# By pg_database.datlocprovider; what is not here is libc, and needs no clause.
_PROVIDERS: dict[str, LiteralString] = {
    "i": " LOCALE_PROVIDER icu ICU_LOCALE {}",
    "b": " LOCALE_PROVIDER builtin BUILTIN_LOCALE {}",
}


def _locale(shape: Shape) -> sql.Composed:
    clauses = sql.SQL(" LC_COLLATE {} LC_CTYPE {}").format(sql.Literal(shape.collate), sql.Literal(shape.ctype))
    if shape.provider in _PROVIDERS:
        clauses += sql.SQL(_PROVIDERS[shape.provider]).format(sql.Literal(shape.locale))
    return clauses


def _check_roles(server: Connection, wanted: tuple[str, ...], *, make: bool) -> None:
    have = {str(name) for (name,) in server.execute("SELECT rolname::text FROM pg_roles").fetchall()}
    missing = [name for name in wanted if name not in have]
    if missing and not make:
        raise BackupError(
            f"The server lacks roles that objects of the backup belong to or are granted to: {', '.join(missing)}. "
            "Create them there, then run the command again."
        )
    for name in missing:
        with suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):  # somebody else was faster
            server.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(name)))
