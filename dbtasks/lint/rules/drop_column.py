"""DROP COLUMN: every value in it is gone, and running code that names it fails."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.lint.acts import Act
from dbtasks.lint.findings import Severity
from dbtasks.lint.locks import ACCESS_EXCLUSIVE
from dbtasks.lint.rule import Hit, Rule, instead, literal, quoted, sql_name
from dbtasks.lint.world import World


def _check(act: Act, world: World) -> Iterator[Hit]:
    table, column = world.table_of(act), act.node.text("name")
    gone = act.node.flag("missing_ok") and table.columns is not None and column not in table.columns
    if table.new or gone:
        return
    name = sql_name(table)
    schema = "" if table.schema in ("", "public") else f", schema={literal(table.schema)}"
    yield Hit(
        severity=Severity.CRITICAL,
        message=f"drops {table.shown}.{column}{table.measured} with all its values; what still names it fails",
        lock=ACCESS_EXCLUSIVE,
        safe=instead(
            "-- First deploy code that neither reads nor writes the column, and allow it to stay empty meanwhile:",
            f"ALTER TABLE {name} ALTER COLUMN {quoted(column)} DROP NOT NULL;",
            alembic=f"op.alter_column({literal(table.name)}, {literal(column)}, nullable=True{schema})",
        ),
    )


RULE = Rule(name="drop-column", on=("AT_DropColumn",), check=_check)
