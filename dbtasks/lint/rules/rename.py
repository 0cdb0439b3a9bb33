"""Renames and moves: running code asks by the old name, and fails."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.lint.acts import Act
from dbtasks.lint.findings import Severity
from dbtasks.lint.locks import ACCESS_EXCLUSIVE
from dbtasks.lint.rule import Hit, Rule, instead, quoted, sql_name
from dbtasks.lint.world import World

_HARD = {"OBJECT_TABLE", "OBJECT_COLUMN", "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_SCHEMA", "OBJECT_SEQUENCE"}
_SOFT = {"OBJECT_FUNCTION", "OBJECT_TYPE", "OBJECT_DOMAIN", "OBJECT_ROLE", "OBJECT_DATABASE", "OBJECT_ATTRIBUTE"}


def _check(act: Act, world: World) -> Iterator[Hit]:
    if act.kind == "AlterEnumStmt":
        if act.node.text("old_val"):
            message = f"renames the value {act.node.text('old_val')!r}: every row that holds it reads as another one"
            yield Hit(severity=Severity.HIGH, message=message)
        return
    moves = act.kind == "AlterObjectSchemaStmt"
    kind = act.node.text("object_type" if moves else "rename_type")
    table = world.table_of(act)
    if kind not in _HARD | _SOFT or (act.relation and table.new):
        return
    new = act.node.text("newschema" if moves else "newname")
    safe = None
    if kind == "OBJECT_TABLE" and not moves:
        view = f"CREATE VIEW {sql_name(table)} AS SELECT * FROM {quoted(new)};"
        safe = instead("-- In the same transaction, until nobody uses the old name:", f"{act.text.rstrip(';')};", view)
    elif kind == "OBJECT_COLUMN":
        safe = instead(
            f"ALTER TABLE {sql_name(table)} ADD COLUMN {quoted(new)} <type>;",
            "-- Write both from the application or a trigger, fill it in batches, read the new one, drop the old one.",
        )
    old = act.node.text("subname")
    what = f"{table.shown}.{old}" if kind == "OBJECT_COLUMN" else table.shown or old
    verb = "moves" if moves else "renames"
    yield Hit(
        severity=Severity.HIGH if kind in _HARD else Severity.MEDIUM,
        message=f"{verb} {what} to {new}: running code asks by the old name, and fails",
        lock=ACCESS_EXCLUSIVE,
        safe=safe,
    )


RULE = Rule(name="rename", on=("RenameStmt", "AlterObjectSchemaStmt", "AlterEnumStmt"), check=_check)
