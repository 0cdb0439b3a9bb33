"""What others see of a database at one moment: relations with their files, names, rows, and who may do what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

Connection = psycopg.Connection[Any]
SCHEMAS = ("public", "extra")
ROLES = ("lint_app", "lint_other", "lint_member")
_RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")

_RELATIONS = """
SELECT c.oid::bigint, c.oid::regclass::text, c.relkind::text, pg_relation_filenode(c.oid)::bigint,
       (SELECT i.indrelid::bigint FROM pg_index i WHERE i.indexrelid = c.oid)
  FROM pg_class c WHERE c.relnamespace::regnamespace::text = ANY (%s) AND c.relkind IN ('r', 'p', 'm', 'v', 'S', 'i')
"""
_NAMES = """
SELECT a.attrelid::regclass::text || '.' || a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
 WHERE c.relnamespace::regnamespace::text = ANY (%(of)s) AND c.relkind IN ('r', 'p', 'm', 'v')
   AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL SELECT enumtypid::regtype::text || '.' || enumlabel FROM pg_enum
UNION ALL SELECT 'publication ' || pubname FROM pg_publication
UNION ALL SELECT c.oid::regclass::text FROM pg_class c WHERE c.relnamespace::regnamespace::text = ANY (%(of)s)
                AND c.relkind = 'S'
UNION ALL SELECT 'attribute ' || c.relname || '.' || a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
 WHERE c.relkind = 'c' AND a.attnum > 0 AND NOT a.attisdropped AND c.relnamespace = 'public'::regnamespace
"""
_COLUMNS = """
SELECT c.oid::bigint, a.attname::text, format_type(a.atttypid, a.atttypmod)
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
 WHERE c.relnamespace::regnamespace::text = ANY (%s) AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
"""
_REQUIRED = """
SELECT c.oid::bigint, a.attname::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
 WHERE c.relnamespace::regnamespace::text = ANY (%s) AND c.relkind IN ('r', 'p') AND a.attnum > 0
   AND NOT a.attisdropped AND a.attnotnull AND NOT a.atthasdef AND a.attidentity = ''
"""
_POWERS = """
SELECT rolname || ' ' || power FROM pg_roles CROSS JOIN LATERAL (VALUES ('superuser', rolsuper),
       ('createrole', rolcreaterole), ('bypassrls', rolbypassrls), ('replication', rolreplication)) AS p (power, has)
 WHERE has AND rolname = ANY (%s)
UNION ALL SELECT m.member::regrole || ' in ' || m.roleid::regrole FROM pg_auth_members m
UNION ALL SELECT r || ' uses ' || s FROM unnest(%s::text[]) AS r, unnest(%s::text[]) AS s
           WHERE has_schema_privilege(r, s, 'USAGE')
"""
_GUARDS = """
SELECT t.oid::bigint FROM pg_trigger t
 WHERE t.tgenabled <> 'D' AND current_setting('session_replication_role') <> 'replica'
"""
_TRIGGERS = "SELECT oid::bigint FROM pg_trigger"
COUNTS = """
SELECT (SELECT count(*) FROM pg_attribute) + (SELECT count(*) FROM pg_constraint) + (SELECT count(*) FROM pg_trigger)
     + (SELECT count(*) FROM pg_attrdef) + (SELECT count(*) FROM pg_policy) + (SELECT count(*) FROM pg_class)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What others see of the database at one moment."""

    relations: dict[int, tuple[str, str, int | None, int | None]]
    names: frozenset[str]
    columns: dict[tuple[int, str], str]
    required: frozenset[tuple[int, str]]
    rights: frozenset[str]
    powers: frozenset[str]
    guards: frozenset[int]
    triggers: frozenset[int]
    settings: int
    catalogue: int
    rows: dict[int, int] = field(default_factory=dict)


def state(connection: Connection) -> State:
    of = list(SCHEMAS)
    relations = {row[0]: tuple(row[1:]) for row in connection.execute(_RELATIONS, [of])}
    counts = " UNION ALL ".join(
        f"SELECT {oid}, count(*) FROM {name}" for oid, (name, kind, _, _) in relations.items() if kind in "rm"
    )
    rows = {row[0]: row[1] for row in connection.execute(counts)}
    return State(
        relations=relations,
        names=frozenset(row[0] for row in connection.execute(_NAMES, {"of": of})),
        columns={(row[0], row[1]): row[2] for row in connection.execute(_COLUMNS, [of])},
        required=frozenset((row[0], row[1]) for row in connection.execute(_REQUIRED, [of])),
        rights=frozenset(_rights(connection, relations)),
        powers=frozenset(row[0] for row in connection.execute(_POWERS, [list(ROLES), list(ROLES), _there(connection)])),
        guards=frozenset(row[0] for row in connection.execute(_GUARDS)),
        triggers=frozenset(row[0] for row in connection.execute(_TRIGGERS)),
        settings=one(connection, "SELECT count(*) FROM pg_file_settings WHERE sourcefile LIKE '%postgresql.auto.conf'"),
        catalogue=one(connection, COUNTS),
        rows=rows,
    )


def _there(connection: Connection) -> list[str]:
    return [
        row[0] for row in connection.execute("SELECT nspname FROM pg_namespace WHERE nspname = ANY (%s)", [[*SCHEMAS]])
    ]


def _rights(connection: Connection, relations: dict[int, Any]) -> Iterator[str]:
    """Yield who may do what with which table, and that he sees its rows where row level security shows them."""
    tables = [oid for oid, (_, kind, _, _) in relations.items() if kind in "rpm"]
    found = connection.execute(
        "SELECT r, c.oid::bigint, p, c.relrowsecurity FROM pg_class c, unnest(%s::text[]) AS r, unnest(%s::text[]) AS p"
        " WHERE c.oid::bigint = ANY (%s) AND has_table_privilege(r, c.oid, p)",
        [list(ROLES), list(_RIGHTS), tables],
    ).fetchall()
    for role, oid, right, secured in found:
        yield f"{role} {right} {oid}"
        if right == "SELECT" and secured:
            connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
            shown = one(connection, f"SELECT count(*) > 0 FROM {relations[oid][0]}")
            connection.execute("RESET ROLE")
            if shown:
                yield f"{role} sees rows of {oid}"
        elif right == "SELECT":
            yield f"{role} sees rows of {oid}"


def one(connection: Connection, query: str, parameters: list[Any] | None = None) -> Any:
    row = connection.execute(query, parameters).fetchone()
    return row[0] if row else None
