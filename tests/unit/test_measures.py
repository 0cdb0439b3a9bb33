"""Which measures follow from what is wanted and what is there, and how people read them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from dbtasks.measures import (
    Earlier,
    Grounds,
    Guard,
    GuardedTable,
    Hardening,
    LiftGuards,
    Login,
    Measure,
    PutGuards,
    beware,
    earlier,
    lines,
    measures,
    missing,
    told,
)

WANTED = Hardening(passes="migrator", people=("anna", "analysts"), connections=80, connections_each=3)
SETTINGS = (("default_transaction_read_only", "on"), ("statement_timeout", "300000"))
WHOLE = Grounds(
    role="boss",
    superuser=True,
    owns=True,
    template=True,
    drops=True,
    limit=80,
    tables=(GuardedTable(name="public.lessons", owned=True, guarded=True),),
    people=(Login(name="anna", limit=3, settings=SETTINGS),),
    superusers=("boss",),
)
BARE = replace(
    WHOLE,
    template=False,
    drops=False,
    limit=-1,
    tables=(GuardedTable(name="public.lessons", owned=True, guarded=False, truncaters=("clerk", "public")),),
    people=(Login(name="anna", limit=-1, settings=(("statement_timeout", "0"),)),),
)
EVERY = (
    Measure(guard=Guard.DATABASE),
    Measure(guard=Guard.DROPS, value="migrator"),
    Measure(guard=Guard.LIMIT, value="80"),
    Measure(guard=Guard.TRUNCATE, on="public.lessons"),
    Measure(guard=Guard.RIGHT, on="public.lessons", value="clerk"),
    Measure(guard=Guard.RIGHT, on="public.lessons", value="public"),
    Measure(guard=Guard.SETTING, on="anna", value="default_transaction_read_only=on"),
    Measure(guard=Guard.SETTING, on="anna", value="statement_timeout=300000"),
    Measure(guard=Guard.SESSIONS, on="anna", value="3"),
)


def test_in_a_bare_database_every_measure_is_missing() -> None:
    assert missing(measures(WANTED, BARE)) == EVERY


def test_in_a_whole_one_none_is() -> None:
    assert missing(measures(WANTED, WHOLE)) == ()
    assert len(measures(WANTED, WHOLE)) == len(EVERY) - 2  # there is no right left to take


def test_a_table_that_is_new_is_the_only_one_missing() -> None:
    new = GuardedTable(name="public.rooms", owned=True, guarded=False)

    assert missing(measures(WANTED, replace(WHOLE, tables=(*WHOLE.tables, new)))) == (
        Measure(guard=Guard.TRUNCATE, on="public.rooms"),
    )


def test_limits_are_set_only_where_they_are_wanted() -> None:
    found = measures(replace(WANTED, connections=None, connections_each=None), BARE)

    assert not {Guard.LIMIT, Guard.SESSIONS} & {each.guard for each in found}


def test_the_role_that_passes_is_never_made_to_read_only() -> None:
    assert missing(measures(replace(WANTED, passes="anna"), BARE))[6:] == ()


def test_a_longer_timeout_is_another_one() -> None:
    found = missing(measures(replace(WANTED, statement_timeout=timedelta(hours=1)), WHOLE))

    assert found == (Measure(guard=Guard.SETTING, on="anna", value="statement_timeout=3600000"),)


def test_what_the_server_may_refuse_is_said_with_the_reason() -> None:
    weak = replace(
        BARE,
        role="shop",
        superuser=False,
        owns=False,
        tables=(replace(BARE.tables[0], owned=False),),
        people=(replace(BARE.people[0], alterable=False),),
    )

    assert [each.doubt for each in measures(WANTED, weak)] == [
        "shop does not own the database",
        "event triggers are a superuser's to make",
        "shop does not own the database",
        *(["shop does not own it"] * 3),
        *(["shop may not alter that role"] * 3),
    ]


def test_what_was_there_before_is_known_once_and_the_first_word_stays() -> None:
    found = earlier(EVERY, BARE, ())

    assert found == (
        Earlier(guard=Guard.DATABASE, was="false"),
        Earlier(guard=Guard.LIMIT, was="-1"),
        Earlier(guard=Guard.RIGHT, on="public.lessons", name="clerk"),
        Earlier(guard=Guard.RIGHT, on="public.lessons", name="public"),
        Earlier(guard=Guard.SETTING, on="anna", name="default_transaction_read_only"),
        Earlier(guard=Guard.SETTING, on="anna", name="statement_timeout", was="0"),
        Earlier(guard=Guard.SESSIONS, on="anna", was="-1"),
    )
    assert earlier(EVERY, WHOLE, found) == found
    assert earlier(EVERY[:1], WHOLE, ()) == (Earlier(guard=Guard.DATABASE, was="true"),)


@pytest.mark.parametrize(
    ("grounds", "expected"),
    [
        (WHOLE, ["superusers can take every guard away, on purpose: boss"]),
        (
            replace(WHOLE, superusers=("migrator",)),
            ["migrator, which passes, is a superuser: give migrations a role of their own"],
        ),
        (
            replace(WHOLE, superusers=(), copiers=("ben",)),
            ["may create databases, and so copy one with the flag: ben"],
        ),
    ],
    ids=["a superuser", "the one who passes is one", "who may copy"],
)
def test_what_no_guard_stops_is_said(grounds: Grounds, expected: list[str]) -> None:
    assert list(beware(WANTED, grounds)) == [
        *expected, "DELETE and UPDATE are what an application does: no guard stops them",
    ]  # fmt: skip


def test_people_read_a_line_for_each_thing_and_tables_together() -> None:
    more = (*EVERY, Measure(guard=Guard.TRUNCATE, on="public.rooms", doubt="shop does not own it"))

    assert lines(more) == (
        "DROP DATABASE fails, FORCE and superuser included (template flag)",
        "DROP of tables, columns, schemas and the rest fails (event triggers)",
        "at most 80 connections to the database",
        "TRUNCATE of public.lessons fails (trigger)",
        "clerk may no longer TRUNCATE public.lessons",
        "public may no longer TRUNCATE public.lessons",
        "sessions of anna begin with default_transaction_read_only=on",
        "sessions of anna begin with statement_timeout=300000",
        "at most 3 connections of anna",
        "TRUNCATE of public.rooms fails (trigger); it may be refused: shop does not own it",
    )
    assert str(EVERY[3]) == "TRUNCATE of public.lessons fails (trigger)"


def test_the_card_says_who_passes_and_what_a_lift_takes_away() -> None:
    put = PutGuards(passes="migrator", measures=EVERY[:1])

    assert told(put, ("superusers",)) == (
        ("would guard", "DROP DATABASE fails, FORCE and superuser included (template flag)"),
        ("passes", "migrator, and nobody else"),
        ("beware", "superusers"),
    )
    assert told(LiftGuards(passes="migrator"), ()) == (
        ("would lift", "every guard inside it, with what they changed for roles and grants"),
    )
