"""UPDATE without a WHERE that chooses: every row is written anew and stays locked until the commit."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.lint.acts import Act
from dbtasks.lint.findings import Severity
from dbtasks.lint.locks import ROW_EXCLUSIVE
from dbtasks.lint.rule import Hit, Rule, instead, sql_name
from dbtasks.lint.rules.delete_all import chooses_nothing
from dbtasks.lint.world import World

# Beside a comparison of columns, which joins, something must tell rows apart.
_TELLS = ("A_Const", "ParamRef", "NullTest", "BooleanTest", "SubLink", "CurrentOfExpr")


def _check(act: Act, world: World) -> Iterator[Hit]:
    table = world.table_of(act)
    condition = act.node.child("where_clause")
    joins = bool(act.node.children("from_clause")) and not any(each.kind in _TELLS for each in condition.walk())
    if table.empty or not (joins or chooses_nothing(condition)):
        return
    name = sql_name(table)
    yield Hit(
        severity=Severity.HIGH,
        message=f"overwrites every row of {table.shown}{table.measured} and keeps all of them locked until the commit",
        lock=ROW_EXCLUSIVE,
        safe=instead(
            "-- Say which rows, in batches, each committed by itself:",
            f"UPDATE {name} SET ... WHERE ctid = ANY (ARRAY(SELECT ctid FROM {name} WHERE <not done> LIMIT 10000));",
        ),
    )


RULE = Rule(name="update-all", on=("UpdateStmt",), check=_check)
