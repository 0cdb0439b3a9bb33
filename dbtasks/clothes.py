"""What a database has outside of itself, and a clone or a new one lacks: owner, limit, comment, grants and settings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import LiteralString

from psycopg import sql

from dbtasks.database import Connection

_LIST_SETTINGS = frozenset(
    {
        "search_path",
        "temp_tablespaces",
        "local_preload_libraries",
        "session_preload_libraries",
        "shared_preload_libraries",
        "unix_socket_directories",
    }
)


def dress(connection: Connection, old: int, new: int, new_name: str) -> Iterator[sql.Composed]:
    """Yield what a clone or a new database lacks: owner, limit, comment, grants and settings of the old one, by oid."""
    row = connection.execute(sql.SQL(CLOTHES).format(old, new)).fetchone()
    if row is not None:
        yield from dressing(connection, row, old, new_name)


CLOTHES: LiteralString = """
SELECT o.datdba = n.datdba, pg_get_userbyid(o.datdba)::text, o.datconnlimit,
       (SELECT description FROM pg_shdescription WHERE objoid = o.oid AND classoid = 'pg_database'::regclass),
       o.datacl IS NOT NULL, o.datconnlimit <> n.datconnlimit,
       EXISTS (SELECT FROM pg_db_role_setting WHERE setdatabase = o.oid)
  FROM pg_database o, pg_database n WHERE o.oid::bigint = {} AND n.oid::bigint = {}
"""


def dressing(connection: Connection, row: tuple[object, ...], old: int, new_name: str) -> Iterator[sql.Composed]:
    name = sql.Identifier(new_name)
    same_owner, owner, limit, comment, has_grants, other_limit, has_settings = row
    if not same_owner:
        yield sql.SQL("ALTER DATABASE {} OWNER TO {}").format(name, sql.Identifier(str(owner)))
    if other_limit:
        yield sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(name, sql.Literal(limit))
    if comment is not None:
        yield sql.SQL("COMMENT ON DATABASE {} IS {}").format(name, sql.Literal(comment))
    if has_grants:
        yield sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name)
        yield from _grants(connection, old, name)
    if has_settings:
        yield from _settings(connection, old, name)


def _grants(connection: Connection, old: int, name: sql.Identifier) -> Iterator[sql.Composed]:
    rows = connection.execute(
        "SELECT CASE a.grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(a.grantee)::text END, a.privilege_type,"
        " a.is_grantable FROM pg_database d, aclexplode(d.datacl) a WHERE d.oid::bigint = %s ORDER BY 1, 2",
        [old],
    ).fetchall()
    for grantee, privilege, grantable in rows:
        yield sql.SQL("GRANT {} ON DATABASE {} TO {}{}").format(
            sql.SQL(_PRIVILEGES[str(privilege)]),
            name,
            sql.SQL("PUBLIC") if grantee is None else sql.Identifier(str(grantee)),
            sql.SQL(" WITH GRANT OPTION" if grantable else ""),
        )


_PRIVILEGES = {"CREATE": "CREATE", "CONNECT": "CONNECT", "TEMPORARY": "TEMPORARY"}


def _settings(connection: Connection, old: int, name: sql.Identifier) -> Iterator[sql.Composed]:
    rows = connection.execute(
        "SELECT CASE setrole WHEN 0 THEN NULL ELSE pg_get_userbyid(setrole)::text END, unnest(setconfig)"
        " FROM pg_db_role_setting WHERE setdatabase::bigint = %s",
        [old],
    ).fetchall()
    left = connection.execute(_LEFT_TO_HARDEN, [old]).fetchone() == (True,)
    for role, assignment in rows:
        key, _, value = str(assignment).partition("=")
        if left and role is not None and key in OF_PEOPLE:
            continue
        whom = sql.SQL("DATABASE {}").format(name)
        if role is not None:
            whom = sql.SQL("ROLE {} IN ").format(sql.Identifier(str(role))) + whom
        yield sql.SQL("ALTER {} SET {} TO {}").format(whom, sql.Identifier(*key.split(".")), _setting_value(key, value))


# What `harden` has given to people's roles in a guarded database, a role that is no superuser cannot give them in
# another, in which `harden` is to put all its guards again.
OF_PEOPLE = frozenset({"default_transaction_read_only", "statement_timeout"})
_LEFT_TO_HARDEN = """
SELECT d.datistemplate AND NOT r.rolsuper FROM pg_database d, pg_roles r
 WHERE d.oid::bigint = %s AND r.rolname = session_user
"""


def _setting_value(key: str, value: str) -> sql.Composable:
    # A list setting is stored as quoted identifiers; as one literal it would come back as a single name.
    if key not in _LIST_SETTINGS:
        return sql.Literal(value)
    parts = [
        (quoted.replace('""', '"') if quoted else plain)
        for quoted, plain in re.findall(r'"((?:[^"]|"")*)"|([^,\s"]+)', value)
    ]
    return sql.SQL(", ").join([sql.Literal(part) for part in parts] or [sql.Literal("")])
