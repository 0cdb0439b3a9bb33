"""A reset that is killed, at moments that its trail tells: the database is the old or the new one, whole."""

from __future__ import annotations

import time
from collections.abc import Callable

from dbtasks.drill.attempt import Attempt, Layer, Ran
from dbtasks.drill.attempts.consent import reset_stg
from dbtasks.drill.ground import INVOKE, PATIENCE_S, Ground, kill

_TRAIL = "logs/database_audit.jsonl"
_OURS = "INSERT INTO notes VALUES (5000, 'written before the reset') ON CONFLICT DO NOTHING"


def _begun(ground: Ground) -> int:
    return ground.read(_TRAIL).count('"kind":"intent"')


def _databases(ground: Ground) -> int:
    return int(ground.sql("SELECT count(*) FROM pg_database")[0])


def _rows(ground: Ground) -> tuple[int, bool]:
    """Return how many notes STG has, and whether ours is among them. It takes connections, then."""
    count, ours = ground.sql("SELECT count(*), bool_or(id = 5000) FROM notes", "drill_stg")[0]
    return int(count), bool(ours)


def _killed_once(counts: Callable[[Ground], int]) -> Callable[[Ground], Ran]:
    """Kill a reset of STG as soon as a count has grown."""

    def forbidden(ground: Ground) -> Ran:
        ground.sql(_OURS, "drill_stg")
        old, before, columns = _rows(ground), counts(ground), _columns(ground)
        with ground.started([*INVOKE, "reset", "--tier=stg", "--yes"]) as child:
            end = time.monotonic() + PATIENCE_S
            while counts(ground) == before and child.poll() is None and time.monotonic() < end:
                time.sleep(0.005)
            if child.poll() is not None:
                raise ValueError("the reset had ended before it could be killed")
            kill(child)
        found = _rows(ground)
        whole = found in (old, (40, False)) and _columns(ground) == columns
        return Ran(code=0, text="", harm=not whole)

    return forbidden


def _columns(ground: Ground) -> object:
    return ground.sql("SELECT count(*) FROM information_schema.columns WHERE table_schema <> 'dbtasks'", "drill_stg")


KILLED = (
    Attempt(
        id="atomic_reset.killed_at_once",
        tried="a reset of STG killed when its intent stood in the trail",
        layer=Layer.SWAP,
        by="exit 0",
        forbidden=_killed_once(_begun),
        allowed=reset_stg,
    ),
    Attempt(
        id="atomic_reset.killed_building",
        tried="a reset of STG killed while the new database was built",
        layer=Layer.SWAP,
        by="exit 0",
        forbidden=_killed_once(_databases),
        allowed=reset_stg,
    ),
)
