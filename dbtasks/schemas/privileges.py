"""What hangs on a schema besides its objects: owner, comment, grants, and the default privileges of what is made in it.

The new schema gets what the old one had, and what the revisions changed of what a new database begins with. So a
reader's grant that a person gave stays, and one that a revision gives is there, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import LiteralString, cast

from psycopg import sql

from dbtasks.database import Connection
from dbtasks.values import dataclass

# Whoever owns the thing: another role here than on the scratch server.
OWNER = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One privilege of one role. `grantee` is `None` for PUBLIC."""

    grantee: str | None
    privilege: str
    grantable: bool


Grants = tuple[Grant, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What hangs on one schema. `base` is what a new database begins with, `grants` what is there."""

    owner: str
    comment: str | None
    grants: Grants
    base: Grants


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What default privileges are about: what a role makes, in a schema (else `None`: anywhere), of which kind."""

    role: str
    schema: str | None
    kind: str


# Before PostgreSQL 15 and since then a new database's `public` differs; its initial privileges tell.
_ATTRIBUTES = """
SELECT n.nspname::text, pg_get_userbyid(n.nspowner)::text, obj_description(n.oid, 'pg_namespace')
  FROM pg_namespace n WHERE n.nspname = ANY(%s)
"""
_GRANTS = """
SELECT n.nspname::text, k.current,
       CASE a.grantee WHEN 0 THEN NULL WHEN n.nspowner THEN '' ELSE pg_get_userbyid(a.grantee)::text END,
       a.privilege_type, a.is_grantable
  FROM pg_namespace n
  LEFT JOIN pg_init_privs i ON i.classoid = 'pg_namespace'::regclass AND i.objoid = n.oid AND i.privtype = 'i'
 CROSS JOIN LATERAL (VALUES (true, coalesce(n.nspacl, acldefault('n', n.nspowner))),
                            (false, coalesce(i.initprivs, acldefault('n', n.nspowner)))) AS k (current, acl)
 CROSS JOIN LATERAL aclexplode(k.acl) WITH ORDINALITY AS a
 WHERE n.nspname = ANY(%s) ORDER BY 1, 2, a.ordinality
"""
_DEFAULTS = """
SELECT pg_get_userbyid(d.defaclrole)::text, n.nspname::text, d.defaclobjtype::text, k.current,
       CASE a.grantee WHEN 0 THEN NULL WHEN d.defaclrole THEN '' ELSE pg_get_userbyid(a.grantee)::text END,
       a.privilege_type, a.is_grantable
  FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
 CROSS JOIN LATERAL (VALUES
       (true, d.defaclacl),
       (false, CASE WHEN n.oid IS NULL
               THEN acldefault(CASE d.defaclobjtype WHEN 'S' THEN 's' ELSE d.defaclobjtype END, d.defaclrole) END)
       ) AS k (current, acl)
  LEFT JOIN LATERAL aclexplode(k.acl) WITH ORDINALITY AS a ON true
 WHERE pg_has_role(d.defaclrole, 'USAGE') ORDER BY 1, 2, 3, 4, a.ordinality
"""
_BASE = """
SELECT CASE a.grantee WHEN 0 THEN NULL WHEN r.oid THEN '' ELSE pg_get_userbyid(a.grantee)::text END, a.privilege_type,
       a.is_grantable
  FROM (SELECT %s::"char" AS kind, quote_ident(%s)::regrole::oid AS oid) r
 CROSS JOIN LATERAL aclexplode(acldefault(CASE r.kind WHEN 'S' THEN 's' ELSE r.kind END, r.oid)) WITH ORDINALITY AS a
 ORDER BY a.ordinality
"""

# By pg_default_acl.defaclobjtype, and by the words of aclexplode().
_KINDS: dict[str, LiteralString] = {
    "r": "TABLES",
    "S": "SEQUENCES",
    "f": "FUNCTIONS",
    "T": "TYPES",
    "n": "SCHEMAS",
    "L": "LARGE OBJECTS",
}
_PRIVILEGES: dict[str, LiteralString] = {
    "SELECT": "SELECT",
    "INSERT": "INSERT",
    "UPDATE": "UPDATE",
    "DELETE": "DELETE",
    "TRUNCATE": "TRUNCATE",
    "REFERENCES": "REFERENCES",
    "TRIGGER": "TRIGGER",
    "MAINTAIN": "MAINTAIN",
    "EXECUTE": "EXECUTE",
    "USAGE": "USAGE",
    "CREATE": "CREATE",
}
_MAINTAIN_SINCE = 170000


@dataclass(frozen=True, slots=True, kw_only=True)
class Default:
    """The default privileges of one scope, and what they would be if nobody had said anything."""

    grants: Grants
    base: Grants


Defaults = dict[Scope, Default]


def attributes_of(connection: Connection, names: Iterable[str]) -> dict[str, Attributes]:
    """Return what hangs on these schemas, of those that exist."""
    wanted = list(names)
    found: dict[tuple[str, bool], list[Grant]] = {}
    for name, current, grantee, privilege, grantable in connection.execute(_GRANTS, [wanted]).fetchall():
        found.setdefault((str(name), bool(current)), []).append(_grant(grantee, privilege, grantable))
    return {
        str(name): Attributes(
            owner=str(owner),
            comment=cast("str | None", comment),
            grants=tuple(found.get((str(name), True), ())),
            base=tuple(found.get((str(name), False), ())),
        )
        for name, owner, comment in connection.execute(_ATTRIBUTES, [wanted]).fetchall()
    }


def defaults_of(connection: Connection) -> Defaults:
    """Return every default privilege that this role could set, in any schema and in none."""
    grants: dict[Scope, dict[bool, list[Grant]]] = {}
    for role, schema, kind, current, grantee, privilege, grantable in connection.execute(_DEFAULTS).fetchall():
        scope = Scope(role=str(role), schema=cast("str | None", schema), kind=str(kind))
        both = grants.setdefault(scope, {True: [], False: []})
        if privilege is not None:
            both[bool(current)].append(_grant(grantee, privilege, grantable))
    return {scope: Default(grants=tuple(both[True]), base=tuple(both[False])) for scope, both in grants.items()}


def _grant(grantee: object, privilege: object, grantable: object) -> Grant:
    return Grant(grantee=cast("str | None", grantee), privilege=str(privilege), grantable=bool(grantable))


def merged(old: Grants, made: Attributes | Default) -> Grants:
    """Return the old grants with what the revisions gave and took."""
    taken = set(made.base) - set(made.grants)
    kept = tuple(grant for grant in old if grant not in taken)
    return kept + tuple(grant for grant in made.grants if grant not in made.base and grant not in kept)


def without(old: Grants, made: Default) -> Grants:
    """Return the old grants less what the revisions give and plus what they take: what was there before them."""
    taken = tuple(grant for grant in made.base if grant not in made.grants and grant not in old)
    return tuple(grant for grant in old if grant in made.base or grant not in made.grants) + taken


def give(connection: Connection, name: str, wanted: Grants, comment: str | None) -> None:
    """Make these the grants and the comment of a schema."""
    now = attributes_of(connection, [name])[name]
    schema = sql.SQL("SCHEMA {}").format(sql.Identifier(name))
    if set(now.grants) != set(wanted):
        for change in _anew(now.grants, wanted, schema, now.owner):
            connection.execute(change)
    if now.comment != comment:
        connection.execute(sql.SQL("COMMENT ON {} IS {}").format(schema, sql.Literal(comment)))


def set_defaults(connection: Connection, wanted: Mapping[Scope, Grants]) -> None:
    """Make these the default privileges of their scopes."""
    now = defaults_of(connection)
    old_server = connection.info.server_version < _MAINTAIN_SINCE
    for scope, all_ in wanted.items():
        current = now[scope].grants if scope in now else base_of(connection, scope)
        grants = tuple(grant for grant in all_ if not (old_server and grant.privilege == "MAINTAIN"))
        if set(current) == set(grants):
            continue
        start = sql.SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {} ").format(sql.Identifier(scope.role))
        if scope.schema is not None:
            start += sql.SQL("IN SCHEMA {} ").format(sql.Identifier(scope.schema))
        for change in _anew(current, grants, sql.SQL(_KINDS[scope.kind]), scope.role):
            connection.execute(start + change)


def base_of(connection: Connection, scope: Scope) -> Grants:
    """Return what holds where nobody has said anything: nothing more in a schema, the built-in defaults elsewhere."""
    if scope.schema is not None:
        return ()
    rows = connection.execute(_BASE, [scope.kind, scope.role]).fetchall()
    return tuple(_grant(*row) for row in rows)


def _anew(now: Grants, wanted: Grants, what: sql.Composable, owner: str) -> Iterator[sql.Composed]:
    # All of them and in this order, in which a dump will list them.
    for grantee in dict.fromkeys(grant.grantee for grant in now):
        yield sql.SQL("REVOKE ALL ON {} FROM {}").format(what, _whom(grantee, owner))
    for grant in wanted:
        yield sql.SQL("GRANT {} ON {} TO {}{}").format(
            sql.SQL(_PRIVILEGES[grant.privilege]),
            what,
            _whom(grant.grantee, owner),
            sql.SQL(" WITH GRANT OPTION" if grant.grantable and grant.grantee != OWNER else ""),
        )


def _whom(grantee: str | None, owner: str) -> sql.Composable:
    return sql.SQL("PUBLIC") if grantee is None else sql.Identifier(owner if grantee == OWNER else grantee)
