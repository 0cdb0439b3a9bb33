"""One schema's way aside, and back.

Renaming takes the schema along with everything that is on it and disturbs nobody until it is committed. Where an
extension lives in the schema, or the schema belongs to somebody else, it stays, and its objects are moved one by one.
"""

from __future__ import annotations

from psycopg import sql

from dbtasks.database import Connection
from dbtasks.schemas.catalogue import Schema, Way

# What goes along with a table by itself is left out: its indexes, row type, constraints and own sequences. The order
# does not matter, since objects know each other by oid.
_MOVE = """
DO $move$
DECLARE
    home CONSTANT regnamespace := current_setting('dbtasks.source')::regnamespace;
    object record;
    kind text;
    known_as text;
BEGIN
    FOR object IN
        WITH here AS (
            SELECT 'pg_class'::regclass AS classid, c.oid AS objid FROM pg_class c
             WHERE c.relnamespace = home AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
               AND NOT (c.relkind = 'S' AND EXISTS (
                   SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                      AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')))
            UNION ALL
            SELECT 'pg_type'::regclass, t.oid FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
             WHERE t.typnamespace = home AND (t.typrelid = 0 OR c.relkind = 'c')
               AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)
            UNION ALL SELECT 'pg_proc'::regclass, oid FROM pg_proc WHERE pronamespace = home
            UNION ALL SELECT 'pg_operator'::regclass, oid FROM pg_operator WHERE oprnamespace = home
            UNION ALL SELECT 'pg_opclass'::regclass, oid FROM pg_opclass WHERE opcnamespace = home
            UNION ALL SELECT 'pg_opfamily'::regclass, oid FROM pg_opfamily WHERE opfnamespace = home
            UNION ALL SELECT 'pg_collation'::regclass, oid FROM pg_collation WHERE collnamespace = home
            UNION ALL SELECT 'pg_conversion'::regclass, oid FROM pg_conversion WHERE connamespace = home
            UNION ALL SELECT 'pg_statistic_ext'::regclass, oid FROM pg_statistic_ext WHERE stxnamespace = home
            UNION ALL SELECT 'pg_ts_config'::regclass, oid FROM pg_ts_config WHERE cfgnamespace = home
            UNION ALL SELECT 'pg_ts_dict'::regclass, oid FROM pg_ts_dict WHERE dictnamespace = home
        )
        SELECT h.classid, h.objid FROM here h WHERE NOT EXISTS (
            SELECT FROM pg_depend d WHERE d.classid = h.classid AND d.objid = h.objid AND d.deptype = 'e')
    LOOP
        -- Only now: a function is known by its arguments' types, which may have moved before it.
        SELECT CASE i.type WHEN 'statistics object' THEN 'statistics' ELSE i.type END, i.identity
          INTO kind, known_as FROM pg_identify_object(object.classid, object.objid, 0) i;
        EXECUTE format('ALTER %s %s SET SCHEMA %s', kind, known_as, current_setting('dbtasks.into'));
    END LOOP;
END
$move$
"""


def put_aside(connection: Connection, schema: Schema, kept: str) -> None:
    """Take a schema's contents out of the way, into the schema `kept`."""
    if schema.way is Way.RENAME:
        rename(connection, schema.name, kept)
    else:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(kept)))
        move(connection, schema.name, kept)


def come_back(connection: Connection, kept: str, name: str) -> None:
    """Put the contents of the schema `kept` in their place again."""
    if exists(connection, name):
        move(connection, kept, name)
        connection.execute(sql.SQL("DROP SCHEMA {}").format(sql.Identifier(kept)))
    else:
        rename(connection, kept, name)


def rename(connection: Connection, old: str, new: str) -> None:
    connection.execute(sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(sql.Identifier(old), sql.Identifier(new)))


def move(connection: Connection, source: str, into: str) -> None:
    """Move every object that is no extension's from one schema into another."""
    # A DO block takes no parameters, and a name must not end its quotes.
    for setting, name in (("dbtasks.source", source), ("dbtasks.into", into)):
        connection.execute("SELECT set_config(%s, quote_ident(%s), true)", [setting, name])
    connection.execute(_MOVE)


def exists(connection: Connection, name: str) -> bool:
    return connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [name]).fetchone() is not None
