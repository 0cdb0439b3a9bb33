"""GRANT to everybody, powerful roles, REVOKE and new owners: others may do more, or the application less."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.lint.acts import Act
from dbtasks.lint.findings import Severity
from dbtasks.lint.rule import Hit, Rule
from dbtasks.lint.tree import Node
from dbtasks.lint.world import World

_POWERS = {
    "superuser": "SUPERUSER",
    "bypassrls": "BYPASSRLS",
    "isreplication": "REPLICATION",
    "createrole": "CREATEROLE",
}
# What everybody may do by default, and so is no news.
_HARMLESS = frozenset(("OBJECT_TYPE", "OBJECT_DOMAIN", "OBJECT_LANGUAGE"))


def _check(act: Act, world: World) -> Iterator[Hit]:
    match act.kind:
        case "GrantStmt" | "AlterDefaultPrivilegesStmt":
            grant = act.node.child("action") or act.node
            yield from _granted(grant, world, by_default=grant is not act.node and act.kind != "GrantStmt")
        case "CreateRoleStmt" | "AlterRoleStmt":
            powers = [_POWERS[name] for each in act.node.children("options") if (name := _power(each)) in _POWERS]
            if powers:
                message = f"makes a role {', '.join(powers)}: no grant and no policy holds it any more"
                yield Hit(severity=Severity.HIGH, message=message)
        case "GrantRoleStmt":
            names = {each.text("priv_name") for each in act.node.children("granted_roles")}
            if not act.node.flag("is_grant"):
                yield Hit(severity=Severity.HIGH, message="takes a membership, and with it all rights that came by it")
            elif any(name.startswith("pg_") for name in names):
                yield Hit(severity=Severity.HIGH, message=f"gives {', '.join(sorted(names))}: rights over everything")
        case _:
            table = world.table_of(act)
            if not table.new:
                message = f"gives {table.shown} another owner: the one it had loses what only owners may do"
                yield Hit(severity=Severity.HIGH, message=message)


def _granted(grant: Node, world: World, *, by_default: bool) -> Iterator[Hit]:
    objects = [world.table(each) for each in grant.children("objects") if each.kind == "RangeVar"]
    if objects and all(table.new for table in objects):
        return
    if not grant.flag("is_grant"):
        yield Hit(severity=Severity.HIGH, message="takes rights: whoever still uses them fails")
        return
    public = any(each.text("roletype") == "ROLESPEC_PUBLIC" for each in grant.children("grantees"))
    if public and grant.text("objtype") not in _HARMLESS:
        more = " on everything that will be made" if by_default else ""
        yield Hit(severity=Severity.HIGH, message=f"gives rights{more} to everybody who can connect")
    elif not public:
        roles = ", ".join(sorted(each.text("rolename") for each in grant.children("grantees")))
        yield Hit(severity=Severity.MEDIUM, message=f"gives rights to {roles}, on this target only")


def _power(option: Node) -> str:
    value = option.child("arg")
    return option.text("defname") if value.flag("boolval") or value.number("ival") else ""


RULE = Rule(
    name="rights",
    on=(
        "GrantStmt", "AlterDefaultPrivilegesStmt", "CreateRoleStmt", "AlterRoleStmt", "GrantRoleStmt",
        "AT_ChangeOwner", "AT_ChangeOwner@VIEW",
    ),
    check=_check,
)  # fmt: skip
