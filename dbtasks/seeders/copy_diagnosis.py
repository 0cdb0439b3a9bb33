"""After a COPY that failed: which row of the file it was, from the place that the server tells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from dbtasks.errors import Mistake
from dbtasks.seeders import csv_file
from dbtasks.seeders.batch import Connection
from dbtasks.seeders.diagnosis import NOT_A_ROWS_FAULT
from dbtasks.seeders.phrases import constraint, sentence, unfit
from dbtasks.seeders.shapes import Group

# A table's name, then a word and the number of a line, or the other way round.
_LINE = re.compile(r".*?[,\u3001\uff0c]\s*\D*?(\d+)")
_BEGUN = re.compile(r"^COPY ", re.MULTILINE)
_BAD_FORMAT = "22P04"
# Not null, foreign key, unique: a query finds all of the rows that break them.
_FOUND_BY_QUERY = frozenset(("23502", "23503", "23505"))


def explain_copy(group: Group, error: psycopg.Error) -> list[Mistake]:
    """Return which value of a CSV file the server could not take."""
    place = _place(error, [column.name for column in group.table.columns])
    if place is None:
        return [group.mistake(sentence(error))]
    number = _number(group, place.line)
    if error.sqlstate == _BAD_FORMAT:
        count, wanted = csv_file.value_count(group.source, number), len(csv_file.header(group.source))
        if count != wanted:
            return [group.mistake(csv_file.wrong_count(count, wanted), number)]
        return [group.mistake(sentence(error), number)]
    column = group.table.column(place.column) if place.column else None
    if column is None:
        return [group.mistake(sentence(error), number)]
    return [group.mistake(unfit(column, place.value, error), number, column.name)]


def tells_its_row(error: psycopg.Error) -> bool:
    """Return whether a COPY failed by one row that it names, and no query could tell more of it or of others."""
    code = error.sqlstate or ""
    if code in _FOUND_BY_QUERY or code[:2] in (*NOT_A_ROWS_FAULT, "22"):
        return False
    return _place(error, ()) is not None


def explain_row(connection: Connection, group: Group, error: psycopg.Error) -> list[Mistake]:
    """Return what is wrong in the row of which a COPY into the table itself says that it failed."""
    place = _place(error, ())
    text, column = constraint(connection, group, error)
    return [group.mistake(text, _number(group, place.line) if place else None, column)]


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyPlace:
    """A line of what was sent, and a column and its value where the server knows them."""

    line: int
    column: str | None = None
    value: str | None = None


def copy_place(context: str, columns: Sequence[str]) -> CopyPlace | None:
    """Return the place that a COPY tells in the server's language.

    >>> copy_place('COPY users, line 3, column age: "x y"', ["id", "age"])
    CopyPlace(line=3, column='age', value='x y')
    >>> copy_place('COPY t2, Zeile 3, Spalte e mail: »x«', ["mail", "e mail"])
    CopyPlace(line=3, column='e mail', value='x')
    >>> copy_place("PL/pgSQL function shout() line 1 at RAISE\\nCOPY users, line 12", ["line"])
    CopyPlace(line=12, column=None, value=None)
    >>> copy_place('COPY t, line 1, column a: "COPY x, line 9"', ["a"])
    CopyPlace(line=1, column='a', value='COPY x, line 9')
    """
    begun = _BEGUN.search(context)
    match = _LINE.match(context, begun.end()) if begun else None
    if match is None:
        return None
    after = context[match.end() :]
    named = [name for name in columns if re.match(rf"\W+(?:\w+\W+)?{re.escape(name)}\s*:", after)]
    if not named:
        return CopyPlace(line=int(match[1]))
    name = max(named, key=len)
    value = after.partition(name)[2].partition(":")[2].strip()
    quoted = len(value) > 1 and not value[0].isalnum() and not value[-1].isalnum()
    return CopyPlace(line=int(match[1]), column=name, value=value[1:-1].strip() if quoted else None)


def _place(error: psycopg.Error, columns: Sequence[str]) -> CopyPlace | None:
    return copy_place(error.diag.context or "", columns)


def _number(group: Group, line: int) -> int:
    return csv_file.number_at(group.source, line + csv_file.header_lines(group.source))
