"""The steps that build a database, aside or in place: create or clone, stamp, migrate, seed, verify."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg

from dbtasks import identity, snapshots
from dbtasks.applying import look_afterwards
from dbtasks.errors import DbtasksError, PlanChangedError
from dbtasks.inspection import count_tables
from dbtasks.migrations import ledger
from dbtasks.moment import Moment
from dbtasks.plan import (
    ApplyRevisions,
    BuildAside,
    LoadSeeds,
    PutStamp,
    Step,
    Verify,
)
from dbtasks.recipe import Fit, Recipe
from dbtasks.replacing import drop_ended
from dbtasks.settings import StockLimits
from dbtasks.tiers import Loss
from dbtasks.workbench import Workbench

if TYPE_CHECKING:
    from dbtasks.seeders import Seeds

# `prepare` drops what is over after each reset. Where it does not run, the reset does so now and then: a durable server
# takes long for it.
_BACKLOG = 3

# What a find in the stock saves, step by step. Stamping is never saved: each database carries its own identity.
_SAVED: dict[Fit, tuple[type[Step], ...]] = {
    Fit.NOTHING: (),
    Fit.SOME_REVISIONS: (),
    Fit.SCHEMA: (ApplyRevisions,),
    Fit.WHOLE: (ApplyRevisions, LoadSeeds, Verify),
}


def shortened(bench: Workbench) -> tuple[Step, ...]:
    """Return the steps that are left to do after a look into the stock. What is in stock was verified when made."""
    steps = bench.plan.steps
    if not bench.keeps_stock:
        return steps
    if bench.site.fresh:
        # All of the tier's: whoever doubts one build doubts those that went on from it.
        bench.stock().make_room(StockLimits(databases=0, size_bytes=0))
        return steps
    server = bench.clearance.evidence.server
    floor = next(step.floor for step in steps if isinstance(step, PutStamp))
    stamp = {"floor": identity.floor_data(floor), "timeline": server.timeline}
    found = bench.stock().find(bench.recipe, bench.target_oid, stamp=stamp)
    if found is None:
        return steps
    bench.found, bench.inputs = found, found.inputs
    bench.result.facts["from"] = {
        "cache": found.item.made.key[:12],
        "has": found.fit.name.lower(),
        "spare": found.is_spare,
    }
    if found.fit is Fit.WHOLE:
        bench.record = found.item.record
    if found.is_spare:
        bench.built, bench.built_oid, bench.stamp = found.item.row, found.item.row.oid or 0, found.item.stamp
        return tuple(step for step in steps if not isinstance(step, BuildAside | PutStamp | _Saved))
    return tuple(step for step in steps if not isinstance(step, _SAVED[found.fit]))


_Saved = ApplyRevisions | LoadSeeds | Verify


def build_aside(bench: Workbench) -> str:
    if bench.by_schemas:
        from dbtasks import inside  # late: most databases are replaced whole

        return inside.build(bench)
    known = bench.registry()
    for name in known.sweep(bench.plan.tier):
        bench.report("sweep", f"removed {name}, left by a run that was killed")
    drop_ended(bench, beyond=_BACKLOG)
    if bench.found is not None:
        stock, item = bench.stock(), bench.found.item
        bench.built = stock.clone(item.row.name, bench.site.entry)
        bench.built_oid = bench.built.oid or 0
        stock.used(item)
        return f"{_cache(bench)} ({item.facts})"
    bench.built = known.reserve(bench.plan.tier, bench.site.entry)
    snapshots.create_like(known.connection, bench.built.name, bench.target_oid)
    bench.built_oid = known.record_built(bench.built)
    return ""


def _cache(bench: Workbench) -> str:
    return f"cache {bench.found.item.made.key[:4]}" if bench.found else ""


def put_stamp(bench: Workbench, step: PutStamp) -> str:
    if bench.by_schemas:
        return ""  # the database that the schemas go into is stamped, not the one that they come from
    person, plan, aside = bench.site.project.who.person, bench.plan, bench.built is not None
    # A writer may load seeds, and stamp nothing.
    with bench.open(bench.place if aside else bench.place.as_login()) as connection:
        bench.stamp = identity.put_stamp(
            connection, project=plan.project, tier=plan.tier, floor=step.floor, person=person, alone=aside
        )
    if aside:
        return ""
    if bench.known is not None:
        with bench.known.connection.transaction():
            bench.known.record_live(plan.tier, plan.database, bench.built_oid, bench.stamp)
    return f"{plan.database} is {plan.tier.upper()}"


def load_seeds(bench: Workbench, step: LoadSeeds) -> str:
    from dbtasks import seeders  # late: most plans load none

    settings = bench.site.project.settings
    seeds = seeders.read(settings.root, settings.seeds, step.sets)
    if seeds.digest != step.digest:
        raise PlanChangedError(before=bench.plan.hash, now=seeds.digest)
    started = time.monotonic()

    def heard(progress: seeders.Progress) -> None:
        total, seconds = progress.rows_total or 0, time.monotonic() - started
        bench.site.report(Moment(step="seed", done=progress.rows_done, total=total, seconds=seconds))

    bench.doubt = _looks_outside(seeds)
    with bench.open(bench.place) as connection:
        connection.autocommit = False  # one transaction, committed as the block ends without an error
        free = bench.clearance.evidence.situation.floor.may_lose is Loss.EVERYTHING
        aside = bench.built is not None
        loaded = seeders.load(connection, seeds, heard, may_lose=free or aside, alone=aside)
    counts = {"added": loaded.added, "changed": loaded.changed, "kept": loaded.kept}
    bench.result.facts["seeded"] = counts
    rows = ", ".join(f"{count:,} {word}" for word, count in counts.items() if count or word == "added")
    bench.told.append(f"seeds {'+'.join(step.sets)}, {sum(counts.values()):,} rows")
    return f"{' + '.join(step.sets)}: rows {rows}"


def _looks_outside(seeds: Seeds) -> str:
    """Return why what these seeds give may be otherwise next time, as far as their SQL tells."""
    from dbtasks.migrations.worker_server import read_outside

    for file in seeds.files:
        text = (seeds.root / file.path).read_text(encoding="utf-8", errors="replace") if file.format == "sql" else ""
        if by := read_outside(text):
            return f"read from outside of its database, by {by} in {file.name}"
    return ""


def verify(bench: Workbench, step: Verify) -> str:
    settings, database = bench.site.project.settings, bench.plan.database
    with bench.open(bench.place) as connection:
        found = ledger.standing(connection, settings.migrations.version_tables)
        broken = ledger.invalid_indexes(connection)
        tables = count_tables(connection)
        if bench.built is not None:
            connection.execute("ANALYZE")
        elif bench.result.facts.get("applied"):
            look_afterwards(bench, connection)
    if found != frozenset(step.heads) or broken:
        saw = ", ".join(sorted(found)) or "no revision"
        what = f"invalid indexes: {', '.join(broken)}" if broken else f"it is at {saw}, not at the heads"
        raise DbtasksError(f"{database} does not pass the check: {what}.")
    if bench.clearance.evidence.situation.floor.may_lose is not Loss.EVERYTHING:
        from dbtasks import accepting  # late: a tier that may lose everything is built anew where it has drifted

        accepting.note(bench)
    bench.result.facts["heads"] = list(step.heads)
    place = f"at head {', '.join(step.heads)}" if step.heads else "at no revision"
    return f"{place}, {tables} table{'s' if tables != 1 else ''}, indexes valid"


def remember(bench: Workbench, made: Recipe) -> None:
    """Keep a clone of the database under construction as a template, where a build can be known again.

    What goes wrong here costs the next run its haste and this one nothing.
    """
    limits = bench.site.project.settings.stock
    if bench.built is None or bench.inputs is None or not bench.keeps_stock or not limits.databases:
        return
    recorded = bench.inputs.get("reasons")
    reasons = [
        *(recorded if isinstance(recorded, list) else ()),
        *([bench.doubt] if made.seeds and bench.doubt else ()),
    ]
    if reasons:
        _not_kept(bench, f"its build {reasons[0]}")
        return
    number = len(made.revisions)
    facts = ", ".join((f"{number} revision{'s' if number != 1 else ''}", *(bench.told if made.seeds else ())))
    try:
        with bench.open(bench.place) as connection:
            extensions = [list(row) for row in connection.execute(_EXTENSIONS).fetchall()]
        record = {"recipe": made.as_data(), "facts": facts, "extensions": extensions}
        bench.stock().keep(bench.built.name, record, bench.inputs, bench.site.entry)
        bench.record = record
    except psycopg.Error as error:
        _not_kept(bench, str(error).splitlines()[0])


def _not_kept(bench: Workbench, why: str) -> None:
    """Say it once, of the schema and of what the seeds made of it."""
    if why not in bench.not_kept:
        bench.not_kept.append(why)
        bench.report("stock", f"not kept for the next time: {why}")


_EXTENSIONS = "SELECT extname::text, extversion FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1"
