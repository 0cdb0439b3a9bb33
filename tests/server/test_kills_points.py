"""A few of the points at which `python -m tests.faults` kills: right before a swap is whole, and right after.

`nox -s kills` goes through all of them.
"""

from __future__ import annotations

import re
import sys

import pytest

from tests import outside

pytestmark = pytest.mark.timeout(240)


def killed(only: str, at: str, servers: int = 0) -> tuple[int, ...]:
    """Kill an operation at the points that hold a pattern; return the numbers of its line in the table."""
    options = (f"--only={only}", f"--at={at}", "--moments=0", f"--servers={servers}", "--jobs=1")
    done = outside.run(outside.REPOSITORY, sys.executable, "-m", "tests.faults", *options)
    assert done.code == 0, done.text
    line = next(line for line in done.out.splitlines() if line.startswith(only))
    return tuple(int(number) for number in re.findall(r"\d+", line.removeprefix(only)))


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("only", "at"),
    [
        ("undo", "(RENAME|_exit_gen)"),
        ("prune of STG", "DROP DATABASE.*retired1"),
        pytest.param("migrate", "CREATE INDEX CONCURR", marks=pytest.mark.thorough),
    ],
    ids=["a-swap", "a-drop-and-its-note", "a-revision-and-its-note"],
)
def test_what_is_killed_in_the_middle_is_the_old_or_the_new_one_and_the_next_run_clears_up(only: str, at: str) -> None:
    points, number = killed(only, at)[:2]

    assert points > 25  # the hook counts
    assert points > number >= 2  # and the pattern chose among what it counted


@pytest.mark.thorough
def test_a_swap_that_was_answered_outlives_its_server_also_where_that_one_forgets_its_last_commits() -> None:
    by_process, by_server = (slice(1, 4), slice(5, 8))  # killed, old, new

    # The anchors of the intent, before the swap, and of the result: the first statement after it.
    numbers = killed("undo", "sql sent: .*anchor", servers=1)

    assert numbers[by_process] == (0, 0, 0)
    assert numbers[by_server] == (2, 1, 1)
