"""Which rights the roles of a tier should have, which they lack, which are too much, and what gives them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbtasks.effects import Operation
from dbtasks.operations import backup, check, downgrade, drift, lint, migrate, reset, seed, status
from dbtasks.role_changes import changes, inside
from dbtasks.role_rules import lacking, makers, too_much
from dbtasks.roles import Default, Facts, Kind, Part, Role, Roles, Thing
from dbtasks.targets import part_of
from dbtasks.tiers import BackupEngine
from tests.unit.guard_cells import STG

READER, WRITER, SAVER, APP = Role(name="reader"), Role(name="writer"), Role(name="saver"), Role(name="app")
MOVER, KEEPER = Role(name="mover"), Role(name="keeper")
LOGIN = Role(name="shop", logs_in=True, reaches=("reader", "writer", "mover", "keeper", "saver"))
BOSS = Role(name="boss", superuser=True)
ALL = (
    (Part.READER, READER),
    (Part.WRITER, WRITER),
    (Part.MIGRATOR, MOVER),
    (Part.OWNER, replace(KEEPER, reaches=("mover",), inherits=("mover",))),
    (Part.BACKUP, SAVER),
    (Part.RUNTIME, replace(APP, logs_in=True, reaches=("writer",), inherits=("writer",))),
)
READS = (("reader", "SELECT"), ("saver", "SELECT"))
WRITES = tuple(("writer", right) for right in ("SELECT", "INSERT", "UPDATE", "DELETE"))
DATABASE = Thing(
    kind=Kind.DATABASE,
    name="shop_stg",
    owner="keeper",
    given=(("PUBLIC", "CONNECT"), ("PUBLIC", "TEMPORARY"), ("mover", "CREATE")),
)
PUBLIC = Thing(
    kind=Kind.SCHEMA,
    name="public",
    schema="public",
    owner="pg_database_owner",
    given=(("PUBLIC", "USAGE"), ("mover", "CREATE")),
)
PEOPLE = Thing(kind=Kind.TABLE, name="public.people", schema="public", owner="mover", given=(*READS, *WRITES))
NUMBERS = Thing(
    kind=Kind.SEQUENCE,
    name="public.numbers",
    schema="public",
    owner="mover",
    given=(*READS, ("writer", "SELECT"), ("writer", "USAGE"), ("writer", "UPDATE")),
)
OURS = Thing(
    kind=Kind.SCHEMA,
    name="dbtasks",
    schema="dbtasks",
    owner="shop",
    ours=True,
    given=(("PUBLIC", "USAGE"), ("mover", "CREATE")),
)
LEDGER = Thing(
    kind=Kind.TABLE,
    name="dbtasks.ledger",
    schema="dbtasks",
    owner="shop",
    ours=True,
    given=(*READS, ("writer", "SELECT"), *(("mover", right) for right in ("SELECT", "INSERT", "UPDATE", "DELETE"))),
)
DEFAULTS = tuple(
    Default(maker=maker, schema=schema, on=on, role=role, privilege=privilege)
    for maker in ("mover", "keeper", "shop")
    for schema, on, given in (
        ("public", "TABLES", (*READS, *WRITES)),
        ("public", "SEQUENCES", NUMBERS.given),
        ("dbtasks", "TABLES", LEDGER.given),
        ("dbtasks", "SEQUENCES", (*READS, ("writer", "SELECT"))),
    )
    for role, privilege in given
)
WHOLE = Facts(
    runner=BOSS,
    login=LOGIN,
    roles=ALL,
    things=(DATABASE, PUBLIC, PEOPLE, NUMBERS, OURS, LEDGER),
    defaults=DEFAULTS,
    superusers=("boss",),
)


def with_role(part: Part, **what: object) -> Facts:
    roles = tuple((each, replace(role, **what) if each is part else role) for each, role in WHOLE.roles)  # type: ignore[arg-type]  # any of its fields
    return replace(WHOLE, roles=roles)


def with_thing(old: Thing, **what: object) -> Facts:
    things = tuple(replace(each, **what) if each is old else each for each in WHOLE.things)  # type: ignore[arg-type]  # as above
    return replace(WHOLE, things=things)


def told(facts: Facts) -> list[str]:
    return [f"{each.role} {each.text}" for each in (*too_much(facts), *lacking(facts))]


def run(facts: Facts) -> list[str]:
    return [each.sql for each in changes(facts)]


def test_where_every_role_has_its_rights_nothing_is_told_and_nothing_done() -> None:
    assert (told(WHOLE), run(WHOLE)) == ([], [])


def test_who_has_which_part_is_known_by_name() -> None:
    roles = Roles(names=((Part.READER, "reader"),), variables=((Part.READER, "reader_url"),))

    assert (roles.of(Part.READER), roles.variable(Part.READER)) == ("reader", "reader_url")
    assert (roles.of(Part.OWNER), roles.variable(Part.OWNER)) == ("", "")
    assert WHOLE.of(Part.READER) is READER


MUCH = [
    (with_role(Part.READER, superuser=True), ["reader is a superuser"]),
    (with_role(Part.WRITER, creates_roles=True), ["writer may create roles (CREATEROLE)"]),
    (with_role(Part.RUNTIME, creates_databases=True), ["app may create databases (CREATEDB)"]),
    (with_role(Part.OWNER, creates_databases=True), []),
    (with_role(Part.READER, bypasses_rls=True), ["reader sees past row-level security (BYPASSRLS)"]),
    (with_role(Part.BACKUP, bypasses_rls=True, replicates=True), []),
    (with_role(Part.RUNTIME, replicates=True), ["app may read the whole server's log (REPLICATION)"]),
    (with_role(Part.READER, reaches=("boss",)), ["reader is a member of boss, a superuser"]),
    (with_role(Part.READER, reaches=("pg_write_all_data",)), ["reader is a member of pg_write_all_data"]),
    (with_role(Part.READER, reaches=("pg_monitor",)), []),
    (with_role(Part.MIGRATOR, reaches=("keeper",), inherits=("keeper",)), ["mover is a member of keeper, the owner"]),
    (with_role(Part.MIGRATOR, reaches=("writer",)), []),
    (
        with_role(Part.RUNTIME, reaches=("writer", "mover")),
        [
            "app is a member of mover, the migrator",
            "app owns public.numbers, public.people, and may drop that",
            "app may CREATE dbtasks, public, shop_stg, by mover",
            "app may INSERT, UPDATE, DELETE dbtasks.ledger, by mover",
            "app may INSERT, UPDATE, DELETE tables that mover will make in dbtasks",
            "app may INSERT, UPDATE, DELETE tables that keeper will make in dbtasks",
            "app may INSERT, UPDATE, DELETE tables that shop will make in dbtasks",
        ],
    ),
    (with_thing(PEOPLE, owner="app"), ["app owns public.people, and may drop that"]),
    (
        with_thing(DATABASE, owner="writer"),
        ["writer owns shop_stg, and may drop that", "app owns shop_stg, and may drop that"],
    ),
    (
        with_thing(PEOPLE, given=(*PEOPLE.given, ("reader", "DELETE"), ("PUBLIC", "TRUNCATE"))),
        [
            "reader may TRUNCATE public.people, by PUBLIC",
            "reader may DELETE public.people",
            "writer may TRUNCATE public.people, by PUBLIC",
            "saver may TRUNCATE public.people, by PUBLIC",
            "app may TRUNCATE public.people, by PUBLIC",
        ],
    ),
    (with_thing(NUMBERS, given=(*NUMBERS.given, ("reader", "USAGE"))), ["reader may USAGE public.numbers"]),
    (with_thing(LEDGER, given=(*LEDGER.given, ("app", "INSERT"))), ["app may INSERT dbtasks.ledger"]),
    (
        replace(
            WHOLE,
            things=(
                *WHOLE.things,
                Thing(
                    kind=Kind.COLUMN,
                    name="public.people.name",
                    owner="mover",
                    given=(("reader", "UPDATE"), ("writer", "UPDATE"), ("reader", "SELECT")),
                ),
            ),
        ),
        ["reader may UPDATE public.people.name"],
    ),
    (
        replace(
            WHOLE,
            defaults=(
                *DEFAULTS, Default(maker="mover", schema="", on="TABLES", role="reader", privilege="INSERT"),
            ),
        ),
        ["reader may INSERT tables that mover will make"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "expected"), MUCH)
def test_what_is_too_much_is_told_whatever_it_comes_from(facts: Facts, expected: list[str]) -> None:
    assert [f"{each.role} {each.text}" for each in too_much(facts)] == expected
    assert all(each.much for each in too_much(facts))


LITTLE = [
    (with_thing(PEOPLE, given=WRITES), [
        "reader lacks SELECT on table public.people", "saver lacks SELECT on table public.people",
    ]),
    (with_thing(PEOPLE, given=(("PUBLIC", "SELECT"), *WRITES)), []),
    (with_thing(PUBLIC, given=()), [
        "reader lacks USAGE on schema public", "writer lacks USAGE on schema public",
        "mover lacks USAGE, CREATE on schema public", "saver lacks USAGE on schema public",
    ]),
    (with_thing(DATABASE, given=(("PUBLIC", "CONNECT"), ("mover", "CREATE"))), [
        "mover lacks TEMPORARY on database shop_stg"]),
    (with_thing(PEOPLE, owner="shop"), ["mover does not own public.people"]),
    (with_thing(NUMBERS, owner="shop", follows=True), []),
    (with_thing(DATABASE, owner="shop"), ["keeper does not own shop_stg"]),
    (with_role(Part.RUNTIME, reaches=("writer",), inherits=()), ["writer app is no member of it"]),
    (with_role(Part.OWNER, reaches=(), inherits=()), ["mover keeper is no member of it"]),
    (replace(WHOLE, login=replace(LOGIN, reaches=("reader", "writer", "mover", "keeper"))), [
        "saver shop is no member of it",
    ]),
    (replace(WHOLE, login=None), []),
    (replace(WHOLE, login=BOSS, defaults=(*DEFAULTS, *(replace(each, maker="boss") for each in DEFAULTS))), []),
    (replace(WHOLE, own_urls=frozenset({Part.BACKUP})), ["saver has a URL of its own and may not log in"]),
    (replace(WHOLE, defaults=tuple(each for each in DEFAULTS if (each.role, each.maker) != ("reader", "mover"))), [
        "reader lacks SELECT on tables that mover will make in public",
        "reader lacks SELECT on sequences that mover will make in public",
        "reader lacks SELECT on tables that mover will make in dbtasks",
        "reader lacks SELECT on sequences that mover will make in dbtasks",
    ]),
    (replace(WHOLE, roles=((Part.READER, replace(READER, there=False)),), login=None), [
        "reader there is no such role",
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "expected"), LITTLE)
def test_what_is_too_little_is_told(facts: Facts, expected: list[str]) -> None:
    assert [f"{each.role} {each.text}" for each in lacking(facts)] == expected
    assert not any(each.much for each in lacking(facts))


def test_a_role_that_reads_or_writes_all_data_or_everything_lacks_nothing() -> None:
    bare = with_thing(PEOPLE, given=())
    both = ("pg_read_all_data", "pg_write_all_data")
    able = {
        Part.READER: replace(READER, inherits=both[:1]),
        Part.WRITER: replace(WRITER, inherits=both),
        Part.BACKUP: replace(SAVER, superuser=True),
    }

    assert lacking(replace(bare, roles=tuple((part, able.get(part, role)) for part, role in ALL))) == ()


def test_the_seeds_are_the_only_bookkeeping_that_the_writer_writes() -> None:
    seeds = Thing(kind=Kind.TABLE, name="dbtasks.seeds", schema="dbtasks", owner="shop", ours=True, given=LEDGER.given)

    assert run(replace(WHOLE, things=(*WHOLE.things, seeds))) == [
        "GRANT INSERT, UPDATE ON TABLE dbtasks.seeds TO writer"
    ]


BARE = Facts(
    runner=replace(LOGIN, reaches=(), creates_roles=True),
    login=replace(LOGIN, reaches=()),
    roles=tuple((part, replace(role, there=False, logs_in=False, reaches=(), inherits=())) for part, role in ALL),
    things=(
        replace(DATABASE, owner="shop", given=DATABASE.given[:2]),
        replace(PUBLIC, given=(("PUBLIC", "USAGE"), ("PUBLIC", "CREATE"))),
        replace(PEOPLE, owner="shop", given=()),
    ),
    own_urls=frozenset({Part.BACKUP}),
)


def test_from_nothing_each_statement_comes_when_it_can_run() -> None:
    made = run(replace(BARE, roles=BARE.roles[2:4] + BARE.roles[:1]))

    assert made == [
        "CREATE ROLE mover NOLOGIN",
        "CREATE ROLE keeper NOLOGIN CREATEDB",
        "CREATE ROLE reader NOLOGIN",
        "GRANT mover TO shop",
        "GRANT keeper TO shop",
        "GRANT reader TO shop",
        "GRANT mover TO keeper",
        "GRANT CREATE ON DATABASE shop_stg TO mover",
        "ALTER TABLE public.people OWNER TO mover",
        "ALTER DATABASE shop_stg OWNER TO keeper",
        "GRANT SELECT ON TABLE public.people TO reader",
        "ALTER DEFAULT PRIVILEGES FOR ROLE mover IN SCHEMA public GRANT SELECT ON TABLES TO reader",
        "ALTER DEFAULT PRIVILEGES FOR ROLE keeper IN SCHEMA public GRANT SELECT ON TABLES TO reader",
        "ALTER DEFAULT PRIVILEGES FOR ROLE shop IN SCHEMA public GRANT SELECT ON TABLES TO reader",
        "ALTER DEFAULT PRIVILEGES FOR ROLE mover IN SCHEMA public GRANT SELECT ON SEQUENCES TO reader",
        "ALTER DEFAULT PRIVILEGES FOR ROLE keeper IN SCHEMA public GRANT SELECT ON SEQUENCES TO reader",
        "ALTER DEFAULT PRIVILEGES FOR ROLE shop IN SCHEMA public GRANT SELECT ON SEQUENCES TO reader",
    ]
    assert run(replace(BARE, roles=BARE.roles[4:]))[:2] == ["CREATE ROLE saver LOGIN", "CREATE ROLE app LOGIN"]
    assert [each.sql for each in inside(BARE)] == []


def test_a_role_with_a_url_of_its_own_logs_in() -> None:
    assert run(replace(WHOLE, own_urls=frozenset({Part.BACKUP}))) == ["ALTER ROLE saver LOGIN"]


def test_what_a_role_was_given_itself_is_taken_back_and_what_others_have_as_well_is_left() -> None:
    more = (("reader", "DELETE"), ("PUBLIC", "TRUNCATE"), ("mover", "TRUNCATE"))
    column = Thing(kind=Kind.COLUMN, name="public.people.name", owner="mover", given=(("reader", "UPDATE"),))
    facts = with_thing(PEOPLE, given=(*PEOPLE.given, *more))

    assert run(replace(facts, things=(*facts.things, column))) == ["REVOKE DELETE ON TABLE public.people FROM reader"]
    assert run(with_thing(PUBLIC, given=(*PUBLIC.given, ("PUBLIC", "CREATE")))) == [
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC"
    ]


def test_what_a_role_had_as_an_owner_it_is_given_when_it_is_none_any_more() -> None:
    given = (*READS, ("mover", "SELECT"))

    assert run(with_thing(PEOPLE, owner="writer", given=given)) == [
        "ALTER TABLE public.people OWNER TO mover",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE public.people TO writer",
    ]
    assert run(replace(with_thing(PEOPLE, owner="writer", given=READS), roles=ALL[:2])) == []


def test_a_sequence_of_its_own_is_altered_as_a_table() -> None:
    assert run(with_thing(NUMBERS, owner="shop")) == ["ALTER TABLE public.numbers OWNER TO mover"]


def test_why_the_server_may_refuse_is_said_with_the_statement() -> None:
    nobody = Role(name="anna")
    facts = replace(with_thing(PEOPLE, owner="shop", given=WRITES), runner=nobody)
    doubts = {each.sql: each.doubt for each in changes(facts)}

    assert doubts == {
        "GRANT mover TO anna": "anna has no CREATEROLE. Where the server gives it to nobody, make roles "
        "where its maker lets you",
        "GRANT keeper TO anna": doubts["GRANT mover TO anna"],
        "GRANT SELECT ON TABLE public.people TO reader": "anna does not own it, shop does",
        "GRANT SELECT ON TABLE public.people TO saver": "anna does not own it, shop does",
        "ALTER TABLE public.people OWNER TO mover": "anna does not own it, shop does",
    }
    able = replace(facts, runner=replace(nobody, creates_roles=True, reaches=("shop", "mover", "keeper")))
    assert {each.doubt for each in changes(able)} == {""}


def test_a_new_database_is_given_what_lies_inside_of_it() -> None:
    new = replace(
        with_thing(PEOPLE, owner="shop", given=()), roles=(*ALL[:1], (Part.WRITER, replace(WRITER, there=False)))
    )

    assert [each.sql for each in inside(new)] == ["GRANT SELECT ON TABLE public.people TO reader"]


@pytest.mark.parametrize(
    ("operation", "part"),
    [
        (drift.OPERATION, Part.READER),
        (lint.OPERATION, Part.READER),
        (status.OPERATION, Part.READER),
        (check.OPERATION, Part.READER),
        (seed.OPERATION, Part.WRITER),
        (migrate.OPERATION, Part.MIGRATOR),
        (downgrade.OPERATION, Part.MIGRATOR),
        (backup.OPERATION, Part.BACKUP),
        (reset.OPERATION, None),
    ],
    ids=lambda each: getattr(each, "name", None),
)
def test_each_operation_goes_in_as_the_weakest_role_that_can_do_it(operation: Operation, part: Part | None) -> None:
    assert part_of(operation, STG) is part
    copies = replace(STG, backup=replace(STG.backup, engine=BackupEngine.COPY))
    assert part_of(operation, copies) is (None if operation is backup.OPERATION else part)


def test_who_makes_tables_is_counted_once() -> None:
    assert makers(WHOLE) == ("mover", "keeper", "shop")
    assert makers(replace(WHOLE, login=replace(LOGIN, name="mover"))) == ("mover", "keeper")
    assert makers(replace(WHOLE, login=None)) == ("mover", "keeper")
