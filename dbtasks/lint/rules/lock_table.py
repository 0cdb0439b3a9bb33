"""LOCK TABLE in a mode that blocks, and SELECT ... FOR UPDATE over a whole table."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.lint.acts import Act
from dbtasks.lint.findings import Severity
from dbtasks.lint.locks import MODES, ROW_SHARE, blocks, blocks_writes
from dbtasks.lint.rule import Hit, Rule
from dbtasks.lint.rules.delete_all import chooses_nothing
from dbtasks.lint.world import World


def _check(act: Act, world: World) -> Iterator[Hit]:
    if act.kind == "LockStmt":
        mode = MODES[act.node.number("mode") - 1]
        for table in (world.table(each) for each in act.node.children("relations")):
            if not table.new and blocks_writes(mode):
                yield Hit(
                    severity=Severity.HIGH,
                    message=f"keeps {table.shown}{table.measured} from {blocks(mode)} until the transaction ends",
                    lock=mode,
                )
        return
    tables = [world.table(each) for each in act.node.children("from_clause") if each.kind == "RangeVar"]
    all_rows = chooses_nothing(act.node.child("where_clause")) and not act.node.child("limit_count")
    if act.node.children("locking_clause") and all_rows and any(table.matters for table in tables):
        names = ", ".join(table.shown for table in tables)
        message = f"locks every row of {names} until the transaction ends"
        yield Hit(severity=Severity.HIGH, message=message, lock=ROW_SHARE)


RULE = Rule(name="lock-table", on=("LockStmt", "SelectStmt"), check=_check)
