"""The steps where no database can be created: build on the private server, and replace schemas inside the target."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from dbtasks import elsewhere, identity, kept, schemas
from dbtasks.database import Connection
from dbtasks.errors import DbtasksError
from dbtasks.plan import BringBack, PutStamp, SwapIn
from dbtasks.tiers import Loss
from dbtasks.workbench import Workbench


def build(bench: Workbench) -> str:
    """Create a database on the private server that is like the target's."""
    tier, made_by = bench.plan.tier, kept.maker(bench.site.project.who)
    bench.elsewhere = elsewhere.find(
        bench.clearance, bench.site.project, made_by, lambda line: bench.report("build", line)
    )
    known = bench.elsewhere.known
    for name in known.sweep(tier):
        bench.report("sweep", f"removed {name}, left by a run that was killed")
    with bench.open(bench.site.target.conninfo) as connection:
        _drop_ended(bench, connection)
        like = schemas.likeness_of(connection)
    bench.built = known.reserve(tier, bench.site.entry)
    way = bench.elsewhere.way
    bench.built_oid = schemas.build(known, bench.built, like, lambda name: bench.open(way(name)))
    return ""


def _drop_ended(bench: Workbench, connection: Connection) -> None:
    """Drop what a tier that may lose everything needs no more. On others that is done by `prune`, which shows it."""
    if bench.clearance.evidence.situation.floor.may_lose is Loss.EVERYTHING:
        *older, newest = schemas.kept(connection) or (None,)
        for each in (*older, newest):
            if each is not None and (each is not newest or each.ended):
                schemas.drop(connection, each.mark)


def replace(bench: Workbench, step: SwapIn) -> str:
    """Put what was built in the place of the target's schemas."""
    if bench.built is None or bench.elsewhere is None:
        raise RuntimeError("schemas to replace without a database built elsewhere")
    with (
        _folder(bench) as folder,
        bench.open(bench.place) as scratch,
        bench.open(bench.site.target.conninfo) as connection,
    ):
        dump = schemas.dump(bench.place, scratch, bench.clearance, folder)
        _stamp(bench, connection)
        replaced = schemas.replace(connection, dump, _errand(bench, step.keep))
    bench.elsewhere.known.drop(bench.built)
    bench.built = None
    _tell(bench, "replaced", replaced, step.keep)
    return ""


def bring_back(bench: Workbench, step: BringBack, mark: str) -> str:
    """Put the schemas kept under a mark in their place again."""
    with bench.open(bench.site.target.conninfo) as connection:
        found = schemas.find(connection, mark)
        replaced = schemas.bring_back(connection, mark, _errand(bench, step.keep))
    _tell(bench, "brought back", replaced, step.keep)
    bench.result.facts["brought_back"] = found.entry
    return ""


def drop(bench: Workbench, marks: tuple[str, ...]) -> tuple[str, ...]:
    """Drop the schemas kept under these marks, of those whose retention has ended, and return their names."""
    with bench.open(bench.site.target.conninfo) as connection:
        ended = [each.mark for each in schemas.kept(connection) if each.ended and each.mark in marks]
        return tuple(name for mark in ended for name in schemas.drop(connection, mark))


def _errand(bench: Workbench, keep: timedelta) -> schemas.Errand:
    made_by = kept.maker(bench.site.project.who)
    return schemas.Errand(mark=secrets.token_hex(4), entry=bench.site.entry, made_by=made_by, keep=keep)


def _stamp(bench: Workbench, connection: Connection) -> None:
    """Write the stamp where the schemas go: the database stays the one that it is."""
    floor = next(step.floor for step in bench.plan.steps if isinstance(step, PutStamp))
    plan, person = bench.plan, bench.site.project.who.person
    identity.put_stamp(connection, project=plan.project, tier=plan.tier, floor=floor, person=person)


def _tell(bench: Workbench, done: str, replaced: schemas.Replaced, keep: timedelta) -> None:
    names, were = [held.kept for held in replaced.schemas], ", ".join(held.name for held in replaced.schemas)
    bench.result.facts |= {"swap_ms": replaced.locked_ms, "kept": names if keep else None, "mark": replaced.mark}
    way_back = f" · undo: invoke undo --tier={bench.plan.tier}" if keep and names else ""
    bench.report("swap", f"{done}{f' {were}' if were else ''}, tables locked for {replaced.locked_ms} ms{way_back}")


@contextmanager
def _folder(bench: Workbench) -> Iterator[Path]:
    """A folder for the dump that nobody else reads; what a killed run left in it goes first. The tier is locked."""
    folder = bench.site.project.settings.root / ".dbtasks" / "dumps" / bench.plan.tier
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        yield folder
    except OSError as error:
        raise DbtasksError(f"The dump could not be written to {folder}: {error.strerror}.") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
