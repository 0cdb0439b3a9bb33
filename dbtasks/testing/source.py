"""What clones are made from: the template that the stock keeps for the files as they are now."""

from __future__ import annotations

from contextlib import closing, nullcontext

from dbtasks import readiness
from dbtasks.anchoring import Anchoring
from dbtasks.operations import prepare
from dbtasks.pipeline import Call, carry_out
from dbtasks.recipe import Fit
from dbtasks.registry import Registry
from dbtasks.selection import Choice
from dbtasks.site import Site
from dbtasks.survey import Survey, Wish, survey
from dbtasks.testing.way_in import WayIn
from dbtasks.verdicts import Request
from dbtasks.workbench import Workbench


def template(way_in: WayIn, registry: Registry) -> str | None:
    """Return the name of a template of what a reset would build now, which is built first where none is kept.

    `None` where none can be kept: the build reads what cannot be known again, or the settings allow no stock.
    """
    return _kept(way_in, registry) or _prepared(way_in)


def up_to_date(way_in: WayIn, registry: Registry) -> str:
    """Return the name of the default tier's own database, brought up to date, also where variables lead to a clone."""
    readiness.make_ready(way_in.project, way_in.console, readiness.PURPOSE)
    rows = registry.rows(way_in.tier.name, "live")
    return rows[-1].name if rows else way_in.conninfo.database


def _kept(way_in: WayIn, registry: Registry) -> str | None:
    project, tier = way_in.project, way_in.tier
    request = Request(operation=prepare.OPERATION, tier=tier, surroundings=project.surroundings, is_default=True)
    seen = survey(project, request, way_in.ready.report.target, Wish())
    with closing(seen.beside) if seen.beside else nullcontext():
        bench = _bench(way_in, seen)
        bench.known = registry
        stock = bench.stock()
        found = stock.find(bench.recipe, bench.target_oid, stamp=None)
        if found is None or found.fit is not Fit.WHOLE:
            return None
        stock.used(found.item)
        return found.item.row.name


def _bench(way_in: WayIn, seen: Survey) -> Workbench:
    project, target = way_in.project, way_in.ready.report.target
    site = Site(
        project=project,
        target=target,
        server_way=seen.server_way,
        entry=way_in.entry,
        anchoring=Anchoring(project, project.trail(), way_in.clearance, target, lambda _line: None),
        look_again=lambda: seen,
        report=lambda _moment: None,
    )
    return Workbench(way_in.clearance, site, seen.plan)


def _prepared(way_in: WayIn) -> str | None:
    choice = Choice(tier=way_in.tier, source="default")
    report = carry_out(way_in.project, Call(operation=prepare.OPERATION, choice=choice), way_in.console)
    name = report.result.facts.get("template")
    return str(name) if name else None
