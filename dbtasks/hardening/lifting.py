"""Taking the guards back: event triggers first, since they would stop the rest, then what each measure has changed."""

from __future__ import annotations

from collections.abc import Iterator

from psycopg import sql

from dbtasks.database import Connection
from dbtasks.hardening import reading, texts
from dbtasks.hardening.putting import role_of, table_of, tried
from dbtasks.measures import Earlier, Guard

_GUARDED = """
SELECT n.nspname::text, c.relname::text, t.tgname::text
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE t.tgfoid = to_regproc('dbtasks.guard_truncate') AND t.tgparentid = 0 ORDER BY 1, 2
"""


def lift(connection: Connection) -> tuple[str, ...]:
    """Lift all guards of this database, and return what the server refused, in its words. Then the record stays."""
    record = reading.recorded(connection)
    refused = [
        reason for each in _statements(connection, record.was if record else ()) if (reason := tried(connection, each))
    ]
    if record is not None and not refused:
        connection.execute(_FORGET)
    return tuple(dict.fromkeys(refused))


_FORGET = """
DELETE FROM dbtasks.hardening
 WHERE system_identifier = (SELECT system_identifier FROM pg_control_system())
   AND database_oid = (SELECT oid::bigint FROM pg_database WHERE datname = current_database())
"""


def _statements(connection: Connection, was: tuple[Earlier, ...]) -> Iterator[list[sql.Composed]]:
    events = [sql.Identifier(f"{texts.PREFIX}{event}") for event in texts.EVENTS]
    yield [sql.SQL("DROP EVENT TRIGGER IF EXISTS {}").format(each) for each in events]
    for schema, table, trigger in connection.execute(_GUARDED).fetchall():
        names = sql.Identifier(str(trigger)), sql.Identifier(str(schema), str(table))
        yield [sql.SQL("DROP TRIGGER IF EXISTS {} ON {}").format(*names)]
    yield [sql.SQL("DROP FUNCTION IF EXISTS dbtasks.{}()").format(sql.Identifier(name)) for name in texts.functions("")]
    for each in was:
        yield _as_before(connection, each)


def _as_before(connection: Connection, each: Earlier) -> list[sql.Composed]:
    here = sql.Identifier(connection.info.dbname)
    match each.guard:
        case Guard.DATABASE:
            return [sql.SQL("ALTER DATABASE {} IS_TEMPLATE {}").format(here, each.was == "true")]
        case Guard.LIMIT:
            return [sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(here, int(each.was or -1))]
        case Guard.RIGHT:
            give = sql.SQL("GRANT TRUNCATE ON TABLE {} TO {}")
            return [give.format(table, role_of(each.name)) for table in table_of(connection, each.on)]
        case Guard.SESSIONS:
            limit = sql.SQL("ALTER ROLE {} CONNECTION LIMIT {}")
            return [limit.format(sql.Identifier(each.on), int(each.was or -1))]
        case Guard.SETTING:
            name = sql.Identifier(each.name)
            to = sql.SQL("RESET {}").format(name)
            if each.was is not None:
                to = sql.SQL("SET {} TO {}").format(name, sql.Literal(each.was))
            return [sql.SQL("ALTER ROLE {} IN DATABASE {} {}").format(sql.Identifier(each.on), here, to)]
        case Guard.DROPS | Guard.TRUNCATE:
            return []
