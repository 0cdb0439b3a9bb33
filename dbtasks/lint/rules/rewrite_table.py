"""VACUUM FULL, CLUSTER, and changes of where or how a table is stored: all of it is written anew, behind a lock."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.lint.acts import Act
from dbtasks.lint.catalogue import Table
from dbtasks.lint.findings import Severity
from dbtasks.lint.locks import ACCESS_EXCLUSIVE
from dbtasks.lint.rule import Hit, Rule, instead, sql_name
from dbtasks.lint.tree import Node
from dbtasks.lint.world import World

_STORED = {
    "AT_SetLogged": "SET LOGGED writes",
    "AT_SetUnLogged": "SET UNLOGGED writes",
    "AT_SetAccessMethod": "SET ACCESS METHOD writes",
    "AT_SetTableSpace": "SET TABLESPACE copies",
    "AT_SetExpression": "SET EXPRESSION writes",
}
_PERSISTENCE = {"AT_SetLogged": "p", "AT_SetUnLogged": "u"}


def _check(act: Act, world: World) -> Iterator[Hit]:
    if act.kind == "VacuumStmt":
        if act.node.flag("is_vacuumcmd") and option(act.node, "options", "full"):
            relations = [each.child("relation") for each in act.node.children("rels")]
            for table in [world.table(each) for each in relations] or [Table(schema="", name="every table")]:
                yield from _hit(table, "VACUUM FULL writes", f"VACUUM (ANALYZE) {sql_name(table)};")
    elif act.kind == "ClusterStmt":
        table = world.table_of(act) if act.relation else Table(schema="", name="every clustered table")
        yield from _hit(table, "CLUSTER writes", "")
    else:
        table = world.table_of(act)
        if table.persistence != _PERSISTENCE.get(act.kind) or not world.known:
            yield from _hit(table, _STORED[act.kind], "")


def _hit(table: Table, verb: str, safe: str) -> Iterator[Hit]:
    if table.matters:
        yield Hit(
            severity=Severity.HIGH,
            message=f"{verb} all of {table.shown}{table.measured} anew, while nobody can read or write it",
            lock=ACCESS_EXCLUSIVE,
            safe=instead(safe, outside=True) if safe and table.schema else None,
            rewrites=table.shown,
        )


def option(node: Node, field: str, name: str) -> bool:
    """Return whether an option of a command is on: `(FULL)`, `(FULL true)`, `(FULL on)`."""
    for each in node.children(field):
        if each.text("defname") == name:
            value = each.child("arg")
            said = value.text("sval") or ("1" if not value else str(value.number("ival") or int(value.flag("boolval"))))
            return said.lower() not in ("0", "false", "off")
    return False


RULE = Rule(name="rewrite-table", on=("VacuumStmt", "ClusterStmt", *_STORED), check=_check)
