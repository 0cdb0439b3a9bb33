"""A table's indexes and foreign keys, taken down before many rows come and put up again exactly as they were.

Only where nobody else uses the database. What is taken down is what can be put up whole from what the catalogue tells;
anything out of the ordinary (partitions, other tablespaces, extensions, constraints that are not validated, whatever
else depends on an index) stays where it is, and costs its time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from psycopg import RawCursor, sql
from psycopg.rows import dict_row

from dbtasks.seeders.batch import Connection, run
from dbtasks.seeders.catalogue import Table
from dbtasks.seeders.queries import table_name
from dbtasks.seeders.statements import Query, Statement

Row = Mapping[str, object]
Text = sql.SQL | sql.Composed

# Whether the table itself is ordinary. An event trigger may do anything at a statement that defines something.
_ORDINARY = sql.SQL("""
ordinary AS (
    SELECT c.oid FROM pg_catalog.pg_class c
    WHERE c.oid = $1 AND c.relkind = 'r' AND NOT c.relispartition AND NOT c.relhasrules
        AND pg_has_role(c.relowner, 'USAGE')
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE c.oid IN (inhrelid, inhparent))
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend
                        WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_event_trigger WHERE evtenabled <> 'D')
)
""")

# Foreign keys of the table, and those of tables that are empty still, to it. What is not there before version 18, asked
# through jsonb, is simply absent.
_LINKS = sql.SQL("""
links AS (
    SELECT o.* FROM pg_catalog.pg_constraint o
    JOIN pg_catalog.pg_class c ON c.oid = o.conrelid JOIN pg_catalog.pg_class f ON f.oid = o.confrelid
    WHERE o.contype = 'f' AND (SELECT oid FROM ordinary) IN (o.conrelid, o.confrelid)
        AND (o.conrelid = $1 OR pg_relation_size(o.conrelid) = 0)
        AND o.convalidated AND o.conparentid = 0 AND o.coninhcount = 0
        AND coalesce((to_jsonb(o) ->> 'conenforced')::boolean, true)
        AND NOT coalesce((to_jsonb(o) ->> 'conperiod')::boolean, false)
        AND c.relkind = 'r' AND pg_has_role(c.relowner, 'USAGE')
        AND f.relkind = 'r' AND pg_has_role(f.relowner, 'USAGE')
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgconstraint = o.oid AND t.tgenabled <> 'O')
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                        WHERE d.refclassid = 'pg_constraint'::regclass AND d.refobjid = o.oid AND d.deptype <> 'i')
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                        WHERE d.classid = 'pg_constraint'::regclass AND d.objid = o.oid AND d.deptype IN ('e', 'x'))
)
""")

_FOREIGN_KEYS = sql.SQL("""WITH {ordinary}, {links}
SELECT o.conname AS name, n.nspname AS schema, c.relname AS table, pg_get_constraintdef(o.oid) AS definition,
    obj_description(o.oid, 'pg_constraint') AS comment
FROM links o JOIN pg_catalog.pg_class c ON c.oid = o.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
ORDER BY o.oid
""").format(ordinary=_ORDINARY, links=_LINKS)

_INDEXES = sql.SQL("""WITH {ordinary}, {links}
SELECT x.relname AS name, n.nspname AS schema,
    o.contype AS kind, o.condeferrable AS deferrable, o.condeferred AS deferred,
    pg_get_indexdef(x.oid) AS definition, i.indisclustered AS clustered, i.indisreplident AS identifies,
    obj_description(x.oid, 'pg_class') AS comment, obj_description(o.oid, 'pg_constraint') AS constraint_comment,
    ARRAY(SELECT ARRAY[a.attnum, a.attstattarget]::int[] FROM pg_catalog.pg_attribute a
          WHERE a.attrelid = x.oid AND a.attstattarget >= 0 ORDER BY a.attnum) AS targets
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = x.relnamespace
LEFT JOIN pg_catalog.pg_constraint o ON o.conindid = x.oid AND o.contype IN ('p', 'u', 'x')
WHERE i.indrelid = (SELECT oid FROM ordinary) AND x.relkind = 'i' AND NOT x.relispartition AND x.reltablespace = 0
    AND i.indisvalid AND i.indisready AND i.indislive
    AND (o.oid IS NULL OR (o.contype IN ('p', 'u') AND o.conname = x.relname AND o.coninhcount = 0
                           AND NOT coalesce((to_jsonb(o) ->> 'conperiod')::boolean, false)))
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = x.oid AND a.attoptions IS NOT NULL)
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = x.oid AND d.deptype IN ('e', 'x'))
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_seclabel l WHERE l.objoid IN (x.oid, o.oid))
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend d
        WHERE (d.refclassid, d.refobjid) IN (('pg_class'::regclass, x.oid), ('pg_constraint'::regclass, o.oid))
            AND d.deptype <> 'i'
            AND NOT (d.classid = 'pg_constraint'::regclass AND d.objid IN (SELECT oid FROM links)))
ORDER BY x.oid
""").format(ordinary=_ORDINARY, links=_LINKS)

# Triggers at an INSERT (bit 2) that wait for the commit: with one of them pending, a table cannot be altered. Those of
# foreign keys and of unique constraints go with what is taken down.
_WAITING = sql.SQL("""WITH {ordinary}, {links}
SELECT t.tgname FROM pg_catalog.pg_trigger t LEFT JOIN pg_catalog.pg_constraint o ON o.oid = t.tgconstraint
WHERE t.tgrelid = $1 AND t.tginitdeferred AND t.tgtype & 4 <> 0
    AND o.contype IS DISTINCT FROM 'u' AND t.tgconstraint NOT IN (SELECT oid FROM links)
""").format(ordinary=_ORDINARY, links=_LINKS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Something that was taken down, and the statements that put it up again."""

    down: sql.Composed
    up: tuple[Text, ...]


def take_down(connection: Connection, table: Table) -> tuple[Part, ...]:
    """Return what was taken down: foreign keys first, since they rest on indexes."""
    queries = (_WAITING, _FOREIGN_KEYS, _INDEXES)
    with connection.pipeline():
        cursors = [RawCursor(connection, row_factory=dict_row) for _ in queries]
        for cursor, query in zip(cursors, queries, strict=True):
            cursor.execute(query, (table.oid,), prepare=False)
    waiting, links, indexes = (cursor.fetchall() for cursor in cursors)
    if waiting:
        return ()
    parts = (*(_link(row) for row in links), *(_index(row, table) for row in indexes))
    run(connection, [Statement(query=Query(text=part.down)) for part in parts])
    return parts


def put_up(connection: Connection, parts: Sequence[Part]) -> None:
    """Put everything up again, in one round trip: what was taken down last comes first."""
    if not parts:
        return
    here = sql.SQL("SELECT set_config('default_tablespace', '', true)")
    texts: list[Text] = [here, *(text for part in reversed(parts) for text in part.up)]
    run(connection, [Statement(query=Query(text=text)) for text in texts])


def _link(row: Row) -> Part:
    name, table = sql.Identifier(str(row["name"])), sql.Identifier(str(row["schema"]), str(row["table"]))
    add = sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(table, name, _own_text(row["definition"]))
    on = sql.SQL("CONSTRAINT {} ON {}").format(name, table)
    return Part(
        down=sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(table, name),
        up=(add, *_comment(on, row["comment"])),
    )


def _index(row: Row, table: Table) -> Part:
    name, index = sql.Identifier(str(row["name"])), sql.Identifier(str(row["schema"]), str(row["name"]))
    on = table_name(table)
    down = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(on, name)
    if row["kind"] is None:
        down = sql.SQL("DROP INDEX {}").format(index)
    return Part(down=down, up=(sql.Composed([_own_text(row["definition"])]), *_marks(row, on, name, index)))


def _marks(row: Row, table: sql.Identifier, name: sql.Identifier, index: sql.Identifier) -> Iterator[sql.Composed]:
    """Yield what an index is besides its definition. The constraint comes first: it may rename nothing, but owns it."""
    if row["kind"] is not None:
        kind = sql.SQL("PRIMARY KEY" if row["kind"] == "p" else "UNIQUE")
        when = sql.SQL(" DEFERRABLE" * bool(row["deferrable"]) + " INITIALLY DEFERRED" * bool(row["deferred"]))
        text = sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {} USING INDEX {}{}")
        yield text.format(table, name, kind, name, when)
        yield from _comment(sql.SQL("CONSTRAINT {} ON {}").format(name, table), row["constraint_comment"])
    yield from _comment(sql.SQL("INDEX {}").format(index), row["comment"])
    targets = row["targets"]
    for number, target in targets if isinstance(targets, list) else ():
        text = sql.SQL("ALTER INDEX {} ALTER COLUMN {} SET STATISTICS {}")
        yield text.format(index, sql.Literal(number), sql.Literal(target))
    if row["clustered"]:
        yield sql.SQL("ALTER TABLE {} CLUSTER ON {}").format(table, name)
    if row["identifies"]:
        yield sql.SQL("ALTER TABLE {} REPLICA IDENTITY USING INDEX {}").format(table, name)


def _comment(on: sql.Composed, text: object) -> Iterator[sql.Composed]:
    if text is not None:
        yield sql.SQL("COMMENT ON {} IS {}").format(on, sql.Literal(text))


def _own_text(text: object) -> sql.SQL:
    # The server's own text of what it has.
    return sql.SQL(str(text))
