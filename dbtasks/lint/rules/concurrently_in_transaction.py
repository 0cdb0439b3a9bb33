"""CONCURRENTLY, VACUUM and the like inside of a transaction: they fail there."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.lint.acts import Act
from dbtasks.lint.findings import Severity
from dbtasks.lint.rule import Hit, Rule, instead
from dbtasks.lint.rules.rewrite_table import option
from dbtasks.lint.world import World

_ALWAYS = {"VacuumStmt", "AlterSystemStmt", "CreatedbStmt", "DropdbStmt"}


def _check(act: Act, world: World) -> Iterator[Hit]:
    concurrent = act.node.flag("concurrent") or (act.kind == "AT_DetachPartition" and act.definition.flag("concurrent"))
    concurrent = concurrent or option(act.node, "params", "concurrently")
    vacuum = act.kind in _ALWAYS and (act.kind != "VacuumStmt" or act.node.flag("is_vacuumcmd"))
    on_view = act.kind == "RefreshMatViewStmt"  # may stand in a transaction
    if act.transactional and (concurrent or vacuum) and not on_view:
        yield Hit(
            severity=Severity.HIGH,
            message="cannot run inside of a transaction and fails there",
            safe=instead(f"{act.text.rstrip(';')};", outside=True),
        )
    elif act.kind == "IndexStmt" and concurrent and world.table_of(act).partitioned:
        yield Hit(
            severity=Severity.HIGH,
            message="an index on a partitioned table cannot be built CONCURRENTLY: build it on each partition",
        )


RULE = Rule(
    name="concurrently-in-transaction",
    on=("IndexStmt", "DropStmt", "ReindexStmt", "AT_DetachPartition", *sorted(_ALWAYS)),
    check=_check,
)
