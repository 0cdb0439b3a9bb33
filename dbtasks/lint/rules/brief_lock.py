"""Changes of a table that take an instant, behind the strongest lock: short, and yet everybody may queue behind it."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.lint.acts import Act
from dbtasks.lint.findings import Severity
from dbtasks.lint.locks import ACCESS_EXCLUSIVE, SHARE_ROW_EXCLUSIVE
from dbtasks.lint.rule import Hit, Rule, instead
from dbtasks.lint.world import World

_WEAKER = {"CreateTrigStmt": SHARE_ROW_EXCLUSIVE}


def _check(act: Act, world: World) -> Iterator[Hit]:
    table = world.table_of(act)
    refers = act.kind == "AT_AddConstraint" and act.definition.text("contype") == "CONSTR_FOREIGN"
    if not table.new and not world.absent((table.schema, table.name)):
        yield Hit(
            severity=Severity.ADVICE,
            message=f"takes an instant, but waits for everybody on {table.shown}, and everybody waits behind it",
            lock=SHARE_ROW_EXCLUSIVE if refers else _WEAKER.get(act.kind, ACCESS_EXCLUSIVE),
            safe=instead("SET LOCAL lock_timeout = '3s';", f"{act.text.rstrip(';')};"),
        )


RULE = Rule(
    name="brief-lock",
    on=(
        "AT_AddColumn", "AT_AddConstraint", "AT_AlterColumnType", "AT_ColumnDefault", "AT_DropNotNull", "AT_SetNotNull",
        "AT_AddIdentity", "AT_DropIdentity", "AT_DropExpression", "AT_ReplicaIdentity", "AT_AddInherit",
        "AT_DropInherit", "AT_EnableTrig", "AT_EnableTrigAll", "AT_SetStorage", "AT_SetCompression", "AT_AddOf",
        "CreateTrigStmt", "RuleStmt",
    ),
    check=_check,
)  # fmt: skip
