"""Nothing but INT and its clones is reached from a test, by every driver and trick of `tests/hostile`."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.server.reach_ground import CLONE, Came, Ground, forwarded, prepared, said, sessions
from tests.server.road import PASSWORD

pytestmark = pytest.mark.timeout(600)

# What it needs is taken away, so that it is not refused but fails to find its way.
LOST = {"address_by_a_variable_that_python_does_not_see"}
PLAIN = ("psycopg_connect", "psycopg_async", "psycopg2_connect", "asyncpg_connect", "pg8000_dbapi", "pgconn_of_ctypes")
RAW = ("libpq_by_ctypes", "a_driver_that_is_not_held", "sqlalchemy_psycopg2", "sqlalchemy_async_asyncpg")
TRICKS = " ".join((*PLAIN, *RAW))
VICTIMS = ("other", "unstamped", "foreign", "prod", "beside", "stg")


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    with prepared() as made:
        yield made


def escaped(came: list[Came]) -> list[Came]:
    """Return what was not refused as it should have been."""
    return [
        each
        for each in came
        if each.came != "E-TEST-PIN" and not (each.trick in LOST and each.came == "OperationalError")
    ]


def test_no_trick_reaches_a_second_database_in_a_test(ground: Ground) -> None:
    ground.log()
    inside = ground.inside("hostile/test_tricks.py", targets=("unstamped",))
    assert {each.trick for each in inside} > set(TRICKS.split())
    assert (escaped(inside), said(ground.log())) == ([], 0)


@pytest.mark.thorough
def test_every_trick_reaches_its_victim_outside_of_tests_and_none_does_in_a_test(
    ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    ground.log()
    outside = ground.outside("unstamped")
    told = ground.log()
    assert [each for each in outside if each.came != "reached instainstru_int"] == []
    assert sessions(told, "instainstru_int") >= len(outside)

    inside = ground.inside("hostile/test_tricks.py", targets=("unstamped", "other"))
    told = ground.log()
    tried = {each.trick for each in inside}
    assert tried == {each.trick for each in outside}
    assert escaped(inside) == []
    # Where the text tells, no session comes to be; elsewhere there is one that is asked who it is, and nothing else.
    assert (sessions(told, "other"), said(told)) == (0, 0)
    with capsys.disabled():
        count = f"{len(tried)} tricks, tried in tests on {len(inside)} occasions: none reached a second database"
        print(f"\n{count}")  # noqa: T201  # the number is asked for


@pytest.fixture(scope="module")
def everywhere(ground: Ground) -> tuple[list[Came], list[Came], str]:
    """The plainest tricks on every victim, outside and in tests, and the other server's log of the latter."""
    outside = ground.outside(*VICTIMS, TRICKS=TRICKS)
    ground.log()
    inside = ground.inside("hostile/test_tricks.py", targets=VICTIMS, TRICKS=TRICKS)
    return outside, inside, ground.log()


@pytest.mark.parametrize("target", VICTIMS)
def test_no_victim_is_reached_whatever_it_is_and_wherever(
    ground: Ground, everywhere: tuple[list[Came], list[Came], str], target: str
) -> None:
    outside, inside = ([each for each in some if each.target == target] for some in everywhere[:2])
    assert {each.came for each in outside} == {f"reached {ground.victims[target].rpartition('/')[2]}"}
    assert (len(inside), escaped(inside)) == (len(outside), [])


def test_those_who_look_like_clones_are_asked_who_they_are_and_nothing_else(
    everywhere: tuple[list[Came], list[Came], str],
) -> None:
    log = everywhere[2]
    assert (sessions(log, CLONE) > 0, sessions(log, "app_prod"), sessions(log, "other"), said(log)) == (True, 0, 0, 0)


def test_a_refusal_names_the_test_and_the_target_and_no_secret(ground: Ground) -> None:
    targets = ("foreign", "prod", "beside", "unstamped")
    inside = ground.inside("hostile/test_tricks.py", targets=targets, TRICKS="psycopg_connect pgconn_connect")
    place = f"127.0.0.1:{ground.abroad.port}"
    texts = {each.target: each.text for each in inside if each.trick == "psycopg_connect"}
    test = "hostile/test_tricks.py::test_a_trick[psycopg_connect-{}]"
    assert texts["prod"].splitlines()[:2] == [
        "refused (E-TEST-PIN)",
        f"  {test.format('prod')} tried to connect to app_prod on {place}.",
    ]
    assert texts["prod"].splitlines()[3] == "  To see what the tests use: invoke status"
    assert f"{CLONE} on {place}, which is stamped [STG] of project instainstru." in texts["foreign"]
    assert f"instainstru_int on {place}, which bears no stamp of its own." in texts["unstamped"]
    int_place = ground.victims["int"].rpartition("@")[2].partition("/")[0]
    assert f"  Tests run on [INT] instainstru_int on {int_place} and its clones only;" in texts["beside"]
    secrets = (PASSWORD, quote(PASSWORD, safe=""), ground.victims["int"].split(":")[2].partition("@")[0])
    assert [each.trick for each in inside for secret in secrets if secret in each.text] == []


def test_what_a_script_took_before_pytest_was_imported_is_held_too(ground: Ground) -> None:
    outside = ground.outside("unstamped", "other", EARLY="1")
    assert [each for each in outside if not each.reached] == []

    inside = ground.inside("hostile/test_tricks.py", targets=("unstamped", "other"), program="early.py")

    assert (len(inside), escaped(inside)) == (len(outside), [])


PLACES = {
    *("conftest, imported", "a thread of a conftest", "pytest_configure", "pytest_collection_finish"),
    *("a session's fixture", "a session's fixture, at its end", "pytest_unconfigure", "atexit"),
    *("a test's module, imported", "setUpClass", "setUp", "a unittest", "tearDown", "a doctest"),
}


def test_no_place_of_a_test_run_reaches_anything_else(ground: Ground) -> None:
    options = ("--doctest-modules", "hostile/places")
    inside = ground.inside(*options, targets=("unstamped", "other"), ENV_FILE_LEADS_TO="other")
    assert {each.trick for each in inside} == PLACES | {"application"}
    # What the application finds in its file leads to INT where it starts: see test_pin.py.
    assert escaped([each for each in inside if each.trick != "application"]) == []
    assert len(inside) == len(PLACES) * 8 + 1


def test_an_application_that_loads_its_own_file_over_the_environment_is_refused(ground: Ground) -> None:
    stg = ground.victims["stg"]
    dotenv = ground.box.write(".env", f"stg_database_url={stg}\nSTG_DATABASE_URL={stg}\n")
    inside = ground.inside("hostile/places/test_places.py", targets=("stg",), ENV_FILE_LEADS_TO="stg")
    code = "import sys; sys.path.insert(0, 'places'); import application; application.start()"
    outside = ground.python(code, ENV_FILE_LEADS_TO="stg")
    dotenv.unlink()
    assert [each.came for each in inside if each.trick == "application"] == ["E-TEST-PIN"]
    assert outside.code == 0, outside.text
    assert "reached instainstru_stg" in (ground.folder / "results").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "variables"),
    [
        (["-p", "no:dbtasks"], {}),
        ([], {"USE_STG_DATABASE": "true", "USE_PROD_DATABASE": "true", "DBTASKS_UNDER_PYTEST": "1"}),
        # With the plainest driver test_pin.py tries these, too.
        pytest.param(["--noconftest"], {}, marks=pytest.mark.thorough),
        pytest.param([], {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}, marks=pytest.mark.thorough),
        pytest.param(["-n", "2"], {}, marks=pytest.mark.thorough),
        pytest.param(["-o", "dbtasks_build=false"], {}, marks=pytest.mark.thorough),
        pytest.param(["-p", "attempts"], {}, marks=pytest.mark.thorough),
    ],
    ids=" ".join,
)
def test_no_option_and_no_variable_lets_a_driver_go(
    ground: Ground, options: list[str], variables: dict[str, str]
) -> None:
    victims = {"stg_database_url": ground.victims["stg"], "database_url": ground.victims["prod"]}
    inside = ground.inside(
        *options, "hostile/test_tricks.py", targets=("unstamped", "other", "stg"), TRICKS=" ".join(PLAIN),
        **victims, **variables,
    )  # fmt: skip
    assert (len(inside), escaped(inside)) == (len(PLAIN) * 3, [])


def test_a_port_that_is_led_to_another_server_in_the_middle_of_a_run_is_noticed(ground: Ground) -> None:
    with forwarded(ground) as (forward, environ):
        built = forward.box.run("invoke", "reset", env=environ)
        assert built.code == 0, built.text
        inside = forward.inside("hostile/test_forward.py", targets=("int",), **environ)
    came = {place: {each.came for each in inside if each.trick == place} for place in ("before", "before, once more")}
    assert came == {"before": {"reached instainstru_int"}, "before, once more": {"reached instainstru_int"}}
    after = [each for each in inside if each.trick == "after"]
    assert (len(after), escaped(after)) == (4, [])
    assert {"is stamped [STG]" in each.text for each in after} == {True}
