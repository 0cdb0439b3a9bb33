"""What of the guards stands already, and on what grounds others could be put: catalogue reads only."""

from __future__ import annotations

from typing import cast

from dbtasks.database import Connection
from dbtasks.hardening import texts
from dbtasks.measures import Earlier, Grounds, Guard, GuardedTable, Hardening, Login
from dbtasks.values import dataclass

_DATABASE = """
SELECT session_user::text, r.rolsuper, pg_has_role(d.datdba, 'USAGE') OR r.rolsuper, d.datistemplate, d.datconnlimit
  FROM pg_database d, pg_roles r WHERE d.datname = current_database() AND r.rolname = session_user
"""

# A guard whose function somebody else could change, or that is asleep in some session, is none.
_EVENTS = """
SELECT e.evtname::text, md5(p.prosrc)
  FROM pg_event_trigger e JOIN pg_proc p ON p.oid = e.evtfoid JOIN pg_roles o ON o.oid = p.proowner
 WHERE replace(e.evtname, 'dbtasks_guard_', '') = ANY(%s)
   AND e.evtenabled = 'A' AND o.rolsuper AND p.pronamespace = to_regnamespace('dbtasks')
"""

_TABLES = """
SELECT format('%%I.%%I', n.nspname, c.relname), pg_has_role(c.relowner, 'USAGE'),
       EXISTS (SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
                WHERE t.tgrelid = c.oid AND t.tgfoid = to_regproc('dbtasks.guard_truncate') AND t.tgenabled = 'A'
                  AND t.tgtype & 34 = 34 AND md5(p.prosrc) = %(digest)s), -- before, at TRUNCATE
       ARRAY(SELECT DISTINCT CASE WHEN a.grantee = 0 THEN 'public' ELSE pg_get_userbyid(a.grantee)::text END
               FROM aclexplode(c.relacl) a
              WHERE a.privilege_type = 'TRUNCATE' AND a.grantee <> c.relowner
                AND (a.grantee = 0 OR pg_get_userbyid(a.grantee) <> %(passes)s) ORDER BY 1)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname !~ '^(pg_|information_schema$)'
   AND NOT EXISTS (SELECT FROM pg_depend d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY 1
"""

# Those who log in: settings of a group are not its members'. Up to version 15 CREATEROLE may alter any plain role.
_PEOPLE = """
WITH RECURSIVE named AS (
    SELECT oid FROM pg_roles WHERE rolname = ANY(%s)
    UNION SELECT m.member FROM pg_auth_members m JOIN named n ON n.oid = m.roleid
)
SELECT r.rolname::text, r.rolconnlimit, s.setconfig,
       me.rolsuper OR (me.rolcreaterole AND NOT r.rolsuper AND (
           current_setting('server_version_num')::int < 160000
           OR pg_has_role(me.oid, r.oid, 'USAGE WITH ADMIN OPTION')))
  FROM pg_roles r JOIN pg_roles me ON me.rolname = session_user
  LEFT JOIN pg_db_role_setting s ON s.setrole = r.oid
        AND s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
 WHERE r.oid IN (SELECT oid FROM named) AND r.rolcanlogin
 ORDER BY 1
"""


def read(connection: Connection, wanted: Hardening) -> Grounds:
    """Return what is there, for the measures that are `wanted`."""
    row = connection.execute(_DATABASE).fetchone()
    if row is None:
        raise PermissionError("the database's own row in pg_database cannot be read")
    role, superuser, owns, template, limit = row
    digests, names = texts.digests(wanted.passes), [*wanted.people]
    events = {(name, digest) for name, digest in connection.execute(_EVENTS, [[*texts.EVENTS]]).fetchall()}
    meant = {(f"{texts.PREFIX}{event}", digests[f"guard_{event}"]) for event in texts.EVENTS}
    tables = connection.execute(_TABLES, {"digest": digests["guard_truncate"], "passes": wanted.passes}).fetchall()
    known = {str(name) for (name,) in connection.execute(_KNOWN, [[*names, wanted.passes]]).fetchall()}
    return Grounds(
        role=str(role),
        superuser=bool(superuser),
        owns=bool(owns),
        template=bool(template),
        drops=events == meant,
        limit=cast(int, limit),
        tables=tuple(_table(*each) for each in tables),
        people=tuple(_login(*each) for each in connection.execute(_PEOPLE, [names]).fetchall()),
        superusers=_names(connection, _SUPERUSERS),
        copiers=_names(connection, _COPIERS),
        unknown=tuple(name for name in (wanted.passes, *names) if name not in known),
    )


# The server's own roles, `pg_...`, do not log in.
_SUPERUSERS = "SELECT rolname::text FROM pg_roles WHERE rolsuper AND rolcanlogin ORDER BY 1"

_COPIERS = """
SELECT rolname::text FROM pg_roles r
 WHERE rolcreatedb AND NOT rolsuper AND rolcanlogin
   AND NOT pg_has_role(r.oid, (SELECT datdba FROM pg_database WHERE datname = current_database()), 'USAGE') ORDER BY 1
"""

_KNOWN = "SELECT rolname::text FROM pg_roles WHERE rolname = ANY(%s)"

_RECORD = """
SELECT h.passes, h.was FROM dbtasks.hardening h
 WHERE h.system_identifier = (SELECT system_identifier FROM pg_control_system())
   AND h.database_oid = (SELECT oid::bigint FROM pg_database WHERE datname = current_database())
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What was written down when the guards were put: who passes, and how it was before."""

    passes: str
    was: tuple[Earlier, ...]


def recorded(connection: Connection) -> Record | None:
    """Return the record of this very database; `None` where no guards were put."""
    there = connection.execute("SELECT to_regclass('dbtasks.hardening') IS NOT NULL").fetchone()
    row = connection.execute(_RECORD).fetchone() if there == (True,) else None
    if row is None:
        return None
    entries = cast("list[tuple[str, str, str, str | None]]", row[1])
    was = tuple(Earlier(guard=Guard[guard], on=on, name=name, was=value) for guard, on, name, value in entries)
    return Record(passes=str(row[0]), was=was)


def passing(connection: Connection) -> str:
    """Return which role the guards of this database let pass; empty where none were put."""
    record = recorded(connection)
    return record.passes if record else ""


def _names(connection: Connection, query: str) -> tuple[str, ...]:
    return tuple(str(name) for (name,) in connection.execute(query).fetchall())


def _table(name: object, owned: object, guarded: object, truncaters: object) -> GuardedTable:
    roles = tuple(str(role) for role in cast("list[object]", truncaters))
    return GuardedTable(name=str(name), owned=bool(owned), guarded=bool(guarded), truncaters=roles)


def _login(name: object, limit: object, settings: object, alterable: object) -> Login:
    pairs = (str(each).partition("=") for each in cast("list[object]", settings or []))
    return Login(
        name=str(name),
        limit=cast(int, limit),
        settings=tuple((key, value) for key, _, value in pairs),
        alterable=bool(alterable),
    )
