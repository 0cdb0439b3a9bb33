"""What makes a replacement by schemas impossible is said in words and stops it; what does not is let be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from dbtasks import embedded, schemas
from dbtasks.conninfo import parse
from dbtasks.errors import RefusedError
from dbtasks.schemas import Dump
from tests.server.abroad import abroad as abroad
from tests.server.road import Server
from tests.server.schemas_ground import Ground, errand

pytestmark = [pytest.mark.timeout(180), pytest.mark.outside]

OURS = """
CREATE TYPE mood AS ENUM ('good');
CREATE FUNCTION told(mood) RETURNS text LANGUAGE sql AS $$SELECT 'x'$$;
CREATE FUNCTION fired() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN END$$;
CREATE TABLE t (id int PRIMARY KEY, m mood);
CREATE VIEW v AS TABLE t;
"""
THEIRS = "CREATE SCHEMA theirs AUTHORIZATION other; GRANT ALL ON SCHEMA theirs TO app;"

# What the superuser or another role did, and what is said about it.
OBSTACLES = [
    ("CREATE VIEW theirs.v AS TABLE public.t", "rule _RETURN on view theirs.v depends on"),
    (
        "CREATE TABLE theirs.u (t int REFERENCES public.t)",
        "constraint u_t_fkey on table theirs.u depends on column id of table t",
    ),
    ("CREATE TABLE theirs.u (m public.mood)", "column m of table theirs.u depends on type mood"),
    (
        "CREATE FUNCTION theirs.f(public.mood) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "theirs.f(mood) depends on type mood",
    ),
    ("CREATE CAST (public.mood AS text) WITH FUNCTION public.told(public.mood)", "cast from mood to text depends on"),
    ("CREATE PUBLICATION p FOR TABLE public.t", "publication of table t in publication p depends on table t"),
    ("CREATE PUBLICATION p FOR TABLES IN SCHEMA public", "in publication p depends on schema public"),
    ("CREATE PUBLICATION p FOR ALL TABLES", "the publication p is of all tables"),
    (
        "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION public.fired()",
        "event trigger e depends on function",
    ),
    ("SELECT lo_create(0)", "1 large objects lie in no schema"),
    (
        "CREATE TABLE public.u (id int); ALTER TABLE public.u OWNER TO other",
        "table u belongs to other, as whom app may not",
    ),
    (
        "CREATE TABLE theirs.u (id int); ALTER TABLE theirs.u OWNER TO app; CREATE TABLE theirs.w ()",
        "table theirs.w belongs to",
    ),
    (
        "CREATE TABLE theirs.u (id int); ALTER TABLE theirs.u OWNER TO app; REVOKE ALL ON SCHEMA theirs FROM app",
        "app may not create in schema theirs, which belongs to other",
    ),
    (
        "ALTER DEFAULT PRIVILEGES FOR ROLE other IN SCHEMA public GRANT SELECT ON TABLES TO reader",
        "the default privileges of other in schema public",
    ),
    (
        "CREATE EXTENSION citext; CREATE TYPE public.s AS RANGE (subtype = int); ALTER TYPE public.s OWNER TO app",
        "the range type s lies in schema public beside an extension",
    ),
    ("CREATE SCHEMA dbtasks AUTHORIZATION other", "our schema dbtasks belongs to other"),
    (
        "SELECT pg_create_logical_replication_slot('s', 'pgoutput')",
        "the logical replication slot s hangs on this database",
    ),
    ("BEGIN; CREATE TABLE theirs.u (); PREPARE TRANSACTION 'x'", "a prepared transaction is open in this database: x"),
    ("REVOKE CREATE ON DATABASE it FROM app; ALTER DATABASE it OWNER TO other", "app may not create schemas here"),
]
# What would outlive its database.
UNDONE = {"slot": "SELECT pg_drop_replication_slot('s')", "PREPARE": "ROLLBACK PREPARED 'x'"}
HARMLESS = [
    "SELECT 1",
    "CREATE TABLE theirs.u (id int); CREATE PUBLICATION p FOR TABLE theirs.u",
    "CREATE EXTENSION citext; ALTER TABLE public.t ADD a citext",
    "CREATE EXTENSION hstore SCHEMA theirs; ALTER TABLE public.t ADD a theirs.hstore",
    "CREATE EXTENSION file_fdw; CREATE SERVER s FOREIGN DATA WRAPPER file_fdw",
    "CREATE TABLE theirs.u (id int PRIMARY KEY); ALTER TABLE public.t ADD u int REFERENCES theirs.u",
    "ALTER SCHEMA public OWNER TO other; GRANT ALL ON SCHEMA public TO app",
]


@pytest.fixture(scope="module")
def ground(abroad: Server, server: embedded.Server) -> Ground:
    made = Ground(boss=parse(abroad.url("postgres"), variable="a test's"), private=server)
    made.role("other")
    return made


@pytest.fixture(scope="module")
def dumped(ground: Ground) -> Iterator[Dump]:
    with ground.target() as target, ground.built(target, "CREATE TABLE n ()") as made:
        yield made


@pytest.mark.parametrize(("doing", "said"), OBSTACLES, ids=[doing[:60] for doing, _ in OBSTACLES])
def test_an_obstacle_is_named_and_nothing_is_replaced(ground: Ground, dumped: Dump, doing: str, said: str) -> None:
    with ground.target(OURS, before=THEIRS) as target, ExitStack() as undoing:
        target.sql(doing.replace(" it ", f' "{target.name}" '), as_boss=True)
        for word, undo in UNDONE.items():
            if word in doing:
                undoing.callback(target.sql, undo, as_boss=True)
        found, old = target.obstacles(), target.dump()
        assert [each for each in found if said in each], found
        with target.open() as connection, pytest.raises(RefusedError, match="E-OBSTACLE"):
            schemas.replace(connection, dumped, errand())
        assert target.dump() == old


@pytest.mark.parametrize("doing", HARMLESS, ids=[doing[:60] for doing in HARMLESS])
def test_what_lies_beside_our_schemas_is_let_be(ground: Ground, doing: str) -> None:
    with ground.target(OURS, before=THEIRS) as target:
        target.sql(doing, as_boss=True)
        assert target.obstacles() == ()
        old = target.dump()
        replaced = ground.replace(target, "CREATE TABLE n ()")
        assert "CREATE TABLE public.n" in target.dump()
        ground.bring_back(target, replaced.mark)
        assert target.dump() == old
