"""DROP SCHEMA, DROP DATABASE, DROP OWNED, DROP ROLE: many things at once, and nobody has seen a list of them."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.lint.acts import Act
from dbtasks.lint.findings import Severity
from dbtasks.lint.locks import ACCESS_EXCLUSIVE
from dbtasks.lint.rule import Hit, Rule
from dbtasks.lint.world import World


def _check(act: Act, world: World) -> Iterator[Hit]:
    cascades = act.node.text("behavior") == "DROP_CASCADE"
    match act.kind:
        case "DropStmt" if act.node.text("remove_type") == "OBJECT_SCHEMA":
            schemas = {each.text("sval") for each in act.node.children("objects")}
            if world.known and not any(schema in schemas for schema, _ in (*world.tables, *world.views)):
                return
            if cascades or not world.known:
                what = "with every table in it" if cascades else "if it is empty, and whatever needs it fails"
                severity = Severity.CRITICAL if cascades else Severity.MEDIUM
                message = f"drops {', '.join(sorted(schemas))} {what}"
                yield Hit(severity=severity, message=message, lock=ACCESS_EXCLUSIVE)
        case "DropdbStmt":
            yield Hit(severity=Severity.CRITICAL, message=f"drops the database {act.node.text('dbname')}")
        case "DropOwnedStmt":
            message = "drops everything that the role owns here, whatever that is, and takes its rights"
            yield Hit(severity=Severity.CRITICAL, message=message, lock=ACCESS_EXCLUSIVE)
        case "DropRoleStmt":
            yield Hit(severity=Severity.HIGH, message="drops a role: whoever connects with it cannot any more")


RULE = Rule(name="drop-schema", on=("DropStmt", "DropdbStmt", "DropOwnedStmt", "DropRoleStmt"), check=_check)
