"""What is read of a schema, a query a kind: its name, what it would go with, and its definition, as text.

Left out are what belongs to the system, to extensions and to us, the version table, and what was put aside for other
schemas. Definitions are made so that PostgreSQL 14 and 18 say the same: of columns and the catalogue's own functions,
under a search path that makes them qualify every name. What two versions still print differently is printed again by
the reference's server: see `reprint`.
"""

from __future__ import annotations

from typing import LiteralString

from dbtasks.drift import others, relations
from dbtasks.drift.schema import Kind

# Before the first query, in the same transaction: how values and names are printed.
SETTINGS: LiteralString = """
SELECT set_config('search_path', 'pg_catalog', true), set_config('DateStyle', 'ISO, YMD', true),
       set_config('IntervalStyle', 'postgres', true), set_config('TimeZone', 'UTC', true),
       set_config('bytea_output', 'hex', true), set_config('extra_float_digits', '1', true),
       set_config('quote_all_identifiers', 'off', true), set_config('jit', 'off', true),
       set_config('dbtasks.version_tables', {}, true), set_config('dbtasks.roles', {}, true)
"""

# Owners differ from tier to tier. Whoever connects for us, whoever owns the database, and the roles that the settings
# declare, are "the owner" on each side.
_COMMON: LiteralString = """
WITH ours AS MATERIALIZED (
    SELECT oid FROM pg_roles WHERE rolname IN (current_user, session_user, 'pg_database_owner')
        OR rolname = ANY (string_to_array(current_setting('dbtasks.roles'), E'\\n'))
    UNION SELECT datdba FROM pg_database WHERE datname = current_database()
), mine AS MATERIALIZED (
    SELECT oid, nspname, nspowner, nspacl, quote_ident(nspname) AS name FROM pg_namespace n
     WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'dbtasks')
       AND nspname !~ '_dbtasks_[0-9a-f]{8}$'
       AND NOT EXISTS (SELECT FROM pg_depend d
                        WHERE d.classid = 'pg_namespace'::regclass AND d.objid = n.oid AND d.deptype = 'e')
), rel AS MATERIALIZED (
    SELECT c.oid, c.relkind, c.relowner, c.relacl, c.relpersistence, c.relam, c.reloptions, c.relrowsecurity,
           c.relforcerowsecurity, c.relreplident, c.relispartition, c.relpartbound, c.reloftype, c.relname,
           format('%I.%I', n.nspname, c.relname) AS name
      FROM pg_class c JOIN mine n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S')
       AND NOT EXISTS (SELECT FROM pg_depend d
                        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
       AND NOT (c.relkind IN ('r', 'p')
                AND ARRAY[c.relname::text, n.nspname || '.' || c.relname]
                    && string_to_array(current_setting('dbtasks.version_tables'), E'\\n'))
), tab AS MATERIALIZED (
    SELECT * FROM rel WHERE relkind IN ('r', 'p', 'f')
), proc AS MATERIALIZED (
    SELECT p.oid, p.prokind, p.proowner, p.proacl,
           format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) AS name
      FROM pg_proc p JOIN mine n ON n.oid = p.pronamespace
     WHERE NOT EXISTS (SELECT FROM pg_depend d
                        WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype IN ('e', 'i'))
), typ AS MATERIALIZED (
    SELECT t.oid, t.typtype, t.typowner, t.typacl, t.typbasetype, t.typtypmod, t.typnotnull, t.typdefault,
           t.typcollation, t.typrelid, t.typinput, t.typoutput, t.typlen, t.typcategory,
           format('%I.%I', n.nspname, t.typname) AS name
      FROM pg_type t JOIN mine n ON n.oid = t.typnamespace
     WHERE t.typtype IN ('e', 'd', 'c', 'r', 'b')
       AND NOT EXISTS (SELECT FROM pg_depend d
                        WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype IN ('e', 'i'))
       AND (t.typrelid = 0 OR EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
)
"""

QUERIES: tuple[tuple[Kind, LiteralString], ...] = (
    (Kind.SCHEMA, _COMMON + others.SCHEMAS),
    (Kind.EXTENSION, others.EXTENSIONS),
    (Kind.TYPE, _COMMON + relations.TYPES),
    (Kind.SEQUENCE, _COMMON + relations.SEQUENCES),
    (Kind.TABLE, _COMMON + relations.TABLES),
    (Kind.COLUMN, _COMMON + relations.COLUMNS),
    (Kind.CONSTRAINT, _COMMON + relations.CONSTRAINTS),
    (Kind.INDEX, _COMMON + relations.INDEXES),
    (Kind.VIEW, _COMMON + relations.VIEWS),
    (Kind.FUNCTION, _COMMON + others.FUNCTIONS),
    (Kind.TRIGGER, _COMMON + relations.TRIGGERS),
    (Kind.RULE, _COMMON + relations.RULES),
    (Kind.POLICY, _COMMON + relations.POLICIES),
    (Kind.OBJECT, _COMMON + others.OBJECTS),
    (Kind.GRANT, _COMMON + others.GRANTS),
    (Kind.DEFAULT_GRANT, _COMMON + others.DEFAULT_GRANTS),
    (Kind.COMMENT, _COMMON + others.COMMENTS),
)
