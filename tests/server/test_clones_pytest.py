"""What tests find under pytest: databases of their own, and nothing of them left afterwards."""

from __future__ import annotations

import re
from textwrap import dedent

import pytest

from dbtasks.database import Inspection
from tests.outside import Finished
from tests.server.built import Built
from tests.server.built import built as built

pytestmark = pytest.mark.timeout(300)


def run(built: Built, code: str, *options: str, **env: str) -> Finished:
    """Run a file of tests, `-s` so that what they print is seen."""
    path = built.box.write("test_it.py", f"import os, subprocess, sys\nimport psycopg, pytest\n{dedent(code)}")
    try:
        return built.box.pytest("-s", "-p", "no:cacheprovider", *options, "test_it.py", env=env)
    finally:
        path.unlink()


def test_what_is_committed_in_a_tests_own_database_is_not_there_in_the_next_ones(built: Built) -> None:
    done = run(
        built,
        """
        @pytest.mark.parametrize("turn", range(3))
        def test_fresh(fresh_database, turn):
            with fresh_database.connect() as connection:
                connection.execute("CREATE TABLE made (id int)")
                assert connection.execute("SELECT count(*) FROM regions").fetchone() == (12,)

        @pytest.mark.parametrize("turn", range(3))
        def test_empty(empty_database, turn):
            with empty_database.connect() as connection:
                connection.execute("CREATE TABLE made (id int)")
                assert connection.execute("SELECT to_regclass('regions')").fetchone() == (None,)
        """,
    )
    assert (done.code, built.clones()) == (0, set()), done.text


def test_the_databases_of_one_test_are_three_and_the_variables_lead_to_the_runs_own(built: Built) -> None:
    done = run(
        built,
        """
        def test_names(int_database, fresh_database, empty_database, database_url):
            databases = (int_database, fresh_database, empty_database)
            names = {database.connect().info.dbname for database in databases}
            assert names == {database.name for database in databases} and len(names) == 3
            assert database_url == int_database.url == os.environ["DATABASE_URL"]
        """,
    )
    assert (done.code, built.clones()) == (0, set()), done.text


def test_operations_that_a_test_starts_work_on_its_clone_and_reset_is_refused(built: Built) -> None:
    done = run(
        built,
        """
        INVOKE = [sys.executable, "-m", "invoke"]

        def invoke(*words, url=None):
            env = dict(os.environ, **({"test_database_url": url} if url else {}))
            return subprocess.run([*INVOKE, *words], env=env, capture_output=True, text=True)

        def test_seed(int_database):
            with int_database.connect() as connection:
                connection.execute("TRUNCATE regions CASCADE")
            done = invoke("seed")
            assert done.returncode == 0, done.stderr
            with int_database.connect() as connection:
                assert connection.execute("SELECT count(*) FROM regions").fetchone() == (12,)

        def test_migrate(empty_database):
            done = invoke("migrate", url=empty_database.url)
            assert done.returncode == 0, done.stderr
            with empty_database.connect() as connection:
                assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)

        @pytest.mark.parametrize("verb", ["reset", "adopt"])
        def test_refused(int_database, verb):
            done = invoke(verb)
            assert done.returncode == 3, done.stderr
            print("REFUSED", " ".join(done.stderr.split()))
            assert int_database.connect().info.dbname == int_database.name
        """,
    )
    told = re.findall(r"REFUSED .*", done.out)
    assert (done.code, built.clones()) == (0, set()), done.text
    assert [("E-NOT-LIVE" in each, "the fixture fresh_database" in each) for each in told] == [(True, True)] * 2


@pytest.mark.thorough
def test_a_failed_tests_databases_are_kept_where_that_is_asked_for(built: Built) -> None:
    code = """
        def test_fine(fresh_database):
            pass

        def test_broken(fresh_database, empty_database):
            with fresh_database.connect() as connection:
                connection.execute("CREATE TABLE evidence (id int)")
            assert False
        """
    plain = run(built, code)
    assert (plain.code, built.clones()) == (1, set()), plain.text
    done = run(built, code, "--dbtasks-keep")
    told = re.findall(r"invoke run -- psql (\S+)", done.out)
    assert (done.code, len(told), set(told)) == (1, 3, built.clones()), done.text
    found = [built.sql("SELECT to_regclass('evidence') IS NOT NULL", name)[0][0] for name in told]
    assert found == [True, False, False]
    look = built.box.run("invoke", "run", "--", "psql", "-Atc", "SELECT current_database()", told[0])
    assert look.out == f"{told[0]}\n", look.text
    # Kept through the next runs, until their time is over.
    run(built, "def test_nothing():\n    pass\n")
    assert set(told) == built.clones()
    built.sql("UPDATE dbtasks.registry SET keep_until = now() WHERE keep_until IS NOT NULL RETURNING 1")
    run(built, "def test_nothing():\n    pass\n")
    assert built.clones() == set()


@pytest.mark.thorough
def test_the_workers_of_xdist_keep_and_tell_too(built: Built) -> None:
    code = """
        @pytest.mark.parametrize("turn", range(2))
        def test_broken(fresh_database, turn):
            assert False
        """
    done = run(built, code, "--dbtasks-keep", "-n", "2")
    told = re.findall(r"invoke run -- psql (\S+)", done.out)
    assert (done.code, set(told)) == (1, built.clones()), done.text
    built.sql("UPDATE dbtasks.registry SET keep_until = now() WHERE keep_until IS NOT NULL RETURNING 1")
    run(built, "def test_nothing():\n    pass\n")
    assert built.clones() == set()


@pytest.mark.thorough
def test_the_databases_of_a_killed_run_go_with_the_next(built: Built) -> None:
    built.box.write(
        "test_killed.py",
        "import os, signal\n\n"
        "def test_killed(fresh_database, empty_database):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n",
    )
    killed = built.box.pytest("test_killed.py")
    left = built.clones()
    assert (killed.code, len(left) >= 3) == (-9, True), killed.text
    built.box.run("rm", "test_killed.py")
    done = run(built, "def test_nothing():\n    pass\n")
    assert (done.code, built.clones()) == (0, set()), done.text


def test_a_session_inside_of_a_test_has_a_clone_of_its_own_and_gives_the_variables_back(built: Built) -> None:
    built.box.write("inner.py", "import os\n\ndef test_it(database_url):\n    print('INNER', database_url[-8:])\n")
    done = run(
        built,
        """
        def test_outer(database_url):
            assert pytest.main(["-q", "-s", "inner.py"]) == 0
            assert os.environ["DATABASE_URL"] == database_url
            with psycopg.connect(database_url):
                print("OUTER", database_url[-8:])
        """,
    )
    inner, outer = (re.findall(f"{which} (.*)", done.out) for which in ("INNER", "OUTER"))
    assert (done.code, len(inner), len(outer), built.clones()) == (0, 1, 1, set()), done.text
    assert inner != outer


def test_a_test_may_make_databases_without_the_fixtures_too(built: Built) -> None:
    done = run(
        built,
        """
        import dbtasks.testing

        def test_it(int_database):
            with dbtasks.testing.databases() as made:
                names = {made.clone().name, made.empty().name, int_database.name}
            assert len(names) == 3
        """,
    )
    assert (done.code, built.clones()) == (0, set()), done.text


@pytest.mark.thorough
def test_no_report_of_a_failed_test_shows_the_password(built: Built) -> None:
    url = built.server.conninfo("dbtasks").url(Inspection())
    password = url.split(":")[2].split("@")[0]
    path = built.box.write(
        "test_it.py",
        dedent(
            """
            import logging, os, psycopg, pytest

            def test_query(database_url):
                print("printed", database_url)
                logging.warning(database_url)
                psycopg.connect(database_url).execute("SELECT nothing")

            def test_equal(fresh_database):
                assert {"url": fresh_database.url, "more": "x" * 300} == {"url": "x"}

            @pytest.fixture
            def broken(database_url):
                raise KeyError(database_url)

            def test_setup(broken):
                pass

            def test_plain(database_url):
                pytest.fail(database_url, pytrace=False)
            """
        ),
    )
    collected = built.box.write("test_import.py", "import os\nraise ValueError(os.environ['test_database_url'])\n")
    options = (
        "-p",
        "no:cacheprovider",
        "--continue-on-collection-errors",
        "--junit-xml=report.xml",
        "-rA",
        "-o",
        "junit_logging=all",
    )
    shown = ("--showlocals", "-vv", "test_it.py", "test_import.py")
    texts = [built.box.pytest(*options, *more, *shown).text for more in ((), ("--tb=native",), ("-n", "1"))]
    texts.append((built.box.root / "report.xml").read_text(encoding="utf-8"))
    for written in (path, collected, built.box.root / "report.xml"):
        written.unlink()
    assert [("nothing" in text, "printed postgresql://" in text, password in text) for text in texts] == [
        (True, True, False)
    ] * 4, texts[0]
