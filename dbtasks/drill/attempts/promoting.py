"""Revisions that no tier before PROD has run as they are, and plans that are not any more what was agreed."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from zlib import crc32

from dbtasks.database import LOCK_CLASS
from dbtasks.drill import signing
from dbtasks.drill.attempt import Attempt, Layer, Ran
from dbtasks.drill.ground import ARMED, INVOKE, PATIENCE_S, Ground
from dbtasks.drill.signing import last_line

_SEED_FILE = "seeds/reference/people.csv"
_THIRD = "3,third\n"


def _has(ground: Ground, table: str) -> bool:
    return bool(ground.sql(f"SELECT to_regclass('{table}') IS NOT NULL", "drill_prod")[0])


def _migrates(ground: Ground, table: str) -> str:
    ran = signing.deploy(ground, "migrate")
    return "" if ran.code == 0 and _has(ground, table) else last_line(ran)


def _skipped(ground: Ground) -> Ran:
    ground.revise("CREATE TABLE rooms (id int PRIMARY KEY)")
    ran = ground.invoke("migrate --tier=int")
    return signing.deploy(ground, "migrate") if ran.code == 0 else ran


def _not_skipped(ground: Ground) -> str:
    ran = ground.invoke("migrate --tier=stg")
    return _migrates(ground, "rooms") if ran.code == 0 else last_line(ran)


def _edited(ground: Ground) -> Ran:
    path = ground.revise("CREATE TABLE floors (id int PRIMARY KEY)")
    ran = ground.invoke("migrate --through=stg")
    if ran.code:
        return ran
    with ground.edited(path, "(id int", "(smuggled text, id int"):
        return signing.deploy(ground, "migrate")


def _not_edited(ground: Ground) -> str:
    return _migrates(ground, "floors")


def _changed_since(ground: Ground) -> Ran:
    """Seed PROD by a plan that was agreed to before a file of the seeds was edited."""
    ground.sql("DELETE FROM lessons; DELETE FROM people WHERE id = 2", "drill_prod")
    before = ground.state("drill_prod")
    paper = signing.signed(ground, signing.content(ground, "seed"))
    with ground.edited(_SEED_FILE, "2,second\n", f"2,second\n{_THIRD}"):
        ran = signing.apply(ground, paper)
    return Ran(code=ran.code, text=ran.text, harm=ground.state("drill_prod") != before)


def _changed_meanwhile(ground: Ground) -> Ran:
    """The same, edited after the guard has said yes: while the run waits for somebody else's lock."""
    before = ground.state("drill_prod")
    paper = signing.signed(ground, signing.content(ground, "seed"))
    text = ground.read(_SEED_FILE)
    file = ground.write("plan-meanwhile.json", paper.as_text()).name
    try:
        with ExitStack() as stack:
            with ground.locked("dbtasks", LOCK_CLASS, crc32(b"drill/prod") & 0x7FFFFFFF) as waited_for:
                child = stack.enter_context(ground.started([*INVOKE, "apply", file], ARMED))
                _until(lambda: waited_for() or child.poll() is not None)
                ground.write(_SEED_FILE, f"{text}{_THIRD}")
            out, _ = child.communicate(timeout=PATIENCE_S)
    finally:
        ground.write(_SEED_FILE, text)
    return Ran(code=child.returncode, text=out, harm=ground.state("drill_prod") != before)


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)


def seeds(ground: Ground) -> str:
    """Seed PROD by an approved plan, nothing edited."""
    before = ground.state("drill_prod")
    ran = signing.deploy(ground, "seed")
    return "" if ran.code == 0 and ground.state("drill_prod") != before else last_line(ran)


SKIPPED = (
    Attempt(
        id="promotion_proof.skipped_tier",
        tried="a revision goes to PROD that STG has never run, approved",
        layer=Layer.PROOF,
        by="E-NOT-PROVEN",
        forbidden=_skipped,
        allowed=_not_skipped,
    ),
)
EDITED = (
    Attempt(
        id="promotion_proof.edited_revision",
        tried="a revision that was edited since STG ran it, approved",
        layer=Layer.PROOF,
        by="E-NOT-PROVEN",
        forbidden=_edited,
        allowed=_not_edited,
    ),
)
CHANGED = (
    Attempt(
        id="approvals.changed_since",
        tried="an approved plan, a seed file edited since",
        layer=Layer.APPROVALS,
        by="E-CHANGED",
        forbidden=_changed_since,
        allowed=seeds,
    ),
    Attempt(
        id="approvals.changed_meanwhile",
        tried="an approved plan, a seed file edited while it waits for PROD's lock",
        layer=Layer.RECHECK,
        by="E-CHANGED",
        forbidden=_changed_meanwhile,
        allowed=seeds,
    ),
)
