"""DROP TABLE: every row is gone, and every program that asks for the table fails."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.lint.acts import Act
from dbtasks.lint.findings import Severity
from dbtasks.lint.locks import ACCESS_EXCLUSIVE
from dbtasks.lint.rule import Hit, Rule, instead, literal, quoted, sql_name
from dbtasks.lint.world import World

_KINDS = {"OBJECT_TABLE", "OBJECT_FOREIGN_TABLE"}


def _check(act: Act, world: World) -> Iterator[Hit]:
    if act.node.text("remove_type") not in _KINDS:
        return
    for each in act.node.children("objects"):
        table = world.named(each.names("items"))
        if table.new or (act.node.flag("missing_ok") and world.absent((table.schema, table.name))):
            continue
        retired = f"{table.name}_retired"
        schema = "" if table.schema in ("", "public") else f", schema={literal(table.schema)}"
        yield Hit(
            severity=Severity.CRITICAL,
            message=f"drops {table.shown}{table.measured} with all its rows; what still reads it fails",
            lock=ACCESS_EXCLUSIVE,
            safe=instead(
                "-- First deploy code that does not use the table. Then keep it for a while under another name:",
                f"ALTER TABLE {sql_name(table)} RENAME TO {quoted(retired)};",
                alembic=f"op.rename_table({literal(table.name)}, {literal(retired)}{schema})",
            ),
        )


RULE = Rule(name="drop-table", on=("DropStmt",), check=_check)
