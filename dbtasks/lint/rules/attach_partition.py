"""Partitions that come: all of the new one, and of the default one, is read behind a lock unless a CHECK proves it."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.lint.acts import Act
from dbtasks.lint.catalogue import Table
from dbtasks.lint.findings import Severity
from dbtasks.lint.locks import ACCESS_EXCLUSIVE
from dbtasks.lint.rule import Hit, Rule, instead, quoted, sql_name
from dbtasks.lint.tree import Node
from dbtasks.lint.world import World


def _check(act: Act, world: World) -> Iterator[Hit]:
    creates = act.kind == "CreateStmt"
    bound = act.node.child("partbound") if creates else act.definition.child("bound")
    if not bound:
        return
    parents = act.node.children("inh_relations") if creates else (act.relation,)
    parent = world.table(parents[0])
    if not creates:
        part = world.table(act.definition.child("name"))
        if part.matters and not _proven(part, bound):
            yield _hit(part, "the partition that comes")
    default = world.tables.get(parent.default_partition) if parent.default_partition else None
    if default is not None and default.matters and not _proven(default, bound):
        yield _hit(default, "the default partition")


def _hit(table: Table, what: str) -> Hit:
    inverse = "NOT " if what.startswith("the default") else ""
    key = "<partition key within the bounds, and not null>"
    name = quoted(f"{table.name}_bounds")
    return Hit(
        severity=Severity.HIGH,
        message=f"reads all of {table.shown}{table.measured}, {what}, while nobody can read or write it",
        lock=ACCESS_EXCLUSIVE,
        safe=instead(
            f"ALTER TABLE {sql_name(table)} ADD CONSTRAINT {name} CHECK ({inverse}({key})) NOT VALID;",
            "-- In a transaction of its own:",
            f"ALTER TABLE {sql_name(table)} VALIDATE CONSTRAINT {name};",
        ),
    )


def _proven(table: Table, bound: Node) -> bool:
    """Return whether a validated CHECK speaks of every value of the bounds: PostgreSQL then reads no row."""
    values = {_value(each) for each in bound.walk() if each.kind == "A_Const"}
    checks = [each.definition for each in table.constraints if each.kind == "c" and each.validated]
    return bool(values) and any(all(value in check for value in values) for check in checks)


def _value(constant: Node) -> str:
    for field, name in (("ival", "ival"), ("fval", "fval"), ("sval", "sval")):
        if constant.child(field):
            return constant.child(field).text(name)
    return "NULL"


RULE = Rule(name="attach-partition", on=("AT_AttachPartition", "CreateStmt"), check=_check)
