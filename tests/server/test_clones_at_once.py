"""Many at once on one server: pytest runs, processes, threads, and runs that are killed in between."""

from __future__ import annotations

import subprocess
from textwrap import dedent

import pytest

from tests.outside import PATIENCE_S, PYTEST, environment
from tests.server import road
from tests.server.abroad import abroad as abroad
from tests.server.built import Built
from tests.server.built import built as built

pytestmark = pytest.mark.timeout(900)

SUITE = """
import os, psycopg, pytest

MINE = f"{os.getpid()}"


@pytest.fixture(autouse=True, scope="session")
def nobody_elses(int_database):
    with int_database.connect(autocommit=True) as connection:
        connection.execute("CREATE TABLE made_by (process text)")
        connection.execute("INSERT INTO made_by VALUES (%s)", [MINE])


@pytest.mark.parametrize("turn", range(4))
def test_on_the_runs_own(turn):
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT process FROM made_by").fetchall() == [(MINE,)]
        connection.execute("TRUNCATE bookings CASCADE")


@pytest.mark.parametrize("turn", range(4))
def test_on_a_fresh_one(fresh_database, turn):
    with fresh_database.connect() as connection:
        assert connection.execute("SELECT to_regclass('made_by')").fetchone() == (None,)
        assert connection.execute("SELECT count(*) FROM regions").fetchone() == (12,)
        connection.execute("CREATE TABLE made_by ()")


@pytest.mark.parametrize("turn", range(4))
def test_in_a_transaction(db, turn):
    db.execute("INSERT INTO regions (code, name, time_zone) VALUES ('mine', 'Mine', 'UTC')")
    db.commit()


def test_on_an_empty_one(empty_database):
    with empty_database.connect() as connection:
        assert connection.execute("SELECT to_regclass('regions')").fetchone() == (None,)
"""

MANY = """
import dbtasks.testing
from concurrent.futures import ThreadPoolExecutor

with dbtasks.testing.databases() as made:
    made.template()
    print("ready", flush=True)
    threads = int(input())
    with ThreadPoolExecutor(threads) as pool:
        clones = list(pool.map(lambda _: made.clone(), range(threads)))
    for clone in clones:
        with clone.connect() as connection:
            assert connection.execute("SELECT count(*) FROM regions").fetchone() == (12,)
    print(len({clone.name for clone in clones}), flush=True)
    input()
"""


@pytest.mark.thorough  # two workers of one run, and clones made at once, are tried every time
@pytest.mark.parametrize("runs", [8])
def test_pytest_runs_of_two_workers_at_once_pass_and_leave_nothing(built: Built, runs: int) -> None:
    built.box.write("test_suite.py", SUITE)
    command = [*PYTEST, "-n", "2", "-p", "no:cacheprovider", "test_suite.py"]
    running = [
        subprocess.Popen(
            command, cwd=built.box.root, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(runs)
    ]
    output = [process.communicate(timeout=8 * PATIENCE_S)[0] for process in running]
    assert [process.returncode for process in running] == [0] * runs, "\n".join(output)
    assert ["13 passed" in text for text in output] == [True] * runs
    assert built.clones() == set()


@pytest.mark.parametrize(
    ("how_many", "threads"),
    [pytest.param(2, 13, id="26 clones"), pytest.param(8, 13, id="104 clones", marks=pytest.mark.thorough)],
)
def test_clones_are_made_at_once_without_an_error(built: Built, how_many: int, threads: int) -> None:
    processes = [built.start(MANY) for _ in range(how_many)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(f"{threads}\n")
        process.stdin.flush()
    made = [process.stdout.readline() for process in processes if process.stdout is not None]
    there = built.clones()
    for process in processes:
        process.communicate("\n", timeout=PATIENCE_S)
    assert (made, len(there)) == ([f"{threads}\n"] * how_many, how_many * threads)
    assert ([process.returncode for process in processes], built.clones()) == ([0] * how_many, set())


@pytest.mark.thorough
def test_runs_that_are_killed_again_and_again_disturb_nobody_and_leave_nothing_in_the_end(built: Built) -> None:
    doomed = """
        import os, signal, threading, random
        with dbtasks.testing.databases() as made:
            threading.Timer(random.random() / 2, os.kill, [os.getpid(), signal.SIGKILL]).start()
            print("ready", flush=True)
            while True:
                made.clone().drop()
                made.empty()
        """
    steady = """
        with dbtasks.testing.databases() as made:
            print("ready", flush=True)
            for turn in range(20):
                clone = made.clone()
                with clone.connect() as connection:
                    assert connection.execute("SELECT count(*) FROM regions").fetchone() == (12,)
                clone.drop()
        """
    alive = [built.start(steady) for _ in range(2)]
    killed = 0
    while any(process.poll() is None for process in alive):
        process = built.start(doomed)
        process.communicate(timeout=PATIENCE_S)
        killed += process.returncode == -9
    outcome = [process.communicate() and process.returncode for process in alive]
    done = built.python("with dbtasks.testing.databases() as made:\n    pass")
    assert (outcome, killed > 0, done.code, built.clones()) == ([0, 0], True, 0, set()), done.text


@pytest.mark.thorough
def test_where_no_database_can_be_made_tests_run_on_int_and_workers_are_refused(abroad: road.Server) -> None:
    abroad.role("modest_tests")
    abroad.database("modest_int", owner="modest_tests")
    with road.project("modest") as project:
        project.urls["test_database_url"] = abroad.url("modest_int", "modest_tests")
        project.file(
            "test_it.py",
            dedent(
                """
                import os, psycopg

                def test_it():
                    assert psycopg.connect(os.environ["DATABASE_URL"]).info.dbname == "modest_int"
                """
            ),
        )
        alone, one = project.run(PYTEST), project.run([*PYTEST, "-n", "1"])
        two = project.run([*PYTEST, "-n", "2"])
        fixtures = ("fresh_database", "empty_database", "int_database", "db")
        code = "".join(f"def test_{name}({name}):\n    pass\n" for name in fixtures)
        asks = project.file("test_asks.py", code)
        asked = project.run([*PYTEST, str(asks)])
    said = "itself: the role may not create databases"
    assert (alone.code, said in alone.out) == (0, True), alone.text
    assert (one.code, said in one.out) == (0, True), one.text
    assert (two.code, "Run the tests in one process: pytest -n 0" in two.text) == (4, True), two.text
    reason = "dbtasks: [INT] no database can be made for tests: the role may not create databases."
    told = [line for line in asked.out.splitlines() if line.startswith(reason)]
    assert (asked.code, len(told), "ALTER ROLE" in told[0]) == (1, len(fixtures), True), asked.text
    assert ("dbtasks/" in asked.out, "The fixture database_url gives" in asked.out) == (False, True), asked.out
