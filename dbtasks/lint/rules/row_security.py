"""Row level security on or off, and its policies: other rows are seen than before."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.lint.acts import Act
from dbtasks.lint.findings import Severity
from dbtasks.lint.locks import ACCESS_EXCLUSIVE
from dbtasks.lint.rule import Hit, Rule, instead, sql_name
from dbtasks.lint.world import World

_COMMANDS = ("AT_EnableRowSecurity", "AT_DisableRowSecurity", "AT_ForceRowSecurity")


def _check(act: Act, world: World) -> Iterator[Hit]:
    if act.kind in _COMMANDS:
        yield from _switched(act, world)
    elif act.kind == "DropStmt":
        if act.node.text("remove_type") == "OBJECT_POLICY":
            yield Hit(
                severity=Severity.HIGH,
                message="drops a policy: rows that it showed are hidden, or rows that it hid are shown",
                lock=ACCESS_EXCLUSIVE,
            )
    else:
        table = world.table(act.node.child("table"))
        if not table.new and table.row_security:
            message = f"changes which rows of {table.shown} people see"
            yield Hit(severity=Severity.MEDIUM, message=message, lock=ACCESS_EXCLUSIVE)


def _switched(act: Act, world: World) -> Iterator[Hit]:
    table = world.table_of(act)
    if table.new:
        return
    if act.kind == "AT_DisableRowSecurity":
        if table.row_security or not world.known:
            message = f"shows all rows of {table.shown} to whoever may read it"
            yield Hit(severity=Severity.HIGH, message=message, lock=ACCESS_EXCLUSIVE)
    elif not table.policies:
        yield Hit(
            severity=Severity.HIGH,
            message=f"hides all rows of {table.shown} from everybody but its owner: there is no policy that shows any",
            lock=ACCESS_EXCLUSIVE,
            safe=instead(
                "-- Before it, in the same transaction:",
                f"CREATE POLICY everybody ON {sql_name(table)} USING (true);",
            ),
        )
    elif not table.row_security:
        message = f"shows of {table.shown} only what its policies allow"
        yield Hit(severity=Severity.MEDIUM, message=message, lock=ACCESS_EXCLUSIVE)


RULE = Rule(name="row-security", on=(*_COMMANDS, "DropStmt", "CreatePolicyStmt", "AlterPolicyStmt"), check=_check)
