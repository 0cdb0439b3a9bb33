"""Each kind of change to a schema is found, by its name and by nothing else, and an untouched schema has none."""

from __future__ import annotations

import pytest

from dbtasks import embedded
from dbtasks.database import Inspection
from tests import outside
from tests.launcher import External
from tests.server import drift_ground

# What somebody may do by hand, and what is to be told of it: what, kind, name.
CHANGES: dict[str, tuple[str, list[tuple[str, str, str]]]] = {
    "table added": ("CREATE TABLE extra (id int)", [("extra", "table", "public.extra")]),
    "table dropped": ("DROP TABLE cache", [("missing", "table", "public.cache")]),
    "table logged": ("ALTER TABLE cache SET LOGGED", [("other", "table", "public.cache")]),
    "storage parameter": ("ALTER TABLE cache SET (fillfactor = 80)", [("other", "table", "public.cache")]),
    "row security off": ("ALTER TABLE lessons DISABLE ROW LEVEL SECURITY", [("other", "table", "public.lessons")]),
    "row security forced": ("ALTER TABLE lessons FORCE ROW LEVEL SECURITY", [("other", "table", "public.lessons")]),
    "partition detached": (
        "ALTER TABLE events DETACH PARTITION events_2026",
        [("other", "table", "public.events_2026"), ("extra", "index", "public.events_2026_what_idx")],
    ),
    "partition added": (
        "CREATE TABLE events_2027 PARTITION OF events FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')",
        [("extra", "table", "public.events_2027")],
    ),
    "no longer inherits": (
        "ALTER TABLE older_people NO INHERIT people",
        [
            ("other", "table", "public.older_people"),
            ("extra", "constraint", "public.older_people.people_price_check"),
        ],
    ),
    "column added": ("ALTER TABLE people ADD extra int", [
        ("extra", "column", "public.older_people.extra"), ("extra", "column", "public.people.extra"),
    ]),
    "column dropped": ("ALTER TABLE lessons DROP place", [
        ("missing", "column", "public.lessons.place"), ("missing", "constraint", "public.lessons.lessons_place_excl"),
    ]),
    "column's type": ("ALTER TABLE cache ALTER value TYPE json", [("other", "column", "public.cache.value")]),
    "column's length": ("ALTER TABLE events ALTER what TYPE varchar(90)", [
        ("other", "column", f"public.{table}.what") for table in ("events", "events_2026", "events_rest")
    ]),
    "nullable": ("ALTER TABLE lessons ALTER title DROP NOT NULL", [("other", "column", "public.lessons.title")]),
    "not null": ("ALTER TABLE cache ALTER value SET NOT NULL", [("other", "column", "public.cache.value")]),
    "default": ("ALTER TABLE cache ALTER value SET DEFAULT '{}'", [("other", "column", "public.cache.value")]),
    "identity": ("ALTER TABLE lessons ALTER id SET GENERATED ALWAYS", [("other", "column", "public.lessons.id")]),
    "no longer generated": ("ALTER TABLE people ALTER upper_name DROP EXPRESSION", [
        ("other", "column", "public.older_people.upper_name"), ("other", "column", "public.people.upper_name"),
    ]),
    "check dropped": ("ALTER TABLE lessons DROP CONSTRAINT long_title", [
        ("missing", "constraint", "public.lessons.long_title"),
    ]),
    "check validated": ("ALTER TABLE lessons VALIDATE CONSTRAINT long_title", [
        ("other", "constraint", "public.lessons.long_title"),
    ]),
    "foreign key": (
        "ALTER TABLE lessons ALTER CONSTRAINT lessons_teacher_fkey NOT DEFERRABLE",
        [("other", "constraint", "public.lessons.lessons_teacher_fkey")],
    ),
    "unique added": ("ALTER TABLE events_rest ADD CONSTRAINT once UNIQUE (what)", [
        ("extra", "constraint", "public.events_rest.once"),
    ]),
    "index added": ("CREATE INDEX by_hand ON people (born)", [("extra", "index", "public.by_hand")]),
    "index dropped": ("DROP INDEX lessons_by_title", [("missing", "index", "public.lessons_by_title")]),
    "index invalid": (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'lessons_by_title'::regclass",
        [("other", "index", "public.lessons_by_title")],
    ),
    "index of a constraint invalid": (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'people_name_key'::regclass",
        [("other", "constraint", "public.people.people_name_key")],
    ),
    "view": ("CREATE OR REPLACE VIEW names WITH (security_barrier) AS SELECT name, mood FROM people", [
        ("other", "view", "public.names"),
    ]),
    "view's option": ("ALTER VIEW names RESET (security_barrier)", [("other", "view", "public.names")]),
    "materialized view dropped": ("DROP MATERIALIZED VIEW totals", [("missing", "view", "public.totals")]),
    "index of a materialized view": ("DROP INDEX totals_by_teacher", [
        ("missing", "index", "public.totals_by_teacher"),
    ]),
    "function's body": (
        "CREATE OR REPLACE FUNCTION twice(n int, times int DEFAULT 2) RETURNS int LANGUAGE sql AS 'SELECT n + times'",
        [("other", "function", "public.twice(n integer, times integer)")],
    ),
    "function's rights": ("ALTER FUNCTION first_name() SECURITY INVOKER", [
        ("other", "function", "public.first_name()"),
    ]),
    "overloaded": ("CREATE FUNCTION twice(text) RETURNS text LANGUAGE sql AS 'SELECT $1'", [
        ("extra", "function", "public.twice(text)"),
    ]),
    "procedure dropped": ("DROP PROCEDURE forget()", [("missing", "function", "public.forget()")]),
    "aggregate dropped": ("DROP AGGREGATE product(numeric)", [("missing", "function", "public.product(numeric)")]),
    "trigger dropped": ("DROP TRIGGER people_stamp ON people", [("missing", "trigger", "public.people.people_stamp")]),
    "trigger disabled": ("ALTER TABLE people DISABLE TRIGGER people_stamp", [
        ("other", "trigger", "public.people.people_stamp"),
    ]),
    "rule dropped": ("DROP RULE no_delete ON cache", [("missing", "rule", "public.cache.no_delete")]),
    "policy": ("ALTER POLICY own_lessons ON lessons USING (true)", [("other", "policy", "public.lessons.own_lessons")]),
    "policy's role": ("ALTER POLICY add_lessons ON lessons TO PUBLIC", [
        ("other", "policy", "public.lessons.add_lessons"),
    ]),
    "granted": ("GRANT INSERT ON people TO reader", [("other", "grant", "public.people to reader")]),
    "granted to all": ("GRANT SELECT ON people TO PUBLIC", [("extra", "grant", "public.people to PUBLIC")]),
    "granted of a column": ("REVOKE UPDATE (name) ON people FROM reader", [
        ("missing", "grant", "public.people.name to reader"),
    ]),
    "revoked": ("REVOKE ALL ON lessons FROM reader", [("missing", "grant", "public.lessons to reader")]),
    "taken from the owner": ("REVOKE DELETE ON events FROM CURRENT_USER", [
        ("extra", "grant", "public.events to its owner"),
    ]),
    "function for all": ("GRANT EXECUTE ON FUNCTION first_name() TO PUBLIC", [
        ("extra", "grant", "function public.first_name() to PUBLIC"),
    ]),
    "schema for all": ("GRANT CREATE ON SCHEMA public TO PUBLIC", [("extra", "grant", "schema public to PUBLIC")]),
    "default grant": ("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT INSERT ON TABLES TO reader", [
        ("other", "default grant", "of the owner in schema public on tables to reader"),
    ]),
    "enum": ("ALTER TYPE mood RENAME VALUE 'loud' TO 'noisy'", [
        ("other", "type", "public.mood"), ("other", "view", "public.names"),
    ]),
    "domain": ("ALTER DOMAIN short DROP NOT NULL", [("other", "type", "public.short")]),
    "composite": ("ALTER TYPE pair ADD ATTRIBUTE third int", [("other", "type", "public.pair")]),
    "sequence": ("ALTER SEQUENCE numbers INCREMENT 7", [("other", "sequence", "public.numbers")]),
    "sequence dropped": ("DROP SEQUENCE numbers", [("missing", "sequence", "public.numbers")]),
    "statistics dropped": ("DROP STATISTICS lessons_together", [
        ("missing", "object", "statistics object public.lessons_together"),
    ]),
    "schema added": ("CREATE SCHEMA attic", [("extra", "schema", "attic")]),
    "extension dropped": ("DROP EXTENSION plpgsql CASCADE", [
        ("missing", "extension", "plpgsql"),
        ("missing", "function", "public.first_name()"),
        ("missing", "function", "public.stamp()"),
        ("missing", "trigger", "public.people.people_stamp"),
    ]),
    "owner": ("ALTER TABLE cache OWNER TO reader", [("other", "table", "public.cache")]),
    "comment": ("COMMENT ON TABLE people IS 'Nobody'", [("other", "comment", "table public.people")]),
    "comment of a column": ("COMMENT ON COLUMN people.name IS NULL", [
        ("missing", "comment", "table column public.people.name"),
    ]),
    "odd name": ('DROP TABLE "Big Name"."odd ""table""\nname"', [
        ("missing", "table", '"Big Name"."odd ""table""\nname"'),
    ]),
    "event trigger": (
        """CREATE FUNCTION heard() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
        CREATE EVENT TRIGGER listens ON ddl_command_end EXECUTE FUNCTION heard()""",
        [("extra", "function", "public.heard()"), ("extra", "object", "event trigger listens")],
    ),
}  # fmt: skip


Found = dict[str, list[tuple[str, str, str]]]


@pytest.fixture(scope="module")
def private(server: embedded.Server) -> str:
    return _built(server.conninfo("postgres").url(Inspection()))


@pytest.fixture(scope="module")
def another(external: External) -> str:
    """A server of another major version than the private one."""
    return _built(external.url())


def _built(maintenance: str) -> str:
    with outside.connect(maintenance, autocommit=True) as connection:
        connection.execute("CREATE DATABASE drift_found TEMPLATE template0 ENCODING 'UTF8'")
    url = maintenance.removesuffix("/postgres") + "/drift_found"
    outside.call(drift_ground.build, url)
    return url


@pytest.fixture(scope="module")
def found(private: str, another: str) -> dict[str, Found]:
    """What is found after each change, on each server."""
    changes = [change for change, _ in CHANGES.values()]
    names = [*CHANGES, "nothing"]
    urls = {"private": private, "another": another}
    return {
        place: dict(zip(names, outside.call(drift_ground.planted, url, changes), strict=True))
        for place, url in urls.items()
    }


@pytest.mark.parametrize("place", ["private", "another"])
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_found_by_its_name_and_nothing_else_is(found: dict[str, Found], place: str, name: str) -> None:
    assert found[place][name] == CHANGES[name][1]


@pytest.mark.parametrize("place", ["private", "another"])
def test_an_untouched_schema_has_no_difference(found: dict[str, Found], place: str) -> None:
    assert found[place]["nothing"] == []


def test_the_same_schema_on_another_major_version_has_no_difference(private: str, another: str) -> None:
    assert outside.call(drift_ground.across, private, another) == []


@pytest.mark.parametrize(
    "name",
    ["view", "policy", "policy's role", "column's length", "index added", "revoked", "function's body", "nullable"],
)
def test_a_change_is_found_across_major_versions(private: str, another: str, name: str) -> None:
    change, told = CHANGES[name]

    assert outside.call(drift_ground.across, private, another, change) == told
