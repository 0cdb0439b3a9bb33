"""ADD UNIQUE, PRIMARY KEY or EXCLUDE: builds its index while nobody can read or write the table."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.lint.acts import Act
from dbtasks.lint.catalogue import Table
from dbtasks.lint.findings import Severity
from dbtasks.lint.locks import ACCESS_EXCLUSIVE
from dbtasks.lint.rule import Hit, Rule, instead, literal, quoted, sql_name
from dbtasks.lint.world import World

_WORDS = {"CONSTR_UNIQUE": "UNIQUE", "CONSTR_PRIMARY": "PRIMARY KEY", "CONSTR_EXCLUSION": "EXCLUDE"}


def _check(act: Act, world: World) -> Iterator[Hit]:
    table, constraint = world.table_of(act), act.definition
    word = _WORDS.get(constraint.text("contype"))
    if word is None or not table.matters:
        return
    ready = constraint.text("indexname")
    if ready and (word != "PRIMARY KEY" or _proven(table, ready)):
        return
    name = quoted(constraint.text("conname") or f"{table.name}_key")
    columns = ", ".join(quoted(each) for each in constraint.names("keys"))
    build = f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {sql_name(table)} ({columns});"
    attach = f"ALTER TABLE {sql_name(table)} ADD CONSTRAINT {name} {word} USING INDEX {name};"
    if ready:
        message = f"reads all of {table.shown}{table.measured} for NULLs in the key, while nobody can read or write it"
    else:
        message = f"builds the index of {word} on {table.shown}{table.measured} while nobody can read or write it"
    safe = instead(
        "-- Outside of a transaction:",
        build,
        "-- Then:",
        attach,
        alembic="with op.get_context().autocommit_block():\n"
        f"    op.execute({literal(build)})\nop.execute({literal(attach)})",
    )
    yield Hit(
        severity=Severity.HIGH,
        message=message,
        lock=ACCESS_EXCLUSIVE,
        safe=None if ready or word == "EXCLUDE" else safe,
    )


def _proven(table: Table, index: str) -> bool:
    """Return whether it is known that no column of an index holds NULL."""
    found = next((each for each in table.indexes if each.name == index), None)
    return found is not None and all(table.validates_not_null(each) for each in found.columns)


RULE = Rule(name="unique-blocks", on=("AT_AddConstraint",), check=_check)
