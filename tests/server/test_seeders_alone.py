"""Seeds into a database that nobody else uses: indexes and foreign keys go and come back exactly as they were."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from dbtasks import seeders
from dbtasks.programs import child_environment, find_server_programs
from dbtasks.seeders import sizes
from dbtasks.seeders.batch import Connection
from tests import launcher
from tests.server.seeding import Load, connection, load, mistakes, rows

__all__ = ["connection", "load"]

pytestmark = pytest.mark.outside  # these tests load from this process, on a server of their own


@pytest.fixture(autouse=True)
def _large(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SMALL_BYTES", "WORTH_COPYING_BYTES", "WORTH_REBUILDING_BYTES"):
        monkeypatch.setattr(sizes, name, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A database to be dumped, with the programs of its server's own version."""

    conninfo: str
    programs: Path

    def dump(self) -> str:
        command: list[str | Path] = [self.programs / "pg_dump", "--schema-only", self.conninfo]
        done = subprocess.run(command, env=child_environment(), capture_output=True, text=True, check=True)
        return re.sub(r"(?m)^\\(un)?restrict .*$", "", done.stdout)


@pytest.fixture(params=["embedded", "another version"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A database of its own."""
    if request.param == "embedded":
        folder, port = request.getfixturevalue("seed_server")
        server, programs = f"host={folder} port={port} user=postgres", find_server_programs().bindir
    else:
        external: launcher.External = request.getfixturevalue("external")
        found = launcher.installed(other_than=find_server_programs().major)
        assert found is not None
        server = f"host={external.host} port={external.port} user={external.user} password={external.password}"
        programs = found
    with psycopg.connect(f"{server} dbname=postgres", autocommit=True) as boss:
        boss.execute("CREATE DATABASE alone TEMPLATE template0")
        try:
            yield Place(conninfo=f"{server} client_encoding=utf8 dbname=alone", programs=programs)
        finally:
            boss.execute("DROP DATABASE alone WITH (FORCE)")


NASTY = """
CREATE SCHEMA "Odd ""one%";
CREATE DOMAIN percent AS int CHECK (VALUE BETWEEN 0 AND 100);
CREATE FUNCTION twice(n int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT n * 2';
CREATE TABLE cities (id int CONSTRAINT "the key" PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE "Odd ""one%"."People %s" (
    id bigint GENERATED ALWAYS AS IDENTITY, "e mail" text COLLATE "C" NOT NULL, city_id int, boss bigint,
    share percent, n int NOT NULL, m int, during int4range, doc jsonb, same int GENERATED ALWAYS AS (n + 1) STORED,
    CONSTRAINT "People; DROP TABLE" PRIMARY KEY (id) INCLUDE (n) WITH (fillfactor = 70),
    CONSTRAINT mail UNIQUE ("e mail") DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT soon UNIQUE (n) DEFERRABLE,
    CONSTRAINT apart EXCLUDE USING gist (during WITH &&),
    CONSTRAINT boss FOREIGN KEY (boss) REFERENCES "Odd ""one%"."People %s" ON DELETE SET NULL,
    CONSTRAINT home FOREIGN KEY (city_id) REFERENCES cities MATCH FULL ON UPDATE CASCADE ON DELETE RESTRICT
);
SET search_path = "Odd ""one%", public;
CREATE UNIQUE INDEX "Plain u" ON "People %s" (n DESC NULLS LAST, m) INCLUDE (share) NULLS NOT DISTINCT
    WITH (fillfactor = 50);
CREATE INDEX partial ON "People %s" (twice(n), (m + n)) WHERE share > 10;
CREATE INDEX patterns ON "People %s" ("e mail" text_pattern_ops, "e mail" COLLATE "POSIX");
CREATE INDEX inverted ON "People %s" USING gin (doc jsonb_path_ops) WITH (fastupdate = off);
CREATE INDEX ranges ON "People %s" USING brin (n) WITH (pages_per_range = 3);
CREATE INDEX hashed ON "People %s" USING hash (m);
CREATE INDEX tree ON "People %s" USING spgist (during);
ALTER INDEX partial ALTER COLUMN 2 SET STATISTICS 77;
ALTER TABLE "People %s" CLUSTER ON patterns;
ALTER TABLE "People %s" REPLICA IDENTITY USING INDEX "People; DROP TABLE";
COMMENT ON INDEX partial IS 'it''s "partial"';
COMMENT ON INDEX "People; DROP TABLE" IS 'the index';
COMMENT ON CONSTRAINT "People; DROP TABLE" ON "People %s" IS 'the key';
COMMENT ON CONSTRAINT home ON "People %s" IS 'where \\ they live';
COMMENT ON CONSTRAINT "the key" ON cities IS NULL;
CREATE STATISTICS together (dependencies) ON n, m FROM "People %s";
CREATE TABLE bookings (id int PRIMARY KEY, person bigint REFERENCES "People %s" NOT DEFERRABLE, mail text,
    CONSTRAINT late FOREIGN KEY (person) REFERENCES "People %s" DEFERRABLE INITIALLY DEFERRED);
ALTER TABLE bookings ADD CONSTRAINT unproven FOREIGN KEY (id) REFERENCES cities NOT VALID;
CREATE VIEW rested AS SELECT c.id, c.name, count(*) FROM cities c GROUP BY c.id;
CREATE FUNCTION keep(int) RETURNS void LANGUAGE sql BEGIN ATOMIC
    INSERT INTO "Odd ""one%"."People %s" (n, "e mail") VALUES ($1, 'x') ON CONFLICT ON CONSTRAINT soon DO NOTHING; END;
CREATE PUBLICATION told FOR TABLE "People %s", cities;
RESET search_path;
"""
PEOPLE = 'id,e mail,city_id,boss,share,n,m,during,doc\n1,a@b,1,2,50,1,1,"[1,2)","{""a"": 1}"\n2,b@b,1,,,2,,,\n'
SEEDS = {
    'demo/Odd "one%.People %s.csv': PEOPLE,
    "demo/cities.csv": "id,name\n1,Bern\n2,Basel\n",
    'demo/Odd "one%.bookings.csv': "id,person,mail\n1,1,x\n2,2,y\n",
}


def test_a_schema_dump_is_the_same_before_and_after(place: Place, tmp_path: Path) -> None:
    with psycopg.connect(place.conninfo) as connection:
        nasty = NASTY if connection.info.server_version >= 150000 else NASTY.replace(" NULLS NOT DISTINCT", "")
        connection.execute(nasty.encode())
        connection.commit()
        before = place.dump()
        for name, text in SEEDS.items():
            (tmp_path / "seeds" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "seeds" / name).write_text(text)
        seeds = seeders.read(tmp_path, Path("seeds"), ["demo"])
        numbers = oids(connection)
        loaded = seeders.load(connection, seeds, lambda _: None, alone=True)
        connection.commit()
        rebuilt = numbers.keys() - {name for name, oid in oids(connection).items() if numbers.get(name) == oid}
        assert (loaded.added, place.dump()) == (6, before)
        # The others stay: a view, a function and a foreign key that is not proven rest on them, or they exclude.
        assert numbers.keys() - rebuilt == {"the key", "soon", "apart", "unproven"}
        assert connection.execute("SELECT count(*) FROM pg_index WHERE NOT (indisvalid AND indisready)").fetchone() == (
            0,
        )
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO cities VALUES (1, 'Chur')")


def oids(connection: psycopg.Connection[tuple[object, ...]]) -> dict[object, object]:
    """Return indexes and foreign keys by name: what is dropped and made again has another number."""
    query = """SELECT relname, oid FROM pg_class WHERE relkind = 'i' AND relnamespace >= 16384
        OR relkind = 'i' AND relnamespace = 'public'::regnamespace
        UNION ALL SELECT conname, oid FROM pg_constraint WHERE contype = 'f'"""
    return dict(connection.execute(query.encode()).fetchall())  # type: ignore[arg-type]  # pairs


PLAIN = """CREATE TABLE cities (id int PRIMARY KEY);
CREATE TABLE users (id int PRIMARY KEY, city_id int REFERENCES cities, email text NOT NULL, age int CHECK (age > 0));
CREATE INDEX users_by_email ON users (email); CREATE UNIQUE INDEX users_by_mail ON users (lower(email))"""
CITIES = {"demo/cities.csv": "id\n1\n2\n"}
USERS = {**CITIES, "demo/users.csv": "id,city_id,email,age\n1,1,a,1\n2,2,b,2\n"}


def index(connection: Connection, name: str) -> object:
    return rows(connection, f"SELECT '{name}'::regclass::oid")[0][0]


@pytest.mark.parametrize(
    ("setup", "rebuilt"),
    [
        pytest.param("SELECT 1", True, id="ordinary"),
        pytest.param("INSERT INTO users VALUES (9, NULL, 'z', 1)", False, id="not empty"),
        pytest.param("CREATE RULE r AS ON INSERT TO users DO ALSO SELECT 1", False, id="a rule"),
        pytest.param("CREATE TABLE more () INHERITS (users)", False, id="inherited"),
        pytest.param(
            "CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
            "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f()",
            False,
            id="an event trigger",
        ),
        pytest.param(
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
            "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON users DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
            " EXECUTE FUNCTION f()",
            False,
            id="a trigger that waits",
        ),
        pytest.param("ALTER TABLE cities ADD boss int REFERENCES users DEFERRABLE", False, id="a cycle that waits"),
        pytest.param("CREATE ROLE owner; ALTER TABLE users OWNER TO owner; SET ROLE owner", None, id="an owner"),
    ],
)
def test_indexes_are_built_anew_where_everything_is_ordinary(
    connection: Connection, load: Load, setup: str, rebuilt: bool | None
) -> None:
    connection.execute(PLAIN)
    connection.execute("GRANT ALL ON SCHEMA public TO PUBLIC; GRANT ALL ON cities TO PUBLIC")
    before = index(connection, "users_by_email")
    connection.execute(setup.encode())
    result = load(USERS, alone=True)
    assert (result.added, rows(connection, "SELECT id FROM users WHERE id < 9 ORDER BY id")) == (4, [(1,), (2,)])
    assert (index(connection, "users_by_email") != before) is (rebuilt is not False)


def test_without_being_told_that_nobody_else_is_there_nothing_is_taken_down(connection: Connection, load: Load) -> None:
    connection.execute(PLAIN)
    before = index(connection, "users_by_email")
    assert load(USERS).added == 4
    assert index(connection, "users_by_email") == before


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,1,a,1\n1,1,b,1\n", "3:1: id: id '1' is taken by another row (unique: users_pkey)."),
        ("1,7,a,1\n2,1,b,1\n", "2:3: city_id: no row of cities has id '7' (foreign key users_city_id_fkey)."),
        ("1,1,a,1\n2,1,,1\n", "3:5: email: a value is required here (not null)."),
        ("1,1,a,1\n2,1,b,0\n", "3:7: age: the row breaks constraint users_age_check: CHECK ((age > 0))."),
        ("1,1,a,1\n2,1,b,x\n", "3:7: age: expected integer, found 'x'."),
        ("1,1,a,1\n2,1\n", "3:1: the record has 2 fields, the header 4."),
        ("1,1,a,1\n2,1,A,1\n", '3:1: duplicate key value violates unique constraint "users_by_mail".'),
    ],
)
def test_a_mistake_is_named_and_the_indexes_are_as_they_were(
    connection: Connection, load: Load, text: str, expected: str
) -> None:
    connection.execute(PLAIN)
    before = index(connection, "users_by_email")
    found = mistakes(load, {**CITIES, "demo/users.csv": f"id,city_id,email,age\n{text}"}, alone=True)
    assert found == [f"seeds/demo/users.csv:{expected}"]
    assert (index(connection, "users_by_email"), rows(connection, "SELECT id FROM users")) == (before, [])


def test_a_partitioned_table_is_copied_into_as_it_is(connection: Connection, load: Load) -> None:
    connection.execute("""CREATE TABLE t (id int PRIMARY KEY, a int) PARTITION BY RANGE (id);
        CREATE TABLE low PARTITION OF t FOR VALUES FROM (0) TO (2);
        CREATE TABLE high PARTITION OF t FOR VALUES FROM (2) TO (9)""")
    files = {"demo/t.csv": "id,a\n1,1\n2,2\n", "demo/set.yaml": "mode: match"}
    assert load(files, alone=True).added == 2
    connection.execute("UPDATE t SET a = 9 WHERE id = 2")
    assert load(files, alone=True).changed == 1
