"""ADD COLUMN with UNIQUE, PRIMARY KEY or CHECK beside it: all rows are read behind the strongest lock."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.lint.acts import Act
from dbtasks.lint.findings import Severity
from dbtasks.lint.locks import ACCESS_EXCLUSIVE, SHARE_ROW_EXCLUSIVE
from dbtasks.lint.rule import Hit, Rule, instead, quoted, sql_name
from dbtasks.lint.world import World

_SCANS = {
    "CONSTR_UNIQUE": "builds a unique index over",
    "CONSTR_PRIMARY": "builds a primary key over",
    "CONSTR_CHECK": "checks all of",
}


def _check(act: Act, world: World) -> Iterator[Hit]:
    table, column = world.table_of(act), act.definition.text("colname")
    if not table.matters:
        return
    constraints = act.definition.children("constraints")
    has_default = any(each.text("contype") == "CONSTR_DEFAULT" for each in constraints)
    for each in constraints:
        kind = each.text("contype")
        if kind in _SCANS:
            yield Hit(
                severity=Severity.HIGH,
                message=f"{_SCANS[kind]} {table.shown}{table.measured} while nobody can read or write it",
                lock=ACCESS_EXCLUSIVE,
                safe=instead(
                    f"ALTER TABLE {sql_name(table)} ADD COLUMN {quoted(column)} <type>;",
                    "-- Then the constraint by itself: see the rules unique-blocks and check-scans.",
                ),
            )
        elif kind == "CONSTR_FOREIGN" and has_default:
            yield Hit(
                severity=Severity.HIGH,
                message=f"looks up every row of {table.shown}{table.measured} in the table referred to, behind a lock",
                lock=SHARE_ROW_EXCLUSIVE,
            )


RULE = Rule(name="add-column-checked", on=("AT_AddColumn",), check=_check)
