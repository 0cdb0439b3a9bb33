"""The decisions about where a test may connect: by the text, by the stamp, and what a refusal says."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbtasks.pin import DRIVERS
from dbtasks.reach import ground, postmaster, stamp
from dbtasks.reach.ground import Ground, Why
from dbtasks.reach.imports import HOLDS, UNHELD
from dbtasks.reach.refusals import refuse, shown
from dbtasks.reach.stamp import Seen
from dbtasks.reach.wanted import Wanted, from_address, from_libpq, from_socket, is_blind, place

INT = Ground(
    project="shop",
    tier="int",
    label="INT",
    place="127.0.0.1:25140",
    database="shop_int",
    elsewhere=frozenset({"db-7:5432", "127.0.0.1:25140"}),
    entered=frozenset({"127.0.0.1:25140", "127.0.0.1:6000"}),
)
CLONE = "dbtasks_shop_int_0a1b2c3d"


def wanted(database: str = "shop_int", host: str = "127.0.0.1", port: str = "25140", **more: bool) -> Wanted:
    return Wanted(host=host, port=port, database=database, **more)


# Where libpq goes


@pytest.mark.parametrize(
    ("said", "environ", "expected"),
    [
        ({"host": "db-7", "dbname": "app"}, {}, ("db-7:5432", "app")),
        ({"host": "db-7", "hostaddr": "10.0.0.9", "port": "6000", "dbname": "app"}, {}, ("10.0.0.9:6000", "app")),
        ({}, {"PGHOST": "db-7", "PGPORT": "6000", "PGDATABASE": "app"}, ("db-7:6000", "app")),
        ({"host": "db-7", "port": "", "dbname": "app"}, {"PGHOST": "x", "PGPORT": "6"}, ("db-7:5432", "app")),
        ({"host": "db-7", "dbname": "app"}, {"PGHOSTADDR": "10.0.0.9"}, ("10.0.0.9:5432", "app")),
        ({"user": "anna"}, {}, (":5432", "anna")),
        ({"user": "anna", "dbname": ""}, {"PGUSER": "ben"}, (":5432", "anna")),
        ({}, {"PGUSER": "ben"}, (":5432", "ben")),
        ({}, {}, (":5432", "")),
    ],
)
def test_libpqs_parameters_are_read_as_libpq_reads_them(
    said: dict[str, str | None], environ: dict[str, str], expected: tuple[str, str]
) -> None:
    found = from_libpq(said, environ)
    assert (found.place, found.database) == expected


@pytest.mark.parametrize(
    ("said", "environ"), [({"service": "prod"}, {}), ({}, {"PGSERVICE": "prod"})], ids=["text", "variable"]
)
def test_a_service_is_seen_wherever_it_is_named(said: dict[str, str | None], environ: dict[str, str]) -> None:
    assert from_libpq({"dbname": "shop_int", **said}, environ).service


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, False), ("", False), ("off", False), ("database", False), ("DATABASE", False),
        ("true", True), ("1", True), ("on", True), ("whatever", True),
    ],
)  # fmt: skip
def test_replication_of_a_whole_server_is_told_from_that_of_a_database(text: str | None, expected: bool) -> None:
    assert (is_blind(text), from_libpq({"replication": text}, {}).blind) == (expected, expected)


def test_a_driver_that_works_out_addresses_is_read_alike() -> None:
    assert from_address(b"db-7", 6000, b"app", replication=None).place == "db-7:6000"
    assert from_address("", None, "app").place == ":5432"
    assert from_socket(b"/run/pg/.s.PGSQL.6000", "app").place == "/run/pg:6000"


@given(st.text(), st.text())
def test_a_place_has_one_spelling(host: str, port: str) -> None:
    first = place(host, port)
    assert place(host.lower() if not host.startswith("/") else host, port) == first


# By the text


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (wanted(), None),
        (wanted(CLONE), None),
        (wanted(host="localhost"), None),
        (wanted("shop_prod"), Why.OTHER_DATABASE),
        (wanted("dbtasks_shop_stg_0a1b2c3d"), Why.OTHER_DATABASE),
        (wanted(CLONE + "_old"), Why.OTHER_DATABASE),
        (wanted("SHOP_INT"), Why.OTHER_DATABASE),
        (wanted(""), Why.OTHER_DATABASE),
        (wanted("postgres"), Why.OTHER_DATABASE),
        (wanted(host="db-7", port="5432"), Why.OTHER_TIERS_SERVER),
        (wanted(host="DB-7.", port="05432"), Why.OTHER_TIERS_SERVER),
        (wanted(service=True), Why.SERVICE),
        (wanted(blind=True), Why.REPLICATION),
        (wanted(host="127.0.0.1,db-7"), Why.SEVERAL_HOSTS),
        (wanted(port="25140,5432"), Why.SEVERAL_HOSTS),
    ],
    ids=repr,
)
def test_a_text_may_only_forbid(target: Wanted, expected: Why | None) -> None:
    assert ground.judge(target, INT) is expected


def test_a_run_without_a_database_reaches_none() -> None:
    nothing = Ground(project="shop", tier="int")
    assert {ground.judge(wanted(name), nothing) for name in ("shop_int", CLONE, "")} == {Why.NO_DATABASE}
    assert not nothing.is_own("")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (wanted(), None),
        (wanted("dbtasks"), None),
        (wanted("postgres", port="6000"), None),
        (wanted(CLONE + "_old"), None),
        (wanted("shop_stg"), Why.OTHER_DATABASE),
        (wanted("dbtasks_shop_stg_0a1b2c3d"), Why.OTHER_DATABASE),
        (wanted("dbtasks", host="db-7", port="5432"), Why.OTHER_TIERS_SERVER),
        (wanted("shop_int", host="localhost"), Why.OTHER_TIERS_SERVER),
        (wanted(service=True), Why.OTHER_TIERS_SERVER),
        (wanted(host="127.0.0.1,db-7"), Why.OTHER_TIERS_SERVER),
    ],
    ids=repr,
)
def test_our_own_code_works_on_the_default_tiers_server_and_nowhere_else(target: Wanted, expected: Why | None) -> None:
    assert ground.judge_ourselves(target, INT) is expected


def test_our_own_code_finds_the_default_tier_before_anybody_knows_its_name() -> None:
    early = Ground(project="shop", tier="int", entered=frozenset({"127.0.0.1:25140"}))
    assert ground.judge_ourselves(wanted("anything_int"), early) is None
    assert ground.judge_ourselves(wanted("anything_int", port="1"), early) is Why.OTHER_TIERS_SERVER
    assert ground.judge_ourselves(wanted(host="", port=""), Ground(project="", tier="")) is Why.OTHER_TIERS_SERVER


# By the stamp


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("7412\n16390\nshop\nint", Seen(server="7412", oid="16390", project="shop", tier="int")),
        (b"7412\n16390\n\n", Seen(server="7412", oid="16390", project="", tier="")),
        (None, None),
        ("", None),
        ("7412\n16390\nshop", None),
        ("x\n16390\nshop\nint", None),
        (7412, None),
    ],
)
def test_an_answer_is_read_or_is_none(answer: object, expected: Seen | None) -> None:
    assert stamp.read(answer) == expected


@pytest.mark.parametrize(
    ("project", "tier", "expected"),
    [
        ("shop", "int", None),
        ("shop", "stg", Why.OTHER_STAMP),
        ("other", "int", Why.OTHER_STAMP),
        ("", "", Why.NO_STAMP),
    ],
)
def test_a_stamp_must_be_the_default_tiers_of_this_project(project: str, tier: str, expected: Why | None) -> None:
    assert stamp.judge(Seen(server="1", oid="2", project=project, tier=tier), INT) is expected


def test_no_answer_is_no_stamp() -> None:
    assert stamp.judge(None, INT) is Why.NO_STAMP


# What is said


@pytest.mark.parametrize("why", Why)
def test_every_refusal_has_its_sentence_its_rule_and_one_safe_thing_to_do(why: Why) -> None:
    refusal = refuse(why, INT, "tests/test_a.py::test_b (call)", wanted=wanted("shop_prod"), driver="psqlpy")
    head, saw, rule, instead = str(refusal).splitlines()
    assert (refusal.code, head) == ("E-TEST-PIN", "refused (E-TEST-PIN)")
    assert saw.startswith("  tests/test_a.py::test_b ")
    assert rule == "  Tests run on [INT] shop_int on 127.0.0.1:25140 and its clones only; no setting changes that."
    assert instead in (
        "  To see what the tests use: invoke status",
        "  Use psycopg, psycopg2, asyncpg or pg8000 in tests.",
    )


def test_outside_of_any_test_and_without_a_database_it_says_so() -> None:
    refusal = refuse(Why.NO_DATABASE, Ground(project="", tier=""), "", wanted=wanted("shop_prod", "db-7", "5432"))
    assert refusal.saw == (
        "A test process, outside of any test, tried to connect to shop_prod on db-7:5432, and this run has no database."
    )
    assert refusal.why == "Tests run on the default tier only; no setting changes that."


def test_a_driver_that_is_not_held_cannot_be_imported_and_may_be_done_without() -> None:
    with pytest.raises(ImportError):
        raise refuse(Why.UNKNOWN_DRIVER, INT, "", driver="psqlpy")
    assert not isinstance(refuse(Why.BYPASS, INT, "", driver="PQconnectdb"), ImportError)


def test_a_stamp_is_named_and_nothing_that_is_no_name() -> None:
    def saw(project: str, tier: str) -> str:
        seen = Seen(server="1", oid="2", project=project, tier=tier)
        return refuse(Why.OTHER_STAMP, INT, "t", wanted=wanted(), seen=seen).saw

    assert saw("shop", "stg") == (
        "t connected to shop_int on 127.0.0.1:25140, which is stamped [STG] of project shop. The connection is closed."
    )
    assert "stamped [...] of project ...." in saw("a b", "x\ny")


def test_a_test_whose_name_holds_a_url_does_not_show_its_password() -> None:
    test = "tests/test_a.py::test_b[postgresql://anna:geheim99@db-7/app] (call)"
    assert "geheim99" not in str(refuse(Why.OTHER_DATABASE, INT, test, wanted=wanted("app", "db-7")))


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (wanted("app", "db-7", "5432"), "app on db-7:5432"),
        (wanted("app", "::1", "5432"), "app on [::1]:5432"),
        (wanted("app", "/run/pg", "5432"), "app on /run/pg:5432"),
        (wanted("", "", "5432"), "no database on the default socket:5432"),
        # What is left of postgresql://anna:pa@ss@db-7/app and postgresql://anna:5/ss@db-7/app
        (wanted("app", "ss@db-7", "5432"), None),
        (wanted("ss@db-7/app", "anna", "5"), None),
        (wanted("ss word", "db-7", "5432"), None),
        (wanted("app", "db-7", "pa"), None),
        (wanted("app", "/run/pg?password=geheim99", "5432"), None),
    ],
)
def test_a_target_is_shown_as_a_whole_or_not_at_all(target: Wanted, expected: str | None) -> None:
    assert shown(target) == (expected or "a target that is not shown, since it may hold a password")


# The rest


def test_each_module_that_is_held_is_watched_for() -> None:
    assert {name.partition(".")[0] for name in (*HOLDS, *UNHELD)} == DRIVERS


def test_a_process_that_is_no_backend_has_no_postmaster() -> None:
    assert {postmaster.of_backend(pid, "shop_int") for pid in (os.getpid(), 1, -1, 2**22 + 1)} == {None}
