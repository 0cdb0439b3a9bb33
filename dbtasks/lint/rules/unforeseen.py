"""What a rehearsal saw and nothing else foretold: a function or a trigger that rewrites or locks a table."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.lint.acts import REHEARSED, Act
from dbtasks.lint.findings import Severity
from dbtasks.lint.locks import ACCESS_EXCLUSIVE, blocks, blocks_writes
from dbtasks.lint.rule import Hit, Rule
from dbtasks.lint.world import World


def _check(act: Act, world: World) -> Iterator[Hit]:
    rewritten = [table for each in act.statement.rewrites if (table := world.named(tuple(each.split(".")))).matters]
    for table in rewritten:
        yield Hit(
            severity=Severity.HIGH,
            message=f"wrote all of {table.shown}{table.measured} anew when it was rehearsed",
            lock=ACCESS_EXCLUSIVE,
        )
    for lock in act.statement.locks:
        table = world.named(tuple(lock.relation.split(".")))
        if blocks_writes(lock.mode) and table.matters and table not in rewritten:
            message = (
                f"took {lock.mode} on {table.shown}{table.measured} when it was rehearsed: {blocks(lock.mode)} wait"
            )
            yield Hit(severity=Severity.LOW, message=message, lock=lock.mode)


RULE = Rule(name="unforeseen", on=(REHEARSED,), check=_check)
