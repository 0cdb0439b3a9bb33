"""What two versions of PostgreSQL print differently, printed by one of them.

Up to version 15 a view's columns are written with their table's name everywhere, since 16 where that is needed. The
text of one server, read and printed again by the other, is what the other would have said.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

import psycopg
from psycopg import sql

from dbtasks.database import Connection, several
from dbtasks.drift.queries import SETTINGS
from dbtasks.drift.schema import Difference, Kind, What

_VIEW = sql.SQL("CREATE TEMPORARY VIEW dbtasks_reprint AS {}")
_VIEW_SAYS = sql.SQL("SELECT pg_get_viewdef('pg_temp.dbtasks_reprint'::regclass)")
_POLICY = sql.SQL("CREATE POLICY dbtasks_reprint ON {} {}")
_POLICY_SAYS = sql.SQL("""
SELECT concat_ws(' ', 'USING (' || pg_get_expr(polqual, polrelid) || ')',
                 'WITH CHECK (' || pg_get_expr(polwithcheck, polrelid) || ')')
  FROM pg_policy WHERE polname = 'dbtasks_reprint'
""")
_CONDITION = re.compile(r"(.*? TO .*?) ((?:USING|WITH CHECK) \(.*)", re.DOTALL)


def still_different(connection: Connection, found: Iterable[Difference]) -> Iterator[Difference]:
    """Yield the differences that are left once the reference's server has printed the other one's definitions.

    What it cannot read stays different. `connection` may write to the reference; nothing of this is left in it.
    """
    for each in found:
        if each.what is not What.OTHER or each.expected is None or each.found is None:
            yield each
            continue
        text = _printed(connection, each, each.found)
        if text is None or text != each.expected:
            yield each if text is None else replace(each, found=text)


def _printed(connection: Connection, each: Difference, text: str) -> str | None:
    """Return a definition as this server prints it; `None` where it does not understand it, or it is never asked."""
    head, _, body = text.partition("\n")
    condition = _CONDITION.fullmatch(text)
    if each.kind is Kind.VIEW:
        said = _asked(connection, _VIEW.format(sql.SQL(body.rstrip(";"))), _VIEW_SAYS)  # the catalogue's own text
        return None if said is None else f"{head}\n{said}"
    if each.kind is Kind.POLICY and condition:
        make = _POLICY.format(sql.SQL(each.within), sql.SQL(condition[2]))
        said = _asked(connection, make, _POLICY_SAYS)
        return None if said is None else f"{condition[1]} {said}"
    return None


def _asked(connection: Connection, make: sql.Composed, says: sql.SQL) -> str | None:
    try:
        with connection.transaction(force_rollback=True):
            several(connection, sql.SQL(SETTINGS).format("", ""))
            connection.execute(make, prepare=True)  # one statement, whatever the other server's text holds
            row = connection.execute(says).fetchone()
            return str(row[0]) if row else None
    except psycopg.Error:
        return None
