"""ALTER SYSTEM, and settings of a database or a role: everybody's sessions change, with no way back by a revision."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.lint.acts import Act
from dbtasks.lint.findings import Severity
from dbtasks.lint.rule import Hit, Rule
from dbtasks.lint.world import World


def _check(act: Act, world: World) -> Iterator[Hit]:
    del world  # a setting is what it is
    name = act.node.child("setstmt").text("name") or "settings"
    if act.kind == "AlterSystemStmt":
        message = f"changes {name} for the whole server, and outlives every database on it"
        yield Hit(severity=Severity.HIGH, message=message)
    else:
        message = f"changes {name} for sessions that begin later, on this target only"
        yield Hit(severity=Severity.MEDIUM, message=message)


RULE = Rule(name="server-settings", on=("AlterSystemStmt", "AlterDatabaseSetStmt", "AlterRoleSetStmt"), check=_check)
