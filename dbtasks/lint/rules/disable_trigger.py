"""Triggers and foreign keys switched off: rows come in that the database would have refused, or nobody hears of."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.lint.acts import Act
from dbtasks.lint.findings import Severity
from dbtasks.lint.locks import SHARE_ROW_EXCLUSIVE
from dbtasks.lint.rule import Hit, Rule
from dbtasks.lint.world import World

_OFF = ("AT_DisableTrig", "AT_DisableTrigAll", "AT_DisableTrigUser", "AT_DisableRule")


def _check(act: Act, world: World) -> Iterator[Hit]:
    if act.kind == "VariableSetStmt":
        values = {each.child("sval").text("sval") for each in act.node.children("args")}
        if act.node.text("name") == "session_replication_role" and "replica" in values:
            yield Hit(severity=Severity.HIGH, message="switches all triggers and foreign keys off for this session")
        return
    table = world.table_of(act)
    if not table.new:
        yield Hit(
            severity=Severity.HIGH,
            message=f"switches triggers of {table.shown} off, for everybody: with ALL, its foreign keys as well",
            lock=SHARE_ROW_EXCLUSIVE,
        )


RULE = Rule(name="disable-trigger", on=(*_OFF, "VariableSetStmt"), check=_check)
