"""Resets on a server whose role may not create databases: the whole road, by commands as people run them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import outside
from tests.server.abroad import abroad as abroad
from tests.server.road import Project, Server, asked_name, dump, project, said

pytestmark = pytest.mark.timeout(240)
URLS = {"int": "test_database_url", "stg": "stg_database_url", "prod": "database_url"}
PEOPLES_DOING = """
INSERT INTO people VALUES (99, 'somebody who was here before');
GRANT SELECT ON people TO small_reader; COMMENT ON TABLE people IS 'who';
CREATE SEQUENCE numbers; SELECT nextval('numbers')
"""


@pytest.fixture(scope="module")
def team(abroad: Server) -> Iterator[Project]:
    """A project whose tiers were given to it, each a database and no right to make another."""
    abroad.role("tenant")
    abroad.role("small_reader")
    with project() as made:
        for tier, variable in URLS.items():
            made.urls[variable] = abroad.url(abroad.database(f"given_{tier}", owner="tenant"), "tenant")
        yield made


@pytest.fixture(scope="module")
def built(team: Project) -> Project:
    """The same, with INT and STG as their revisions make them; what is in STG may have been somebody's doing."""
    for tier in ("int", "stg"):
        done(team, f"reset --tier={tier} --yes")
    return team


def done(team: Project, words: str, **environ: str) -> str:
    found = team.invoke(words, **environ)
    assert found.code == 0, found.text
    return found.text


def refused(team: Project, words: str, **environ: str) -> dict[str, str]:
    found = team.invoke(f"{words} --format=json", **environ)
    assert found.code == 3, found.text
    error: dict[str, str] = said(found)["error"]
    return error


def in_service(team: Project, tier: str) -> str:
    return dump(team.urls[URLS[tier]], "--exclude-schema=dbtasks", "--exclude-schema=*_dbtasks_*")


def sql(team: Project, tier: str, statement: str) -> list[tuple[object, ...]]:
    with outside.connect(team.urls[URLS[tier]], autocommit=True) as connection:
        return connection.execute(statement).rows or []


def kept(team: Project, tier: str) -> list[str]:
    return [str(name) for (name,) in sql(team, tier, "SELECT nspname FROM pg_namespace WHERE nspname ~ '_dbtasks_'")]


def test_a_reset_builds_elsewhere_and_says_what_it_replaces(team: Project, abroad: Server) -> None:
    before = abroad.databases()
    shown = done(team, "reset --tier=int --dry-run")
    assert "would build     a new database on the project's private server" in shown
    assert "would replace   the schema public inside given_int in one transaction: " in shown
    assert "keeps           the old schemas, under other names, until " in shown

    assert re.search(r"replaced public, tables locked for \d+ ms · undo: invoke undo --tier=int", done(team, "reset"))

    assert sql(team, "int", "SELECT name FROM people ORDER BY 1") == [("anna",), ("ben",)]
    assert sql(team, "int", "SELECT tier FROM dbtasks.identity") == [("int",)]
    assert sql(team, "int", "SELECT revision, direction FROM dbtasks.ledger ORDER BY id") == [
        ("r1", "upgrade"),
        ("r2", "upgrade"),
        ("r3", "upgrade"),
    ]
    assert abroad.databases() == before
    assert "at head (r3)" in done(team, "status")
    assert team.trail()[-1]["detail"]["heads"] == ["r3"]


def test_undo_brings_back_everything_and_can_be_undone(built: Project) -> None:
    done(built, "reset --tier=stg --yes")
    new = in_service(built, "stg")
    with outside.connect(built.urls["stg_database_url"]) as connection:
        connection.execute(PEOPLES_DOING)
    old = in_service(built, "stg")

    done(built, "reset --tier=stg --yes")
    assert in_service(built, "stg") == new
    listed = said(built.invoke("undo --tier=stg --list --format=json"))
    assert listed[0]["name"] == f"public_dbtasks_{listed[0]['mark']}"

    assert "brings back     3 tables, about 5 rows, " in built.invoke("undo --tier=stg --dry-run").text
    done(built, "undo --tier=stg --yes")
    assert in_service(built, "stg") == old
    done(built, "undo --tier=stg --yes")
    assert in_service(built, "stg") == new


@pytest.mark.thorough
def test_what_is_replaced_needs_the_word_of_who_is_there(built: Project) -> None:
    assert refused(built, "reset --tier=stg")["code"] == "E-NO-ANSWER"
    finished = built.terminal("reset --tier=stg", lambda shown: f"{asked_name(shown)}\n")
    assert finished.code == 0, finished.text
    assert "the schema public inside given_stg in one transaction" in finished.text


@pytest.mark.thorough
def test_prune_drops_what_retention_has_ended_and_shows_it_first(built: Project) -> None:
    done(built, "reset --tier=stg --yes")
    there = kept(built, "stg")
    assert "nothing to do" in done(built, "prune --tier=stg")
    sql(built, "stg", "UPDATE dbtasks.kept SET keep_until = now() - interval '1 minute'")

    assert all(name in built.invoke("prune --tier=stg --dry-run").text for name in there)
    assert kept(built, "stg") == there
    done(built, "prune --tier=stg --yes")
    assert kept(built, "stg") == []
    assert refused(built, "undo --tier=stg --yes")["code"] == "E-NOTHING-KEPT"


@pytest.mark.thorough
def test_what_may_lose_everything_keeps_what_was_replaced_last(built: Project) -> None:
    for _ in range(2):
        done(built, "reset --tier=int")
    assert len(kept(built, "int")) == 2


def test_a_backup_goes_into_the_schemas_and_single_tables_out_of_it(built: Project, abroad: Server) -> None:
    done(built, "reset --tier=stg --yes")  # what is kept now is in the backup, too, and not to be restored
    taken = said(built.invoke("backup --tier=stg --format=json"))["result"]["backup"]["id"]
    then, there = in_service(built, "stg"), abroad.databases()
    assert refused(built, f"restore --tier=stg --backup={taken} --into=beside")["code"] == "E-NO-DATABASE"
    sql(built, "stg", "DELETE FROM lessons")
    sql(built, "stg", "INSERT INTO people VALUES (70, 'written since')")

    copied = said(built.invoke(f"restore --tier=stg --backup={taken} --table=lessons --yes --format=json"))["result"]
    assert [(each["table"], each["added"]) for each in copied["copied"]] == [("lessons", 2)]
    assert ("written since",) in sql(built, "stg", "SELECT name FROM people")
    now = in_service(built, "stg")
    assert "would replace   the schema public inside given_stg in one transaction" in done(
        built, f"restore --tier=stg --backup={taken} --dry-run"
    )
    done(built, f"restore --tier=stg --backup={taken} --yes")

    assert in_service(built, "stg") == then
    assert "at head (r3)" in done(built, "status --tier=stg")
    done(built, "undo --tier=stg --yes")
    assert in_service(built, "stg") == now
    assert abroad.databases() == there


@pytest.mark.thorough
def test_without_postgresql_to_restore_on_nothing_is_asked(built: Project) -> None:
    done(built, "backup --tier=stg")
    for words in ("restore --tier=stg --yes", "restore --tier=stg --table=people --yes"):
        error = refused(built, words, DBTASKS_PG_BINDIR="/nonexistent")
        assert 'pip install "dbtasks[embedded]"' in error["message"]


def test_an_obstacle_is_named_before_anything_is_built(built: Project, abroad: Server) -> None:
    old = in_service(built, "stg")
    abroad.sql("CREATE PUBLICATION everything FOR ALL TABLES", "given_stg")
    try:
        error = refused(built, "reset --tier=stg --yes")
    finally:
        abroad.sql("DROP PUBLICATION everything", "given_stg")
    assert error["code"] == "E-OBSTACLE"
    assert "the publication everything is of all tables" in error["message"]
    assert "invoke migrate --tier=stg" in error["message"]
    assert in_service(built, "stg") == old


def test_where_no_postgresql_is_installed_the_refusal_says_what_to_install(built: Project) -> None:
    error = refused(built, "reset --tier=int", DBTASKS_PG_BINDIR="/nonexistent")
    assert error["code"] == "E-OBSTACLE"
    assert 'pip install "dbtasks[embedded]"' in error["message"]


def test_a_build_that_fails_leaves_everything_as_it_was(built: Project) -> None:
    old, there = in_service(built, "int"), kept(built, "int")
    path = built.revision("r4", "op.execute('CREATE TABLE x (a no_such_type)')")
    try:
        failed = built.invoke("reset --tier=int")
        assert failed.code == 1, failed.text
        assert "no_such_type" in failed.text
    finally:
        path.unlink()
    assert in_service(built, "int") == old
    assert kept(built, "int") in (there, there[-1:])
    assert not list((built.root / ".dbtasks" / "dumps").glob("*"))


@pytest.mark.thorough
def test_revisions_that_cannot_be_loaded_leave_everything_as_it_was(built: Project) -> None:
    """The private server is newer than the target, and its dump may say what the target does not understand."""
    old = in_service(built, "int")
    path = built.revision("r4", "op.execute('CREATE TABLE x (a int, b int GENERATED ALWAYS AS (a * 2) VIRTUAL)')")
    try:
        failed = built.invoke("reset --tier=int")
        assert failed.code == 1, failed.text
        assert "The old schemas are in service as before." in failed.text
    finally:
        path.unlink()
    assert in_service(built, "int") == old


def test_what_may_lose_nothing_is_never_taken_apart(built: Project) -> None:
    sql(built, "prod", "CREATE TABLE IF NOT EXISTS precious (id int)")
    adopted = built.terminal("adopt --tier=prod", "yes\n", _phrase, USE_PROD_DATABASE="true")
    assert adopted.code == 0, adopted.text
    old = in_service(built, "prod")
    with built.screen(["invoke", "reset", "--tier=prod"], USE_PROD_DATABASE="true") as screen:
        shown = screen.end()
    assert shown.code == 3
    assert "E-NO-WAY-BACK" in shown.text
    assert in_service(built, "prod") == old


def _phrase(shown: str) -> str:
    found = re.findall(r"Type (\S+ [0-9a-f]{4}) to run exactly this plan:", shown)
    return f"{found[-1]}\n"


@pytest.mark.thorough
def test_a_killed_runs_leftovers_are_swept_by_the_next(built: Project) -> None:
    folder: Path = built.root / ".dbtasks" / "dumps" / "int"
    folder.mkdir(parents=True)
    (folder / "archive").write_text("half of it")
    done(built, "reset --tier=int")
    assert not folder.exists()
