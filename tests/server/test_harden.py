"""Guards inside PostgreSQL: psql, which has never heard of us, is stopped, and what is cleared goes through."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from dbtasks.programs import child_environment, find_client, find_server_programs
from tests.server import abroad
from tests.server.road import REVISIONS, Project, Server, nothing_changes, project, said

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("shop")]
ARMED = {"USE_PROD_DATABASE": "true"}
PROD_ENDS = "    embedded: never\n"
HARDEN = """    admin_url: database_admin_url
    harden: {people: [anna, analysts], statement_timeout: 2 minutes, connections_each: 3 connections}
"""


@pytest.fixture(
    scope="module", params=["another version", pytest.param("the private one's version", marks=pytest.mark.thorough)]
)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    bindir = find_server_programs().bindir if request.param.startswith("the private") else None
    with abroad.started(bindir=bindir) as made:
        yield made


@pytest.fixture(scope="module")
def shop(server: Server) -> Iterator[Project]:
    """A project whose PROD is hardened. `mover` migrates, `clerk` may do as `mover`, `anna` and `ben` are people."""
    server.role("mover", "CREATEDB")
    for name in ("clerk", "anna", "ben"):
        server.role(name)
    server.sql("CREATE ROLE analysts")
    server.sql("GRANT mover TO clerk")
    server.sql("GRANT analysts TO ben")
    server.database("wares_prod", "mover")
    with project("wares") as made:
        made.urls = {
            variable: server.url(name, "mover")
            for variable, name in (
                ("test_database_url", "wares_int"), ("stg_database_url", "wares_stg"), ("database_url", "wares_prod"),
            )
        }  # fmt: skip
        made.urls["database_admin_url"] = server.url("wares_prod")
        made.revision("r1", REVISIONS["r1"].replace(")')", ", nick text)')"))
        made.revision("r3", f"{REVISIONS['r3']}\nop.execute('GRANT ALL ON people TO PUBLIC')")
        made.with_keys().edit("config/tiers.yaml", PROD_ENDS, f"{HARDEN}{PROD_ENDS}")
        for tier in ("int", "stg"):
            done = made.invoke(f"reset --tier={tier}")
            assert done.code == 0, done.text
        for words in ("adopt --tier=prod", "migrate --tier=prod", "seed --tier=prod"):
            done = made.prod(words)
            assert done.code == 0, done.text
        done = made.prod("harden --tier=prod")
        assert done.code == 0, done.out
        yield made


def psql(server: Server, database: str, statement: str, role: str | None = None) -> str:
    """Run a statement as psql does; return what it says against it, empty where it ran."""
    command = [str(find_client("psql", 15)), "-X", "-v", "ON_ERROR_STOP=1", "-c", statement, server.url(database, role)]
    done = subprocess.run(command, capture_output=True, text=True, env=child_environment(), check=False)
    return done.stderr if done.returncode else ""


ATTACKS = {
    "a table": "DROP TABLE lessons",
    "a schema": "DROP SCHEMA public CASCADE",
    "our schema": "DROP SCHEMA dbtasks CASCADE",
    "rows": "TRUNCATE lessons",
    "rows of several": "TRUNCATE people CASCADE",
    "our ledger": "TRUNCATE dbtasks.ledger",
    "a column": "ALTER TABLE lessons DROP COLUMN title",
    "a constraint": "ALTER TABLE lessons DROP CONSTRAINT lessons_title_check",
    "an index": "DROP INDEX lessons_by_teacher",
    "everything of one": "DROP OWNED BY mover",
    "as the migrator": "SET ROLE mover; DROP TABLE lessons",
    "after a setting": "SET session_replication_role = replica; TRUNCATE lessons",
    "a guard's function": "DROP FUNCTION dbtasks.guard_drops() CASCADE",
    "a guard put to sleep": "ALTER TABLE lessons DISABLE TRIGGER ALL",
    "a guard of one table": "DROP TRIGGER dbtasks_guard_truncate ON lessons",
    "a guard renamed": "ALTER TRIGGER dbtasks_guard_truncate ON lessons RENAME TO t; DROP TRIGGER t ON lessons",
}


@pytest.mark.parametrize("role", [None, "clerk"], ids=["superuser", "the migrator's equal"])
def test_what_psql_would_destroy_stays(server: Server, role: str | None) -> None:
    with nothing_changes(server, "wares_prod"):
        heard = {name: psql(server, "wares_prod", attack, role) for name, attack in ATTACKS.items()}
        heard["the database"] = psql(server, "postgres", "DROP DATABASE wares_prod WITH (FORCE)", role)

    assert [name for name, words in heard.items() if not words] == []
    assert "this database is guarded, and only mover may" in heard["a table"]
    assert "invoke migrate" in heard["a table"]


def test_sessions_of_people_read_and_do_not_last(server: Server) -> None:
    for name in ("anna", "ben"):
        assert "read-only" in psql(server, "wares_prod", "CREATE TABLE public.own (id int)", name)
        assert server.sql("SHOW statement_timeout", "wares_prod", name) == ["2min"]
    assert server.sql("SELECT rolconnlimit FROM pg_roles WHERE rolname IN ('anna', 'ben')") == [3, 3]
    assert server.sql("SELECT has_table_privilege('anna', 'people', 'TRUNCATE')", "wares_prod") == [False]
    assert server.sql("SELECT has_table_privilege('anna', 'people', 'DELETE')", "wares_prod") == [True]


def test_what_somebody_made_for_a_session_is_theirs(server: Server) -> None:
    own = "CREATE TEMP TABLE own (id serial PRIMARY KEY); TRUNCATE own; ALTER TABLE own DROP COLUMN id; DROP TABLE own"

    assert psql(server, "wares_prod", own, "clerk") == ""


def test_a_cleared_migration_that_drops_goes_through_and_what_it_makes_is_guarded(
    server: Server, shop: Project
) -> None:
    shop.revision("r4", "op.execute('ALTER TABLE people DROP COLUMN nick')\nop.execute('CREATE TABLE rooms (id int)')")
    stg = shop.invoke("migrate --through=stg --yes")
    done = shop.prod("migrate --tier=prod")

    assert [stg.code, done.code] == [0, 0], stg.text + done.out
    columns = "SELECT column_name FROM information_schema.columns WHERE table_name = 'people' ORDER BY 1"
    assert server.sql(columns, "wares_prod") == ["id", "name"]
    assert "is guarded" in psql(server, "wares_prod", "TRUNCATE rooms")
    check = shop.invoke("harden --check --tier=prod --format=json", **ARMED)
    assert (check.code, said(check)["whole"]) == (0, True), check.text
    drift = shop.invoke("drift --tier=prod", **ARMED)
    assert "guard" not in drift.text


def test_lifted_the_database_is_as_it_was_and_may_be_guarded_again(server: Server, shop: Project) -> None:
    guarded = server.dump("wares_prod", "--exclude-table=dbtasks.hardening")
    lifted = shop.prod("harden --undo --tier=prod")
    plain = server.dump("wares_prod", "--exclude-table=dbtasks.hardening")
    check = shop.invoke("harden --check --tier=prod", **ARMED)
    ran = psql(server, "wares_prod", "CREATE TABLE own (id int); TRUNCATE own; DROP TABLE own", "clerk")
    again = shop.prod("harden --tier=prod")

    assert [lifted.code, check.code, again.code] == [0, 1, 0], lifted.out + again.out
    assert "guard" not in plain
    assert "IS_TEMPLATE" not in plain.upper()
    assert "default_transaction_read_only" not in plain
    assert ran == ""
    assert server.dump("wares_prod", "--exclude-table=dbtasks.hardening") == guarded


def test_without_a_superuser_it_does_what_the_server_allows_and_says_the_rest(server: Server, shop: Project) -> None:
    shop.edit("config/tiers.yaml", "    embedded: durable\n", "    embedded: durable\n    harden: {people: [anna]}\n")

    done = shop.invoke("harden --tier=stg --format=json")

    result = said(done)["result"]
    assert done.code == 0, done.text
    refused = " ".join(each["measure"] for each in result["refused"])
    assert "event triggers" in refused
    assert "anna" in refused
    assert "template flag" in " ".join(result["put"])
    assert "is refused" in psql(server, "wares_stg", "TRUNCATE lessons", "clerk")
    assert psql(server, "postgres", "DROP DATABASE wares_stg WITH (FORCE)")
    assert shop.invoke("harden --check --tier=stg").code == 1
    undone = shop.invoke("harden --undo --tier=stg --yes")
    assert undone.code == 0, undone.text
    shop.edit("config/tiers.yaml", "    harden: {people: [anna]}\n", "")


def test_a_backup_of_a_guarded_database_is_restored_by_a_role_that_is_no_superuser(shop: Project) -> None:
    done = [shop.prod(f"{words} --tier=prod") for words in ("backup", "restore", "harden")]

    assert [each.code for each in done] == [0] * 3, "\n".join(each.text for each in done)
    assert "no guards stand inside the new database" in done[1].out


def test_a_replaced_database_that_was_guarded_can_be_pruned(server: Server, shop: Project) -> None:
    shop.edit("config/tiers.yaml", "    retention: 7 days\n", "    retention: 0 minutes\n")
    steps = ("harden --tier=stg", "reset --tier=stg --yes", "prune --tier=stg --yes", "backup --tier=stg")
    done = [shop.invoke(words) for words in steps]
    shop.edit("config/tiers.yaml", "    retention: 0 minutes\n", "    retention: 7 days\n")

    assert [each.code for each in done] == [0] * 4, "\n".join(each.text for each in done)
    assert "no guards stand inside the new database" in done[1].text
    assert not any("_stg_" in name for name in server.databases())
