"""The queries of `queries` for what is no table: schemas, functions, what is rare, grants, comments."""

from __future__ import annotations

from typing import LiteralString

SCHEMAS: LiteralString = """
SELECT name, '', CASE WHEN nspname <> 'public' AND nspowner NOT IN (SELECT oid FROM ours)
                      THEN 'owned by ' || quote_ident(pg_get_userbyid(nspowner)) ELSE '' END
  FROM mine
"""

EXTENSIONS: LiteralString = """
SELECT quote_ident(e.extname), '', 'in schema ' || quote_ident(n.nspname)
  FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
"""

FUNCTIONS: LiteralString = """
SELECT p.name, '', CASE p.prokind WHEN 'a' THEN (
           SELECT concat_ws(' ', 'AGGREGATE', a.aggtransfn::regproc, format_type(a.aggtranstype, NULL),
                            'final', nullif(a.aggfinalfn, 0)::regproc, 'start', a.agginitval)
             FROM pg_aggregate a WHERE a.aggfnoid = p.oid)
       ELSE rtrim(pg_get_functiondef(p.oid), E'\\n') END
       || CASE WHEN p.proowner NOT IN (SELECT oid FROM ours)
               THEN E'\\nowned by ' || quote_ident(pg_get_userbyid(p.proowner)) ELSE '' END
  FROM proc p
"""

# What is rare is told by its name alone, but for extended statistics and event triggers.
OBJECTS: LiteralString = """, rare AS (
    SELECT 'pg_operator'::regclass AS classid, oid AS objid, '' AS definition FROM pg_operator
    UNION ALL SELECT 'pg_opclass'::regclass, oid, '' FROM pg_opclass
    UNION ALL SELECT 'pg_opfamily'::regclass, oid, '' FROM pg_opfamily
    UNION ALL SELECT 'pg_collation'::regclass, oid, '' FROM pg_collation
    UNION ALL SELECT 'pg_conversion'::regclass, oid, '' FROM pg_conversion
    UNION ALL SELECT 'pg_cast'::regclass, oid, '' FROM pg_cast
    UNION ALL SELECT 'pg_ts_config'::regclass, oid, '' FROM pg_ts_config
    UNION ALL SELECT 'pg_ts_dict'::regclass, oid, '' FROM pg_ts_dict
    UNION ALL SELECT 'pg_ts_parser'::regclass, oid, '' FROM pg_ts_parser
    UNION ALL SELECT 'pg_ts_template'::regclass, oid, '' FROM pg_ts_template
    UNION ALL SELECT 'pg_statistic_ext'::regclass, oid, pg_get_statisticsobjdef(oid) FROM pg_statistic_ext
    UNION ALL SELECT 'pg_event_trigger'::regclass, oid,
              concat_ws(' ', evtevent, evtfoid::regproc, evtenabled, array_to_string(evttags, ' '))
         FROM pg_event_trigger WHERE evtname NOT LIKE 'dbtasks\\_guard\\_%' -- what `harden` puts
)
SELECT i.type || ' ' || i.identity, '', r.definition
  FROM rare r CROSS JOIN LATERAL pg_identify_object(r.classid, r.objid, 0) AS i
 WHERE r.objid >= 16384 AND (i.schema IS NULL OR i.schema IN (SELECT name FROM mine))
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = r.classid AND d.objid = r.objid AND d.deptype = 'e')
"""

# All that there is to give is ALL: version 17 has a privilege more. What owners have of their own is not told, unless
# some of it was taken from them; of `public`, what a new database begins with. TRUNCATE is what `harden` takes from
# everybody, and `harden --check` tells who has it. What the declared roles have, `roles.check` tells.
GRANTS: LiteralString = """, given AS (
    SELECT CASE relkind WHEN 'S' THEN 's' ELSE 'r' END AS kind, name, name AS whole, relowner AS owner,
           coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner)) AS acl FROM rel
    UNION ALL SELECT 'c', r.name || '.' || quote_ident(a.attname), r.name, r.relowner, a.attacl
      FROM rel r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attacl IS NOT NULL AND NOT a.attisdropped
    UNION ALL SELECT 'f', name, name, proowner, coalesce(proacl, acldefault('f', proowner)) FROM proc
    UNION ALL SELECT 'T', name, name, typowner, coalesce(typacl, acldefault('T', typowner)) FROM typ
    UNION ALL SELECT 'n', name, name, nspowner, coalesce(nspacl, acldefault('n', nspowner)) FROM mine
), declared AS (
    SELECT oid FROM pg_roles WHERE rolname = ANY (string_to_array(current_setting('dbtasks.roles'), E'\\n'))
), begun AS (
    SELECT quote_ident(n.nspname) AS name, b.grantee, b.privilege_type
      FROM pg_namespace n JOIN pg_init_privs i ON i.classoid = 'pg_namespace'::regclass AND i.objoid = n.oid
     CROSS JOIN LATERAL aclexplode(i.initprivs) AS b WHERE n.nspname = 'public'
), entry AS (
    SELECT g.kind, g.name, g.whole, g.owner, a.grantee,
           string_agg(a.privilege_type || CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END, ', '
                      ORDER BY a.privilege_type) AS privileges,
           array_agg(a.privilege_type::text) AS those, bool_or(a.is_grantable) AS grantable
      FROM given g CROSS JOIN LATERAL aclexplode(g.acl) AS a
     WHERE a.privilege_type <> 'TRUNCATE' AND NOT (a.grantee <> g.owner AND a.grantee IN (SELECT oid FROM declared))
       AND NOT (g.kind = 'n' AND EXISTS (SELECT FROM begun b WHERE b.name = g.name AND b.grantee = a.grantee
                                            AND b.privilege_type = a.privilege_type))
     GROUP BY 1, 2, 3, 4, 5
), told AS (
    SELECT e.kind, e.name, e.whole, e.owner, e.grantee, e.privileges, e.grantable, e.kind <> 'c' AND e.those @> ARRAY(
           SELECT d.privilege_type::text FROM aclexplode(acldefault(e.kind::"char", e.owner)) AS d
            WHERE d.grantee = e.owner AND d.privilege_type <> 'TRUNCATE') AS complete FROM entry e
)
SELECT CASE kind WHEN 'f' THEN 'function ' WHEN 'T' THEN 'type ' WHEN 'n' THEN 'schema ' ELSE '' END || name || ' to '
       || CASE WHEN grantee = 0 THEN 'PUBLIC' WHEN grantee = owner THEN 'its owner'
               WHEN grantee IN (SELECT oid FROM ours) THEN 'the owner' ELSE quote_ident(pg_get_userbyid(grantee)) END,
       whole, CASE WHEN complete AND NOT grantable THEN 'ALL' ELSE privileges END
  FROM told WHERE NOT (grantee = owner AND (complete OR kind = 'n'))
"""

DEFAULT_GRANTS: LiteralString = """
SELECT concat_ws(' ', 'of', CASE WHEN d.defaclrole IN (SELECT oid FROM ours) THEN 'the owner'
                                 ELSE quote_ident(pg_get_userbyid(d.defaclrole)) END,
                 'in schema ' || quote_ident(n.nspname), 'on',
                 CASE d.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions'
                                      WHEN 'T' THEN 'types' WHEN 'n' THEN 'schemas' ELSE d.defaclobjtype::text END,
                 'to', CASE WHEN a.grantee = 0 THEN 'PUBLIC' WHEN a.grantee IN (SELECT oid FROM ours) THEN 'the owner'
                            ELSE quote_ident(pg_get_userbyid(a.grantee)) END),
       '', string_agg(a.privilege_type || CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END, ', '
                      ORDER BY a.privilege_type)
  FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
 CROSS JOIN LATERAL aclexplode(d.defaclacl) AS a
 WHERE a.grantee <> d.defaclrole AND (n.oid IS NULL OR n.oid IN (SELECT oid FROM mine))
   AND a.privilege_type <> 'MAINTAIN' -- of version 17
   AND pg_get_userbyid(a.grantee) <> ALL (string_to_array(current_setting('dbtasks.roles'), E'\\n'))
 GROUP BY 1
"""

COMMENTS: LiteralString = """
SELECT i.type || ' ' || i.identity, coalesce(r.name, p.name, ''), d.description
  FROM pg_description d CROSS JOIN LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) AS i
  LEFT JOIN rel r ON d.classoid = 'pg_class'::regclass AND r.oid = d.objoid
  LEFT JOIN proc p ON d.classoid = 'pg_proc'::regclass AND p.oid = d.objoid
 WHERE d.objoid >= 16384
   AND (d.classoid = 'pg_class'::regclass AND (r.oid IS NOT NULL OR d.objoid IN (
            SELECT indexrelid FROM pg_index WHERE indrelid IN (SELECT oid FROM rel)))
        OR d.classoid = 'pg_proc'::regclass AND p.oid IS NOT NULL
        OR d.classoid = 'pg_type'::regclass AND d.objoid IN (SELECT oid FROM typ)
        OR d.classoid = 'pg_namespace'::regclass AND d.objoid IN (SELECT oid FROM mine)
        OR d.classoid = 'pg_constraint'::regclass AND d.objoid IN (
            SELECT oid FROM pg_constraint WHERE conrelid IN (SELECT oid FROM rel) OR contypid IN (SELECT oid FROM typ))
        OR d.classoid = 'pg_trigger'::regclass AND d.objoid IN (
            SELECT oid FROM pg_trigger WHERE tgrelid IN (SELECT oid FROM rel))
        OR d.classoid = 'pg_policy'::regclass AND d.objoid IN (
            SELECT oid FROM pg_policy WHERE polrelid IN (SELECT oid FROM rel)))
"""
