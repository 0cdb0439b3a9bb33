"""The SQL of seeding, composed. Rows come as JSON in a parameter or lie in a temporary table; the rest is the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from psycopg import sql

from dbtasks.seeders.catalogue import Column, ForeignKey, Table
from dbtasks.seeders.checksum import row_hash
from dbtasks.seeders.shapes import NUMBER, Documents, Group, Reference
from dbtasks.seeders.statements import Query, Rows

_NUMBER = sql.Identifier(NUMBER)


def table_name(table: Table) -> sql.Identifier:
    return sql.Identifier(table.schema, table.name)


def stage_name(name: str) -> sql.Identifier:
    return sql.Identifier("pg_temp", name)


def rows_in_parameter(group: Group, documents: Documents) -> Rows:
    """Return rows that travel with the statement, as one JSON text."""
    text = f"[{','.join(document for _, document in documents)}]"
    origin = sql.SQL("json_to_recordset($1::json) AS r({})").format(_definitions(group))
    return Rows(group=group, origin=origin, number=sql.SQL("r.{}").format(_NUMBER), parameters=(text,))


def rows_in_stage(group: Group, stage: str) -> Rows:
    """Return rows that lie in a temporary table."""
    number = sql.SQL("r.ctid") if group.copied else sql.SQL("r.{}").format(_NUMBER)
    return Rows(group=group, origin=sql.SQL("{} AS r").format(stage_name(stage)), number=number)


def create_stage(group: Group, stage: str) -> Query:
    text = sql.SQL("CREATE TEMPORARY TABLE {} ({}) ON COMMIT DROP")
    return Query(text=text.format(sql.Identifier(stage), _definitions(group)))


def drop_stage(stage: str) -> Query:
    return Query(text=sql.SQL("DROP TABLE {}").format(stage_name(stage)))


def copy_into(names: Sequence[str], table: sql.Identifier) -> sql.Composed:
    """Return the COPY for a CSV's bytes without their header, whose columns are `names`."""
    columns = sql.SQL(", ").join(sql.Identifier(name) for name in names)
    text = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv, ENCODING 'UTF8')")
    return text.format(table, columns)


def fill_stage(rows: Rows, stage: str) -> Query:
    return Query(
        text=sql.SQL("INSERT INTO {} SELECT * FROM {}").format(stage_name(stage), rows.origin),
        parameters=rows.parameters,
    )


def forget_present(rows: Rows, stage: str) -> Query:
    """Return what takes out of the stage the rows whose key is in the table already."""
    number = sql.SQL("x.ctid") if rows.group.copied else sql.SQL("x.{}").format(_NUMBER)
    text = sql.SQL("DELETE FROM {stage} x USING ({rows}) s, {table} t WHERE {number} = s.{name} AND {same}")
    query = text.format(
        stage=stage_name(stage),
        rows=resolved(rows),
        table=table_name(rows.group.table),
        number=number,
        name=_NUMBER,
        same=same_key(rows.group),
    )
    return Query(text=query, parameters=rows.parameters)


def resolved(rows: Rows) -> sql.Composed:
    """Return the query for the rows as they shall stand in the table; columns on hold are empty."""
    shape = rows.group.shape
    values: list[tuple[sql.Composable, str]] = [(rows.number, NUMBER)]
    values += [(_value(rows, column), column.name) for column in shape.columns]
    values += [(_looked_up(rows, reference), reference.column.name) for reference in shape.references]
    parts = (sql.SQL("{} AS {}").format(value, sql.Identifier(name)) for value, name in values)
    text = sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(parts), rows.origin)
    if rows.upto is None:
        return text
    return sql.SQL("SELECT * FROM ({}) u WHERE u.{} <= {}").format(text, _NUMBER, sql.Literal(rows.upto))


def absent(group: Group) -> sql.Composed:
    """Return the condition that no row of the table has the key of row `s`."""
    text = sql.SQL("NOT EXISTS (SELECT FROM {} t WHERE {})")
    return text.format(table_name(group.table), same_key(group))


def same_key(group: Group) -> sql.Composed:
    """Return the condition that row `t` of the table has the key of row `s`, as the key's index compares them."""
    if not group.key.nulls_equal:
        return equal("t", group.key.columns, "s", group.key.columns)
    columns = [column for column in group.table.columns if column.name in group.key.columns]
    # The server joins by hashes only where there is an equality.
    hashes = sql.SQL("{} = {}").format(row_hash("t", columns), row_hash("s", columns))
    text = sql.SQL("{} IS NOT DISTINCT FROM {}")
    pairs = (text.format(sql.Identifier("t", name), sql.Identifier("s", name)) for name in group.key.columns)
    return sql.SQL(" AND ").join([hashes, *pairs])


def equal(left: str, columns: Sequence[str], right: str, others: Sequence[str]) -> sql.Composed:
    pairs = zip(columns, others, strict=True)
    return sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier(left, column), sql.Identifier(right, other)) for column, other in pairs
    )


def insert(rows: Rows) -> Query:
    """Return what adds the rows whose key is not there, in the order of the file where numbers are given out."""
    group = rows.group
    text = sql.SQL(
        "INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE SELECT {names} FROM ({rows}) s WHERE {absent}{order}"
    )
    query = text.format(
        table=table_name(group.table),
        names=identifiers(group.shape.given),
        rows=resolved(rows),
        absent=absent(group),
        order=in_order(group),
    )
    return Query(text=query, parameters=rows.parameters)


def in_order(group: Group) -> sql.Composed:
    """Return the order of the file, where numbers may be given out on the way."""
    wanted = not group.copied or not group.key.primary
    return sql.SQL(" ORDER BY s.{}").format(_NUMBER) if wanted else sql.Composed([])


def update(rows: Rows, names: Iterable[str]) -> Query | None:
    """Return what makes the rows that differ in the columns `names` follow the file, `None` for no columns."""
    group = rows.group
    columns = [column for column in group.shape.given if column.name in names and column.name not in group.key.columns]
    if not columns:
        return None
    text = sql.SQL("UPDATE {table} t SET {changes} FROM ({rows}) s WHERE {same} AND ({differ})")
    query = text.format(
        table=table_name(group.table),
        changes=sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(column.name), sql.Identifier("s", column.name))
            for column in columns
        ),
        rows=resolved(rows),
        same=same_key(group),
        differ=differ(columns),
    )
    return Query(text=query, parameters=rows.parameters)


def differ(columns: Iterable[Column]) -> sql.Composed:
    """Return the condition that row `t` of the table has other values than row `s`."""
    return sql.SQL(" OR ").join(_differs(column) for column in columns)


def unresolved(rows: Rows, references: Sequence[Reference], *, only_absent: bool) -> Query:
    """Return what finds the rows of which a reference leads nowhere: their number and, a reference each, whether."""
    empty = [sql.SQL("{} IS NULL").format(sql.Identifier("s", reference.column.name)) for reference in references]
    text = sql.SQL("SELECT s.{number}, {empty} FROM ({rows}) s WHERE ({any}){absent} ORDER BY 1 LIMIT 20")
    query = text.format(
        number=_NUMBER,
        empty=sql.SQL(", ").join(empty),
        rows=resolved(rows),
        any=sql.SQL(" OR ").join(empty),
        absent=sql.SQL(" AND {}").format(absent(rows.group)) if only_absent else sql.SQL(""),
    )
    return Query(text=query, parameters=rows.parameters)


def without_key(rows: Rows) -> Query:
    """Return what counts rows with no value in their key."""
    empty = [sql.SQL("{} IS NULL").format(sql.Identifier("s", name)) for name in rows.group.key.columns]
    text = sql.SQL("SELECT 1 FROM ({}) s WHERE {} LIMIT 1").format(resolved(rows), sql.SQL(" OR ").join(empty))
    return Query(text=text, parameters=rows.parameters)


def constraints(keys: Sequence[ForeignKey], *, deferred: bool) -> Query:
    names = sql.SQL(", ").join(sql.Identifier(key.schema, key.name) for key in keys)
    when = sql.SQL("DEFERRED" if deferred else "IMMEDIATE")
    return Query(text=sql.SQL("SET CONSTRAINTS {} {}").format(names, when))


def forward(table: Table, column: Column, *, alone: bool = False) -> Query:
    """Return what moves a sequence behind the highest number in use, never backwards.

    Where the database is in use, a transaction that does not come to its end takes the move back, too.
    """
    return Query(
        text=sql.SQL(_FORWARD_ALONE if alone else _FORWARD).format(
            name=sql.Literal(column.sequence or ""),
            column=sql.Identifier(column.name),
            table=table_name(table),
            # The server's own, already quoted text.
            sequence=sql.SQL(column.sequence or ""),
        )
    )


_FORWARD_ALONE = """
SELECT setval({name}::regclass, m.top) FROM (SELECT max({column}) AS top FROM {table}) m, {sequence} q
 WHERE m.top >= q.last_value + q.is_called::int
   AND (SELECT seqincrement > 0 FROM pg_catalog.pg_sequence WHERE seqrelid = {name}::regclass)
"""

# No transaction takes setval back. ALTER SEQUENCE gives the sequence a new storage that does go with the transaction,
# and setval then writes there. Others who want a number wait for the end meanwhile; where it cannot be had soon, for
# somebody who has taken a number or for want of a right, the value is set for good, which costs numbers only.
_FORWARD = """
DO $forward$
DECLARE
    top bigint := (SELECT max({column}) FROM {table});
    patience text := current_setting('lock_timeout');
BEGIN
    IF (SELECT top >= last_value + is_called::int FROM {sequence})
       AND (SELECT seqincrement > 0 FROM pg_catalog.pg_sequence WHERE seqrelid = {name}::regclass) THEN
        BEGIN
            PERFORM set_config('lock_timeout', '500ms', true);
            ALTER SEQUENCE {sequence} RESTART;
            PERFORM set_config('lock_timeout', patience, true);
        EXCEPTION WHEN OTHERS THEN
            NULL;
        END;
        PERFORM setval({name}::regclass, top);
    END IF;
END
$forward$
"""


def _definitions(group: Group) -> sql.Composed:
    parts = [] if group.copied else [sql.SQL("{} bigint").format(_NUMBER)]
    for column in group.shape.columns:
        kind = "text" if group.values_are_text and column.is_json else column.type
        parts.append(sql.SQL("{} {}").format(sql.Identifier(column.name), _type(kind)))
    for reference in group.shape.references:
        for name, column in zip(reference.raw, reference.by, strict=True):
            parts.append(sql.SQL("{} {}").format(sql.Identifier(name), _type(column.type)))
    return sql.SQL(", ").join(parts)


def _value(rows: Rows, column: Column) -> sql.Composable:
    if column.name in rows.hold:
        return _empty(column)
    value = sql.Identifier("r", column.name)
    if rows.group.values_are_text and column.is_json:
        return sql.SQL("{}::{}").format(value, _type(column.type))
    return value


def _looked_up(rows: Rows, reference: Reference) -> sql.Composed:
    if reference.column.name in rows.hold:
        return _empty(reference.column)
    text = sql.SQL("(SELECT p.{} FROM {} p WHERE {})")
    same = equal("p", [column.name for column in reference.by], "r", reference.raw)
    return text.format(sql.Identifier(reference.key.target_columns[0]), table_name(reference.target), same)


def _empty(column: Column) -> sql.Composed:
    return sql.SQL("NULL::{}").format(_type(column.type))


def _differs(column: Column) -> sql.Composed:
    text = "t.{0} IS DISTINCT FROM s.{0}" if column.comparable else "t.{0}::text IS DISTINCT FROM s.{0}::text"
    return sql.SQL(text).format(sql.Identifier(column.name))


def identifiers(columns: Iterable[Column]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(column.name) for column in columns)


def _type(text: str) -> sql.SQL:
    # format_type's own, already quoted text.
    return sql.SQL(text)
