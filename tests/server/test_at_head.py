"""An application at its start: is its database at head? By every driver, and in a runtime that is nobody's terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import outside
from tests.server.road import Project, project

pytestmark = pytest.mark.timeout(180)

WAYS = Path(__file__).with_name("at_head_ways.py")
BEHIND = "SchemaNotCurrentError: The database small_int is at revision r3, and this code expects r4 (1 pending)."
ASYNC = "UsageError: This connection is asynchronous: await dbtasks.assert_schema_current_async(connection)"


@pytest.fixture(scope="module")
def home() -> Iterator[Project]:
    with project() as made:
        done = made.invoke("reset --tier=int")
        assert done.code == 0, done.text
        yield made


@pytest.fixture(scope="module")
def url(home: Project) -> str:
    return home.server_url("int", "small_int")


def asked(home: Project, url: str) -> dict[str, str]:
    done = home.run([sys.executable, str(WAYS), url])
    assert done.code == 0, done.text
    return dict(line.split(": ", 1) for line in done.out.splitlines())


def test_every_driver_is_told_that_the_database_is_at_head_and_no_transaction_is_left(home: Project, url: str) -> None:
    assert asked(home, url) == {
        "by_psycopg": "IDLE",
        "by_psycopg_in_a_transaction": "INTRANS",
        "by_psycopg2": "IDLE",
        "by_pg8000": "asked",
        "by_engine": "asked",
        "by_connection": "IDLE",
        "by_session": "IDLE",
        "by_url": "asked",
        "by_asyncpg": "IDLE",
        "by_psycopg_async": "IDLE",
        "by_engine_async": "IDLE",
        "mistaken": ASYNC,
    }


def test_every_driver_is_told_what_the_database_lacks(home: Project, url: str) -> None:
    new = home.revision("r4", "pass")
    try:
        found = asked(home, url)
    finally:
        new.unlink()

    assert found.pop("mistaken") == ASYNC
    assert set(found.values()) == {BEHIND}


def test_a_managed_runtime_with_few_rights_is_told_the_command_and_may_allow_a_newer_database(
    home: Project, url: str
) -> None:
    with outside.connect(url, autocommit=True) as connection:
        connection.execute("CREATE ROLE app LOGIN PASSWORD 'a-pass-word'")
        connection.execute("GRANT SELECT ON alembic_version TO app")
        connection.execute("UPDATE alembic_version SET version_num = 'r9'")
    own = "postgresql://app:a-pass-word@" + url.rpartition("@")[2]
    code = "import sys, dbtasks; dbtasks.assert_schema_current(sys.argv[1], ahead_is_fine='ahead' in sys.argv)"
    try:
        refused = home.run([sys.executable, "-c", code, own], RENDER="true")
        fine = home.run([sys.executable, "-c", code, own, "ahead"], RENDER="true")
    finally:
        with outside.connect(url, autocommit=True) as connection:
            connection.execute("UPDATE alembic_version SET version_num = 'r3'")

    assert refused.code == 1
    assert "This code does not have r9: an older one, or another branch's." in refused.err
    assert (fine.code, fine.text) == (0, "")
    assert "a-pass-word" not in refused.text
