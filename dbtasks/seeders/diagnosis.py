"""After a failure: which row of which file. Found by searching, where the fast way only knew that it failed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import psycopg
from psycopg import sql

from dbtasks.errors import Mistake
from dbtasks.seeders.batch import Connection, fetch, undone
from dbtasks.seeders.catalogue import Catalogue, ForeignKey, Key
from dbtasks.seeders.files import MOST_MISTAKES, Mode, shorten
from dbtasks.seeders.phrases import constraint, sentence, unfit
from dbtasks.seeders.queries import absent, equal, resolved, rows_in_parameter, table_name
from dbtasks.seeders.shapes import NUMBER, Documents, Group, Shape
from dbtasks.seeders.statements import Query, Rows, Statement

_NUMBER = sql.Identifier(NUMBER)

# Classes of the manual's appendix A.
# Connection, transaction state, rollback, access, resources, limits, state, intervention, system, configuration, bug.
NOT_A_ROWS_FAULT = frozenset(("", "08", "25", "40", "42", "53", "54", "55", "57", "58", "F0", "XX"))

_Key = TypeVar("_Key", Key, ForeignKey)


def explain(connection: Connection, catalogue: Catalogue, statement: Statement, error: psycopg.Error) -> list[Mistake]:
    """Return what is wrong in the file. The transaction stands just before the statement, then and afterwards."""
    rows = statement.rows
    if rows is None:
        return []
    group = rows.group
    if statement.documents and (found := _bad_value(connection, group, statement.documents)):
        return found
    if (error.sqlstate or "")[:2] in NOT_A_ROWS_FAULT:
        return [group.mistake(sentence(error))]
    found = _breaks_constraint(connection, catalogue, _numbered(rows), error)
    if not found and statement.bounded is not None:
        found = _first_to_fail(connection, _numbered(rows), statement.bounded, error)
    return found or [group.mistake(sentence(error))]


def explain_deferred(
    connection: Connection, catalogue: Catalogue, every: Sequence[Rows], error: psycopg.Error
) -> list[Mistake]:
    """Return which rows break a foreign key that was checked when all tables had their rows."""
    found: list[Mistake] = []
    for rows in every:
        key = _named(rows.group.table.foreign_keys, rows.group, error)
        if key is not None:
            found += _orphans(connection, catalogue, _numbered(rows), key, only_absent=False)
    return found[:MOST_MISTAKES] or [every[0].group.mistake(sentence(error))]


def _numbered(rows: Rows) -> Rows:
    """Return rows that know their number in the file also where they were copied as they are."""
    if not rows.group.copied:
        return rows
    return replace(rows, number=sql.SQL("row_number() OVER (ORDER BY r.ctid)"))


def _bad_value(connection: Connection, group: Group, documents: Documents) -> list[Mistake]:
    """Return the first value that its column's type does not take."""
    low, high = 0, len(documents)
    error = _conversion(connection, group, documents)
    if error is None:
        return []
    while high - low > 1:
        middle = (low + high) // 2
        if _conversion(connection, group, documents[low:middle]) is not None:
            high = middle
        else:
            low = middle
    number, text = documents[low]
    content = json.loads(text, parse_int=str, parse_float=str)
    for column in group.shape.columns:
        alone = replace(group, shape=Shape(columns=(column,)))
        if (error := _conversion(connection, alone, [documents[low]])) is not None:
            value = content.get(column.name)
            shown = value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            return [group.mistake(unfit(column, shown, error), number, column.name)]
    error = _conversion(connection, group, [documents[low]])
    return [group.mistake(sentence(error) if error else "the row cannot be read.", number)]


def _conversion(connection: Connection, group: Group, documents: Documents) -> psycopg.Error | None:
    """Return the server's error when it reads the rows as values of their columns' types."""
    held = frozenset(reference.column.name for reference in group.shape.references)
    rows = replace(rows_in_parameter(group, documents), hold=held)
    query = Query(text=sql.SQL("SELECT count(s) FROM ({}) s").format(resolved(rows)), parameters=rows.parameters)
    return _error_of(connection, query)


def _error_of(connection: Connection, query: Query) -> psycopg.Error | None:
    with undone(connection):
        try:
            cursor = psycopg.RawCursor(connection)
            cursor.execute(query.text, query.parameters or None, prepare=False)
        except psycopg.Error as error:
            return error
    return None


def _breaks_constraint(connection: Connection, catalogue: Catalogue, rows: Rows, error: psycopg.Error) -> list[Mistake]:
    group = rows.group
    match error.sqlstate:
        case "23503" if (foreign := _named(group.table.foreign_keys, group, error)) is not None:
            only_absent = group.mode is Mode.MISSING and not group.late
            return _orphans(connection, catalogue, rows, foreign, only_absent=only_absent)
        case "23505" if (key := _named(group.table.keys, group, error)) is not None:
            return _taken(connection, rows, key)
        case "23502" if error.diag.table_name == group.table.name and error.diag.column_name:
            return _empty(connection, rows, error.diag.column_name)
        case "23514" if (error.diag.schema_name, error.diag.table_name) == (group.table.schema, group.table.name):
            return _unchecked(connection, rows, error)
        case _:
            return []


def _named(keys: Sequence[_Key], group: Group, error: psycopg.Error) -> _Key | None:
    """Return the key that the server says was broken, if it is one of this group's table."""
    if (error.diag.schema_name, error.diag.table_name) != (group.table.schema, group.table.name):
        return None
    return next((key for key in keys if key.name == error.diag.constraint_name), None)


def _orphans(
    connection: Connection, catalogue: Catalogue, rows: Rows, key: ForeignKey, *, only_absent: bool
) -> list[Mistake]:
    """Return the rows whose foreign key leads to no row; a row of the same file counts as one."""
    group = rows.group
    target = catalogue.tables[key.target]
    if not {column.name for column in group.shape.given}.issuperset(key.columns):
        return []
    conditions: list[sql.Composable] = [
        sql.SQL("s.{} IS NOT NULL").format(sql.Identifier(name)) for name in key.columns
    ]
    text = sql.SQL("NOT EXISTS (SELECT FROM {} p WHERE {})")
    conditions.append(text.format(table_name(target), equal("p", key.target_columns, "s", key.columns)))
    if target.oid == group.table.oid and {c.name for c in group.shape.given}.issuperset(key.target_columns):
        conditions.append(text.format(sql.SQL("every"), equal("p", key.target_columns, "s", key.columns)))
    if only_absent:
        conditions.append(absent(group))
    columns = ", ".join(key.target_columns)
    return [
        group.mistake(f"no row of {target} has {columns} {value} (foreign key {key.name}).", number, key.columns[0])
        for number, value in _found(connection, rows, conditions, key.columns)
    ]


def _taken(connection: Connection, rows: Rows, key: Key) -> list[Mistake]:
    """Return the rows whose unique value is in the table or earlier in the file."""
    group = rows.group
    if not {column.name for column in group.shape.given}.issuperset(key.columns):
        return []
    text = sql.SQL(
        "(EXISTS (SELECT FROM {table} o WHERE {same}) OR s.{number} IN (SELECT d.{number} FROM (SELECT e.{number},"
        " row_number() OVER (PARTITION BY {values} ORDER BY e.{number}) AS nth FROM every e) d WHERE d.nth > 1))"
    )
    twice = text.format(
        table=table_name(group.table),
        same=equal("o", key.columns, "s", key.columns),
        number=_NUMBER,
        values=sql.SQL(", ").join(sql.Identifier("e", name) for name in key.columns),
    )
    conditions = [absent(group), twice, *([] if key.nulls_equal else _full(key.columns))]
    columns = ", ".join(key.columns)
    return [
        group.mistake(f"{columns} {value} is taken by another row (unique: {key.name}).", number, key.columns[0])
        for number, value in _found(connection, rows, conditions, key.columns)
    ]


def _full(columns: Sequence[str]) -> list[sql.Composed]:
    return [sql.SQL("s.{} IS NOT NULL").format(sql.Identifier(name)) for name in columns]


def _empty(connection: Connection, rows: Rows, name: str) -> list[Mistake]:
    group = rows.group
    if name not in {column.name for column in group.shape.given}:
        first = group.documents[0][0] if group.documents else 1
        return [group.mistake(f"column {name} of {group.table} needs a value, and has no default.", first)]
    if name in group.late:
        return []
    conditions = [sql.SQL("s.{} IS NULL").format(sql.Identifier(name)), absent(group)]
    return [
        group.mistake("a value is required here (not null).", number, name)
        for number, _ in _found(connection, rows, conditions, (name,))
    ]


def _unchecked(connection: Connection, rows: Rows, error: psycopg.Error) -> list[Mistake]:
    """Return the rows that break a check, if the rows themselves give all the columns that it looks at."""
    group = rows.group
    query = sql.SQL(
        "SELECT pg_get_expr(o.conbin, o.conrelid), ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a"
        " WHERE a.attrelid = o.conrelid AND a.attnum = ANY (o.conkey))"
        " FROM pg_catalog.pg_constraint o WHERE o.conrelid = $1 AND o.conname = $2 AND o.contype = 'c'"
    )
    known = fetch(connection, Query(text=query, parameters=(group.table.oid, error.diag.constraint_name)))
    given = {column.name for column in group.shape.given} - group.late
    if not known or not (isinstance(known[0][1], list) and given.issuperset(known[0][1]) and known[0][1]):
        return []
    # The server's own text, in which columns stand without their table's name.
    conditions = [sql.SQL("NOT ({})").format(sql.SQL(str(known[0][0])))]
    if group.mode is Mode.MISSING:
        conditions.append(absent(group))
    text, column = constraint(connection, group, error)
    try:
        found = _found(connection, rows, conditions, group.key.columns)
    except psycopg.Error:  # it looks at the row as a whole, or the role may not run its function
        return []
    return [group.mistake(text, number, column) for number, _ in found]


def _found(
    connection: Connection, rows: Rows, conditions: Sequence[sql.Composable], columns: Sequence[str]
) -> list[tuple[int, str]]:
    """Return number and value, shortened, of the first rows that meet all conditions."""
    text = sql.SQL(
        "WITH every AS MATERIALIZED ({rows}) SELECT s.{number}, concat_ws(', ', {values}) FROM every s"
        " WHERE {conditions} ORDER BY s.{number} LIMIT {most}"
    )
    query = text.format(
        rows=resolved(rows),
        number=_NUMBER,
        values=sql.SQL(", ").join(sql.SQL("s.{}::text").format(sql.Identifier(name)) for name in columns),
        conditions=sql.SQL(" AND ").join(conditions),
        most=sql.Literal(MOST_MISTAKES),
    )
    with undone(connection):
        found = fetch(connection, Query(text=query, parameters=rows.parameters))
    return [(number, shorten(str(value))) for number, value in found if isinstance(number, int)]


def _first_to_fail(
    connection: Connection, rows: Rows, bounded: Callable[[Rows], Query], error: psycopg.Error
) -> list[Mistake]:
    """Return the row without which, and all after it, the statement does not fail in this way."""
    count = Query(
        text=sql.SQL("SELECT max(s.{}) FROM ({}) s").format(_NUMBER, resolved(rows)), parameters=rows.parameters
    )
    high = fetch(connection, count)[0][0]
    low = 0
    if not isinstance(high, int) or not _fails(connection, bounded(replace(rows, upto=high)), error):
        return []
    while high - low > 1:
        middle = (low + high) // 2
        if _fails(connection, bounded(replace(rows, upto=middle)), error):
            high = middle
        else:
            low = middle
    text, column = constraint(connection, rows.group, error)
    return [rows.group.mistake(text, high, column)]


def _fails(connection: Connection, query: Query, error: psycopg.Error) -> bool:
    found = _error_of(connection, query)
    if found is None:
        return False
    return (found.sqlstate, found.diag.constraint_name) == (error.sqlstate, error.diag.constraint_name)
