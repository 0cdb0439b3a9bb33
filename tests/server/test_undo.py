"""`undo`, `undo --list` and `prune` on a server that is not ours: what a reset replaced comes back, whole."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.server.abroad import abroad as abroad
from tests.server.road import Project, Server, asked_name, nothing_changes, project, said

pytestmark = pytest.mark.timeout(180)

LIVED_IN = """
INSERT INTO people VALUES (7, 'it''s é'), (8, 'cleo');
CREATE SEQUENCE invoice_numbers;
SELECT setval('invoice_numbers', 4711);
CREATE SCHEMA billing AUTHORIZATION app;
CREATE TABLE billing.invoices (id bigint PRIMARY KEY DEFAULT nextval('invoice_numbers'), person int REFERENCES people);
INSERT INTO billing.invoices (person) VALUES (7), (8);
CREATE VIEW names AS SELECT name FROM people;
CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT 2 * n';
GRANT SELECT ON people TO reader;
GRANT USAGE ON SCHEMA billing TO reader WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA billing GRANT SELECT ON TABLES TO reader;
COMMENT ON TABLE people IS 'who teaches and who learns';
SELECT lo_from_bytea(4242, 'a large object');
"""
DRESSED = (
    "COMMENT ON DATABASE shelf_stg IS 'do not touch'",
    "GRANT CONNECT, TEMPORARY ON DATABASE shelf_stg TO reader WITH GRANT OPTION",
    "REVOKE CONNECT ON DATABASE shelf_stg FROM PUBLIC",
    "ALTER DATABASE shelf_stg SET work_mem = '7MB'",
    'ALTER DATABASE shelf_stg SET search_path = "$user", public, billing',
    "ALTER ROLE reader IN DATABASE shelf_stg SET statement_timeout = '3s'",
    "ALTER DATABASE shelf_stg CONNECTION LIMIT 42",
)


@pytest.fixture(scope="module")
def shelf(abroad: Server) -> Iterator[Project]:
    """A project on the foreign server whose STG people have worked in."""
    abroad.role("app", "SUPERUSER")  # settings of another role need one
    abroad.role("reader")
    with project("shelf") as made:
        made.urls = {
            "test_database_url": abroad.url("shelf_int", "app"),
            "stg_database_url": abroad.url("shelf_stg", "app"),
        }
        for tier in ("int", "stg"):
            assert made.invoke(f"reset --tier={tier}").code == 0
        yield made


@pytest.fixture
def lived_in(shelf: Project, abroad: Server) -> str:
    """The dump of a STG that is unlike any that a reset builds."""
    done = shelf.invoke("reset --tier=stg --yes")
    assert done.code == 0, done.text
    for statement in filter(None, map(str.strip, LIVED_IN.split(";\n"))):
        abroad.sql(statement, "shelf_stg")
    for statement in DRESSED:
        abroad.sql(statement)
    return abroad.dump("shelf_stg")


def kept(shelf: Project) -> list[dict[str, object]]:
    found = shelf.invoke("undo --tier=stg --list --format=json")
    assert found.code == 0, found.text
    return list(json.loads(found.out))


def test_undo_brings_back_every_row_sequence_grant_comment_and_setting(
    shelf: Project, abroad: Server, lived_in: str
) -> None:
    reset = shelf.invoke("reset --tier=stg --yes")
    fresh = abroad.dump("shelf_stg")
    undone = shelf.invoke("undo --tier=stg --yes")

    assert (reset.code, undone.code) == (0, 0), undone.text
    assert fresh != lived_in
    assert abroad.dump("shelf_stg") == lived_in


@pytest.mark.thorough
def test_undo_can_be_undone(shelf: Project, abroad: Server, lived_in: str) -> None:
    assert shelf.invoke("reset --tier=stg --yes").code == 0
    fresh = abroad.dump("shelf_stg")
    for expected in (lived_in, fresh, lived_in):
        done = shelf.invoke("undo --tier=stg --yes")
        assert done.code == 0, done.text
        assert abroad.dump("shelf_stg") == expected


@pytest.mark.thorough
def test_undo_of_an_older_entry_brings_back_what_that_entry_replaced(
    shelf: Project, abroad: Server, lived_in: str
) -> None:
    entries = []
    for _ in range(2):
        found = said(shelf.invoke("reset --tier=stg --yes --format=json"))
        entries.append(found["entry"])
    done = shelf.invoke(f"undo --tier=stg --entry={entries[0]} --yes --format=json")

    assert done.code == 0, done.text
    assert said(done)["result"]["brought_back"] == entries[0]
    assert abroad.dump("shelf_stg") == lived_in


def test_what_another_database_of_the_tier_was_is_neither_brought_back_nor_dropped(
    shelf: Project, abroad: Server, lived_in: str
) -> None:
    """Several people may have a database of one tier on one server, each under a name of its own."""
    assert shelf.invoke("reset --tier=stg --yes").code == 0
    theirs = {"stg_database_url": abroad.url("shelf_stg_theirs", "app")}
    assert shelf.invoke("reset --tier=stg --yes", **theirs).code == 0
    before = abroad.databases()

    listed = shelf.invoke("undo --tier=stg --list --format=json", **theirs)
    undone = shelf.invoke("undo --tier=stg --yes", **theirs)
    end = "UPDATE dbtasks.registry SET keep_until = now() + interval {} WHERE kind = 'retired'"
    abroad.sql(end.format("'0'"), "dbtasks")
    pruned = shelf.invoke("prune --tier=stg --yes", **theirs)
    abroad.sql(end.format("'9 days'"), "dbtasks")

    assert json.loads(listed.out) == []
    assert (undone.code, "E-NOTHING-KEPT" in undone.text) == (3, True), undone.text
    assert (pruned.code, abroad.databases()) == (0, before), pruned.text
    assert shelf.invoke("undo --tier=stg --yes").code == 0
    assert abroad.dump("shelf_stg") == lived_in
    abroad.sql("DROP DATABASE shelf_stg_theirs WITH (FORCE)")


def test_what_is_kept_is_listed_with_the_entry_that_replaced_it(shelf: Project, lived_in: str) -> None:
    assert lived_in
    entry = said(shelf.invoke("reset --tier=stg --yes --format=json"))["entry"]

    newest = kept(shelf)[0]
    assert (newest["entry"], newest["ended"]) == (entry, False)
    assert str(newest["name"]).startswith("dbtasks_shelf_stg_")
    assert f"entry {entry} of " in shelf.invoke("undo --tier=stg --list").out


def test_undo_asks_for_the_name_and_shows_what_comes_and_what_goes(
    shelf: Project, abroad: Server, lived_in: str
) -> None:
    assert shelf.invoke("reset --tier=stg --yes").code == 0
    done = shelf.terminal("undo --tier=stg", lambda shown: f"{asked_name(shown)}\n")

    assert done.code == 0, done.text
    assert "brings back     4 tables" in done.out  # with the one that people made
    assert "would replace   all that shelf_stg holds: 3 tables" in done.out
    assert abroad.dump("shelf_stg") == lived_in


def test_undo_without_a_word_for_it_is_refused_and_with_it_done(shelf: Project, abroad: Server, lived_in: str) -> None:
    assert lived_in
    assert shelf.invoke("reset --tier=stg --yes").code == 0
    with nothing_changes(abroad, "shelf_stg"):
        refused = shelf.invoke("undo --tier=stg --format=json")
        by_agent = shelf.invoke("undo --tier=stg --yes --format=json", CLAUDECODE="1")

    assert [said(each)["error"]["code"] for each in (refused, by_agent)] == ["E-NO-ANSWER", "E-AGENT"]
    assert shelf.invoke("undo --tier=stg --yes").code == 0


def test_undo_of_what_is_not_kept_is_refused(shelf: Project, abroad: Server) -> None:
    with nothing_changes(abroad, "shelf_stg"):
        done = shelf.invoke("undo --tier=stg --entry=999999 --yes --format=json")

    assert (done.code, said(done)["error"]["code"]) == (3, "E-NOTHING-KEPT")


def test_a_kept_database_that_somebody_stamped_otherwise_does_not_come_back(
    shelf: Project, abroad: Server, lived_in: str
) -> None:
    assert lived_in
    assert shelf.invoke("reset --tier=stg --yes").code == 0
    name = str(kept(shelf)[0]["name"])
    abroad.sql("UPDATE dbtasks.identity SET tier = 'prod'", name)
    with nothing_changes(abroad, "shelf_stg"):
        done = shelf.invoke("undo --tier=stg --yes --format=json")
    abroad.sql("UPDATE dbtasks.identity SET tier = 'stg'", name)

    assert said(done)["error"]["code"] == "E-STAMP"
    assert shelf.invoke("undo --tier=stg --yes").code == 0


@pytest.mark.thorough
def test_sessions_on_either_database_are_ended(shelf: Project, abroad: Server, lived_in: str) -> None:
    assert shelf.invoke("reset --tier=stg --yes").code == 0
    name = str(kept(shelf)[0]["name"])
    with abroad.connect("shelf_stg") as one, abroad.connect(name) as other:
        for each in (one, other):
            each.execute("SELECT 1")
        done = shelf.invoke("undo --tier=stg --yes")

    assert done.code == 0, done.text
    assert abroad.dump("shelf_stg") == lived_in


def test_prune_drops_what_has_ended_after_showing_it_and_nothing_else(
    shelf: Project, abroad: Server, lived_in: str
) -> None:
    assert lived_in
    for _ in range(2):
        assert shelf.invoke("reset --tier=stg --yes").code == 0
    newest, ended, *_ = (str(each["name"]) for each in kept(shelf))
    with abroad.connect("dbtasks") as connection:
        connection.execute("UPDATE dbtasks.registry SET keep_until = now() WHERE name = %s", [ended])

    shown = shelf.invoke("prune --tier=stg --dry-run")
    refused = shelf.invoke("prune --tier=stg --format=json")
    assert said(refused)["error"]["code"] == "E-NO-ANSWER"
    assert ended in abroad.databases()
    assert (ended in shown.err, newest in shown.err) == (True, False)

    done = shelf.invoke("prune --tier=stg --yes --format=json")
    assert said(done)["result"] == {"dropped": [ended]}
    assert (ended in abroad.databases(), newest in abroad.databases()) == (False, True)
    again = shelf.invoke("prune --tier=stg --yes --format=json")
    assert (again.code, said(again)["verdict"]) == (0, "nothing to do")


@pytest.mark.thorough
def test_a_tier_that_may_lose_everything_keeps_the_last_one_only(shelf: Project, abroad: Server) -> None:
    for _ in range(3):
        assert shelf.invoke("reset --tier=int").code == 0
    there = [name for name in abroad.databases() if name.startswith("dbtasks_shelf_int_") and name.endswith("_old")]

    assert 1 <= len(there) <= 5
    assert shelf.invoke("undo").code == 0
