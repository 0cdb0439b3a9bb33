"""Every trick, tried by a test on every victim."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from pathlib import Path

import pytest
from tricks import Way, all_ways, write_down

WAYS = all_ways()
if "early" in sys.modules:  # a script that took its functions before pytest was there
    from early import EARLY

    WAYS = {name: way for name, way in WAYS.items() if name in EARLY}
CHOSEN = os.environ.get("TRICKS", "").split() or sorted(WAYS)
# Tricks that start processes take their time: they are tried on the first victim only.
FIRST, *OTHERS = os.environ["TARGETS"].split()
PAIRS = [
    (name, target)
    for name in CHOSEN
    for target in (FIRST, *OTHERS)
    if target == FIRST or not WAYS[name].starts_processes or "THOROUGH" in os.environ
]
gc.freeze()  # what every trick finds is no trick's garbage, and looking through it takes longer than most of them


def open_sockets() -> set[str]:
    gc.collect()
    found = set()
    for each in Path("/proc/self/fd").iterdir():
        try:
            where = str(each.readlink())
        except OSError:
            continue
        if where.startswith("socket:"):
            found.add(where)
    return found


def left_by(sockets: set[str], threads: set[threading.Thread]) -> tuple[list[str], list[str]]:
    """Return what is open now and was not before, once it has had the time to go."""
    for _ in range(50):
        more = [each.name for each in threading.enumerate() if each not in threads]
        left = (sorted(open_sockets() - sockets), more)
        if left == ([], []):
            break
        time.sleep(0.05)
    return left


@pytest.mark.parametrize(("name", "target"), PAIRS)
def test_a_trick(name: str, target: str) -> None:
    sockets, threads = open_sockets(), set(threading.enumerate())

    def run(url: str) -> str:
        return WAYS[name].run(url)

    way = Way(name=name, run=run, alone=WAYS[name].alone, module=WAYS[name].module)
    write_down(name, target, way)
    left = left_by(sockets, threads)
    assert left == ([], []), name
