"""DETACH PARTITION without CONCURRENTLY: waits for everybody on the parent, and everybody waits behind it."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.lint.acts import Act
from dbtasks.lint.findings import Severity
from dbtasks.lint.locks import ACCESS_EXCLUSIVE
from dbtasks.lint.rule import Hit, Rule, instead
from dbtasks.lint.world import World


def _check(act: Act, world: World) -> Iterator[Hit]:
    table = world.table_of(act)
    if not act.definition.flag("concurrent") and not table.new:
        yield Hit(
            severity=Severity.MEDIUM,
            message=f"takes the rows of a partition out of {table.shown}, which nobody can read or write meanwhile",
            lock=ACCESS_EXCLUSIVE,
            safe=instead(f"{act.text.rstrip(';')} CONCURRENTLY;", outside=True),
        )


RULE = Rule(name="detach-partition", on=("AT_DetachPartition",), check=_check)
