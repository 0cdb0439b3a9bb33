"""SET NOT NULL: reads all rows behind the strongest lock, unless a validated constraint proves it already."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.lint.acts import Act
from dbtasks.lint.findings import Severity
from dbtasks.lint.locks import ACCESS_EXCLUSIVE
from dbtasks.lint.rule import Hit, Rule, instead, quoted, sql_name
from dbtasks.lint.world import World


def _check(act: Act, world: World) -> Iterator[Hit]:
    table = world.table_of(act)
    added = act.kind == "AT_AddConstraint"
    if added and (act.definition.text("contype") != "CONSTR_NOTNULL" or act.definition.flag("skip_validation")):
        return
    column = act.definition.names("keys")[0] if added else act.node.text("name")
    if not table.matters or table.validates_not_null(column):
        return
    name, proof = sql_name(table), quoted(f"{column}_there")
    yield Hit(
        severity=Severity.HIGH,
        message=f"reads all of {table.shown}{table.measured} for a NULL in {column} while nobody can read or write it",
        lock=ACCESS_EXCLUSIVE,
        safe=instead(
            f"ALTER TABLE {name} ADD CONSTRAINT {proof} CHECK ({quoted(column)} IS NOT NULL) NOT VALID;",
            "-- In a transaction of its own, since the lock of the first lasts until its commit:",
            f"ALTER TABLE {name} VALIDATE CONSTRAINT {proof};",
            f"ALTER TABLE {name} ALTER COLUMN {quoted(column)} SET NOT NULL;",
            f"ALTER TABLE {name} DROP CONSTRAINT {proof};",
        ),
    )


RULE = Rule(name="set-not-null", on=("AT_SetNotNull", "AT_AddConstraint"), check=_check)
