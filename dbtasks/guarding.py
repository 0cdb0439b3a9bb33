"""The steps that put guards inside a database, and lift them."""

from __future__ import annotations

from dataclasses import replace

from dbtasks import hardening
from dbtasks.measures import LiftGuards, PutGuards
from dbtasks.moment import Moment
from dbtasks.workbench import Workbench


def put(bench: Workbench, step: PutGuards) -> str:
    """Take the measures, as far as the server allows, and say what it did not."""
    tier = bench.site.target.tier
    wanted = replace(tier.hardening, passes=step.passes)

    def said(done: int, total: int) -> None:
        bench.site.report(Moment(step="harden", done=done, total=total))

    with bench.open(bench.site.target.conninfo) as connection:
        came = hardening.put(connection, wanted, step, bench.site.project.who.person, said)
    refused = [{"measure": str(measure), "why": why} for measure, why in came.refused]
    bench.result.facts |= {"passes": step.passes, "put": [str(each) for each in came.done], "refused": refused}
    for each in refused:
        bench.report("could not", f"{each['measure']}: {each['why']}")
    count = len(came.done)
    rest = f", {len(refused)} refused by the server" if refused else ""
    return f"{count} measure{'s' if count != 1 else ''} taken{rest}; only {step.passes} passes"


def lift(bench: Workbench, step: LiftGuards) -> str:
    """Take the guards away, and say what the server did not let go."""
    with bench.open(bench.site.target.conninfo) as connection:
        refused = hardening.lift(connection)
    bench.result.facts |= {"passed": step.passes, "refused": list(refused)}
    for each in refused:
        bench.report("could not", each)
    return "some guards stand still" if refused else "no guards stand any more"
