"""Files that are recognised as unchanged: never when loading them would do something, whoever wrote to their tables."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dbtasks import seeders
from dbtasks.errors import RefusedError, SeedError
from dbtasks.inspection import _USER_OBJECTS
from dbtasks.seeders import LoadResult, sizes
from tests.server.seeding import Connection, Files, Load, Turns, connection, load, rows

__all__ = ["connection", "load"]

pytestmark = pytest.mark.outside  # these tests load from this process, on a server of their own

SETUP = """CREATE SCHEMA dbtasks;
CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL, age int, note text DEFAULT 'mine')"""
CSV = "id,email,age\n1,anna@example.com,30\n2,ben@example.com,40\n3,cleo@example.com,\n"
MISSING: Files = {"demo/users.csv": CSV}
MATCH: Files = {**MISSING, "demo/set.yaml": "mode: match"}


@pytest.fixture(params=["small", "large"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Take the way of small seed sets, or that of large ones."""
    if request.param == "large":
        monkeypatch.setattr(sizes, "SMALL_BYTES", 0)
        monkeypatch.setattr(sizes, "WORTH_COPYING_BYTES", 0)
    return str(request.param)


def recognised(result: LoadResult) -> list[str]:
    return [table.table for table in result.tables if table.recognised]


@pytest.mark.usefixtures("size")
@pytest.mark.parametrize("files", [MISSING, MATCH], ids=["missing", "match"])
def test_an_unchanged_file_is_recognised_and_not_even_read(
    connection: Connection, tmp_path: Path, files: Files
) -> None:
    connection.execute(SETUP)
    for name, text in files.items():
        (tmp_path / "seeds" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "seeds" / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    first = seeders.load(connection, seeders.read(tmp_path, Path("seeds"), ["demo"]), lambda _: None)
    seeds = seeders.read(tmp_path, Path("seeds"), ["demo"])
    (tmp_path / "seeds" / "demo" / "users.csv").unlink()
    second = seeders.load(connection, seeds, lambda _: None)
    assert (first.added, recognised(first)) == (3, [])
    assert (second.added, second.changed, second.kept, recognised(second)) == (0, 0, 3, ["users"])


CHANGES = {
    "a row deleted": ("DELETE FROM users WHERE id = 2", True, True),
    "a key changed": ("UPDATE users SET id = 9 WHERE id = 2", True, True),
    "a row added": ("INSERT INTO users VALUES (9, 'zoe@example.com')", True, True),
    "a value changed": ("UPDATE users SET age = 31 WHERE id = 1", False, True),
    "a value taken away": ("UPDATE users SET age = NULL WHERE id = 1", False, True),
    "a value given": ("UPDATE users SET age = 0 WHERE id = 3", False, True),
    "two values exchanged": ("UPDATE users SET age = 70 - age WHERE id < 3", False, True),
    "two columns exchanged": ("UPDATE users SET email = 'ben@example.com' WHERE id = 1", False, True),
    "a column that is not in the file": ("UPDATE users SET note = 'theirs'", False, False),
    "a row written again as it is": ("UPDATE users SET age = age", False, False),
    "all rows deleted": ("DELETE FROM users", True, True),
    "another column": ("ALTER TABLE users ADD COLUMN more int", False, False),
    "another type": ("ALTER TABLE users ALTER COLUMN age TYPE bigint", True, True),
    "another key": ("ALTER TABLE users ADD UNIQUE (email)", True, True),
}


@pytest.mark.usefixtures("size")
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("mode", ["missing", "match"])
def test_what_people_do_to_a_table_is_noticed_where_it_matters(
    connection: Connection, load: Load, mode: str, change: str
) -> None:
    statement, matters_to_missing, matters_to_match = CHANGES[change]
    matters = matters_to_match if mode == "match" else matters_to_missing
    files = {**MISSING, "demo/set.yaml": f"mode: {mode}"}
    connection.execute(SETUP)
    load(files)
    connection.execute(statement.encode())
    second = load(files)
    assert recognised(second) == ([] if matters else ["users"])
    held = rows(connection, "SELECT id, email, age FROM users WHERE id < 4 ORDER BY id")
    third = load(files)
    assert (recognised(third), third.added, third.changed) == (["users"], 0, 0)
    if mode == "match":
        assert [row[2] for row in held] == [30, 40, None]
    assert [row[0] for row in held] == [1, 2, 3]


def test_another_mode_or_another_file_is_not_taken_for_the_same(connection: Connection, load: Load) -> None:
    connection.execute(SETUP)
    load(MISSING)
    connection.execute("UPDATE users SET age = 1 WHERE id = 1")
    assert (load(MISSING).changed, load(MATCH).changed, load(MATCH).changed) == (0, 1, 0)
    assert recognised(load({"demo/users.csv": CSV + "4,dora@example.com,\n"})) == []


EVERY_TYPE = {
    "smallint": ("1", "2"),
    "bigint": ("1", "2"),
    "numeric": ("1.0", "1.1"),
    "real": ("1.5", "NaN"),
    "boolean": ("true", "false"),
    "text": ("a", "A"),
    "char(3)": ("a", "b"),
    "bytea": ("\\x00", "\\x0000"),
    "uuid": ("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12"),
    "date": ("2024-01-01", "2024-01-02"),
    "timestamptz": ("2024-01-01 00:00:00", "2024-01-01 00:00:00.000001"),
    "interval": ("1 day", "2 days"),
    "json": ('{"a": 1}', '{"a":1}'),
    "jsonb": ('{"a": 1}', '{"a": 2}'),
    "point": ("(1,2)", "(1,3)"),
    "int4range": ("[1,5)", "[1,6)"),
    "int[]": ("{1,2}", "{2,1}"),
    "json[]": ('{"{}"}', '{"[]"}'),
    "mood": ("good", "bad"),
    "percent": ("1", "2"),
    "document": ('{"a": 1}', '{"a": 2}'),
    "pair": ("(1,a)", "(1,b)"),
    "bit(3)": ("101", "100"),
    "inet": ("10.0.0.1", "10.0.0.2"),
    "tsvector": ("'a'", "'b'"),
}


@pytest.mark.usefixtures("size")
def test_every_type_can_be_followed_and_recognised(connection: Connection, load: Load) -> None:
    connection.execute("""CREATE SCHEMA dbtasks; CREATE TYPE mood AS ENUM ('good', 'bad');
        CREATE DOMAIN part AS int; CREATE DOMAIN percent AS part; CREATE DOMAIN paper AS json;
        CREATE DOMAIN document AS paper; CREATE TYPE pair AS (a int, b text)""")
    columns = ", ".join(f"c{i} {kind}" for i, kind in enumerate(EVERY_TYPE))
    connection.execute(f"CREATE TABLE t (id int PRIMARY KEY, {columns})".encode())
    names = ",".join(["id", *(f"c{i}" for i in range(len(EVERY_TYPE)))])
    values = ",".join('"' + value.replace('"', '""') + '"' for value, _ in EVERY_TYPE.values())
    files: Files = {"demo/t.csv": f"{names}\n1,{values}\n", "demo/set.yaml": "mode: match"}
    load(files)
    assert recognised(load(files)) == ["t"]
    for i, (_, other) in enumerate(EVERY_TYPE.values()):
        connection.execute(psycopg.sql.SQL("UPDATE t SET {} = {}").format(psycopg.sql.Identifier(f"c{i}"), other))
        result = load(files)
        assert (result.changed, recognised(result), list(EVERY_TYPE)[i]) == (1, [], list(EVERY_TYPE)[i])
    assert recognised(load(files)) == ["t"]


@pytest.mark.usefixtures("size")
def test_a_word_that_means_another_day_is_read_each_day(connection: Connection, load: Load) -> None:
    connection.execute("CREATE SCHEMA dbtasks; CREATE TABLE t (id int PRIMARY KEY, at date, note text)")
    files: Files = {"demo/t.csv": "id,at,note\n1,Tomorrow,x\n", "demo/set.yaml": "mode: match"}
    twin: Files = {"demo/t.csv": "id,at,note\n1,2024-01-01,I know today\n", "demo/set.yaml": "mode: match"}
    assert [recognised(load(files)), recognised(load(files))] == [[], []]
    assert [recognised(load(twin)), recognised(load(twin))] == [[], ["t"]]


@pytest.mark.parametrize("name", ["t.yaml", "t.jsonl"])
def test_references_are_looked_up_each_time_where_the_file_is_followed(
    connection: Connection, load: Load, name: str
) -> None:
    connection.execute(f"{SETUP}; CREATE TABLE t (id int PRIMARY KEY, user_id int REFERENCES users)".encode())
    connection.execute("ALTER TABLE users ADD UNIQUE (email); INSERT INTO users VALUES (1, 'a'), (2, 'b')")
    text = '{"id": 1, "user_id": {"ref": {"email": "a"}}}'
    files = {f"demo/{name}": f"- {text}" if name.endswith("yaml") else text}
    load(files)
    assert recognised(load(files)) == ["t"]  # its key is no reference, and what is there stays
    files["demo/set.yaml"] = "mode: match"
    load(files)
    connection.execute("UPDATE users SET email = 'c' WHERE id = 1; UPDATE users SET email = 'a' WHERE id = 2")
    assert load(files).changed == 1
    assert rows(connection, "SELECT user_id FROM t") == [(2,)]


@pytest.mark.usefixtures("size")
def test_a_script_that_changes_the_rows_of_its_set_finds_them_as_the_file_has_them(
    connection: Connection, load: Load
) -> None:
    connection.execute(SETUP)
    files: Files = {**MATCH, "demo/z.sql": "UPDATE users SET age = age + 1"}
    results = [load(files) for _ in range(3)]
    assert rows(connection, "SELECT age FROM users ORDER BY id") == [(31,), (41,), (None,)]
    assert [recognised(result) for result in results] == [[], [], []]


@pytest.mark.usefixtures("size")
def test_a_trigger_of_another_table_cannot_slip_a_change_in(connection: Connection, load: Load) -> None:
    connection.execute(SETUP)
    connection.execute("""CREATE TABLE a (id int PRIMARY KEY, n int);
        CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN UPDATE users SET age = -1 WHERE id = 1; RETURN NEW; END';
        CREATE TRIGGER spoil AFTER INSERT OR UPDATE ON a FOR EACH ROW EXECUTE FUNCTION spoil()""")
    one: Files = {**MATCH, "demo/a.csv": "id,n\n1,1\n"}
    load(one)
    load({**MATCH, "demo/a.csv": "id,n\n1,2\n"})
    assert rows(connection, "SELECT age FROM users WHERE id = 1") == [(30,)]


def test_a_sequence_that_fell_behind_is_moved_although_the_file_is_recognised(
    connection: Connection, load: Load
) -> None:
    connection.execute("CREATE SCHEMA dbtasks; CREATE TABLE t (id serial PRIMARY KEY, a int)")
    load({"demo/t.csv": "id,a\n7,1\n"})
    connection.execute("ALTER SEQUENCE t_id_seq RESTART")
    assert recognised(load({"demo/t.csv": "id,a\n7,1\n"})) == ["t"]
    assert rows(connection, "INSERT INTO t (a) VALUES (1) RETURNING id") == [(8,)]


def test_a_small_file_beside_a_large_table_is_loaded_since_that_costs_less(connection: Connection, load: Load) -> None:
    connection.execute(SETUP)
    connection.execute("INSERT INTO users SELECT i, repeat('x', 100) FROM generate_series(10, 20000) i")
    assert [recognised(load(MISSING)), recognised(load(MISSING))] == [[], []]


def test_without_our_schema_or_the_right_to_write_there_seeds_are_loaded_all_the_same(
    connection: Connection, load: Load
) -> None:
    connection.execute("CREATE TABLE users (id int PRIMARY KEY, email text, age int)")
    assert [load(MISSING).added, recognised(load(MISSING))] == [3, []]
    connection.execute("CREATE SCHEMA dbtasks; GRANT USAGE ON SCHEMA dbtasks TO PUBLIC; CREATE ROLE plain")
    connection.execute("GRANT ALL ON users TO plain; GRANT CREATE ON SCHEMA public TO plain")
    for _ in range(2):
        connection.execute("SET ROLE plain")
        assert [recognised(load(MISSING)), recognised(load(MISSING))] == [[], []]
        connection.execute("RESET ROLE")
        load(MISSING)  # now the table is there, and it is not theirs
    assert recognised(load(MISSING)) == ["users"]


def test_the_manifest_is_bookkeeping_and_no_object_of_a_user(connection: Connection, load: Load) -> None:
    connection.execute("CREATE SCHEMA dbtasks")
    before = rows(connection, _USER_OBJECTS)
    connection.execute("CREATE TABLE users (id int PRIMARY KEY, email text, age int)")
    load(MISSING)
    assert rows(connection, "SELECT count(*) FROM dbtasks.seeds") == [(1,)]
    connection.execute("DROP TABLE users")
    assert rows(connection, _USER_OBJECTS) == before


@pytest.mark.parametrize(
    ("script", "refused"),
    [
        ("UPDATE dbtasks.seeds SET checksum = 0", True),
        ("CREATE TABLE dbtasks.own (id int)", True),
        ("UPDATE users SET note = 'theirs'", False),
    ],
)
def test_a_script_may_not_touch_the_manifest_and_we_may(
    connection: Connection, load: Load, script: str, refused: bool
) -> None:
    connection.execute(SETUP)
    load(MISSING)
    connection.execute("DELETE FROM users WHERE id = 1")
    files: Files = {**MISSING, "demo/z.sql": script}
    if refused:
        with pytest.raises(RefusedError) as caught:
            load(files)
        assert caught.value.code == "E-SEED-BOOKKEEPING"
    else:
        assert load(files).added == 1


@pytest.fixture
def committed(seed_server: tuple[str, int]) -> Iterator[str]:
    """A database of its own, for what needs a commit; its connection string."""
    place = f"host={seed_server[0]} port={seed_server[1]} user=postgres"
    with psycopg.connect(f"{place} dbname=postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE manifest")
        yield f"{place} dbname=manifest"
        connection.execute("DROP DATABASE manifest WITH (FORCE)")


def test_a_row_deleted_while_the_file_is_loaded_is_missed_the_next_time(committed: str, tmp_path: Path) -> None:
    with psycopg.connect(committed, autocommit=True) as other, psycopg.connect(committed) as mine:
        other.execute(SETUP)
        other.execute("INSERT INTO users VALUES (1, 'anna@example.com', 30)")
        other.execute("""CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NEW; END'""")
        other.execute("CREATE TRIGGER slow BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION slow()")
        other.execute("SELECT pg_advisory_lock(7)")
        (tmp_path / "seeds" / "demo").mkdir(parents=True)
        (tmp_path / "seeds" / "demo" / "users.csv").write_text(CSV)
        seeds = seeders.read(tmp_path, Path("seeds"), ["demo"])
        thread = threading.Thread(target=seeders.load, args=(mine, seeds, lambda _: None))
        thread.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while other.execute(waiting).fetchone() == (0,):
            pass
        other.execute("DELETE FROM users WHERE id = 1")
        other.execute("SELECT pg_advisory_unlock(7)")
        thread.join()
        mine.commit()
        assert other.execute("SELECT id FROM users ORDER BY id").fetchall() == [(2,), (3,)]
        again = seeders.load(mine, seeds, lambda _: None)
        assert (again.added, recognised(again)) == (1, [])


def test_small_sets_take_few_round_trips_with_the_manifest(
    seed_server: tuple[str, int], committed: str, tmp_path: Path
) -> None:
    sets = [f"s{number}" for number in range(5)]
    for name in sets:
        (tmp_path / "seeds" / name).mkdir(parents=True)
        (tmp_path / "seeds" / name / "z.sql").write_text("SELECT 1; SELECT 2")
        for i in range(8):
            (tmp_path / "seeds" / name / f"{name}_{i}.csv").write_text(f"id,a\n1,{i}\n2,\n")
    seeds = seeders.read(tmp_path, Path("seeds"), sets)
    relay = Turns(f"{seed_server[0]}/.s.PGSQL.{seed_server[1]}")
    way_in = committed.replace(f"host={seed_server[0]} port={seed_server[1]}", f"host=127.0.0.1 port={relay.port}")
    counts = {}
    with psycopg.connect(way_in) as connection:
        tables = (f"CREATE TABLE {name}_{i} (id serial PRIMARY KEY, a int)" for name in sets for i in range(8))
        connection.execute(";".join(["CREATE SCHEMA dbtasks", *tables]).encode())
        connection.commit()
        for what, edit in {"new": "SELECT 1", "unchanged": "SELECT 1", "edited": "INSERT INTO s1_1 VALUES (9)"}.items():
            connection.execute(edit.encode())
            connection.commit()
            before = relay.count
            known = len(recognised(seeders.load(connection, seeds, lambda _: None)))
            connection.commit()
            counts[what] = (relay.count - before, known)
    relay.close()
    # To begin, to look, to load, to remember, to commit; and three times to ask: scripts come in between.
    assert counts == {"new": (5, 0), "unchanged": (7, 24), "edited": (8, 23)}


TABLE = st.sampled_from(["t", "u"])
ROW = st.tuples(st.integers(1, 4), st.integers(1, 2))
FILE = st.dictionaries(st.integers(1, 4), st.integers(1, 2), max_size=3)
SET = st.fixed_dictionaries(
    {"mode": st.sampled_from(["missing", "match"])},
    optional={
        "t": FILE,
        "u": FILE,
        "script": st.sampled_from(["UPDATE t SET n = n + 1", "DELETE FROM u WHERE id = 1", "SELECT 1"]),
    },
)
EDIT = st.sampled_from(
    [
        "UPDATE t SET n = 3 - n",
        "DELETE FROM t WHERE id = 2",
        "INSERT INTO u VALUES (4, 9) ON CONFLICT DO NOTHING",
        "UPDATE u SET id = 5 WHERE id = 1 AND NOT EXISTS (SELECT FROM u WHERE id = 5)",
        "SELECT 1",
    ]
)


@pytest.mark.usefixtures("size")
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.tuples(st.lists(SET, min_size=1, max_size=2), EDIT), min_size=2, max_size=5), repeat=st.booleans()
)
def test_a_database_with_a_manifest_is_seeded_like_one_without(
    connection: Connection,
    load: Load,
    steps: list[tuple[list[dict[str, object]], str]],
    repeat: bool,
) -> None:
    seen = []
    for setup in ("SELECT 1", "CREATE SCHEMA dbtasks"):
        connection.rollback()
        connection.execute("CREATE TABLE t (id int PRIMARY KEY, n int); CREATE TABLE u (id int PRIMARY KEY, n int)")
        connection.execute(
            "CREATE TRIGGER same BEFORE UPDATE ON u FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()"
        )
        connection.execute(setup.encode())
        states = []
        for sets, edit in [*steps, steps[-1]] if repeat else steps:
            load(_files(sets))
            states.append(rows(connection, "SELECT 't', * FROM t UNION ALL SELECT 'u', * FROM u ORDER BY 1, 2"))
            connection.execute(edit.encode())
        seen.append(states)
    assert seen[0] == seen[1]


def _files(sets: list[dict[str, object]]) -> Files:
    files: dict[str, str | bytes] = {}
    for number, one in enumerate(sets):
        files[f"s{number}/set.yaml"] = f"mode: {one['mode']}"
        for table in ("t", "u"):
            if isinstance(found := one.get(table), dict):
                files[f"s{number}/{table}.csv"] = "id,n\n" + "".join(f"{key},{n}\n" for key, n in found.items())
        if script := one.get("script"):
            files[f"s{number}/z.sql"] = str(script)
    return files


def test_a_file_with_a_mistake_is_remembered_by_nobody(connection: Connection, load: Load) -> None:
    connection.execute(SETUP)
    for _ in range(2):
        with pytest.raises(SeedError):
            load({**MISSING, "later/users.csv": "id,email\n1,\n9,\n"})
    assert rows(connection, "SELECT to_regclass('dbtasks.seeds')") == [(None,)]
