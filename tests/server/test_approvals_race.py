"""Eight processes want one approval: one gets it. Without the lock several do, or this would prove nothing."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from itertools import cycle

import pytest

from tests import outside
from tests.outside import REPOSITORY
from tests.server.abroad import abroad as abroad
from tests.server.approvals_race import GATE, ROUNDS
from tests.server.road import Server, until

RACERS = 8
ZONES = ("UTC", "Pacific/Kiritimati", "America/Los_Angeles", "Asia/Kolkata")


def race(server: Server, database: str, way: str) -> list[int]:
    """Return how many processes won each round."""
    url = server.url(database)
    with server.connect(database) as gate, ExitStack() as ended:
        for number in range(ROUNDS):
            gate.execute("SELECT pg_advisory_lock(%s, %s)", [GATE, number])
        racers = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.server.approvals_race", url, way],
                env=outside.environment({"TZ": zone, "PGTZ": zone, "PYTHONPATH": str(REPOSITORY)}),
                stdout=subprocess.PIPE,
                text=True,
            )
            for _, zone in zip(range(RACERS), cycle(ZONES), strict=False)
        ]
        for racer in racers:
            ended.callback(racer.kill)
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory' AND objid = %s"
        for number in range(ROUNDS):
            until(lambda: server.sql(waiting % number, database) == [RACERS], seconds=60, what="eight at the gate")  # noqa: B023
            gate.execute("SELECT pg_advisory_unlock(%s, %s)", [GATE, number])
        rounds = [racer.communicate(timeout=60)[0] for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * RACERS
    return [sum(int(won) for won in each) for each in zip(*rounds, strict=True)]


@pytest.fixture
def raced(abroad: Server) -> str:
    name = abroad.database("raced")
    abroad.sql("CREATE SCHEMA dbtasks", name)
    abroad.sql("CREATE TABLE used (id int)", name)
    return name


def test_one_of_eight_processes_gets_an_approval_and_without_the_lock_several_do(abroad: Server, raced: str) -> None:
    # The first round is also the one in which the table is made.
    assert race(abroad, raced, "spend") == [1] * ROUNDS
    assert abroad.sql("SELECT count(*) FROM dbtasks.spent", raced) == [ROUNDS]
    assert max(race(abroad, raced, "without")) > 1
