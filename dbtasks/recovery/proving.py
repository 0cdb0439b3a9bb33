"""Whether a recovery could reach a mark, by what it would need: a base backup, the log since, the record itself."""

from __future__ import annotations

import time

from dbtasks import wal
from dbtasks.base_backups import BaseBackup
from dbtasks.database import Connection
from dbtasks.errors import ProgramNotFoundError
from dbtasks.programs import find_client
from dbtasks.recovery.engines import PATIENCE_S, Engine
from dbtasks.recovery.marks import Mark
from dbtasks.recovery.proof import Proof, Unproven, missing_record

_TAKE = "Take a base backup first."


def prove(engine: Engine, connection: Connection, mark: Mark, *, patience_s: float = PATIENCE_S) -> Proof | Unproven:
    """Return the proof of a mark, or why there is none. Waits at most `patience_s` for the archive."""
    begun = time.monotonic()
    base = base_for(engine, mark)
    if isinstance(base, Unproven):
        return base
    try:
        program = find_client("pg_waldump", connection.info.server_version // 10000)  # while the server archives
    except ProgramNotFoundError as error:
        return Unproven(why=str(error), instead="Install the server's programs, then run this again.")
    with engine.brought(connection, mark, patience_s) as found:
        if isinstance(found, Unproven):
            return found
        try:
            missing = missing_record(found, mark, program)
        except OSError as error:
            missing = f"what was archived cannot be read ({error})"
    if missing is not None:
        return Unproven(why=f"Read back, {missing}.", instead="Mend what archives the log, then run this again.")
    chain = followed(engine, base, mark)
    if isinstance(chain, Unproven):
        return chain
    return Proof(
        engine=engine.name,
        mark=mark.name,
        segment=mark.segment,
        base=base.id,
        followed=chain,
        seconds=time.monotonic() - begun,
    )


def base_for(engine: Engine, mark: Mark) -> BaseBackup | Unproven:
    """Return the newest base backup from which a mark can be reached on its own timeline."""
    kept = [each for each in engine.bases.kept() if each.origin.system_identifier == mark.system_identifier]
    fitting = [each for each in kept if each.origin.end <= mark.lsn and each.origin.timeline == mark.timeline]
    if fitting:
        return max(fitting, key=lambda each: each.origin.end)
    if not kept:
        return Unproven(why=f"There is no base backup of this server in {engine.bases.shown}.", instead=_TAKE)
    return Unproven(why="No base backup was made before the mark, and on its timeline.", instead=_TAKE)


def followed(engine: Engine, base: BaseBackup, mark: Mark) -> int | Unproven | None:
    """Return how many segments lie from a base backup to a mark, all of them there; `None`: they cannot be listed."""
    there = engine.names()
    if there is None:
        return None
    needed = wal.segments(mark.timeline, base.origin.begin, mark.lsn, mark.segment_bytes)
    missing = [name for name in needed if name not in there]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        why = f"The archive lacks {missing[0]}{more}, which a recovery from the base backup {base.id} needs."
        return Unproven(why=why, instead=_TAKE)
    return len(needed)
