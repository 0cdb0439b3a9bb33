"""ADD FOREIGN KEY without NOT VALID: looks up all rows while nobody can write to either table."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.lint.acts import Act
from dbtasks.lint.findings import Severity
from dbtasks.lint.locks import SHARE_ROW_EXCLUSIVE
from dbtasks.lint.rule import Hit, Rule, instead, literal, quoted, sql_name
from dbtasks.lint.world import World


def _check(act: Act, world: World) -> Iterator[Hit]:
    table, constraint = world.table_of(act), act.definition
    refers = constraint.text("contype") == "CONSTR_FOREIGN" and not constraint.flag("skip_validation")
    if not refers or not table.matters or not constraint.flag("is_enforced"):
        return
    other, name = world.table(constraint.child("pktable")), constraint.text("conname")
    columns, others = constraint.names("fk_attrs"), constraint.names("pk_attrs")
    create = (
        f"op.create_foreign_key({literal(name)}, {literal(table.name)}, {literal(other.name)}, {list(columns)}, "
        f"{list(others)}, postgresql_not_valid=True)"
    )
    validate = f"ALTER TABLE {sql_name(table)} VALIDATE CONSTRAINT {quoted(name or '<name>')};"
    yield Hit(
        severity=Severity.HIGH,
        message=f"looks up every row of {table.shown}{table.measured} in {other.shown}; nobody writes to either",
        lock=SHARE_ROW_EXCLUSIVE,
        safe=instead(
            f"{act.text.rstrip(';')} NOT VALID;",
            "-- In a transaction of its own:",
            validate,
            alembic=f"{create}\n# in a revision of its own:\nop.execute({literal(validate)})"
            if name and others
            else "",
        ),
    )


RULE = Rule(name="foreign-key-scans", on=("AT_AddConstraint",), check=_check)
