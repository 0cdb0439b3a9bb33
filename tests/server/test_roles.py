"""Roles in the database: each may do what it is for, what is too much or too little is told, and a reset keeps it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from urllib.parse import quote

import psycopg
import pytest

from dbtasks.programs import find_server_programs
from tests.outside import Finished
from tests.server import abroad
from tests.server.road import PASSWORD, Project, Server, project, said

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("shop")]
NAMES = 'reader: ware_reader, writer: ware_writer, migrator: "Ware-Mover", backup: ware_saver, runtime: ware_app'
ROLES = f"    admin_url: database_admin_url\n    roles: {{{NAMES}}}\n"
STG_ENDS = "    embedded: durable\n"
INT_ENDS = "    embedded: throwaway\n"


@pytest.fixture(
    scope="module", params=["another version", pytest.param("the private one's version", marks=pytest.mark.thorough)]
)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    bindir = find_server_programs().bindir if request.param.startswith("the private") else None
    with abroad.started(bindir=bindir) as made:
        yield made


@pytest.fixture(scope="module")
def shop(server: Server) -> Iterator[Project]:
    """A project whose STG declares roles and has them. `mover` is no superuser, and may not create roles."""
    server.role("mover", "CREATEDB")
    server.role("ware_app")
    with project("wares") as made:
        made.urls = {
            "test_database_url": server.url("wares_int", "mover"),
            "stg_database_url": server.url("wares_stg", "mover"),
            "database_admin_url": server.url("wares_stg"),
        }
        made.edit("config/tiers.yaml", STG_ENDS, f"{STG_ENDS}{ROLES}")
        for tier in ("int", "stg"):
            done = made.invoke(f"reset --tier={tier} --yes")
            assert done.code == 0, done.text
        done = made.invoke("roles.apply --tier=stg")
        assert done.code == 0, done.text
        yield made


def findings(done: Finished) -> dict[str, list[str]]:
    """Return what a check found, by part."""
    found: dict[str, list[str]] = {}
    for each in said(done)["findings"]:
        found.setdefault(each["part"], []).append(f"{each['kind']}: {each['text']}")
    return found


def may(server: Server, role: str, statement: str) -> bool:
    """Return whether a statement runs as a role; nothing of it stays."""
    with server.connect("wares_stg") as connection:
        connection.execute("BEGIN")
        connection.execute(f'SET LOCAL ROLE "{role}"')
        try:
            connection.execute(statement)
        except psycopg.errors.InsufficientPrivilege:
            return False
        finally:
            connection.execute("ROLLBACK")
        return True


def test_without_the_right_to_create_roles_it_says_so_and_no_role_is_made(server: Server, shop: Project) -> None:
    shop.edit("config/tiers.yaml", INT_ENDS, f"{INT_ENDS}    roles: {{reader: int_reader}}\n")
    plan = shop.invoke("roles.plan")
    done = shop.invoke("roles.apply --format=json")
    check = shop.invoke("roles.check --format=json")
    shop.edit("config/tiers.yaml", "    roles: {reader: int_reader}\n", "")

    assert (plan.code, done.code, check.code) == (0, 0, 1), plan.text + done.text + check.text
    assert "CREATE ROLE int_reader NOLOGIN" in plan.text
    assert "mover has no CREATEROLE" in plan.text
    refused = {each["statement"]: each["why"] for each in said(done)["result"]["refused"]}
    assert "permission denied to create role" in refused["CREATE ROLE int_reader NOLOGIN"]
    assert findings(check) == {"reader": ["too little: there is no such role"]}
    assert server.sql("SELECT FROM pg_roles WHERE rolname = 'int_reader'") == []


def test_each_role_may_do_what_it_is_for_and_no_more(server: Server, shop: Project) -> None:
    check = shop.invoke("roles.check --tier=stg")
    again = shop.invoke("roles.apply --tier=stg --format=json")

    assert (check.code, again.code, said(again)["verdict"]) == (0, 0, "nothing to do"), check.text + again.text
    rights = {
        role: [may(server, role, statement) for statement in STATEMENTS]
        for role in ("ware_reader", "ware_saver", "ware_writer", "ware_app", "Ware-Mover")
    }
    serves = [True, True, False, False, False]
    assert rights == {
        "ware_reader": [True, *[False] * 4],
        "ware_saver": [True, *[False] * 4],
        "ware_writer": serves,
        "ware_app": serves,
        "Ware-Mover": [True] * 5,
    }


STATEMENTS = (
    "SELECT count(*) FROM people",
    "INSERT INTO lessons VALUES (90, 1, 'Flute')",
    "TRUNCATE lessons",
    "CREATE TABLE own (id int)",
    "DROP TABLE lessons",
)


def test_what_it_gives_is_no_drift_and_stops_no_migration(server: Server, shop: Project) -> None:
    drift = shop.invoke("drift --tier=stg")
    shop.revision("r4", "op.execute('CREATE TABLE rooms (id serial PRIMARY KEY)')")
    walked = shop.invoke("migrate --through=stg --yes")

    assert (drift.code, walked.code) == (0, 0), drift.text + walked.text
    assert may(server, "ware_reader", "SELECT * FROM rooms")
    assert may(server, "ware_app", "INSERT INTO rooms DEFAULT VALUES")
    assert server.sql("SELECT tableowner FROM pg_tables WHERE tablename = 'rooms'", "wares_stg") == ["Ware-Mover"]
    assert [shop.invoke(words).code for words in ("drift --tier=stg", "roles.check --tier=stg")] == [0, 0]


MISCHIEF = (
    "GRANT INSERT ON people TO ware_reader",
    "GRANT UPDATE (name) ON people TO ware_saver",
    "GRANT DELETE ON people TO PUBLIC",
    'GRANT "Ware-Mover" TO ware_app',
    "ALTER ROLE ware_app CREATEDB BYPASSRLS",
    "REVOKE SELECT ON people FROM ware_writer",
    'REVOKE CREATE ON SCHEMA public FROM "Ware-Mover"',
    "ALTER TABLE lessons OWNER TO ware_writer",
)
CLEARED = (
    "REVOKE DELETE ON people FROM PUBLIC",
    "REVOKE UPDATE (name) ON people FROM ware_saver",
    'REVOKE "Ware-Mover" FROM ware_app',
    "ALTER ROLE ware_app NOCREATEDB NOBYPASSRLS",
)


def test_what_is_too_much_and_too_little_is_told_whatever_it_comes_from(server: Server, shop: Project) -> None:
    for statement in MISCHIEF:
        server.sql(statement, "wares_stg")
    check = shop.invoke("roles.check --tier=stg --format=json")
    told = shop.invoke("roles --tier=stg")
    plan = shop.invoke("roles.plan --tier=stg --format=json")
    mended = shop.invoke("roles.apply --tier=stg --format=json")
    left = findings(shop.invoke("roles.check --tier=stg --format=json"))
    for statement in CLEARED:
        server.sql(statement, "wares_stg")

    assert (check.code, told.code, mended.code) == (1, 1, 0), check.text + mended.text
    found = findings(check)
    assert found["reader"] == [
        "too much: may DELETE public.people, by PUBLIC", "too much: may INSERT public.people",
    ]  # fmt: skip
    assert "too much: may UPDATE public.people.name" in found["backup"]
    assert "too much: owns public.lessons, and may drop that" in found["writer"]
    assert "too little: lacks SELECT on table public.people" in found["writer"]
    assert found["runtime"][:3] == [
        "too much: may create databases (CREATEDB)",
        "too much: sees past row-level security (BYPASSRLS)",
        'too much: is a member of "Ware-Mover", the migrator',
    ]
    assert found["migrator"][0] == "too little: lacks CREATE on schema public"
    assert found["migrator"][1].startswith("too little: does not own public.lessons")
    assert "invoke roles.plan --tier=stg" in told.text
    assert [each["sql"] for each in said(plan)["plan"]["steps"][0]["changes"]] == said(mended)["result"]["ran"]
    assert left["reader"] == ["too much: may DELETE public.people, by PUBLIC"]  # others may need that, or a revision
    assert set(left) == {"reader", "backup", "runtime"}
    assert shop.invoke("roles.check --tier=stg").code == 0


def test_a_reset_gives_the_new_database_the_same_rights(shop: Project) -> None:
    done = shop.invoke("reset --tier=stg --yes")
    check = shop.invoke("roles.check --tier=stg")

    assert (done.code, check.code) == (0, 0), done.text + check.text
    assert "in the new database" in done.text
    assert shop.invoke("drift --tier=stg").code == 0


@pytest.mark.parametrize(
    ("words", "role", "right"),
    [
        ("drift --tier=stg", "ware_reader", "SELECT ON dbtasks.drift"),
        ("status --tier=stg", "ware_reader", "SELECT ON alembic_version"),
        ("backup --tier=stg", "ware_saver", "SELECT ON people"),
        ("seed --tier=stg", "ware_writer", "INSERT ON lessons"),
    ],
)
def test_what_a_task_does_it_does_as_the_weakest_role(
    server: Server, shop: Project, words: str, role: str, right: str
) -> None:
    server.sql("DELETE FROM lessons WHERE id = 1", "wares_stg")
    able = shop.invoke(words)
    server.sql("DELETE FROM lessons WHERE id = 1", "wares_stg")
    server.sql(f"REVOKE {right} FROM {role}", "wares_stg")
    unable = shop.invoke(words)
    server.sql(f"GRANT {right} TO {role}", "wares_stg")

    assert able.code == 0, able.text
    assert "permission denied" in unable.text or "unknown" in unable.text, unable.text


def test_a_role_with_a_url_of_its_own_logs_in_by_what_the_command_tells_of_it(server: Server, shop: Project) -> None:
    shop.file("tell.py", f"import sys\nprint({PASSWORD!r} if sys.argv[1] == 'ware_saver' else 'wrong')\n")
    command = json.dumps([sys.executable, "tell.py", "{role}"])
    own = f"    credential: {command}\n{ROLES.replace('}', ', backup_url: saver_url}')}"
    shop.edit("config/tiers.yaml", ROLES, own)
    server.sql(f"ALTER ROLE ware_saver LOGIN PASSWORD '{PASSWORD}'")
    told = server.url("wares_stg", "ware_saver").replace(f":{quote(PASSWORD, safe='')}@", "@")
    done = shop.invoke("backup --tier=stg", saver_url=told)
    elsewhere = shop.invoke("backup --tier=stg", saver_url=told.replace("wares_stg", "wares_int"))
    check = shop.invoke("roles.check --tier=stg")
    shop.edit("config/tiers.yaml", own, ROLES)
    server.sql("ALTER ROLE ware_saver NOLOGIN PASSWORD NULL")

    assert (done.code, check.code) == (0, 0), done.text + check.text
    assert "ware_saver:***@" in done.text
    assert elsewhere.code == 2, elsewhere.text
    assert "lead to different databases" in elsewhere.text


def test_where_the_role_is_not_there_yet_a_task_names_what_makes_it(shop: Project) -> None:
    shop.edit("config/tiers.yaml", INT_ENDS, f"{INT_ENDS}    roles: {{migrator: nobody_yet}}\n")
    done = shop.invoke("migrate")
    shop.edit("config/tiers.yaml", "    roles: {migrator: nobody_yet}\n", "")

    assert done.code == 1, done.text
    assert "invoke roles.apply" in done.text
