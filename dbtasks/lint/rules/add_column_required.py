"""ADD COLUMN NOT NULL without a default: it fails where there are rows, and running code cannot insert any more."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.lint.acts import Act
from dbtasks.lint.findings import Severity
from dbtasks.lint.locks import ACCESS_EXCLUSIVE
from dbtasks.lint.rule import Hit, Rule, instead, quoted, sql_name
from dbtasks.lint.types import type_of
from dbtasks.lint.world import World


def _check(act: Act, world: World) -> Iterator[Hit]:
    table, column = world.table_of(act), act.definition.text("colname")
    kinds = {each.text("contype") for each in act.definition.children("constraints")}
    required = bool(kinds & {"CONSTR_NOTNULL", "CONSTR_PRIMARY"})
    filled = bool(kinds & {"CONSTR_DEFAULT", "CONSTR_IDENTITY", "CONSTR_GENERATED"})
    if table.new or not required or filled or "serial" in type_of(act.definition.child("type_name")).name:
        return
    if act.node.flag("missing_ok") and table.columns is not None and column in table.columns:
        return
    name, there = sql_name(table), quoted(f"{column}_there")
    yield Hit(
        severity=Severity.HIGH,
        message=f"adds {table.shown}.{column} as NOT NULL without a default: fails where {table.shown} has rows, "
        "and running code cannot insert any",
        lock=ACCESS_EXCLUSIVE,
        safe=instead(
            f"ALTER TABLE {name} ADD COLUMN {quoted(column)} <type>;",
            "-- Fill it in batches, then, each in a transaction of its own:",
            f"ALTER TABLE {name} ADD CONSTRAINT {there} CHECK ({quoted(column)} IS NOT NULL) NOT VALID;",
            f"ALTER TABLE {name} VALIDATE CONSTRAINT {there};",
            f"ALTER TABLE {name} ALTER COLUMN {quoted(column)} SET NOT NULL;",
        ),
    )


RULE = Rule(name="add-column-required", on=("AT_AddColumn",), check=_check)
