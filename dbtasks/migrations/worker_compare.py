"""The worker's look whether models and database agree, by Alembic's own autogenerate; no revision runs.

Part of the worker: standard library only; Alembic is imported where it is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

_OURS = "dbtasks"

# Many an env.py makes the schema of its version table first. It is there, but a session that only reads is told no.
_MAKES_WHAT_IS_THERE = re.compile(r"\s*CREATE\s+(SCHEMA|EXTENSION)\s+IF\s+NOT\s+EXISTS\b[^;]*;?\s*", re.IGNORECASE)
_NOTHING = "DO $$ BEGIN END $$"


def pass_over(event: Any, engine: Any) -> None:
    """Let nothing be made of which a migration, at whose head this database is, has seen to it that it is there."""

    def before(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> tuple[str, Any]:
        return (_NOTHING if _MAKES_WHAT_IS_THERE.fullmatch(statement) else statement), parameters

    event.listen(engine, "before_cursor_execute", before, retval=True)


def differences(config: Any) -> list[str] | None:
    """Return what autogenerate would write, a line each; `None` where env.py names no models that have tables."""
    from alembic.autogenerate import produce_migrations
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    found: list[str] = []
    seen: list[bool] = []

    def look(current: Any, context: Any) -> list[Any]:
        metadata = context.opts.get("target_metadata")
        if any(each.tables for each in _listed(metadata)):
            seen.append(True)
            directives = [produce_migrations(context, metadata)]
            hook = context.opts.get("process_revision_directives")
            if hook is not None:  # the project's own, which may take away what it knows better
                hook(context, current, directives)
            found.extend(line for each in directives for line in _lines(each))
        return []

    script = ScriptDirectory.from_config(config)
    with EnvironmentContext(config, script, fn=look, as_sql=False, dont_mutate=True):
        script.run_env()
    return found if seen else None


def _listed(metadata: Any) -> list[Any]:
    if metadata is None:
        return []
    return list(metadata) if isinstance(metadata, (list, tuple, set)) else [metadata]


def _lines(directive: Any) -> Iterator[str]:
    for operations in directive.upgrade_ops_list:
        for diff in operations.as_diffs():
            for each in diff if isinstance(diff, list) else [diff]:
                if not _is_ours(each):
                    yield " ".join([each[0], ".".join(_words(each[1:]))]).strip()


def _is_ours(diff: Any) -> bool:
    thing = diff[1]
    table = getattr(thing, "table", None)
    return _OURS in (thing, getattr(thing, "schema", None), getattr(table, "schema", None))


def _words(parts: Iterable[Any]) -> Iterator[str]:
    """Yield schema, table and name of what a difference is about, however autogenerate tells it."""
    first, *rest = list(parts)
    if first is None or isinstance(first, str):  # schema, table, then a column or its name
        names = [first, *rest[:1], getattr(rest[1], "name", rest[1])]
    elif getattr(first, "table", None) is not None:  # an index or a constraint
        names = [first.table.schema, first.table.name, first.name or type(first).__name__]
    else:
        names = [first.schema, first.name]
    yield from (str(name) for name in names if name is not None)
