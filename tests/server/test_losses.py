"""What a careless file, or a variable left behind, must not do."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests import outside
from tests.server.road import Project, contents, project, said

pytestmark = pytest.mark.timeout(180)
SCRIPT = "seeds/demo/90_own.sql"


@pytest.fixture(scope="module")
def home() -> Iterator[Project]:
    """A project whose INT and STG are built."""
    with project() as made:
        for tier in ("int", "stg"):
            done = made.invoke(f"reset --tier={tier}")
            assert done.code == 0, done.text
        yield made


@pytest.fixture
def script(home: Project) -> Iterator[Project]:
    yield home
    (home.root / SCRIPT).unlink(missing_ok=True)


DESTROYS = {
    "DELETE FROM lessons WHERE id = 2;": "public.lessons (1 rows)",
    "WITH gone AS (DELETE FROM lessons RETURNING id) SELECT count(*) FROM gone;": "public.lessons (2 rows)",
    "DO $$ BEGIN TRUNCATE lessons; END $$;": "public.lessons (emptied or dropped)",
    "DROP TABLE lessons;": "public.lessons (emptied or dropped)",
}


@pytest.mark.parametrize("statement", DESTROYS)
def test_a_seed_that_takes_rows_away_changes_nothing_on_stg(script: Project, statement: str) -> None:
    url = script.server_url("stg", "small_stg")
    before = contents(url)
    script.file(SCRIPT, statement + "\n")

    done = script.invoke("seed --tier=stg --format=json")

    assert (done.code, said(done)["error"]["code"]) == (3, "E-SEED-DESTROYS")
    assert DESTROYS[statement] in said(done)["error"]["message"]
    assert contents(url) == before
    assert script.last_entry()["outcome"] == "failed"


def test_a_seed_that_only_adds_runs_on_stg(script: Project) -> None:
    script.file(
        SCRIPT, "INSERT INTO people VALUES (9, 'zoe') ON CONFLICT DO NOTHING;\nUPDATE people SET name = name;\n"
    )

    done = script.invoke("seed --tier=stg")

    assert done.code == 0, done.text
    with outside.connect(script.server_url("stg", "small_stg")) as connection:
        assert connection.execute("SELECT name FROM people WHERE id = 9").fetchone() == ("zoe",)


def test_a_seed_may_take_away_what_may_be_lost(script: Project) -> None:
    script.file(SCRIPT, "DELETE FROM lessons WHERE id = 2;\n")

    assert script.invoke("seed --tier=int").code == 0
    assert script.invoke("reset --tier=stg --yes").code == 0  # into a database that nobody uses yet


@pytest.mark.parametrize("tier", ["int", "stg"])
def test_a_seed_cannot_say_which_tier_a_database_is(script: Project, tier: str) -> None:
    script.file(SCRIPT, "UPDATE dbtasks.identity SET tier = 'prod', consent = 'none';\n")

    done = script.invoke(f"seed --tier={tier} --format=json")

    assert (done.code, said(done)["error"]["code"]) == (3, "E-SEED-BOOKKEEPING")
    assert said(script.invoke(f"status --tier={tier} --format=json"))["tiers"][0]["stamp"] == "ok"


OPENS = "import dbtasks; print(dbtasks.current_tier().name, dbtasks.connect().execute('SELECT 1').fetchone()[0])"


def test_a_url_left_behind_by_another_command_is_looked_at(home: Project) -> None:
    stg = home.server_url("stg", "small_stg")
    python = [sys.executable, "-c", OPENS]

    misled = home.run(python, DBTASKS_HANDED_TIER="int", DBTASKS_HANDED_URL=stg)

    assert misled.code == 1
    assert "refused (E-HANDED)" in misled.err
    assert home.last_entry()["outcome"] == "E-HANDED"
    twin = home.run(python, DBTASKS_HANDED_TIER="stg", DBTASKS_HANDED_URL=stg)
    assert (twin.code, twin.out) == (0, "stg 1\n")
    assert home.last_entry()["kind"] == "note"


WRITES = "import dbtasks; dbtasks.connect(read_only={}).execute('CREATE TABLE written (id int)')"


@pytest.mark.parametrize(
    ("flag", "read_only", "refused"),
    [("--read-only ", False, True), ("--read-only ", True, True), ("", True, True), ("", False, False)],
)
def test_a_command_that_may_only_read_cannot_write(home: Project, flag: str, read_only: bool, refused: bool) -> None:
    words = ["run", "--tier=stg", *flag.split(), "--", sys.executable, "-c", WRITES.format(read_only)]

    done = home.run([sys.executable, "-m", "invoke", *words])

    assert ("ReadOnlySqlTransaction" in done.err, done.code) == (refused, 1 if refused else 0)


def test_status_inside_a_command_tells_each_tiers_own_url(home: Project) -> None:
    done = home.run(
        [sys.executable, "-m", "invoke", "run", "--tier=stg", "--", sys.executable, "-m", "invoke", "status"]
    )

    assert done.code == 0, done.text
    assert [line.split()[1] for line in done.out.splitlines()[:2]] == [
        "small_int",
        "postgresql://postgres:***@127.0.0.1:" + done.out.splitlines()[1].split("127.0.0.1:")[1].split()[0],
    ]
    assert "[PROD]" in done.out
    assert "small_stg" not in done.out.splitlines()[2]
