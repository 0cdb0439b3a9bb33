"""Rehearsals: what they see is what is executed, and a tier is touched only after one that went well."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests import outside
from tests.outside import REPOSITORY
from tests.server.road import ENV_PY, INVOKE, Project, contents, dump, kill_group, project, said, until

pytestmark = pytest.mark.timeout(240)

REVISIONS = {
    "r4": "op.execute('ALTER TABLE lessons ADD COLUMN price int')",
    "r5": "op.execute('CREATE INDEX lessons_by_title ON lessons (title)')",
    "r6": """
        with op.get_context().autocommit_block():
            op.execute('CREATE INDEX CONCURRENTLY people_by_id ON people (id, name)')
            op.execute('ALTER TABLE people ADD COLUMN born date')
            op.execute('VACUUM FULL lessons')
    """,
    "r7": """
        import sqlalchemy as sa
        set_price = sa.text("UPDATE lessons SET price = :price WHERE title NOT LIKE 'x%'")
        op.get_bind().execute(set_price, {'price': 271828})
        op.alter_column('lessons', 'price', nullable=False)
    """,
    "r8": "op.execute('ALTER TABLE people ALTER COLUMN id TYPE bigint')",
    "r9": "op.execute('CREATE TABLE notes (id int PRIMARY KEY)')\nop.execute('ALTER TABLE notes ADD COLUMN text text')",
}
INSERT_NINE = """
INSERT INTO lessons SELECT m + n, 1, 'Harp' FROM generate_series(1, 9) n
 CROSS JOIN (SELECT max(id) AS m FROM lessons) AS last
"""
ECHO = ENV_PY.replace("create_engine(url,", "create_engine(url, echo=True,")


@pytest.fixture(scope="module")
def home() -> Iterator[Project]:
    """A project whose INT and STG are on embedded servers of its own."""
    with project() as made:
        yield made


@pytest.fixture
def more(home: Project) -> Project:
    """The same project with its three revisions, and INT and STG built from them."""
    return anew(home)


@pytest.fixture(scope="module")
def rehearsed(home: Project) -> dict[str, Any]:
    """What a dry run on INT says of the revisions above; INT itself is held to staying as it is."""
    anew(home)
    for id_, body in REVISIONS.items():
        home.revision(id_, body)
    url = home.server_url("int", "small_int")
    before, databases = dump(url), databases_of(url)
    done = home.invoke("migrate --tier=int --dry-run --format=json")
    assert done.code == 0, done.text
    assert (dump(url), databases_of(url)) == (before, databases)
    assert "271828" not in done.text
    found: dict[str, Any] = said(done)["rehearsal"]
    return found


def anew(home: Project) -> Project:
    for path in (home.root / "migrations/versions").glob("r*.py"):
        if path.stem not in ("r1", "r2", "r3"):
            path.unlink()
    for tier in ("int", "stg"):
        done = home.invoke(f"reset --tier={tier} --yes")
        assert done.code == 0, done.text
    return home


def change(url: str, *statements: str) -> None:
    with outside.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def databases_of(url: str) -> set[str]:
    with outside.connect(url) as connection:
        return {name for (name,) in connection.execute("SELECT datname FROM pg_database").fetchall()}


def statements(rehearsed: dict[str, Any], revision: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = next(
        each["statements"] for each in rehearsed["revisions"] if each["revision"] == revision
    )
    return found


def locks(rehearsed: dict[str, Any], revision: str) -> list[tuple[str, str]]:
    return [(lock["relation"], lock["mode"]) for each in statements(rehearsed, revision) for lock in each["locks"]]


def test_the_statements_are_those_that_alembic_alone_executes(home: Project, rehearsed: dict[str, Any]) -> None:
    anew(home)
    for id_, body in REVISIONS.items():
        home.revision(id_, body)
    base = home.server_url("int", "small_int").rpartition("/")[0]
    change(f"{base}/postgres", "CREATE DATABASE bare TEMPLATE small_int")
    home.file("migrations/env.py", ECHO)
    try:
        done = home.run([sys.executable, "-m", "alembic", "upgrade", "head"], DATABASE_URL=f"{base}/bare")
    finally:
        home.file("migrations/env.py", ENV_PY)
        change(f"{base}/postgres", "DROP DATABASE bare")
    assert done.code == 0, done.text
    echoed = re.findall(r"INFO sqlalchemy\.engine\.Engine ((?:ALTER|CREATE|UPDATE lessons|VACUUM) .*)", done.text)
    bare = [re.sub(r"%\(\w+\)s", "$1", each).replace("%%", "%") for each in echoed]

    assert [each["statement"] for id_ in REVISIONS for each in statements(rehearsed, id_)] == bare
    assert len(bare) == 10


def test_locks_are_those_that_postgresql_says_it_took(rehearsed: dict[str, Any]) -> None:
    assert locks(rehearsed, "r4") == [("public.lessons", "AccessExclusiveLock")]
    assert locks(rehearsed, "r5") == [("public.lessons", "ShareLock")]
    assert locks(rehearsed, "r6") == [
        ("public.people", "ShareUpdateExclusiveLock"),
        ("public.people", "AccessExclusiveLock"),
        ("public.lessons", "AccessExclusiveLock"),
    ]
    assert ("public.lessons", "AccessExclusiveLock") in locks(rehearsed, "r7")
    assert locks(rehearsed, "r9") == []  # a table of the run's own


def test_what_left_its_transaction_is_told_as_such(rehearsed: dict[str, Any]) -> None:
    told = {id_: {each["transactional"] for each in statements(rehearsed, id_)} for id_ in REVISIONS}

    assert told == {id_: {id_ != "r6"} for id_ in REVISIONS}


def test_a_rewrite_is_a_new_file_and_rows_are_those_of_the_tier(rehearsed: dict[str, Any]) -> None:
    rewrites = {id_: {name for each in statements(rehearsed, id_) for name in each["rewrites"]} for id_ in REVISIONS}

    assert rewrites == {id_: set() for id_ in REVISIONS} | {"r6": {"public.lessons"}, "r8": {"public.people"}}
    assert [each["rows"] for each in statements(rehearsed, "r7")] == [2, None]
    assert rehearsed["rows"] == 4


def test_what_fails_in_the_rehearsal_is_refused_before_the_tier_is_touched(more: Project) -> None:
    more.revision("r4", "op.execute(os.environ.get('MODE', 'CREATE TABLE notes (id int)'))")
    assert more.invoke("migrate --tier=int").code == 0
    stg = more.server_url("stg", "small_stg")
    before = contents(stg)

    refused = more.invoke("migrate --tier=stg", MODE="SELECT nosuch FROM people")

    assert (refused.code, contents(stg)) == (3, before), refused.text
    assert "refused (E-REHEARSAL)" in refused.err
    assert 'revision r4: UndefinedColumn: column "nosuch" does not exist' in refused.err
    assert "raised in migrations/versions/r4.py:" in refused.err
    assert "traceback logs/rehearsals.log" in refused.err
    assert "nosuch" in (more.root / "logs/rehearsals.log").read_text(encoding="utf-8")
    assert more.last_entry()["outcome"] == "E-REHEARSAL"
    done = more.invoke("migrate --tier=stg")
    assert done.code == 0, done.text


def test_what_would_lose_data_asks_as_reset_does_and_yes_is_a_scripts_answer_not_an_agents(more: Project) -> None:
    more.revision("r4", "op.execute('ALTER TABLE lessons DROP COLUMN title')")
    assert more.invoke("migrate --tier=int").code == 0
    stg = more.server_url("stg", "small_stg")
    before = contents(stg)

    planned = more.invoke("migrate --tier=stg --dry-run --format=json")
    unasked = more.invoke("migrate --tier=stg")
    more.file("without/postgast.py", "raise ImportError")
    unlinted = more.invoke("migrate --tier=stg --dry-run", PYTHONPATH=f"{more.root}/without:{REPOSITORY}")
    agent = more.invoke("migrate --tier=stg --yes", CLAUDECODE="1")
    wrong = more.terminal("migrate --tier=stg", "small_int\n")

    assert contents(stg) == before
    assert (planned.code, unasked.code, agent.code, wrong.code) == (0, 3, 3, 4)
    assert said(planned)["plan"]["effect"] == "DESTROY"
    assert [(risk["what"], risk["count"], risk["ceiling"]) for risk in said(planned)["rehearsal"]["at_risk"]] == [
        ("lessons.title", 2, 10)
    ]
    objections = [(each["rule"], each["severity"], each["revision"]) for each in said(planned)["rehearsal"]["lint"]]
    assert objections == [("drop-column", "critical", "r4")]
    assert "lint            critical drop-column: drops lessons.title" in wrong.out
    told = "not linted      lint needs the package postgast, which is not installed. Run: pip install 'dbtasks[lint]'\n"
    assert (unlinted.code, told in unlinted.err, "critical drop-column" in unlinted.err) == (0, True, False)
    assert "E-NO-ANSWER" in unasked.err
    assert "migrate would take data from small_stg" in unasked.err
    assert "E-AGENT" in agent.err
    assert "data at risk    drops lessons.title: 2 values (r4); consent covers up to 10" in wrong.out
    done = more.invoke("migrate --tier=stg --yes")
    assert done.code == 0, done.text


def test_more_than_was_agreed_to_is_refused_and_nothing_is_lost(more: Project) -> None:
    more.revision("r4", "op.execute('ALTER TABLE lessons DROP COLUMN title')")
    assert more.invoke("migrate --tier=int").code == 0
    stg = more.server_url("stg", "small_stg")

    def answer_late() -> str:
        with more.screen([*INVOKE, "migrate", "--tier=stg"]) as screen:
            screen.wait_for("to go on: ")
            change(stg, INSERT_NINE)
            screen.child.send("small_stg\n")
            done = screen.end()
            return f"{done.code} {done.out}"

    over = answer_late()  # 2 + 9 values, and 10 were agreed to
    titles = "SELECT count(title) FROM lessons"
    with outside.connect(stg) as connection:
        assert connection.execute(titles).fetchone() == (11,)
    within = answer_late()  # 11 + 9 = 20 values, and 20 are agreed to

    assert over.startswith("3 ")
    assert "refused (E-CEILING)" in over
    assert "drops lessons.title: 11 values, agreed were at most 10" in over
    assert within.startswith("0 "), within


def test_a_demand_that_the_rows_do_not_meet_is_refused_with_their_number_and_the_query_that_shows_them(
    more: Project,
) -> None:
    more.revision("r4", "op.execute('ALTER TABLE people ADD COLUMN born date')")
    assert more.invoke("migrate --through=stg").code == 0
    more.revision("r5", "op.alter_column('people', 'born', nullable=False)")
    more.revision("r6", "op.create_unique_constraint('one_title', 'lessons', ['title'])")
    more.revision("r7", "op.execute('ALTER TABLE lessons ADD COLUMN price int NOT NULL')")
    change(more.server_url("int", "small_int"), "UPDATE people SET born = '2000-01-01'", "DELETE FROM lessons")
    assert more.invoke("migrate --tier=int").code == 0
    stg = more.server_url("stg", "small_stg")
    change(stg, "UPDATE lessons SET title = 'Piano'")
    before = contents(stg)

    refused = more.invoke("migrate --tier=stg")

    assert (refused.code, contents(stg)) == (3, before), refused.text
    assert "refused (E-WOULD-FAIL)" in refused.err
    for said_so in (
        "demands a value in people.born, which lack 2 rows. To see them: ",
        'SELECT * FROM "public"."people" WHERE "born" IS NULL;',
        "demands that lessons.title be unique, which are not 1 key. To see them: ",
        'SELECT "title", count(*) FROM "public"."lessons" WHERE "title" IS NOT NULL GROUP BY "title" HAVING',
        "adds lessons.price, NOT NULL and without a default, to 2 rows.",
    ):  # fmt: skip
        assert said_so in refused.err
    change(stg, "UPDATE people SET born = '2000-01-01'", "DELETE FROM lessons")
    done = more.invoke("migrate --tier=stg")
    assert done.code == 0, done.text


@pytest.mark.thorough
def test_ctrl_c_leaves_nothing_behind_and_a_kill_nothing_after_the_next_rehearsal(more: Project) -> None:
    more.revision("r4", "import pathlib, time\npathlib.Path('began').touch()\ntime.sleep(60)")
    url = more.server_url("int", "small_int")
    before, databases = dump(url), databases_of(url)
    began = more.root / "began"
    with more.screen([*INVOKE, "migrate", "--tier=int", "--dry-run"]) as screen:
        until(began.exists, what="the revision in the rehearsal")
        screen.child.send("\x03")
        interrupted = screen.end()
    assert interrupted.code == 130, interrupted.out
    assert "interrupted in the rehearsal; small_int was not touched" in interrupted.out
    assert (dump(url), databases_of(url)) == (before, databases)
    began.unlink()
    running = more.start("migrate --tier=int --dry-run")
    until(began.exists, what="the revision in the rehearsal")

    kill_group(running)

    assert len(databases_of(url) - databases) == 1
    more.revision("r4", "pass")
    done = more.invoke("migrate --tier=int --dry-run")
    assert done.code == 0, done.text
    assert "left by a run that was killed" in done.err
    assert (dump(url), databases_of(url)) == (before, databases)
