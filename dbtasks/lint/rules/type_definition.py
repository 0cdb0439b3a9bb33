"""ALTER DOMAIN and ALTER TYPE: every table with a column of that type is read or written anew."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.lint.acts import Act
from dbtasks.lint.findings import Severity
from dbtasks.lint.locks import ACCESS_EXCLUSIVE, SHARE
from dbtasks.lint.rule import Hit, Rule, instead
from dbtasks.lint.world import World


def _check(act: Act, world: World) -> Iterator[Hit]:
    match act.kind:
        case "AlterDomainStmt":
            name = act.node.names("type_name")[-1]
            checks = act.node.text("subtype") in ("C", "O")
            if not checks or act.definition.flag("skip_validation") or not _used(name, world):
                return
            yield Hit(
                severity=Severity.HIGH,
                message=f"checks every table with a column of {name} while nobody can write to it",
                lock=SHARE,
                safe=instead(
                    f"{act.text.rstrip(';')} NOT VALID;",
                    "-- In a transaction of its own:",
                    f"ALTER DOMAIN {name} VALIDATE CONSTRAINT {act.definition.text('conname') or '<name>'};",
                )
                if act.node.text("subtype") == "C"
                else None,
            )
        case "AT_DropColumn@TYPE":
            name = act.relation.text("relname")
            yield Hit(severity=Severity.CRITICAL, message=f"drops an attribute of {name}, with its values in every row")
        case _:
            if act.node.text("behavior") == "DROP_CASCADE" or act.kind == "AT_AlterColumnType@TYPE":
                name = act.relation.text("relname")
                message = f"changes every table of type {name}, while nobody can read or write it"
                yield Hit(severity=Severity.HIGH, message=message, lock=ACCESS_EXCLUSIVE)


def _used(name: str, world: World) -> bool:
    """Return whether a table that matters has a column of this domain."""
    columns = [each for table in world.tables.values() if table.matters for each in (table.columns or {}).values()]
    return not world.known or any(each.type is not None and each.type.name == name for each in columns)


RULE = Rule(
    name="type-definition",
    on=("AlterDomainStmt", "AT_AddColumn@TYPE", "AT_DropColumn@TYPE", "AT_AlterColumnType@TYPE"),
    check=_check,
)
