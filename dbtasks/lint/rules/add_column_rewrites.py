"""ADD COLUMN whose value differs from row to row: every row is written anew, behind a lock."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.lint.acts import Act
from dbtasks.lint.findings import Severity
from dbtasks.lint.locks import ACCESS_EXCLUSIVE
from dbtasks.lint.rule import Hit, Rule, instead, quoted, sql_name
from dbtasks.lint.types import type_of
from dbtasks.lint.world import World

_SERIALS = frozenset(("serial", "bigserial", "smallserial", "serial2", "serial4", "serial8"))


def _check(act: Act, world: World) -> Iterator[Hit]:
    table, column = world.table_of(act), act.definition.text("colname")
    reason = _reason(act, world)
    if not table.matters or not reason:
        return
    if act.node.flag("missing_ok") and table.columns is not None and column in table.columns:
        return
    name = sql_name(table)
    yield Hit(
        severity=Severity.HIGH,
        message=f"adds {table.shown}.{column} with {reason}: all of {table.shown}{table.measured} is written anew",
        lock=ACCESS_EXCLUSIVE,
        safe=instead(
            f"ALTER TABLE {name} ADD COLUMN {quoted(column)} <type>;",
            f"ALTER TABLE {name} ALTER COLUMN {quoted(column)} SET DEFAULT <default>;",
            f"-- Then fill it in batches, where {quoted(column)} is null.",
        ),
        rewrites=table.shown,
    )


def _reason(act: Act, world: World) -> str:
    """Return what makes the rows differ; empty where nothing does."""
    if type_of(act.definition.child("type_name")).name in _SERIALS:
        return "a sequence"
    for each in act.definition.children("constraints"):
        kind = each.text("contype")
        if kind == "CONSTR_IDENTITY":
            return "an identity"
        if kind == "CONSTR_GENERATED" and each.text("generated_kind") != "v":
            return "a stored expression"
        if kind == "CONSTR_DEFAULT" and (function := world.volatile_function(each.child("raw_expr"))):
            return f"the default {function}(), which differs from row to row"
    domain = world.constrained_domain(act.definition.child("type_name"))
    return f"the domain {domain}, whose constraints every row must meet" if domain else ""


RULE = Rule(name="add-column-rewrites", on=("AT_AddColumn",), check=_check)
