"""DROP VIEW, FUNCTION, TYPE, SEQUENCE and the like: running code that uses it fails."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.lint.acts import Act
from dbtasks.lint.findings import Severity
from dbtasks.lint.locks import ACCESS_EXCLUSIVE
from dbtasks.lint.rule import Hit, Rule
from dbtasks.lint.tree import Node
from dbtasks.lint.world import World

_BREAKS = {
    "OBJECT_VIEW": "view",
    "OBJECT_MATVIEW": "materialized view",
    "OBJECT_SEQUENCE": "sequence",
    "OBJECT_EXTENSION": "extension",
    "OBJECT_PUBLICATION": "publication",
    "OBJECT_SUBSCRIPTION": "subscription",
}
_MAY_BREAK = {
    "OBJECT_FUNCTION": "function",
    "OBJECT_PROCEDURE": "procedure",
    "OBJECT_AGGREGATE": "aggregate",
    "OBJECT_TYPE": "type",
    "OBJECT_DOMAIN": "domain",
    "OBJECT_TRIGGER": "trigger",
    "OBJECT_RULE": "rule",
    "OBJECT_FOREIGN_SERVER": "foreign server",
}


def _check(act: Act, world: World) -> Iterator[Hit]:
    kind = act.node.text("remove_type")
    cascades = act.node.text("behavior") == "DROP_CASCADE"
    what = _BREAKS.get(kind) or _MAY_BREAK.get(kind)
    if act.kind == "DropSubscriptionStmt":
        yield Hit(severity=Severity.HIGH, message="drops a subscription: what it brought does not come any more")
    if what is None:
        return
    names = [world.resolved(_words(each)) for each in act.node.children("objects")]
    made_again = world.later if kind == "OBJECT_VIEW" and not cascades else frozenset()
    lasting = [name for name in names if name not in world.new_names and name not in made_again]
    if act.node.flag("missing_ok") and kind in ("OBJECT_VIEW", "OBJECT_MATVIEW"):
        lasting = [name for name in lasting if not world.absent(name)]
    if not lasting:
        return
    shown = ", ".join(name for _, name in lasting)
    if cascades:
        message = f"drops the {what} {shown} and, by CASCADE, everything that depends on it, columns included"
        yield Hit(severity=Severity.CRITICAL, message=message, lock=ACCESS_EXCLUSIVE)
    else:
        severity = Severity.HIGH if kind in _BREAKS else Severity.MEDIUM
        message = f"drops the {what} {shown}; what still uses it fails"
        yield Hit(severity=severity, message=message, lock=ACCESS_EXCLUSIVE)


def _words(each: Node) -> tuple[str, ...]:
    if each.kind == "ObjectWithArgs":
        return each.names("objname")
    return each.names("items") or each.names("names") or ((each.text("sval"),) if each.kind == "String" else ())


RULE = Rule(name="drop-object", on=("DropStmt", "DropSubscriptionStmt"), check=_check)
