"""ADD CONSTRAINT ... CHECK without NOT VALID: reads all rows behind the strongest lock."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.lint.acts import Act
from dbtasks.lint.findings import Severity
from dbtasks.lint.locks import ACCESS_EXCLUSIVE
from dbtasks.lint.rule import Hit, Rule, instead, quoted, sql_name
from dbtasks.lint.world import World


def _check(act: Act, world: World) -> Iterator[Hit]:
    table, constraint = world.table_of(act), act.definition
    checks = constraint.text("contype") == "CONSTR_CHECK" and not constraint.flag("skip_validation")
    if not checks or not table.matters or not constraint.flag("is_enforced"):
        return
    name = quoted(constraint.text("conname") or "<name>")
    yield Hit(
        severity=Severity.HIGH,
        message=f"checks all of {table.shown}{table.measured} while nobody can read or write it",
        lock=ACCESS_EXCLUSIVE,
        safe=instead(
            f"{act.text.rstrip(';')} NOT VALID;",
            "-- In a transaction of its own:",
            f"ALTER TABLE {sql_name(table)} VALIDATE CONSTRAINT {name};",
        ),
    )


RULE = Rule(name="check-scans", on=("AT_AddConstraint",), check=_check)
