"""DELETE without a WHERE that chooses, and MERGE that deletes what its source lacks: every row may go."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.lint.acts import Act
from dbtasks.lint.findings import Severity
from dbtasks.lint.locks import ROW_EXCLUSIVE
from dbtasks.lint.rule import Hit, Rule, instead, sql_name
from dbtasks.lint.tree import Node
from dbtasks.lint.world import World


def _check(act: Act, world: World) -> Iterator[Hit]:
    table = world.table_of(act)
    if table.empty or not _all_rows(act.node):
        return
    name = sql_name(table)
    yield Hit(
        severity=Severity.CRITICAL,
        message=f"removes all rows of {table.shown}{table.measured}: nothing chooses among them",
        lock=ROW_EXCLUSIVE,
        safe=instead(
            "-- Say which rows, and remove them in batches, each committed by itself:",
            f"DELETE FROM {name} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {name} WHERE <which rows> LIMIT 10000));",
        ),
    )


def _all_rows(node: Node) -> bool:
    if node.kind == "MergeStmt":
        clauses = node.children("merge_when_clauses")
        return any(
            each.text("command_type") == "CMD_DELETE" and chooses_nothing(each.child("condition")) for each in clauses
        )
    return chooses_nothing(node.child("where_clause")) and not node.children("using_clause")


def chooses_nothing(condition: Node) -> bool:
    """Return whether a WHERE is missing or has no part that could tell rows apart: `true`, `1 = 1`."""
    return not any(_tells_apart(each) for each in condition.walk())


def _tells_apart(node: Node) -> bool:
    match node.kind:
        case "ColumnRef":  # and not the asterisk of EXISTS (SELECT *
            return bool(node.names("fields"))
        case "SubLink":  # what EXISTS asks about a row is in its columns
            return node.text("sub_link_type") != "EXISTS_SUBLINK"
        case kind:
            return kind in ("ParamRef", "CurrentOfExpr")


RULE = Rule(name="delete-all", on=("DeleteStmt", "MergeStmt"), check=_check)
