"""Resets from what is in stock: the same database as one that is built, for less, and never a wrong one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.server.abroad import abroad as abroad
from tests.server.road import Project, Server, contents, project, said, until

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def team(abroad: Server) -> Iterator[Project]:
    """A project with a stock, whose INT was built once on the foreign server."""
    if not abroad.sql("SELECT 1 FROM pg_roles WHERE rolname = 'keeper'"):
        abroad.role("keeper", "CREATEDB")
    with project("stocked") as made:
        made.edit("config/tiers.yaml", "most: 0 databases", "most: 8 databases")
        made.urls = {"test_database_url": abroad.url("stocked_int", "keeper")}
        yield made
        for name in abroad.databases():
            if name.startswith(("stocked_int", "dbtasks_stocked_int")):
                abroad.sql(f'DROP DATABASE "{name}" WITH (FORCE)')
        abroad.sql("DELETE FROM dbtasks.registry WHERE project = 'stocked'", "dbtasks")


def reset(team: Project, words: str = "") -> dict[str, Any]:
    done = team.invoke(f"reset --format=json {words}")
    assert done.code == 0, done.text
    found = said(done)["result"]
    assert isinstance(found, dict)
    return found


def stock(abroad: Server) -> list[str]:
    query = "SELECT kind FROM dbtasks.registry WHERE project = 'stocked' AND kind IN ('template', 'spare') ORDER BY 1"
    return list(abroad.sql(query, "dbtasks"))


def test_each_way_gives_the_database_that_building_gives(team: Project, abroad: Server) -> None:
    url = abroad.url("stocked_int")
    built, first = reset(team), contents(url)
    cloned, second = reset(team), contents(url)
    assert team.invoke("prepare").code == 0
    renamed, third = reset(team), contents(url)

    assert first == second == third
    assert ("from" in built, cloned["from"]["spare"], renamed["from"]["spare"]) == (False, False, True)
    assert [sorted(each) for each in (cloned, renamed)] == [["from", "kept", "swap_ms"]] * 2


def test_a_new_revision_starts_from_the_longest_ancestor(team: Project) -> None:
    reset(team)
    team.revision("r4", "op.execute('CREATE TABLE four ()')")
    found = reset(team)

    assert (found["from"]["has"], found["applied"]) == ("some_revisions", ["r4"])
    assert found["seeded"] == {"added": 4, "changed": 0, "kept": 0}


def test_other_seeds_need_no_migration(team: Project) -> None:
    reset(team)
    team.file("seeds/demo/lessons.csv", "id,teacher,title\n1,1,Piano\n2,2,Cello\n3,2,Violin\n")
    found = reset(team)

    assert (found["from"]["has"], "applied" in found) == ("schema", False)
    assert found["seeded"] == {"added": 5, "changed": 0, "kept": 0}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        pytest.param(
            *("migrations/versions/r1.py", "name text NOT NULL UNIQUE", "name text NOT NULL UNIQUE, nick text"),
            id="revision",
        ),
        pytest.param(
            *("migrations/env.py", "context.run_migrations()", "context.run_migrations()  # otherwise"), id="env.py"
        ),
        pytest.param(
            *("alembic.ini", "[alembic]", "# another comment\n[alembic]"), id="alembic.ini", marks=pytest.mark.thorough
        ),
    ],
)
def test_whatever_the_build_opened_and_was_edited_is_built_anew(team: Project, file: str, old: str, new: str) -> None:
    reset(team)
    team.edit(file, old, new)
    found = reset(team)

    assert ("from" in found, found["applied"]) == (False, ["r1", "r2", "r3"])


@pytest.mark.thorough
def test_what_a_revision_sets_on_the_database_itself_comes_along(team: Project, abroad: Server) -> None:
    team.revision(
        "r4",
        "name = op.get_bind().exec_driver_sql('SELECT current_database()').scalar()\n"
        "op.execute(f\"ALTER DATABASE {name} SET work_mem = '9MB'\")\n"
        "op.execute(f\"COMMENT ON DATABASE {name} IS 'ours'\")",
    )
    reset(team)
    url = abroad.url("stocked_int")
    first = contents(url)
    assert team.invoke("prepare").code == 0
    abroad.sql("ALTER DATABASE stocked_int RESET work_mem")
    reset(team)

    assert "SET work_mem TO '9MB'" in first
    assert contents(url) == first


@pytest.mark.thorough
def test_the_stock_is_bounded_and_the_least_used_goes_first(team: Project, abroad: Server) -> None:
    team.edit("config/tiers.yaml", "most: 8 databases", "most: 3 databases")
    for number in range(4, 8):
        team.revision(f"r{number}", f"op.execute('CREATE TABLE t{number} ()')")
        assert team.invoke("reset").code == 0
        assert team.invoke("prepare").code == 0

    assert stock(abroad) == ["spare", "template", "template"]
    assert reset(team)["from"]["spare"]


@pytest.mark.thorough
def test_nothing_is_kept_where_none_is_wanted(team: Project, abroad: Server) -> None:
    team.edit("config/tiers.yaml", "most: 8 databases", "most: 0 databases")
    reset(team)

    assert stock(abroad) == []
    assert "from" not in reset(team)


@pytest.mark.thorough
def test_what_another_role_made_is_left_to_that_role(team: Project, abroad: Server) -> None:
    reset(team)
    if not abroad.sql("SELECT 1 FROM pg_roles WHERE rolname = 'other_keeper'"):
        abroad.role("other_keeper", "CREATEDB", "SUPERUSER")
    team.urls["test_database_url"] = abroad.url("stocked_int", "other_keeper")

    assert "from" not in reset(team)


def test_a_spare_with_another_floor_is_not_taken(team: Project, abroad: Server) -> None:
    reset(team)
    assert team.invoke("prepare").code == 0
    change = "UPDATE dbtasks.registry SET record = jsonb_set(record, '{stamp,floor,may_lose}', %s) WHERE kind = 'spare'"
    with abroad.connect("dbtasks") as connection:
        connection.execute(change, ['"asked"'])
    found = reset(team)

    assert (found["from"]["has"], found["from"]["spare"]) == ("whole", False)


@pytest.mark.thorough
def test_a_template_that_was_dropped_by_hand_is_built_anew(team: Project, abroad: Server) -> None:
    reset(team)
    for name in abroad.sql("SELECT name FROM dbtasks.registry WHERE kind = 'template'", "dbtasks"):
        abroad.sql(f'DROP DATABASE "{name}"')

    assert "from" not in reset(team)


def test_a_reset_prepares_the_next_in_the_background(team: Project, abroad: Server) -> None:
    team.edit("config/tiers.yaml", "by_hand: true", "by_hand: false")
    reset(team)
    until(lambda: "spare" in stock(abroad), what="a spare")
    until(
        lambda: [team.last_entry()[name] for name in ("operation", "kind")] == ["prepare", "result"], what="its entry"
    )
    team.edit("config/tiers.yaml", "by_hand: false", "by_hand: true")

    assert reset(team)["from"]["spare"]


@pytest.mark.thorough
def test_what_the_server_reads_itself_is_not_kept_and_the_schema_before_such_seeds_is(
    team: Project, abroad: Server
) -> None:
    team.file("seeds/demo/zz.sql", "SELECT count(*) FROM pg_roles;\n")
    first = team.invoke("reset")
    found = reset(team)
    assert (first.code, stock(abroad), found["from"]["has"]) == (0, ["template"], "schema"), first.text
    assert (
        "stock     not kept for the next time: its build read from outside of its database, by pg_roles in"
        in first.text
    )

    team.revision("r4", "op.execute(\"DO $$ BEGIN PERFORM 1 FROM pg_roles WHERE rolname = 'app'; END $$\")")
    second = team.invoke("reset")
    assert (second.code, stock(abroad)) == (0, ["template"]), second.text
    assert second.text.count("stock     not kept for the next time: its build read from outside") == 1


def test_a_fresh_reset_believes_nothing_that_is_in_stock(team: Project, abroad: Server) -> None:
    reset(team)
    assert team.invoke("prepare").code == 0
    before = set(abroad.sql("SELECT name FROM dbtasks.registry WHERE kind IN ('template', 'spare')", "dbtasks"))
    found = reset(team, "--fresh")
    after = set(abroad.sql("SELECT name FROM dbtasks.registry WHERE kind IN ('template', 'spare')", "dbtasks"))
    assert ("from" in found, found["applied"], before & after) == (False, ["r1", "r2", "r3"], set())
    assert reset(team)["from"]["has"] == "whole"
