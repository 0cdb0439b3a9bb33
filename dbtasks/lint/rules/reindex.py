"""REINDEX without CONCURRENTLY: nobody writes, and queries that would use the index wait."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.lint.acts import Act
from dbtasks.lint.findings import Severity
from dbtasks.lint.locks import ACCESS_EXCLUSIVE
from dbtasks.lint.rule import Hit, Rule, instead
from dbtasks.lint.rules.rewrite_table import option
from dbtasks.lint.world import World


def _check(act: Act, world: World) -> Iterator[Hit]:
    if option(act.node, "params", "concurrently"):
        return
    if act.node.text("kind") == "REINDEX_OBJECT_INDEX":
        found = world.index(world.name(act.relation))
        matters = found is None or found[0].matters
    else:
        matters = not act.relation or world.table_of(act).matters
    if matters:
        words = act.text.split(None, 2)
        safe = f"REINDEX {words[1].upper()} CONCURRENTLY {words[2].rstrip(';')};" if len(words) > 2 else ""
        yield Hit(
            severity=Severity.HIGH,
            message="rebuilds indexes while nobody can write to the table, nor read what needs them",
            lock=ACCESS_EXCLUSIVE,
            safe=instead(safe, outside=True) if safe and not act.text.upper().startswith("REINDEX (") else None,
        )


RULE = Rule(name="reindex", on=("ReindexStmt",), check=_check)
