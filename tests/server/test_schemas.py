"""Schemas replaced by those of a scratch database: what is there afterwards is what a direct build makes, and the old
comes back as it was. On a server of another version than the scratch one, and on the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from dbtasks import embedded, schemas
from dbtasks.conninfo import parse
from dbtasks.errors import DbtasksError, RefusedError
from dbtasks.inspection import count_tables, look_at_database, look_at_server
from tests.server.abroad import abroad as abroad
from tests.server.road import Server
from tests.server.schemas_ground import Ground, Target, errand

pytestmark = [pytest.mark.timeout(180), pytest.mark.outside]
REVISIONS = (Path(__file__).parent / "schemas_revisions.sql").read_text(encoding="utf-8")
# A range type's own functions belong to the superuser, so it cannot be moved, only renamed with its schema.
WITHOUT_RANGE = REVISIONS.replace("CREATE TYPE span AS RANGE (subtype = float8);", "").replace(" s span,", "")
EXTENDED = WITHOUT_RANGE.replace("name text", "name citext")
EXTENSIONS = "CREATE EXTENSION citext; CREATE EXTENSION hstore"
TABLES = (("", "alembic_version"),)
PEOPLES_DOING = """
INSERT INTO people (name) VALUES ('somebody who was here before');
SELECT nextval('loose_numbers');
COMMENT ON TABLE people IS 'as a person says';
REVOKE SELECT ON people FROM reader;
DROP TABLE billing.later;
"""
# What a person set up for whatever may be made there.
SET_UP = "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO reader;"


@pytest.fixture(scope="module")
def ground(abroad: Server, server: embedded.Server) -> Ground:
    return Ground(boss=parse(abroad.url("postgres"), variable="a test's"), private=server)


@pytest.fixture(scope="module", params=["another version", pytest.param("the same server", marks=pytest.mark.thorough)])
def either(request: pytest.FixtureRequest, ground: Ground, server: embedded.Server) -> Ground:
    return ground if request.param == "another version" else Ground(boss=server.conninfo("postgres"), private=server)


@pytest.fixture
def plain(ground: Ground) -> Iterator[Target]:
    with ground.target("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)") as made:
        yield made


@pytest.mark.parametrize(
    ("revisions", "extensions"),
    [pytest.param(REVISIONS, "", id="renamed"), pytest.param(EXTENDED, EXTENSIONS, id="moved past extensions")],
)
def test_what_is_replaced_equals_a_direct_build_and_comes_back_as_it_was(
    either: Ground, revisions: str, extensions: str
) -> None:
    with (
        either.target(SET_UP, revisions, before=extensions) as direct,
        either.target(SET_UP, revisions, PEOPLES_DOING, before=extensions) as target,
    ):
        assert target.obstacles() == ()
        old, wanted = target.dump(), direct.dump()
        assert old != wanted

        replaced = either.replace(target, revisions)
        assert target.dump() == wanted
        assert target.sql("SELECT revision, checksum, entry FROM dbtasks.ledger") == [("r1", "new", 7)]

        back = either.bring_back(target, replaced.mark)
        assert target.dump() == old
        assert target.sql("SELECT count(*) FROM dbtasks.ledger") == [(0,)]

        again = either.bring_back(target, back.mark)
        assert target.dump() == wanted
        assert target.sql("SELECT revision FROM dbtasks.ledger") == [("r1",)]

        with target.open() as connection:
            schemas.drop(connection, again.mark)
            assert schemas.kept(connection) == ()
        assert target.dump() == wanted
        assert target.sql("SELECT nspname FROM pg_namespace WHERE nspname ~ '_dbtasks_'") == []
        assert target.sql("SELECT relname FROM pg_class WHERE relname ~ 'ledger_[0-9a-f]{8}'") == []


def test_an_extension_that_comes_or_goes_between_does_not_stop_the_way_back(ground: Ground) -> None:
    with ground.target("CREATE TABLE t (a text)") as target:
        old = target.dump()
        replaced = ground.replace(target, "CREATE EXTENSION hstore; CREATE TABLE t (a hstore)")
        new = target.dump()
        assert "hstore" in new

        back = ground.bring_back(target, replaced.mark)
        without_extension = target.dump().replace(new[new.index("--\n-- Name: hstore") : new.index("SET default")], "")
        assert without_extension == old

        ground.bring_back(target, back.mark)
        assert target.dump() == new


def test_what_is_kept_is_no_part_of_the_database_for_the_guard(plain: Target, ground: Ground) -> None:
    version_table = "CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('{}')"
    plain.sql(version_table.format("r1") + "; CREATE UNIQUE INDEX broken ON t (id)")
    plain.sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'broken'::regclass", as_boss=True)
    ground.replace(plain, version_table.format("r2"))

    with plain.look() as connection:
        seen = look_at_database(connection, look_at_server(connection), TABLES, lambda _oid: None)
        assert [table.name for table in seen.tables] == ["alembic_version"]
        assert seen.revisions == {"r2"}
        assert count_tables(connection) == 1
    plain.sql("DROP TABLE alembic_version")
    with plain.look() as connection:
        seen = look_at_database(connection, look_at_server(connection), TABLES, lambda _oid: None)
        assert seen.user_objects == 0


def test_the_stamp_stays_where_it_is(plain: Target, ground: Ground) -> None:
    plain.sql(
        "CREATE SCHEMA dbtasks; CREATE TABLE dbtasks.identity (tier text); INSERT INTO dbtasks.identity VALUES ('stg')"
    )
    ground.replace(plain, "CREATE TABLE other ()")
    assert plain.sql("SELECT tier FROM dbtasks.identity") == [("stg",)]


def test_retention_is_by_the_servers_clock(plain: Target, ground: Ground) -> None:
    first = ground.replace(plain, "CREATE TABLE one ()")
    ground.replace(plain, "CREATE TABLE two ()")
    plain.sql(
        "UPDATE dbtasks.kept SET keep_until = now() - interval '1 second'"
        " WHERE made_at = (SELECT min(made_at) FROM dbtasks.kept)"
    )
    with plain.look() as connection:
        assert len(schemas.kept(connection)) == 2
        assert [each.mark for each in schemas.kept(connection) if each.ended] == [first.mark]


NAMES = [
    'a "quoted" one',
    "$move$; DROP SCHEMA public; --",
    "per%cent %s {0}",
    "é" * 31,
    "é" * 30 + "x",
    "UPPER",
    "back\\slash'quote",
]


@pytest.mark.parametrize("extensions", ["", "CREATE EXTENSION hstore SCHEMA {}"], ids=["renamed", "moved"])
def test_any_name_may_be_a_schemas_or_a_tables(ground: Ground, extensions: str) -> None:
    quoted = [f'"{name.replace(chr(34), chr(34) * 2)}"' for name in NAMES]
    text = "".join(f"CREATE TABLE {each}.{each} AS SELECT 1 AS {each};" for each in quoted)
    create = "".join(f"CREATE SCHEMA {each} AUTHORIZATION app;" for each in quoted)
    before = create + extensions.format(quoted[1])
    with ground.target(text, before=before) as direct, ground.target(text, before=before) as target:
        target.sql(f"TRUNCATE {quoted[1]}.{quoted[1]}")
        old = target.dump()
        made = (
            create if not extensions else create.replace(f"CREATE SCHEMA {quoted[1]} AUTHORIZATION app;", "")
        ) + text
        replaced = ground.replace(target, made)
        assert target.dump() == direct.dump()
        ground.bring_back(target, replaced.mark)
        assert target.dump() == old


# Grants that people give, and those that revisions give


def test_a_late_default_privilege_does_not_reach_what_an_early_revision_made(either: Ground) -> None:
    revisions = """
        CREATE TABLE early ();
        ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reader;
        ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
        CREATE TABLE late ();
        CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';
    """
    with either.target(revisions) as direct, either.target("CREATE TABLE t ()") as target:
        old = target.dump()
        first = either.replace(target, revisions)
        assert target.dump() == direct.dump()
        either.replace(target, revisions)
        assert target.dump() == direct.dump()
        either.bring_back(target, first.mark)
        assert target.dump() == old


def test_what_people_granted_on_schemas_and_for_the_future_stays(ground: Ground) -> None:
    revisions = "CREATE SCHEMA more; CREATE TABLE more.t (); CREATE TABLE u ()"
    people = """
        GRANT USAGE ON SCHEMA more TO reader;
        REVOKE USAGE ON SCHEMA public FROM PUBLIC;
        COMMENT ON SCHEMA more IS 'for anna';
        COMMENT ON SCHEMA public IS 'ours';
        ALTER DEFAULT PRIVILEGES IN SCHEMA more GRANT SELECT ON TABLES TO reader;
        GRANT SELECT ON more.t TO reader;
    """
    with ground.target(revisions, people) as target:
        old = target.dump()
        ground.replace(target, revisions)
        assert target.dump() == old


@pytest.mark.parametrize("extensions", ["", EXTENSIONS], ids=["renamed", "moved"])
def test_what_revisions_hang_on_a_schema_goes_with_them(ground: Ground, extensions: str) -> None:
    revisions = """
        CREATE TABLE early ();
        COMMENT ON SCHEMA public IS 'made by a revision';
        GRANT USAGE ON SCHEMA public TO reader;
        ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO reader;
        CREATE TABLE late ();
    """
    with (
        ground.target(revisions, before=extensions) as direct,
        ground.target("CREATE TABLE t ()", before=extensions) as target,
    ):
        old = target.dump()
        first = ground.replace(target, revisions)
        assert target.dump() == direct.dump()
        second = ground.bring_back(target, first.mark)
        assert target.dump() == old
        ground.bring_back(target, second.mark)
        assert target.dump() == direct.dump()


def test_revisions_act_as_the_same_role_and_find_the_same_settings(ground: Ground) -> None:
    with ground.target() as target:
        target.sql(
            f'ALTER DATABASE "{target.name}" SET search_path TO elsewhere, public;'
            f'ALTER ROLE app IN DATABASE "{target.name}" SET "TimeZone" TO \'Asia/Tokyo\'',
            as_boss=True,
        )
        ground.replace(
            target,
            "CREATE SCHEMA elsewhere; CREATE TABLE t AS"
            " SELECT current_user::text AS who, '2026-01-01'::timestamptz AS at; GRANT SELECT ON t TO reader",
        )
        found = target.sql(
            "SELECT who, at AT TIME ZONE 'UTC', relowner::regrole::text FROM elsewhere.t, pg_class"
            " WHERE oid = 'elsewhere.t'::regclass"
        )
        assert [(who, str(at), owner) for who, at, owner in found] == [("app", "2025-12-31 15:00:00", "app")]


# Refusals


def test_an_extension_that_the_private_server_lacks_is_an_obstacle_only_where_it_is_used(
    plain: Target, ground: Ground
) -> None:
    with plain.look() as connection:
        like = schemas.likeness_of(connection)
    for used in (True, False):
        missing = schemas.Extension(name="of_the_cloud", schema="public", used=used)
        refusal = pytest.raises(RefusedError, match="extension of_the_cloud") if used else nullcontext()
        with refusal, ground.scratch(replace(like, extensions=(missing,))):
            assert not used


def test_of_extensions_only_those_count_that_our_schemas_have_to_do_with(ground: Ground) -> None:
    before = "CREATE SCHEMA theirs; CREATE EXTENSION hstore SCHEMA theirs; CREATE EXTENSION citext SCHEMA theirs;"
    before += "GRANT USAGE ON SCHEMA theirs TO app"
    with ground.target("CREATE TABLE t (a theirs.citext)", before=before) as target, target.look() as connection:
        found = schemas.likeness_of(connection).extensions
    assert {each.name: each.used for each in found} == {"hstore": False, "citext": True}


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("CREATE CAST (moods AS text) WITH FUNCTION told(moods)", "cast from moods to text"),
        ("SELECT lo_create(0)", "1 large objects"),
    ],
)
def test_revisions_that_make_what_lies_in_no_schema_are_refused(ground: Ground, statement: str, named: str) -> None:
    revisions = (
        "CREATE TYPE moods AS ENUM ('a'); CREATE FUNCTION told(moods) RETURNS text LANGUAGE sql AS $$SELECT 'x'$$;"
    )
    with ground.target("CREATE TABLE t ()") as target:
        old = target.dump()
        with pytest.raises(RefusedError, match=named) as caught:
            ground.replace(target, revisions + statement)
        assert caught.value.code == "E-OBSTACLE"
        assert target.dump() == old


def test_what_the_target_cannot_load_leaves_everything_as_it_was(plain: Target, ground: Ground) -> None:
    old = plain.dump()
    revisions = "CREATE TABLE u (id int); INSERT INTO u VALUES (1)"
    with ground.built(plain, revisions) as dumped:
        archive = dumped.archive.read_bytes()
        dumped.archive.write_bytes(archive[: len(archive) // 2])
        with plain.open() as connection, pytest.raises(DbtasksError):
            schemas.replace(connection, dumped, errand())
    assert plain.dump() == old


def test_only_what_was_put_aside_is_brought_back_or_dropped(plain: Target, ground: Ground) -> None:
    replaced = ground.replace(plain, "CREATE TABLE u ()")
    kept = replaced.schemas[0].kept
    plain.sql(f'ALTER SCHEMA "{kept}" RENAME TO mine; CREATE SCHEMA "{kept}"; CREATE TABLE "{kept}".precious ()')
    with plain.open() as connection:
        for act in (
            lambda: schemas.drop(connection, replaced.mark),
            lambda: schemas.bring_back(connection, replaced.mark, errand()),
            lambda: schemas.drop(connection, "00000000"),
        ):
            with pytest.raises(RefusedError, match="E-NOTHING-KEPT"):
                act()
    assert plain.sql(f'TABLE "{kept}".precious') == []


def test_what_somebody_began_to_drop_is_dropped_later_and_not_brought_back(plain: Target, ground: Ground) -> None:
    replaced = ground.replace(plain, "CREATE TABLE u ()")
    with plain.open() as connection:
        connection.execute("UPDATE dbtasks.kept SET dropping = true")
        connection.execute(f'DROP TABLE "{replaced.schemas[0].kept}".t'.encode())
        with pytest.raises(RefusedError, match="E-NOTHING-KEPT"):
            schemas.bring_back(connection, replaced.mark, errand())
        schemas.drop(connection, replaced.mark)
        assert schemas.kept(connection) == ()


def test_more_tables_are_dropped_than_one_transaction_may_lock(ground: Ground) -> None:
    tables = "".join(f"CREATE TABLE t{number} (id int PRIMARY KEY);" for number in range(250))
    with ground.target(tables) as target:
        replaced = ground.replace(target, "CREATE TABLE u ()")
        with target.open() as connection:
            schemas.drop(connection, replaced.mark)
            assert schemas.kept(connection) == ()
        assert target.sql("SELECT count(*) FROM pg_class WHERE relname ~ '^t[0-9]'") == [(0,)]


def test_what_is_used_from_outside_is_not_dropped(plain: Target, ground: Ground) -> None:
    replaced = ground.replace(plain, "CREATE TABLE u ()")
    plain.sql(f'CREATE VIEW v AS TABLE "{replaced.schemas[0].kept}".t')
    with plain.open() as connection, pytest.raises(DbtasksError, match="view v depends on"):
        schemas.drop(connection, replaced.mark)
    assert plain.sql("SELECT id FROM v") == [(1,)]
