"""REFRESH MATERIALIZED VIEW without CONCURRENTLY: nobody reads it until it is full again."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.lint.acts import Act
from dbtasks.lint.findings import Severity
from dbtasks.lint.locks import ACCESS_EXCLUSIVE
from dbtasks.lint.rule import Hit, Rule, instead
from dbtasks.lint.world import World


def _check(act: Act, world: World) -> Iterator[Hit]:
    view = world.table_of(act)
    if act.node.flag("concurrent") and not act.node.flag("skip_data"):
        return
    if view.matters or (act.node.flag("skip_data") and not view.new):
        yield Hit(
            severity=Severity.HIGH,
            message=f"fills {view.shown}{view.measured} anew while nobody can read it",
            lock=ACCESS_EXCLUSIVE,
            safe=instead("-- Needs a unique index over all rows:", act.sql(concurrent=True, skip_data=False)),
            rewrites=view.shown,
        )


RULE = Rule(name="refresh-view", on=("RefreshMatViewStmt",), check=_check)
