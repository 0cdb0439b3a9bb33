"""CREATE INDEX without CONCURRENTLY: nobody writes to the table until it is built."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.lint.acts import Act
from dbtasks.lint.findings import Severity
from dbtasks.lint.locks import SHARE
from dbtasks.lint.rule import Hit, Rule, instead, quoted, sql_name
from dbtasks.lint.world import World


def _check(act: Act, world: World) -> Iterator[Hit]:
    table = world.table_of(act)
    if act.node.flag("concurrent") or not table.matters:
        return
    if act.node.flag("if_not_exists") and (table.schema, act.node.text("idxname")) in world.indexes:
        return
    name = quoted(act.node.text("idxname") or f"{table.name}_index")
    if table.partitioned:
        part = quoted(f"{act.node.text('idxname') or table.name}_1")
        safe = instead(
            "-- Not for a partitioned table: build it on each partition, then attach them.",
            f"CREATE INDEX {name} ON ONLY {sql_name(table)} (...);",
            f"CREATE INDEX CONCURRENTLY {part} ON <partition> (...);",
            f"ALTER INDEX {name} ATTACH PARTITION {part};",
        )
    else:
        safe = instead(act.sql(concurrent=True), outside=True)
    yield Hit(
        severity=Severity.HIGH,
        message=f"builds an index on {table.shown}{table.measured} while nobody can write to it",
        lock=SHARE,
        safe=safe,
    )


RULE = Rule(name="index-blocks", on=("IndexStmt",), check=_check)
