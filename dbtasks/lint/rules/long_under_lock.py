"""Long work while the transaction holds a lock that an earlier statement took: the lock lasts until the commit."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.lint.acts import Act
from dbtasks.lint.findings import Severity
from dbtasks.lint.rule import Hit, Rule
from dbtasks.lint.world import World


def _check(act: Act, world: World) -> Iterator[Hit]:
    if act.kind == "SelectStmt" and not act.node.child("into_clause"):
        return
    table = world.table_of(act)
    if not act.transactional or (act.relation and not table.matters):
        return
    if act.kind == "InsertStmt" and not act.node.child("select_stmt").children("from_clause"):
        return
    for held, lock in world.holding():
        yield Hit(
            severity=Severity.HIGH,
            message=f"works on {table.shown}{table.measured} while this transaction holds {lock} on {held.shown}: "
            "commit before it",
            lock=lock,
        )
        return


RULE = Rule(name="long-under-lock", on=("AT_ValidateConstraint", "UpdateStmt", "InsertStmt"), check=_check)
