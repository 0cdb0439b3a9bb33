"""The pure parts of the pin: which variables change, and who wakes it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dbtasks.pin import Names, Pin, blind_changes, changes, driver, project_around
from dbtasks.settings import load
from tests.outside import REPOSITORY, run

NAMES = Names(load(REPOSITORY))
URL = "postgresql://anna:geheim99@127.0.0.1:25140/instainstru_int"
PROD = "postgresql://anna:geheim99@db-7.example.com/app_prod"
OTHERS = (
    *("DATABASE_URL", "database_url", "stg_database_url", "STG_DATABASE_URL"),
    *("database_runtime_url", "DATABASE_RUNTIME_URL"),
)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"USE_STG_DATABASE": "true"}, {"USE_STG_DATABASE": None}),
        ({"use_prod_database": "no"}, {"use_prod_database": None}),
        ({"PGHOSTADDR": "10.0.0.1", "PGSERVICE": "prod"}, {"PGHOSTADDR": None, "PGSERVICE": None}),
        ({"DBTASKS_HANDED_URL": PROD}, {"DBTASKS_HANDED_URL": None}),
        ({"database_url": PROD, "STG_DATABASE_URL": PROD}, {"database_url": "", "STG_DATABASE_URL": ""}),
        ({"USE_TEST_DATABASE": "true", "PATH": "/bin", "MY_URL": PROD, "test_database_url": URL}, {}),
        (
            {
                "DATABASE_URL_FILE": "/run/prod",
                "stg_database_url_FILE": "/run/stg",
                "TEST_DATABASE_URL_FILE": "/run/int",
            },
            {"DATABASE_URL_FILE": None, "stg_database_url_FILE": None},
        ),
    ],
    ids=["flag", "flag in another case", "libpq", "handed over", "urls", "the rest", "files that hold a URL"],
)
def test_what_leads_elsewhere_is_changed_and_nothing_else(
    environ: dict[str, str], expected: dict[str, str | None]
) -> None:
    assert changes(environ, NAMES, "", {}) == dict.fromkeys(OTHERS, "") | expected


def test_once_the_url_is_known_every_variable_leads_there() -> None:
    wanted = dict.fromkeys((*OTHERS, "test_database_url", "TEST_DATABASE_URL"), URL)
    assert changes({"DATABASE_URL": PROD}, NAMES, URL, {}) == wanted
    assert changes(dict.fromkeys(wanted, URL), NAMES, URL, {}) == {}
    in_a_file = dict.fromkeys(wanted, URL) | {"TEST_DATABASE_URL_FILE": "/run/int"}
    assert changes(in_a_file, NAMES, URL, {}) == {"TEST_DATABASE_URL_FILE": None}


def test_a_variable_keeps_the_driver_that_it_named_in_every_spelling() -> None:
    environ = {"DATABASE_URL": PROD.replace("://", "+asyncpg://"), "stg_database_url": PROD}
    pin = Pin(environ)
    pin.hold(str(REPOSITORY))
    pin.point(URL, {"stg_database_url": "+psycopg"})
    spelled = {name: driver(environ[name]) for name in ("DATABASE_URL", "database_url", "STG_DATABASE_URL")}
    assert spelled == {"DATABASE_URL": "+asyncpg", "database_url": "+asyncpg", "STG_DATABASE_URL": "+psycopg"}


def test_the_flags_that_were_on_are_remembered_and_no_other_text_of_theirs_is() -> None:
    environ = {"USE_STG_DATABASE": "TRUE", "USE_PROD_DATABASE": "geheim99"}
    pin = Pin(environ)
    pin.hold(str(REPOSITORY))
    assert pin.ignored == {"USE_STG_DATABASE": "true", "USE_PROD_DATABASE": "..."}
    assert "USE_STG_DATABASE" not in environ


def test_a_flag_that_was_off_is_not_worth_a_word() -> None:
    pin = Pin({"USE_STG_DATABASE": "false"})
    pin.hold(str(REPOSITORY))
    assert pin.ignored == {}


def test_what_an_application_sets_afterwards_is_set_right_again() -> None:
    environ: dict[str, str] = {}
    pin = Pin(environ)
    pin.hold(str(REPOSITORY))
    pin.point(URL, {})
    environ |= {"DATABASE_URL": PROD, "USE_PROD_DATABASE": "true", "PGHOST": "db-7"}
    pin.again()
    assert (environ["DATABASE_URL"], environ.get("USE_PROD_DATABASE"), environ.get("PGHOST")) == (URL, None, None)


def test_a_child_takes_the_url_that_its_parent_left_and_the_first_pytest_takes_none() -> None:
    child = {"DBTASKS_UNDER_PYTEST": "7", "test_database_url": URL, "DATABASE_URL": PROD}
    first = {"test_database_url": URL, "DATABASE_URL": PROD}
    for environ in (child, first):
        Pin(environ).hold(str(REPOSITORY))
    assert (child["DATABASE_URL"], child["DBTASKS_UNDER_PYTEST"]) == (URL, "7")
    assert first["DATABASE_URL"] == ""
    assert "DBTASKS_UNDER_PYTEST" in first


def test_settings_that_cannot_be_read_leave_no_way_in(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "tiers.yaml").write_text("tiers: [", encoding="utf-8")
    environ = {"USE_PROD_DATABASE": "true", "any_url": PROD, "PGHOST": "db-7", "PATH": "/bin"}
    pin = Pin(environ)
    pin.hold(str(tmp_path))
    assert type(pin.problem).__name__ == "SettingsError"
    assert sorted(environ) == ["DBTASKS_PINNED_PROJECT", "DBTASKS_UNDER_PYTEST", "PATH"]


def test_blind_changes_remove_what_looks_like_a_way_in() -> None:
    environ = {"A": "postgresql+psycopg://db-7/a", "B": "https://db-7", "USE_QA_DATABASE": "1", "PGPORT": "5"}
    assert blind_changes(environ) == {"A": None, "USE_QA_DATABASE": None, "PGPORT": None}


def test_the_project_is_found_upwards(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "tiers.yaml").touch()
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert project_around(str(below)) == str(tmp_path.resolve())
    (tmp_path / "config" / "tiers.yaml").unlink()
    assert project_around(str(below)) == ""


ASLEEP = "import sys; {act}; import os; print('dbtasks' in sys.modules, os.environ.get('USE_STG_DATABASE'))"


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        ("pass", "False true"),
        ("import importlib.util as u; assert u.find_spec('pytest').loader", "False true"),
        ("import importlib.util as u; assert u.find_spec('_pytest').loader", "False true"),
        ("import _pytest", "True None"),
        ("import pytest", "True None"),
        ("import _pytest.config", "True None"),
    ],
    ids=[
        "nothing",
        "looking for pytest",
        "looking for _pytest",
        "import _pytest",
        "import pytest",
        "import its config",
    ],
)
@pytest.mark.parametrize("option", ["-B", "-I"])
def test_importing_pytest_wakes_the_pin_and_looking_for_it_does_not(option: str, act: str, expected: str) -> None:
    done = run(REPOSITORY, sys.executable, option, "-c", ASLEEP.format(act=act), env={"USE_STG_DATABASE": "true"})
    assert (done.out.strip(), done.err) == (expected, "")


def test_a_broken_installation_breaks_neither_the_start_of_python_nor_pytest(tmp_path: Path) -> None:
    (tmp_path / "dbtasks.pth").write_bytes((REPOSITORY / "dbtasks.pth").read_bytes())
    (tmp_path / "_pytest").mkdir()
    (tmp_path / "_pytest" / "__init__.py").write_text("from ._version import version", encoding="utf-8")
    (tmp_path / "_pytest" / "_version.py").write_text("version = 'of a stub'", encoding="utf-8")
    code = f"import site; site.addsitedir({str(tmp_path)!r}); import _pytest; print(_pytest.version)"
    for markers in ({}, {"PYTEST_VERSION": "9"}):
        done = run(tmp_path, sys.executable, "-I", "-S", "-c", code, env=markers)
        assert (done.code, done.out.strip(), done.err) == (0, "of a stub", "")
