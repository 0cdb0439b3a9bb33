"""The functions and triggers, as SQL. The role that passes is written into the functions, where nobody can set it.

The functions lie in our schema and not in the application's: dropping `public` must not take them along. Whoever owns
our schema could drop them all the same, so the commands that do so are stopped before they begin.
"""

from __future__ import annotations

import hashlib
import re
from typing import LiteralString

from psycopg import sql

# What `drift`, a rehearsal's model and a backup know these by.
PREFIX = "dbtasks_guard_"
TRIGGER = f"{PREFIX}truncate"

# A line of `pg_restore --list` that is one of ours: guards belong to a database, and only a superuser can restore them.
IN_A_DUMP = re.compile(r"\d+; \d+ \d+ (?:(?:EVENT )?TRIGGER \S+ .*\bdbtasks_guard_|FUNCTION dbtasks guard_)")

_REFUSE: LiteralString = """RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
        MESSAGE = format('%s is refused: this database is guarded, and only {passes} may', TG_TAG),
        HINT = 'What should go, goes by a revision: invoke migrate. Nothing was changed.';"""

_FUNCTIONS: dict[str, tuple[LiteralString, LiteralString]] = {
    # Before anything happens: what would take these very functions along.
    "guard_commands": (
        "event_trigger",
        """BEGIN
    IF session_user = {passes} THEN RETURN; END IF;
    {refuse}
END""",
    ),
    # What somebody made for the session is theirs. A default goes without any data, and with every temporary table.
    "guard_drops": (
        "event_trigger",
        """BEGIN
    IF session_user = {passes} THEN RETURN; END IF;
    IF EXISTS (SELECT FROM pg_event_trigger_dropped_objects()
                WHERE original AND NOT is_temporary AND object_type <> 'default value') THEN
        {refuse}
    END IF;
END""",
    ),
    # A new table gets its trigger, whoever makes it. Where that fails it is made all the same, and a check tells.
    "guard_tables": (
        "event_trigger",
        """DECLARE made record;
BEGIN
    FOR made IN SELECT DISTINCT c.oid, c.oid::regclass::text AS name
                  FROM pg_event_trigger_ddl_commands() d JOIN pg_class c ON c.oid = d.objid
                 WHERE d.classid = 'pg_class'::regclass AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
                   AND d.command_tag <> 'ALTER TABLE'
                   AND NOT EXISTS (SELECT FROM pg_trigger t
                                    WHERE t.tgrelid = c.oid AND t.tgfoid = 'dbtasks.guard_truncate'::regproc)
    LOOP
        BEGIN
            EXECUTE format('CREATE TRIGGER {trigger} BEFORE TRUNCATE ON %s EXECUTE FUNCTION dbtasks.guard_truncate()',
                           made.name);
            EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER {trigger}', made.name);
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING '% is not guarded against TRUNCATE: %', made.name, SQLERRM;
        END;
    END LOOP;
    IF session_user <> {passes} AND EXISTS (
        SELECT FROM pg_event_trigger_ddl_commands() d JOIN pg_trigger t ON t.tgrelid = d.objid
         WHERE d.classid = 'pg_class'::regclass AND t.tgfoid = 'dbtasks.guard_truncate'::regproc
           AND t.tgenabled <> 'A') THEN
        {refuse}
    END IF;
END""",
    ),
    "guard_truncate": (
        "trigger",
        """BEGIN
    IF session_user = {passes} THEN RETURN NULL; END IF;
    {refuse_truncate}
END""",
    ),
}

# Event triggers, each by its event and the tags that it hears; no tags: all.
EVENTS: dict[str, tuple[LiteralString, tuple[str, ...]]] = {
    "commands": (
        "ddl_command_start",
        ("DROP SCHEMA", "DROP FUNCTION", "DROP PROCEDURE", "DROP ROUTINE", "DROP OWNED", "DROP EXTENSION"),
    ),
    "drops": ("sql_drop", ()),
    "tables": ("ddl_command_end", ("CREATE TABLE", "CREATE TABLE AS", "SELECT INTO", "ALTER TABLE")),
}


def functions(passes: str) -> dict[str, str]:
    """Return each function's body by its name.

    >>> sorted(functions("migrator")) == sorted(_FUNCTIONS)
    True
    """
    role = "'" + passes.replace("'", "''") + "'"
    refusal = _REFUSE.format(passes=passes.replace("'", "''").replace("%", "%%"))
    truncate = refusal.replace("TG_TAG", "'TRUNCATE'")
    return {
        name: body.replace("{refuse_truncate}", truncate)
        .replace("{refuse}", refusal)
        .replace("{passes}", role)
        .replace("{trigger}", TRIGGER)
        for name, (_, body) in _FUNCTIONS.items()
    }


def digests(passes: str) -> dict[str, str]:
    """Return the md5 of each body, as `md5(prosrc)` gives it: a function that somebody has changed is none of ours."""
    bodies = functions(passes)
    return {name: hashlib.md5(body.encode(), usedforsecurity=False).hexdigest() for name, body in bodies.items()}


def create_functions(passes: str) -> list[sql.Composed]:
    """Return the statements that make them. Whoever runs these owns them from then on, and alone can change them."""
    made = sql.SQL(
        "CREATE OR REPLACE FUNCTION dbtasks.{name}() RETURNS {kind} LANGUAGE plpgsql"
        " SET search_path = pg_catalog, pg_temp AS {body}; ALTER FUNCTION dbtasks.{name}() OWNER TO CURRENT_USER"
    )
    return [
        made.format(name=sql.Identifier(name), kind=sql.SQL(_FUNCTIONS[name][0]), body=sql.Literal(body))
        for name, body in functions(passes).items()
    ]


def create_event_triggers() -> list[sql.Composed]:
    """Return the statements that make the event triggers, in place of those that are there.

    ALWAYS: also in a session whose `session_replication_role` is `replica`.
    """
    statements: list[sql.Composed] = []
    for name, (event, tags) in EVENTS.items():
        trigger = sql.Identifier(f"{PREFIX}{name}")
        when = sql.SQL(" WHEN TAG IN ({})").format(sql.SQL(", ").join(map(sql.Literal, tags))) if tags else sql.SQL("")
        statements += [
            sql.SQL("DROP EVENT TRIGGER IF EXISTS {}").format(trigger),
            sql.SQL("CREATE EVENT TRIGGER {} ON {}{} EXECUTE FUNCTION dbtasks.{}()").format(
                trigger, sql.SQL(event), when, sql.Identifier(f"guard_{name}")
            ),
            sql.SQL("ALTER EVENT TRIGGER {} ENABLE ALWAYS").format(trigger),
        ]
    return statements


def guard_table(table: sql.Composable) -> sql.Composed:
    """Return the statements that put the trigger on a table, in place of one that is there."""
    return sql.SQL(
        "CREATE OR REPLACE TRIGGER {trigger} BEFORE TRUNCATE ON {table} EXECUTE FUNCTION dbtasks.guard_truncate();"
        " ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}"
    ).format(trigger=sql.Identifier(TRIGGER), table=table)


# How it was before, so that it can be again, and which role passes. A copy carries the row along, with another's oid.
CREATE = """
DO $create$
BEGIN
IF to_regclass('dbtasks.hardening') IS NOT NULL THEN
    RETURN;
END IF;
CREATE TABLE dbtasks.hardening (
    system_identifier bigint NOT NULL,
    database_oid      bigint NOT NULL,
    passes            text NOT NULL,
    was               jsonb NOT NULL,
    hardened_at       timestamptz NOT NULL DEFAULT now(),
    hardened_by       text NOT NULL,
    PRIMARY KEY (system_identifier, database_oid)
);
GRANT SELECT ON dbtasks.hardening TO PUBLIC;
END
$create$
"""
