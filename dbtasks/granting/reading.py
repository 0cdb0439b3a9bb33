"""What the catalogue says of the declared roles, and of everything that they could have rights on. Reads only."""

from __future__ import annotations

from typing import cast

from dbtasks.database import Connection
from dbtasks.roles import Default, Facts, Kind, Role, Roles, Thing

# A superuser reaches everybody: that is told by itself.
_ROLES = """
SELECT w.part, quote_ident(coalesce(w.name, session_user)), r.oid IS NOT NULL, r.rolcanlogin, r.rolsuper,
       r.rolcreatedb, r.rolcreaterole, r.rolbypassrls, r.rolreplication,
       ARRAY(SELECT quote_ident(x.rolname) FROM pg_roles x
              WHERE x.oid <> r.oid AND NOT r.rolsuper AND pg_has_role(r.oid, x.oid, 'MEMBER') ORDER BY 1),
       ARRAY(SELECT quote_ident(x.rolname) FROM pg_roles x
              WHERE x.oid <> r.oid AND NOT r.rolsuper AND pg_has_role(r.oid, x.oid, 'USAGE') ORDER BY 1)
  FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS w (part, name, number)
  LEFT JOIN pg_roles r ON r.rolname = coalesce(w.name, session_user)
 ORDER BY w.number
"""

_THINGS = """
WITH room AS (
    SELECT oid, nspname, nspowner, nspacl, nspname = 'dbtasks' AS ours FROM pg_namespace n
     WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND nspname !~ '_dbtasks_[0-9a-f]{8}$'
       AND NOT EXISTS (SELECT FROM pg_depend d
                        WHERE d.classid = 'pg_namespace'::regclass AND d.objid = n.oid AND d.deptype = 'e')
), relation AS (
    SELECT c.oid, c.relkind, c.relowner, c.relacl, r.ours, quote_ident(r.nspname) AS schema,
           format('%I.%I', r.nspname, c.relname) AS name
      FROM pg_class c JOIN room r ON r.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't'
       AND NOT EXISTS (SELECT FROM pg_depend d
                        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
), thing (kind, name, schema, owner, ours, follows, acl) AS (
    SELECT 'DATABASE', quote_ident(datname), '', datdba, false, false, coalesce(datacl, acldefault('d', datdba))
      FROM pg_database WHERE datname = current_database()
    UNION ALL
    SELECT 'SCHEMA', quote_ident(nspname), quote_ident(nspname), nspowner, ours, false,
           coalesce(nspacl, acldefault('n', nspowner)) FROM room
    UNION ALL
    SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, name, schema, relowner, ours,
           relkind = 'S' AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
                                        AND d.objid = c.oid AND d.deptype IN ('a', 'i')),
           coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner))
      FROM relation c
    UNION ALL
    SELECT 'COLUMN', c.name || '.' || quote_ident(a.attname), c.schema, c.relowner, c.ours, false, a.attacl
      FROM relation c JOIN pg_attribute a ON a.attrelid = c.oid
     WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
    UNION ALL
    SELECT 'ROUTINE', format('%I.%I(%s)', r.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
           quote_ident(r.nspname), p.proowner, r.ours, false, NULL
      FROM pg_proc p JOIN room r ON r.oid = p.pronamespace
     WHERE NOT EXISTS (SELECT FROM pg_depend d
                        WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype IN ('e', 'i'))
    UNION ALL
    SELECT 'TYPE', format('%I.%I', r.nspname, t.typname), quote_ident(r.nspname), t.typowner, r.ours, false, NULL
      FROM pg_type t JOIN room r ON r.oid = t.typnamespace
     WHERE (t.typtype IN ('e', 'd', 'r') OR t.typtype = 'c'
            AND EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
       AND NOT EXISTS (SELECT FROM pg_depend d
                        WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype IN ('e', 'i'))
)
SELECT kind, name, schema, quote_ident(pg_get_userbyid(owner)), ours, follows,
       ARRAY(SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END
                    || ' ' || a.privilege_type
               FROM aclexplode(t.acl) a WHERE a.grantee <> t.owner ORDER BY 1)
  FROM thing t ORDER BY kind, name
"""

_DEFAULTS = """
SELECT quote_ident(pg_get_userbyid(d.defaclrole)), coalesce(quote_ident(n.nspname), ''),
       CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' ELSE 'SEQUENCES' END,
       CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END, a.privilege_type
  FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
 CROSS JOIN LATERAL aclexplode(d.defaclacl) AS a
 WHERE d.defaclobjtype IN ('r', 'S') AND a.grantee <> d.defaclrole ORDER BY 1, 2, 3, 4, 5
"""

_SUPERUSERS = "SELECT quote_ident(rolname) FROM pg_roles WHERE rolsuper"


def read(connection: Connection, roles: Roles, login: str | None) -> Facts:
    """Return what there is, of these roles. `login` is whoever the tier's own URL logs in as."""
    names: list[tuple[str, str | None]] = [(part.value, name) for part, name in roles.names]
    names += [("", None), ("", login or "")]
    rows = connection.execute(_ROLES, [[part for part, _ in names], [name for _, name in names]]).fetchall()
    found = [_role(*row[1:]) for row in rows]
    *declared, runner, other = found
    known = other if login and other.there else None
    return Facts(
        runner=runner,
        login=known,
        roles=tuple(zip((part for part, _ in roles.names), declared, strict=True)),
        things=tuple(_thing(*row) for row in connection.execute(_THINGS).fetchall()),
        defaults=tuple(_default(*row) for row in connection.execute(_DEFAULTS).fetchall()),
        superusers=tuple(str(name) for (name,) in connection.execute(_SUPERUSERS).fetchall()),
        own_urls=frozenset(part for part, _ in roles.variables),
    )


def _role(name: object, there: object, *more: object) -> Role:
    logs_in, superuser, databases, roles, rls, replicates, reaches, inherits = more
    return Role(
        name=str(name),
        there=bool(there),
        logs_in=bool(logs_in),
        superuser=bool(superuser),
        creates_databases=bool(databases),
        creates_roles=bool(roles),
        bypasses_rls=bool(rls),
        replicates=bool(replicates),
        reaches=_texts(reaches),
        inherits=_texts(inherits),
    )


def _thing(*row: object) -> Thing:
    kind, name, schema, owner, ours, follows, given = row
    pairs = (each.rpartition(" ") for each in _texts(given))
    return Thing(
        kind=Kind(str(kind)),
        name=str(name),
        schema=str(schema),
        owner=str(owner),
        ours=bool(ours),
        follows=bool(follows),
        given=tuple((grantee, privilege) for grantee, _, privilege in pairs),
    )


def _default(*row: object) -> Default:
    maker, schema, on, role, privilege = (str(each) for each in row)
    return Default(maker=maker, schema=schema, on=on, role=role, privilege=privilege)


def _texts(values: object) -> tuple[str, ...]:
    return tuple(str(each) for each in cast("list[object]", values or []))
