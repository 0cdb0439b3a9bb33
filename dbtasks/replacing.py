"""The steps that put databases in and out of service: swap in, bring back, keep ready, drop what was kept."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import timedelta

import psycopg

from dbtasks import entitling, registry, snapshots
from dbtasks.errors import RefusedError
from dbtasks.moment import Moment
from dbtasks.plan import BringBack, DropKept, SwapIn
from dbtasks.recipe import Fit
from dbtasks.registry import Row
from dbtasks.tiers import Loss
from dbtasks.workbench import Workbench


def swap_in(bench: Workbench, step: SwapIn) -> str:
    """Put what was built, or the spare, in the target's place."""
    if step.schemas is not None:
        from dbtasks import inside  # late, here and below: most databases are replaced whole

        return inside.replace(bench, step)
    if bench.built is None:
        raise RuntimeError("a swap without a database built aside")
    if bench.found is not None and bench.found.is_spare:
        bench.report("from", f"cache {bench.found.item.made.key[:4]} ({bench.found.item.facts})")
    else:
        snapshots.await_quiet(bench.registry().connection, bench.built_oid)
    entitling.give_again(bench)
    _swap(bench, bench.built, bench.built_oid, step.keep)
    bench.built = None
    return ""


def bring_back(bench: Workbench, step: BringBack) -> str:
    """Put a kept database in the target's place, with all that it had when it was replaced."""
    if step.mark is not None:
        from dbtasks import inside

        return inside.bring_back(bench, step, step.mark)
    rows = bench.registry().retired(bench.plan.tier, bench.plan.database)
    row = next((row for row in rows if row.oid == step.oid), None)
    if row is None:
        raise RefusedError(
            code="E-CHANGED",
            saw="The database that was to be brought back is not kept any more.",
            why="Nothing was changed.",
            instead=f"To see what is kept: invoke undo --tier={bench.plan.tier} --list",
        )
    _swap(bench, row, step.oid, step.keep, dressed=False)
    bench.result.facts["brought_back"] = row.entry
    return ""


def _swap(bench: Workbench, new: Row, new_oid: int, keep: timedelta, *, dressed: bool = True) -> None:
    known, tier = bench.registry(), bench.plan.tier
    change = snapshots.Swap(
        tier=tier,
        name=bench.plan.database,
        old_oid=bench.target_oid,
        new=new,
        new_oid=new_oid,
        keep=keep,
        entry=bench.site.entry,
        stamp=bench.stamp,
        dressed=dressed,
    )
    started = time.monotonic()
    aside = bench.site.target.conninfo.with_database(registry.COORDINATION)
    retired = snapshots.swap(known, change, lambda: bench.open(aside))
    milliseconds = round((time.monotonic() - started) * 1000)
    bench.result.facts |= {"swap_ms": milliseconds, "kept": retired if keep else None}
    way_back = f" · undo: invoke undo --tier={tier}" if retired and keep else ""
    bench.report("swap", f"{'brought back' if not dressed else 'swapped in'}, {milliseconds} ms{way_back}")
    was = bench.clearance.evidence.database
    if was is not None and was.passes and dressed:
        bench.report("beware", f"no guards stand inside the new database: invoke harden --tier={tier}")


def keep_ready(bench: Workbench) -> str:
    """Keep what was built as a spare for the next reset, and make room."""
    known, stock, built = bench.registry(), bench.stock(), bench.built
    if built is not None and built.kind != "spare":
        if bench.record is None:
            known.drop(built)
        else:
            stock.put(built, "spare", {**bench.record, "stamp": bench.stamp}, bench.inputs or {})
    bench.built = None
    known.sweep(bench.plan.tier)
    dropped = (*stock.make_room(bench.site.project.settings.stock), *drop_ended(bench))
    if dropped:
        bench.report("room", f"dropped {', '.join(row.name for row in dropped)}")
    template = stock.find(bench.recipe, bench.target_oid, stamp=None)
    bench.result.facts["template"] = template.item.row.name if template and template.fit is Fit.WHOLE else None
    spare = bench.record or (bench.found is not None and bench.found.is_spare)
    return "the next reset is a rename" if spare else "nothing could be kept"


def drop_ended(bench: Workbench, *, beyond: int = 0) -> tuple[Row, ...]:
    """Drop what a tier that may lose everything needs no more, and return it: all but the one replaced last.

    Nothing where there are not more than `beyond`. On other tiers kept databases go by `prune` alone, which shows them.
    """
    if bench.clearance.evidence.situation.floor.may_lose is not Loss.EVERYTHING:
        return ()
    known, tier, name = bench.registry(), bench.plan.tier, bench.plan.database
    ended = {row.id for row in known.retired(tier, name, ended=True)}
    *older, newest = known.retired(tier, name) or (None,)
    gone = (*older, *([newest] if newest is not None and newest.id in ended else []))
    if len(gone) <= beyond:
        return ()
    dropped = []
    for row in gone:
        if row is not None:
            with suppress(psycopg.Error):  # somebody may be connected; the next run tries again
                known.drop(row)
                dropped.append(row)
    return tuple(dropped)


def drop_kept(bench: Workbench, step: DropKept) -> str:
    """Drop kept databases by their oids, and schemas by their marks: none that has become something else meanwhile."""
    dropped: list[str] = []
    if step.marks:
        from dbtasks import inside

        dropped += inside.drop(bench, step.marks)
    if step.oids:
        known = bench.registry()
        # What has ended, or is gone and only its row is left: the plan was made once more under the lock.
        there = (*known.retired(bench.plan.tier, bench.plan.database), *known.rows(bench.plan.tier, "restored"))
        rows = [row for row in there if row.oid in step.oids]
        for done, row in enumerate(rows, start=1):
            known.drop(row)
            bench.site.report(Moment(step="prune", done=done, total=len(rows)))
        dropped += [row.name for row in rows]
    if step.backups:
        from dbtasks import saving

        dropped += saving.drop(bench, step.backups)
    bench.result.facts["dropped"] = dropped
    return f"dropped {', '.join(dropped) or 'nothing'}"
