"""Tests reach the default tier and nothing else, whatever flags, files and options say."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.outside import PATIENCE_S, PYTEST, Finished, Sandbox, environment, sandbox

pytestmark = pytest.mark.timeout(300)

INT, STG = "instainstru_int", "instainstru_stg"

# Prints where every way to a database leads, one a line.
WHERE = """
import os, subprocess, sys
import dbtasks

ASK = "import os, psycopg; print(psycopg.connect(os.environ['DATABASE_URL']).info.dbname)"


def where():
    import psycopg
    for name in ("DATABASE_URL", "database_url", "stg_database_url", "STG_DATABASE_URL"):
        if os.environ.get(name):
            print("WHERE", name, psycopg.connect(os.environ[name]).info.dbname)
    print("WHERE database_url()", psycopg.connect(dbtasks.database_url()).info.dbname)
    child = subprocess.run([sys.executable, "-I", "-c", ASK], capture_output=True, text=True, check=True)
    print("WHERE child-I", child.stdout.strip())
    elsewhere = {"DATABASE_URL": os.environ.get("ELSEWHERE", os.environ["DATABASE_URL"]), "PGPORT": "1"}
    environ = {**os.environ, **elsewhere}
    child = subprocess.run([sys.executable, "-B", "-c", ASK], capture_output=True, text=True, env=environ)
    print("WHERE misled", child.stdout.strip())
    print("WHERE flag", os.environ.get("USE_STG_DATABASE"), os.environ.get("PGHOST"))
"""
TEST = "from where import where\n\ndef test_where():\n    where()\n"
OVERRIDE = "import dotenv\ndotenv.load_dotenv(override=True)\n"
NAMES = ("DATABASE_URL", "database_url", "stg_database_url", "STG_DATABASE_URL")
CLONE = f"a clone of {INT}"
PLACES = (*NAMES, "database_url()", "child-I", "misled")
EVERYWHERE_INT = dict.fromkeys(PLACES, CLONE) | {"flag": "None None"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A sandbox with INT and STG, and an environment that leads to STG in every way."""

    box: Sandbox
    env: dict[str, str]
    first: Finished

    def pytest(self, *arguments: str) -> Finished:
        return self.box.pytest("-s", "test_where.py", *arguments, env=self.env)


@pytest.fixture(scope="module")
def built() -> Iterator[Built]:
    with sandbox() as box:
        box.write("where.py", WHERE)
        box.write("test_where.py", TEST)
        box.write("conftest.py", "")
        first = box.pytest("-s")
        assert box.run("invoke", "reset", "--tier=stg", "--yes").code == 0
        show = "import os; print(os.environ['stg_database_url'])"
        url = box.run("invoke", "run", "--tier=stg", "--", sys.executable, "-c", show).out.strip()
        env = {
            "USE_STG_DATABASE": "true",
            "stg_database_url": url,
            "DATABASE_URL": url,
            "PGHOST": "127.0.0.2",
            "ELSEWHERE": url,
        }
        yield Built(box=box, env=env, first=first)


def without_digits(name: str) -> str:
    """Return what a database is: the clone of a test run has a name of its own each time."""
    return CLONE if re.fullmatch(f"dbtasks_{INT}_[0-9a-f]{{8}}", name) else name


def places(done: Finished) -> dict[str, str]:
    told = [line.partition("WHERE ")[2].partition(" ") for line in done.out.splitlines() if "WHERE " in line]
    return {name: without_digits(place) for name, _, place in told}


def operations(box: Sandbox) -> list[str]:
    """What was done to INT, oldest first, without the openings and what clones are made from."""
    told = box.run("invoke", "audit", "--tier=int", "--format=json", "--limit=100")
    names = [entry["intent"]["operation"] for entry in json.loads(told.out) if "intent" in entry]
    return [name for name in names if name not in ("open", "prepare")]


def test_the_same_code_reaches_stg_outside_of_pytest(built: Built) -> None:
    done = built.box.python("from where import where; where()", env=built.env)
    told = places(done)
    assert (done.code, told["DATABASE_URL"], told["database_url()"]) == (0, STG, STG), done.err
    assert (told["child-I"], told["misled"]) == (STG, STG)
    assert told["flag"] == "true 127.0.0.2"


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["-p", "no:dbtasks"],
        ["--disable-plugin-autoload"],
        *(
            pytest.param(options, marks=pytest.mark.thorough)
            for options in (
                ["-p", "no:dbtasks.pytest_plugin", "-p", "no:pytest_dbtasks", "-p", "no:pin"],
                ["--noconftest"],
                ["-p", "no:cacheprovider", "-o", "addopts="],
                ["--rootdir=/", "-c", "/dev/null"],
                ["-p", "no:terminal"],
                ["-q", "--no-header"],
            )
        ),
    ],
    ids=" ".join,
)
def test_no_option_takes_the_pin_out(built: Built, options: list[str]) -> None:
    done = built.pytest(*options)
    assert (done.code, places(done)) == (0, EVERYWHERE_INT), done.text


def test_a_run_that_builds_nothing_uses_the_database_as_it_stands(built: Built) -> None:
    done = built.pytest("-o", "dbtasks_build=false")
    assert (done.code, places(done)) == (0, dict.fromkeys(PLACES, INT) | {"flag": "None None"}), done.text


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        {"DBTASKS_UNDER_PYTEST": "1"},
        {"DBTASKS_HANDED_TIER": "stg", "DBTASKS_HANDED_URL": "postgresql://anna@127.0.0.1/app_prod"},
        pytest.param({"PYTEST_ADDOPTS": "-p no:dbtasks"}, marks=pytest.mark.thorough),
        pytest.param({"PYTEST_PLUGINS": "where"}, marks=pytest.mark.thorough),
        pytest.param({"USE_STG_DATABASE": "TRUE", "USE_PROD_DATABASE": "true"}, marks=pytest.mark.thorough),
    ],
    ids=" ".join,
)
def test_no_variable_takes_the_pin_out(built: Built, variables: dict[str, str]) -> None:
    done = built.box.pytest("-s", "test_where.py", env=built.env | variables)
    assert (done.code, places(done)) == (0, EVERYWHERE_INT), done.text


def test_the_header_says_where_tests_run_and_which_flag_is_ignored(built: Built) -> None:
    prod = {"USE_PROD_DATABASE": "true", "database_url": "postgresql://anna:geheim99@db-7.example.com/app_prod"}
    done = built.box.pytest("-s", "test_where.py", env=prod)
    line = next(line for line in done.out.splitlines() if line.startswith("dbtasks: "))
    start, end = (
        f"dbtasks: tests run on a clone of [INT] {INT} on embedded:",
        " (USE_PROD_DATABASE=true is ignored here)",
    )
    assert (line.startswith(start), line.endswith(end)) == (True, True), line
    assert places(done) == EVERYWHERE_INT
    assert "db-7" not in done.text


@pytest.mark.thorough
def test_a_quiet_run_says_it_too(built: Built) -> None:
    assert "(USE_STG_DATABASE=true is ignored here)" in built.pytest("-q").out


@pytest.fixture
def overriding(built: Built) -> Iterator[None]:
    """The application loads an `.env` that leads to STG over whatever is set."""
    url = built.env["stg_database_url"]
    lines = (f"DATABASE_URL={url}", f"stg_database_url={url}", "USE_STG_DATABASE=true", "PGHOST=127.0.0.2")
    dotenv = built.box.write(".env", "\n".join(lines))
    conftest = built.box.write("conftest.py", OVERRIDE)
    yield
    dotenv.unlink()
    conftest.write_text("", encoding="utf-8")


@pytest.mark.usefixtures("overriding")
def test_an_env_file_loaded_over_the_environment_does_not_lead_elsewhere(built: Built) -> None:
    done = built.box.pytest("-s", "test_where.py")
    assert (done.code, places(done)) == (0, EVERYWHERE_INT), done.text
    outside = built.box.python(f"{OVERRIDE}from where import where; where()")
    assert places(outside)["DATABASE_URL"] == STG


def test_the_workers_of_xdist_are_pinned(built: Built) -> None:
    body = "".join(
        f"def test_{number}(tmp_path_factory, worker_id):\n"
        f"    import os, psycopg, pathlib\n"
        f"    name = psycopg.connect(os.environ['stg_database_url']).info.dbname\n"
        f"    pathlib.Path('seen-' + worker_id + '-{number}').write_text(name)\n"
        for number in range(4)
    )
    built.box.write("test_workers.py", body)
    done = built.box.pytest("-n", "2", "test_workers.py", env=built.env)
    seen = {path.name.split("-")[1]: path.read_text(encoding="utf-8") for path in built.box.root.glob("seen-*")}
    kinds = {worker: without_digits(name) for worker, name in seen.items()}
    assert (done.code, kinds) == (0, {"gw0": CLONE, "gw1": CLONE}), done.text
    assert seen["gw0"] != seen["gw1"]


def test_a_plain_pytest_builds_a_fresh_clone(built: Built) -> None:
    assert (built.first.code, places(built.first)["database_url()"]) == (0, CLONE), built.first.text
    assert operations(built.box)[0] == "reset"


def test_a_second_run_changes_nothing(built: Built) -> None:
    before = operations(built.box)
    assert built.box.pytest("test_where.py").code == 0
    assert operations(built.box) == before


@pytest.mark.thorough
def test_a_database_that_is_behind_is_migrated_and_one_from_another_branch_built_anew(built: Built) -> None:
    heads = subprocess.run(
        [sys.executable, "-m", "alembic", "heads"],
        cwd=built.box.root,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    head = heads.stdout.split()[0]
    built.box.pytest("test_where.py")
    before = operations(built.box)
    text = (
        f'"""One more table"""\nfrom alembic import op\nrevision = "ffff"\ndown_revision = "{head}"\n'
        "branch_labels = None\ndepends_on = None\n\n\n"
        'def upgrade():\n    op.execute("CREATE TABLE more (id int)")\n\n\n'
        'def downgrade():\n    op.execute("DROP TABLE more")\n'
    )
    revision = built.box.write("migrations/versions/ffff_one_more_table.py", text)
    behind = built.box.pytest("test_where.py")
    migrated = operations(built.box)[len(before) :]
    revision.unlink()
    ahead = built.box.pytest("test_where.py")
    rebuilt = operations(built.box)[len(before) + 1 :]
    assert (behind.code, migrated) == (0, ["migrate"]), behind.text
    assert (ahead.code, rebuilt) == (0, ["reset"]), ahead.text


@pytest.mark.parametrize(
    "markers",
    [
        pytest.param({}, id="alone"),
        pytest.param({"DBTASKS_UNDER_PYTEST": "1"}, id="as a child", marks=pytest.mark.thorough),
        pytest.param({"PYTEST_XDIST_WORKER": "gw0"}, id="as a worker", marks=pytest.mark.thorough),
    ],
)
def test_a_test_url_that_leads_to_another_tier_is_refused(built: Built, markers: dict[str, str]) -> None:
    done = built.box.pytest("-s", "test_where.py", env={"test_database_url": built.env["stg_database_url"]} | markers)
    assert (done.code, places(done)) == (4, {}), done.text
    assert "refused (E-STAMP)" in done.text
    right = built.box.python("import os, dbtasks; print(dbtasks.database_url())").out.strip()
    twin = built.box.pytest("-s", "test_where.py", env={"test_database_url": right} | markers)
    assert (twin.code, places(twin)) == (0, EVERYWHERE_INT), twin.text


def test_a_server_that_is_away_ends_pytest_with_a_sentence(fresh: Sandbox) -> None:
    fresh.write("test_nothing.py", "def test_nothing():\n    pass\n")
    url = "postgresql://anna:geheim99@127.0.0.1:1/shop_int"
    done = fresh.pytest(env={"test_database_url": url})
    assert (done.code, "Traceback" in done.text, "geheim99" in done.text) == (4, False, False)
    assert "ERROR: dbtasks: [INT] postgresql://anna:***@127.0.0.1:1/shop_int cannot be reached." in done.err


def test_mistakes_in_the_settings_end_pytest_with_all_of_them(fresh: Sandbox) -> None:
    fresh.write("test_nothing.py", "def test_nothing():\n    pass\n")
    text = (fresh.root / "config/tiers.yaml").read_text(encoding="utf-8")
    fresh.write("config/tiers.yaml", text.replace("may_lose: everything", "may_lose: all"))
    done = fresh.pytest(env={"USE_STG_DATABASE": "true"})
    assert (done.code, "Traceback" in done.text) == (4, False)
    assert "ERROR: dbtasks: config/tiers.yaml:" in done.err


@pytest.mark.parametrize(
    "option",
    [
        *("--collect-only", "--setup-plan"),
        *(
            pytest.param(each, marks=pytest.mark.thorough)
            for each in ("--help", "--version", "--fixtures", "--markers")
        ),
    ],
)
def test_what_runs_no_test_starts_no_server(fresh: Sandbox, option: str) -> None:
    fresh.write("test_nothing.py", "def test_nothing():\n    pass\n")
    done = fresh.pytest(option)
    assert (done.code, (fresh.root / ".dbtasks").exists()) == (0, False), done.text


def test_a_project_may_keep_pytest_from_building_and_stays_pinned(fresh: Sandbox) -> None:
    fresh.write("pytest.ini", "[pytest]\ndbtasks_build = false\n")
    body = "import os\n\ndef test_pinned():\n    assert os.environ['DATABASE_URL'] == ''\n"
    fresh.write("test_pinned.py", body)
    done = fresh.pytest(env={"DATABASE_URL": "postgresql://anna@db-7.example.com/app_prod"})
    assert (done.code, operations(fresh)) == (0, []), done.text
    assert "dbtasks: no database: " in done.out


@pytest.mark.thorough
def test_runs_at_the_same_time_build_once(fresh: Sandbox) -> None:
    fresh.write("test_nothing.py", "def test_nothing():\n    pass\n")
    running = [
        subprocess.Popen(PYTEST, cwd=fresh.root, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(3)
    ]
    output = [process.communicate(timeout=PATIENCE_S)[0].decode() for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], output
    assert operations(fresh) == ["reset"]


def test_a_folder_without_tiers_is_left_alone(fresh: Sandbox) -> None:
    body = "import os\n\ndef test_free():\n    assert os.environ['USE_STG_DATABASE'] == 'true'\n"
    fresh.write("test_free.py", body)
    (fresh.root / "config/tiers.yaml").unlink()
    done = fresh.pytest(env={"USE_STG_DATABASE": "true"})
    assert (done.code, "dbtasks: " in done.text) == (0, False), done.text
