"""What the worker finds in its environment."""

from __future__ import annotations

import pytest

from dbtasks.migrations.environment import scrub, without_session

TARGET = "postgresql://anna:pw@127.0.0.1:5433/shop_int"


def scrubbed(**environ: str) -> dict[str, str]:
    return scrub(
        environ,
        url_variables=["DATABASE_URL"],
        tier_url_variables=["test_database_url", "database_url"],
        flags=["USE_PROD_DATABASE"],
        secrets=["hunter2!", "p@ss w/rd", "postgres", ""],
        url=TARGET,
    )


REMOVED = {
    "a tier's URL variable": ("test_database_url", "anything"),
    "its upper-case twin": ("TEST_DATABASE_URL", "anything"),
    "a flag": ("USE_PROD_DATABASE", "true"),
    "a flag in lower case": ("use_prod_database", "true"),
    "libpq's own": ("PGHOSTADDR", "10.0.0.7"),
    "a URL": ("REPORTS", "postgresql://db/x"),
    "a URL with a driver": ("REPORTS", "postgresql+asyncpg://db/x"),
    "the old scheme": ("REPORTS", "POSTGRES://db/x"),
    "a URL inside a text": ("REPORTS", "main=postgresql://db/x;other"),
    "a key=value string": ("REPORTS", "host=db dbname=x user=y"),
    "a known secret": ("TOKEN", "hunter2!"),
    "a known secret among others": ("TOKEN", "user:hunter2!,other"),
    "a known secret, encoded": ("TOKEN", "p%40ss%20w%2Frd"),
    "a known secret, encoded as a form": ("TOKEN", "p%40ss+w%2Frd"),
}


@pytest.mark.parametrize(("name", "value"), REMOVED.values(), ids=REMOVED.keys())
def test_every_way_to_another_database_is_removed(name: str, value: str) -> None:
    assert scrubbed(**{name: value}) == {"DATABASE_URL": TARGET}


KEPT = {
    "the project's own": ("FEATURE", "on"),
    "another service's URL": ("CACHE", "redis://cache:6379/0"),
    "a path": ("PATH", "/usr/lib/postgresql/18/bin:/opt/postgres/bin"),
    "a word that only contains a secret": ("BINARIES", "/usr/lib/postgresql/18/bin"),
    "one assignment": ("OPTIONS", "host=db"),
    "nothing": ("EMPTY", ""),
}


@pytest.mark.parametrize(("name", "value"), KEPT.values(), ids=KEPT.keys())
def test_everything_else_stays(name: str, value: str) -> None:
    assert scrubbed(**{name: value}) == {name: value, "DATABASE_URL": TARGET}


@pytest.mark.parametrize("before", ["postgresql+asyncpg://u:pw@prod/x", "postgres+asyncpg://u@prod/x"])
def test_a_url_variable_keeps_the_driver_that_it_named(before: str) -> None:
    assert scrubbed(DATABASE_URL=before) == {"DATABASE_URL": TARGET.replace("://", "+asyncpg://", 1)}


def test_asyncpg_gets_its_own_word_for_sslmode() -> None:
    cleared = scrub(
        {"A": "postgresql+asyncpg://x/y", "B": "postgresql+psycopg://x/y"},
        url_variables=["A", "B"],
        tier_url_variables=[],
        flags=[],
        secrets=[],
        url="postgresql://db-7/app?sslmode=require",
    )
    assert cleared == {
        "A": "postgresql+asyncpg://db-7/app?ssl=require",
        "B": "postgresql+psycopg://db-7/app?sslmode=require",
    }


def test_without_a_target_the_url_variables_are_gone() -> None:
    environ = {"DATABASE_URL": TARGET}
    cleared = scrub(environ, url_variables=["DATABASE_URL"], tier_url_variables=[], flags=[], secrets=[], url="")
    assert cleared == {}


@pytest.mark.parametrize(
    ("value", "stays"),
    [
        pytest.param("hunter2!", True, id="a word that is also a password"),
        pytest.param("host=db dbname=x user=y", True, id="words like a place"),
        pytest.param("postgresql://db/x", False, id="a URL"),
    ],
)
def test_what_the_team_declares_stays_unless_it_is_a_url(value: str, stays: bool) -> None:
    cleared = scrub(
        {"MODE": value},
        url_variables=[],
        tier_url_variables=[],
        flags=[],
        secrets=["hunter2!"],
        url="",
        declared=("MODE",),
    )
    assert cleared == ({"MODE": value} if stays else {})


def test_a_tiers_url_is_never_handed_on_though_it_is_declared() -> None:
    cleared = scrub(
        {"STG_URL": "x", "USE_STG": "1", "PGHOST": "x"},
        url_variables=[],
        tier_url_variables=["stg_url"],
        flags=["USE_STG"],
        secrets=[],
        url="",
        declared=("STG_URL", "USE_STG", "PGHOST"),
    )
    assert cleared == {}


def test_a_worker_does_not_see_which_terminal_started_it() -> None:
    environ = {"SHLVL": "2", "TERM": "xterm", "SSH_TTY": "/dev/pts/3", "PWD": "/", "FEATURE": "on"}
    assert without_session(environ) == {"TERM": "xterm", "FEATURE": "on"}


def test_a_worker_sees_that_a_test_is_running_but_not_which() -> None:
    seen = [without_session({"PYTEST_CURRENT_TEST": each, "PYTEST_XDIST_WORKER": each}) for each in ("a", "b")]
    assert seen == [{"PYTEST_CURRENT_TEST": "a test"}] * 2
