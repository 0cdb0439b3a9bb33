"""The step that marks the moment before something is destroyed, and shows that a recovery could go back to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dbtasks.database import Connection
from dbtasks.errors import DbtasksError, RefusedError
from dbtasks.recovery import marks, proving, upkeep
from dbtasks.recovery.engines import Engine, Provider
from dbtasks.recovery.engines.choosing import engine_for
from dbtasks.recovery.proof import Promise, Proof, Unproven
from dbtasks.recovery.source import Source
from dbtasks.tiers import Loss, RecoveryEngine
from dbtasks.trail import Act
from dbtasks.way_back import PutMark
from dbtasks.workbench import Workbench


def put_mark(bench: Workbench, step: PutMark) -> str:
    """Put a mark, note it in the trail, and show that a recovery could reach it.

    Where that cannot be shown, a tier that may lose nothing refuses; elsewhere it is said.
    """
    target = bench.site.target
    engine = engine_for(bench.site.project, target)
    if engine is None or engine.name != step.engine:
        raise DbtasksError(f"The way to recover [{target.tier.label}] is another one than was planned with.")
    try:
        with _way_in(bench) as connection:
            if isinstance(engine, Provider):
                mark = _made(bench, connection)
                proof: Proof | Promise | Unproven = engine.promise(
                    connection, mark, lambda line: bench.report("mark", line)
                )
            else:
                mark, proof = _proven(bench, engine, connection)
    except DbtasksError as error:
        return _unmarked(bench, str(error))
    if isinstance(proof, Unproven):
        return _unmarked(bench, proof.why, proof.instead)
    bench.result.facts["mark"] = {**mark.as_data(), "proof": proof.as_data()}
    back = f"invoke recover --tier={bench.plan.tier} --before={bench.site.entry}"
    found = "found in" if isinstance(proof, Proof) else "recoverable by the word of"
    engine_words = RecoveryEngine(step.engine).in_words
    return f"{mark.name}, {found} {engine_words} after {proof.seconds:.2f} s · to go back to it: {back}"


@contextmanager
def _way_in(bench: Workbench) -> Iterator[Connection]:
    """Yield what marks are put through: the coordination database where the role may, since it outlives the target.

    The grants that a mark needs lie in a database, and go with it when another takes its place.
    """
    if bench.known is not None and marks.may_mark(bench.known.connection):
        yield bench.known.connection
        return
    with bench.open(bench.site.target.conninfo.as_login()) as connection:
        yield connection


def _proven(bench: Workbench, engine: Engine, connection: Connection) -> tuple[marks.Mark, Proof | Unproven]:
    """Return a new mark and its proof, if need be from a new base backup."""
    source = Source(connection=connection, conninfo=bench.site.target.conninfo, permit=bench.clearance)
    engine.begin(source, lambda line: bench.report("mark", line))
    mark, proof = _marked(bench, engine, connection)
    if isinstance(proof, Proof):
        return _renewed(bench, engine, source, (mark, proof))
    if upkeep.wants_base(engine, connection):
        return _from_a_new_base(bench, engine, source, mark)
    return mark, proof


def _marked(bench: Workbench, engine: Engine, connection: Connection) -> tuple[marks.Mark, Proof | Unproven]:
    mark = _made(bench, connection)
    return mark, proving.prove(engine, connection, mark)


def _made(bench: Workbench, connection: Connection) -> marks.Mark:
    """Return a new mark. The trail has it before anything is destroyed, whoever is killed."""
    mark = marks.make_mark(connection)
    act = Act(operation=bench.plan.operation.name, tier=bench.plan.tier, target=bench.site.target.masked)
    trail = bench.site.project.trail()
    trail.note(act, {"mark": mark.as_data()}, of=bench.site.entry)
    return mark


def _renewed(
    bench: Workbench, engine: Engine, source: Source, proven: tuple[marks.Mark, Proof]
) -> tuple[marks.Mark, Proof | Unproven]:
    """Return the mark, and where the base backup has become too old for comfort, one from a new base backup.

    What a team's own server is asked for goes by its age alone: it may take hours. Where it fails, the old one does.
    """
    due = upkeep.is_old(engine, source.connection, bench.site.target.tier.recovery.renew)
    if not due and engine.owned:
        due = upkeep.wants_base(engine, source.connection)
    if not due:
        return proven
    try:
        found = _from_a_new_base(bench, engine, source, proven[0])
    except DbtasksError as error:
        bench.report("mark", f"no new base backup, though {due}: {error}")
        return proven
    return found if isinstance(found[1], Proof) else proven


def _from_a_new_base(
    bench: Workbench, engine: Engine, source: Source, mark: marks.Mark
) -> tuple[marks.Mark, Proof | Unproven]:
    """Take a base backup and mark again. Only where the archive works: a base backup waits for it without end."""
    with engine.brought(source.connection, mark) as found:
        if isinstance(found, Unproven):
            return mark, found
    said = bench.site.target.tier.recovery
    upkeep.make_ready(engine, source, said.keep, lambda line: bench.report("mark", line), said.renew)
    return _marked(bench, engine, source.connection)


def _unmarked(bench: Workbench, why: str, instead: str = "") -> str:
    if bench.clearance.evidence.situation.floor.may_lose is Loss.NOTHING:
        mend = instead or "Mend that, then run the command again."
        raise RefusedError(
            code="E-NO-MARK",
            saw=f"No recovery could be shown to reach the moment before this: {why}",
            why="Nothing was changed.",
            instead=f"{mend} The plan: invoke {bench.plan.operation.command} --tier={bench.plan.tier} --dry-run",
        )
    bench.result.facts["mark"] = {"unproven": why, "instead": instead}
    return f"none: {why} {instead}".rstrip()
