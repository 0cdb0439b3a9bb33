"""What makes it impossible to replace a database by its schemas, in words for people. Reads only.

Renaming takes along whatever knows the old objects by their oid. What lies outside of the schemas and knows them
would go on with the old ones, so it is an obstacle, as is what one transaction of this role cannot put aside or what
lies in no schema at all. Other databases' foreign tables that read this one cannot be seen from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString

from dbtasks.database import Connection
from dbtasks.schemas.catalogue import CATALOGUE, LOCATED

# Objects of a database that lie in no schema, and so could not be made a second time. oid 16384 is the first that is
# not the server's own.
_LOOSE = """
SELECT 'publication ' || pubname FROM pg_publication
UNION ALL SELECT 'event trigger ' || evtname FROM pg_event_trigger
UNION ALL SELECT pg_describe_object(classid, objid, 0) FROM (
    SELECT 'pg_cast'::regclass, oid FROM pg_cast
    UNION ALL SELECT 'pg_transform'::regclass, oid FROM pg_transform
    UNION ALL SELECT 'pg_language'::regclass, oid FROM pg_language
    UNION ALL SELECT 'pg_am'::regclass, oid FROM pg_am
    UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid FROM pg_foreign_data_wrapper
    UNION ALL SELECT 'pg_foreign_server'::regclass, oid FROM pg_foreign_server
    ) AS loose (classid, objid)
   WHERE objid >= 16384
     AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = loose.classid AND d.objid = loose.objid
                        AND d.deptype IN ('e', 'i'))
UNION ALL SELECT count(*) || ' large objects' FROM pg_largeobject_metadata HAVING count(*) > 0
"""

_DEPENDENTS = """, inside AS MATERIALIZED (
    SELECT 'pg_namespace'::regclass AS classid, oid AS objid FROM mine
    UNION ALL SELECT classid, objid FROM located WHERE namespace IN (SELECT oid FROM mine)
               AND (classid, objid) NOT IN (SELECT classid, objid FROM part WHERE of_extension)
    UNION ALL SELECT 'pg_constraint'::regclass, oid FROM pg_constraint WHERE connamespace IN (SELECT oid FROM mine)
    UNION ALL SELECT 'pg_default_acl'::regclass, oid FROM pg_default_acl WHERE defaclnamespace IN (SELECT oid FROM mine)
), all_inside AS MATERIALIZED (
    SELECT classid, objid FROM inside
    UNION ALL SELECT 'pg_rewrite'::regclass, r.oid FROM pg_rewrite r JOIN inside i ON i.objid = r.ev_class
               AND i.classid = 'pg_class'::regclass
    UNION ALL SELECT 'pg_trigger'::regclass, t.oid FROM pg_trigger t
               WHERE t.tgrelid IN (SELECT objid FROM inside WHERE classid = 'pg_class'::regclass)
                  OR t.tgconstraint IN (SELECT objid FROM inside WHERE classid = 'pg_constraint'::regclass)
    UNION ALL SELECT 'pg_attrdef'::regclass, a.oid FROM pg_attrdef a JOIN inside i ON i.objid = a.adrelid
               AND i.classid = 'pg_class'::regclass
    UNION ALL SELECT 'pg_policy'::regclass, p.oid FROM pg_policy p JOIN inside i ON i.objid = p.polrelid
               AND i.classid = 'pg_class'::regclass
    UNION ALL SELECT 'pg_amop'::regclass, o.oid FROM pg_amop o JOIN inside i ON i.objid = o.amopfamily
               AND i.classid = 'pg_opfamily'::regclass
    UNION ALL SELECT 'pg_amproc'::regclass, o.oid FROM pg_amproc o JOIN inside i ON i.objid = o.amprocfamily
               AND i.classid = 'pg_opfamily'::regclass
)
SELECT DISTINCT pg_describe_object(d.classid, d.objid, d.objsubid) || ' depends on '
       || pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid)
  FROM pg_depend d
  JOIN all_inside r ON r.classid = d.refclassid AND r.objid = d.refobjid
 WHERE (d.classid, d.objid) NOT IN (SELECT classid, objid FROM all_inside)
   AND (d.classid, d.objid) NOT IN (SELECT classid, objid FROM part WHERE of_extension)
   AND NOT (d.classid = 'pg_cast'::regclass AND (d.classid, d.objid) IN (SELECT classid, objid FROM part)) -- a range's
   AND NOT (d.classid = 'pg_extension'::regclass AND d.refclassid = 'pg_namespace'::regclass)
   AND NOT (d.classid = 'pg_class'::regclass
            AND d.objid IN (SELECT oid FROM pg_class WHERE relnamespace = 'pg_toast'::regnamespace))
 ORDER BY 1 LIMIT 20
"""

_THESE = ", mine AS (SELECT oid FROM pg_namespace WHERE nspname = ANY(%s))"

_OF_OTHERS = """
SELECT format('%s belongs to %s, as whom %s may not act', pg_describe_object(l.classid, l.objid, 0),
              pg_get_userbyid(l.owner), current_user)
  FROM located l JOIN mine m ON m.oid = l.namespace LEFT JOIN part p USING (classid, objid)
 WHERE p.objid IS NULL AND NOT pg_has_role(l.owner, 'USAGE') ORDER BY 1 LIMIT 20
"""

# The functions that make a range's values belong to the superuser, so they cannot follow it into another schema.
_UNMOVABLE = """
SELECT format('the range type %s lies in schema %s beside an extension, from where only a superuser can move it. '
              'That one can move the extension: ALTER EXTENSION ... SET SCHEMA', t.typname, m.nspname)
  FROM pg_type t JOIN mine m ON m.oid = t.typnamespace
 WHERE t.typtype = 'r' AND (m.extended > 0 OR NOT m.owned)
   AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
   AND (t.oid, 'pg_type'::regclass) NOT IN (SELECT objid, classid FROM part WHERE of_extension) ORDER BY 1
"""

_RIGHTS = """
SELECT format('%s may not create schemas here. Who owns the database can grant it: GRANT CREATE ON DATABASE %I TO %I',
              current_user, current_database(), current_user)
 WHERE NOT has_database_privilege(current_database(), 'CREATE')
UNION ALL
SELECT format('%s may not create in schema %s, which belongs to %s', current_user, nspname, pg_get_userbyid(nspowner))
  FROM mine WHERE NOT has_schema_privilege(oid, 'CREATE')
UNION ALL
SELECT format('schema public belongs to %s, and %s may not create in it', pg_get_userbyid(nspowner), current_user)
  FROM pg_namespace WHERE nspname = 'public' AND NOT has_schema_privilege(oid, 'CREATE')
   AND oid NOT IN (SELECT oid FROM mine)
UNION ALL
SELECT format('our schema dbtasks belongs to %s, as whom %s may not act', pg_get_userbyid(nspowner), current_user)
  FROM pg_namespace WHERE nspname = 'dbtasks' AND NOT pg_has_role(nspowner, 'USAGE')
UNION ALL
SELECT format('dbtasks.%s belongs to %s, as whom %s may not act', relname, pg_get_userbyid(relowner), current_user)
  FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'dbtasks')
   AND relname IN ('ledger', 'kept') AND NOT pg_has_role(relowner, 'USAGE')
UNION ALL
SELECT DISTINCT format('the default privileges of %s in schema %s cannot be given to a new schema by %s',
              pg_get_userbyid(a.defaclrole), m.nspname, current_user)
  FROM pg_default_acl a JOIN mine m ON m.oid = a.defaclnamespace
 WHERE m.owned AND m.extended = 0 AND NOT pg_has_role(a.defaclrole, 'USAGE')
"""

_HANGING_ON = """
SELECT 'the logical replication slot ' || slot_name || ' hangs on this database' FROM pg_replication_slots
 WHERE database = current_database()
UNION ALL
SELECT 'the publication ' || pubname || ' is of all tables, those that are kept included'
  FROM pg_publication WHERE puballtables
UNION ALL
SELECT DISTINCT 'a subscription fills the table ' || r.srrelid::regclass FROM pg_subscription_rel r
UNION ALL
SELECT count(*) || ' large objects lie in no schema' FROM pg_largeobject_metadata HAVING count(*) > 0
UNION ALL
SELECT 'a prepared transaction is open in this database: ' || gid FROM pg_prepared_xacts
 WHERE database = current_database()
"""


def obstacles(connection: Connection) -> tuple[str, ...]:
    """Return everything that stands in the way, empty where the schemas can be replaced."""
    found: list[str] = []
    for query in (CATALOGUE + _RIGHTS, CATALOGUE + _OF_OTHERS, CATALOGUE + _UNMOVABLE, _HANGING_ON):
        found += _sentences(connection, query)
    return (*found, *_sentences(connection, CATALOGUE + _DEPENDENTS))


def outside(connection: Connection, schemas: Sequence[str]) -> tuple[str, ...]:
    """Return what depends on these schemas and does not lie in them."""
    rows = connection.execute(LOCATED + _THESE + _DEPENDENTS, [list(schemas)]).fetchall()
    return tuple(str(sentence) for (sentence,) in rows)


def loose(connection: Connection) -> tuple[str, ...]:
    """Return what lies in no schema, in a database that was empty before revisions and seeds made what is in it."""
    return tuple(_sentences(connection, _LOOSE))


def _sentences(connection: Connection, query: LiteralString) -> list[str]:
    return [str(sentence) for (sentence,) in connection.execute(query).fetchall()]
