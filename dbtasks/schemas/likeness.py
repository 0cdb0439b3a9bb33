"""What a scratch database must have in common with the target, so that the same revisions do the same in it.

Roles that grants may name, the extensions that somebody installed beforehand, and the settings that a session there
begins with. Of roles only the names are copied: they cannot log in.
"""

from __future__ import annotations

from typing import cast

from dbtasks.database import Connection
from dbtasks.schemas.catalogue import CATALOGUE
from dbtasks.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """An installed extension. `used`: our objects depend on it, it is ours, or it lies in a schema of ours."""

    name: str
    schema: str
    used: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """`role` is whom the target's sessions act as, `memberships` are pairs of a role and one that it is a member of."""

    role: str
    superuser: bool
    roles: tuple[str, ...]
    memberships: tuple[tuple[str, str], ...]
    extensions: tuple[Extension, ...]
    settings: tuple[tuple[str, str], ...]


_ROLE = "SELECT current_user::text, rolsuper FROM pg_roles WHERE rolname = current_user"
_ROLES = "SELECT rolname::text FROM pg_roles WHERE rolname NOT LIKE 'pg\\_%' ORDER BY 1"
_MEMBERSHIPS = """
WITH RECURSIVE ours AS (
    SELECT oid FROM pg_roles WHERE rolname = current_user
    UNION SELECT m.roleid FROM pg_auth_members m JOIN ours o ON o.oid = m.member
)
SELECT DISTINCT pg_get_userbyid(m.member)::text, pg_get_userbyid(m.roleid)::text
  FROM pg_auth_members m JOIN ours o ON o.oid = m.member ORDER BY 1, 2
"""
_EXTENSIONS = """
SELECT e.extname::text, n.nspname::text,
       pg_has_role(e.extowner, 'USAGE') OR n.oid IN (SELECT oid FROM mine) OR EXISTS (
           SELECT FROM pg_depend x JOIN pg_depend d ON d.refclassid = x.classid AND d.refobjid = x.objid
             JOIN located l ON l.classid = d.classid AND l.objid = d.objid AND l.namespace IN (SELECT oid FROM mine)
            WHERE x.refclassid = 'pg_extension'::regclass AND x.refobjid = e.oid AND x.deptype = 'e'
              AND (d.classid, d.objid) NOT IN (SELECT classid, objid FROM part WHERE of_extension))
  FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname <> 'plpgsql' ORDER BY e.oid
"""
# Those that shape what a statement means, and whatever else the role or the database sets for its sessions.
_SETTINGS = """
SELECT name, setting FROM pg_settings
 WHERE (name IN ('search_path', 'TimeZone', 'DateStyle', 'IntervalStyle', 'default_text_search_config')
        OR source IN ('database', 'user', 'database user'))
   AND context IN ('user', 'superuser') AND name !~ '(_timeout|_tablespaces?|_libraries)$|^role$|^session_auth|^log_'
 ORDER BY name
"""


def likeness_of(connection: Connection) -> Likeness:
    """Return what to copy from the connected database. Reads only."""
    role, superuser = connection.execute(_ROLE).fetchone() or ("", False)
    return Likeness(
        role=str(role),
        superuser=bool(superuser),
        roles=tuple(str(name) for (name,) in connection.execute(_ROLES).fetchall()),
        memberships=tuple((str(who), str(of)) for who, of in connection.execute(_MEMBERSHIPS).fetchall()),
        extensions=tuple(
            Extension(name=str(name), schema=str(schema), used=bool(used))
            for name, schema, used in connection.execute(CATALOGUE + _EXTENSIONS).fetchall()
        ),
        settings=cast("tuple[tuple[str, str], ...]", tuple(connection.execute(_SETTINGS).fetchall())),
    )
