"""A few of the points at which `python -m tests.faults` kills: right before a swap is whole, and right after.

`nox -s kills` goes through all of them.
"""

from __future__ import annotations

import re
import sys

import pytest

from tests import outside

pytestmark = pytest.mark.timeout(240)


def killed(only: str, at: str) -> str:
    """Kill an operation at the points that hold a pattern; return the line of the table that tells what came of it."""
    options = (f"--only={only}", f"--at={at}", "--moments=0", "--servers=0", "--jobs=1")
    done = outside.run(outside.REPOSITORY, sys.executable, "-m", "tests.faults", *options)
    assert done.code == 0, done.text
    return next(line for line in done.out.splitlines() if line.startswith(only))


@pytest.mark.parametrize(
    ("only", "at"),
    [
        ("undo", "(RENAME|_exit_gen)"),
        ("prune of STG", "DROP DATABASE.*retired1"),
    ],
    ids=["a-swap", "a-drop-and-its-note"],
)
def test_what_is_killed_in_the_middle_is_the_old_or_the_new_one_and_the_next_run_clears_up(only: str, at: str) -> None:
    points, number = re.findall(r"\d+", killed(only, at).removeprefix(only))[:2]

    assert int(points) > 40
    assert int(number) >= 2
