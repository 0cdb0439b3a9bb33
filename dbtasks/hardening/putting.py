"""Guards are put one by one, each in a transaction of its own: what the server refuses keeps nothing else away."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from dbtasks.conninfo import mask
from dbtasks.database import Connection
from dbtasks.hardening import reading, texts
from dbtasks.measures import Grounds, Guard, Hardening, Measure, PutGuards, earlier, measures, missing
from dbtasks.values import dataclass

_ON_TABLES = (Guard.DROPS, Guard.TRUNCATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """What came of it, looked at again afterwards. `refused` are those that are not there, each with the reason."""

    done: tuple[Measure, ...]
    refused: tuple[tuple[Measure, str], ...]


def put(
    connection: Connection, wanted: Hardening, step: PutGuards, person: str, said: Callable[[int, int], None]
) -> Put:
    """Take the step's measures. `said` hears how many are taken, of how many."""
    grounds = reading.read(connection, wanted)
    _write_down(connection, grounds, step, person)
    reasons: dict[Measure, str] = {}
    functions = ""
    if any(each.guard in _ON_TABLES for each in step.measures):
        record = sql.Identifier("dbtasks", "hardening")
        functions = tried(connection, [*texts.create_functions(step.passes), texts.guard_table(record)])
    for number, measure in enumerate(step.measures):
        said(number, len(step.measures))
        reason = functions if measure.guard in _ON_TABLES else ""
        reason = reason or tried(connection, _statements(connection, measure))
        if reason:
            reasons[measure] = reason
    left = {(each.guard, each.on, each.value) for each in missing(measures(wanted, reading.read(connection, wanted)))}
    there = [(each, (each.guard, each.on, each.value) in left) for each in step.measures]
    return Put(
        done=tuple(each for each, lacking in there if not lacking),
        refused=tuple((each, reasons.get(each, "it is not there afterwards")) for each, lacking in there if lacking),
    )


def _statements(connection: Connection, measure: Measure) -> list[sql.Composed]:
    here = sql.Identifier(connection.info.dbname)
    match measure.guard:
        case Guard.DATABASE:
            return [sql.SQL("ALTER DATABASE {} IS_TEMPLATE true").format(here)]
        case Guard.DROPS:
            return texts.create_event_triggers()
        case Guard.LIMIT:
            return [sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(here, int(measure.value))]
        case Guard.TRUNCATE:
            return [texts.guard_table(each) for each in table_of(connection, measure.on)]
        case Guard.RIGHT:
            whom = role_of(measure.value)
            take = sql.SQL("REVOKE TRUNCATE ON TABLE {} FROM {}")
            return [take.format(each, whom) for each in table_of(connection, measure.on)]
        case Guard.SETTING:
            name, _, value = measure.value.partition("=")
            return [
                sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} TO {}").format(
                    sql.Identifier(measure.on), here, sql.Identifier(name), sql.Literal(value)
                )
            ]
        case Guard.SESSIONS:
            limit = sql.SQL("ALTER ROLE {} CONNECTION LIMIT {}")
            return [limit.format(sql.Identifier(measure.on), int(measure.value))]


def table_of(connection: Connection, name: str) -> list[sql.Identifier]:
    """Return the table that a name, as SQL writes it, belongs to; none where it has gone."""
    found = connection.execute(
        "SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.oid = to_regclass(%s)",
        [name],
    ).fetchall()
    return [sql.Identifier(str(schema), str(table)) for schema, table in found]


def role_of(name: str) -> sql.Composable:
    """Return a role as SQL writes it; no role can be called public."""
    return sql.SQL("PUBLIC") if name == "public" else sql.Identifier(name)


def tried(connection: Connection, statements: Iterable[sql.Composed]) -> str:
    """Run statements in one transaction; return what the server says against it, empty where they ran."""
    try:
        with connection.transaction():
            for each in statements:
                connection.execute(each)
    except psycopg.errors.UndefinedObject:
        return ""  # a role or trigger that has gone meanwhile
    except psycopg.Error as error:
        if connection.closed:
            raise
        return mask(str(error)).strip().splitlines()[0]
    return ""


def _write_down(connection: Connection, grounds: Grounds, step: PutGuards, person: str) -> None:
    """Write down how it was before each measure, the first time that it is taken, so that it can be again."""
    with connection.transaction():
        connection.execute(texts.CREATE)
        known = reading.recorded(connection)
        was = earlier(step.measures, grounds, known.was if known else ())
        rows = Jsonb([[each.guard.name, each.on, each.name, each.was] for each in was])
        connection.execute(_PUT, {"passes": step.passes, "was": rows, "person": person})


_PUT = """
INSERT INTO dbtasks.hardening (system_identifier, database_oid, passes, was, hardened_by)
SELECT s.system_identifier, d.oid::bigint, %(passes)s, %(was)s, %(person)s
  FROM pg_control_system() s, pg_database d WHERE d.datname = current_database()
    ON CONFLICT (system_identifier, database_oid) DO UPDATE
   SET (passes, was, hardened_at, hardened_by) = (EXCLUDED.passes, EXCLUDED.was, now(), EXCLUDED.hardened_by)
"""
