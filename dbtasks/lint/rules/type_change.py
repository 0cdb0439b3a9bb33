"""ALTER COLUMN TYPE: rows are written anew behind the strongest lock, unless the new type reads the old one's bytes."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.lint.acts import Act
from dbtasks.lint.catalogue import Table, Type
from dbtasks.lint.findings import Safe, Severity
from dbtasks.lint.locks import ACCESS_EXCLUSIVE
from dbtasks.lint.rule import Hit, Rule, instead, quoted, sql_name
from dbtasks.lint.tree import Node
from dbtasks.lint.types import keeps_rows, loses, type_of
from dbtasks.lint.world import World


def _check(act: Act, world: World) -> Iterator[Hit]:
    table, name = world.table_of(act), act.node.text("name")
    known = (table.columns or {}).get(name)
    before = known.type if known else None
    after = type_of(act.definition.child("type_name"))
    using = act.definition.child("raw_default")
    if table.new:
        return
    if before is not None and loses(before, after) and not table.empty:
        yield Hit(
            severity=Severity.CRITICAL,
            message=f"changes {table.shown}.{name}{table.measured} from {before.name} to {after.name}: values lose "
            "what the new type cannot hold, silently",
            lock=ACCESS_EXCLUSIVE,
            safe=_beside(table, name),
            rewrites="" if keeps_rows(before, after, frozenset(), utc=False) else table.shown,
        )
    elif name in table.viewed:
        yield Hit(
            severity=Severity.HIGH,
            message=f"fails: a view uses {table.shown}.{name}, so that its type cannot change. Drop the view before "
            "and make it again after, in the same transaction",
        )
    elif table.matters and (reason := _reason(world, table, name, (before, after, using))):
        yield Hit(
            severity=Severity.HIGH,
            message=f"changes the type of {table.shown}.{name}{table.measured}: {reason}, while nobody can read or "
            "write it",
            lock=ACCESS_EXCLUSIVE,
            safe=_beside(table, name),
            rewrites=table.shown if reason == _REWRITTEN else "",
        )


_REWRITTEN = "every row is written anew"


def _reason(world: World, table: Table, name: str, change: tuple[Type | None, Type, Node]) -> str:
    """Return why this takes as long as the table is large; empty where it does not."""
    before, after, using = change
    if before is None or not _plain(using, name, after):
        return _REWRITTEN
    before, after = world.steady_domain(before), world.steady_domain(after)
    if not keeps_rows(before, after, world.catalogue.relaxed, utc=world.catalogue.utc):
        return _REWRITTEN
    if any(each.kind == "c" and name in each.about for each in table.constraints):
        return "its CHECK is tried on every row again"
    if any(name in each.partly for each in table.indexes):
        return "an index with an expression or a WHERE is built anew"
    return ""


def _plain(using: Node, name: str, after: Type) -> bool:
    """Return whether USING says nothing that the change would not do by itself."""
    if using.kind == "TypeCast" and type_of(using.child("type_name")) == after:
        using = using.child("arg")
    return not using or (using.kind == "ColumnRef" and using.names("fields") == (name,))


def _beside(table: Table, name: str) -> Safe:
    new, sql = quoted(f"{name}_new"), sql_name(table)
    return instead(
        f"ALTER TABLE {sql} ADD COLUMN {new} <new type>;",
        f"-- Write both from the application or a trigger, and fill {new} in batches. Then, in one transaction:",
        f"ALTER TABLE {sql} RENAME COLUMN {quoted(name)} TO {quoted(name + '_old')};",
        f"ALTER TABLE {sql} RENAME COLUMN {new} TO {quoted(name)};",
    )


RULE = Rule(name="type-change", on=("AT_AlterColumnType",), check=_check)
