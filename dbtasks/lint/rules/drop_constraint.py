"""DROP CONSTRAINT and DROP INDEX: the database stops guarding something, or queries that were quick are slow."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.lint.acts import Act
from dbtasks.lint.findings import Severity
from dbtasks.lint.locks import ACCESS_EXCLUSIVE
from dbtasks.lint.rule import Hit, Rule, instead
from dbtasks.lint.world import World


def _check(act: Act, world: World) -> Iterator[Hit]:
    if act.kind == "AT_DropConstraint":
        table, name = world.table_of(act), act.node.text("name")
        found = next((each for each in table.constraints if each.name == name), None)
        if table.new or (found is not None and found.kind == "c" and found.proves):
            return
        cascades = act.node.text("behavior") == "DROP_CASCADE"
        message = f"{table.shown} takes rows from now on that {name} would have refused"
        if cascades:
            message += "; by CASCADE so do the tables that refer to it"
        yield Hit(severity=Severity.HIGH if cascades else Severity.MEDIUM, message=message, lock=ACCESS_EXCLUSIVE)
    elif act.node.text("remove_type") == "OBJECT_INDEX" and not act.node.flag("concurrent"):
        for each in act.node.children("objects"):
            found_index = world.index(world.resolved(each.names("items")))
            if found_index is None or not found_index[0].new:
                yield Hit(
                    severity=Severity.MEDIUM,
                    message="waits for everybody on the table, and everybody waits behind it",
                    lock=ACCESS_EXCLUSIVE,
                    safe=instead(act.sql(concurrent=True), outside=True),
                )


RULE = Rule(name="drop-constraint", on=("AT_DropConstraint", "DropStmt"), check=_check)
