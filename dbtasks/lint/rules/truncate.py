"""TRUNCATE: every row is gone, without a trigger for rows and without a WHERE."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.lint.acts import Act
from dbtasks.lint.findings import Severity
from dbtasks.lint.locks import ACCESS_EXCLUSIVE
from dbtasks.lint.rule import Hit, Rule, instead, sql_name
from dbtasks.lint.world import World


def _check(act: Act, world: World) -> Iterator[Hit]:
    cascades = act.node.text("behavior") == "DROP_CASCADE"
    for each in act.node.children("relations"):
        table = world.table(each)
        if table.empty and not cascades:
            continue
        more = ", and those of every table that refers to it" if cascades else ""
        yield Hit(
            severity=Severity.CRITICAL,
            message=f"removes all rows of {table.shown}{table.measured}{more}",
            lock=ACCESS_EXCLUSIVE,
            safe=instead(
                "-- In batches, repeated until no row is left:",
                f"DELETE FROM {sql_name(table)} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {sql_name(table)} "
                "WHERE <which rows> LIMIT 10000));",
            ),
        )


RULE = Rule(name="truncate", on=("TruncateStmt",), check=_check)
