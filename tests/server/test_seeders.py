"""Seeds against a real server: what is added, kept and changed, and how every mistake names its place."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import psycopg
import pytest

from dbtasks import seeders
from dbtasks.errors import SeedError
from dbtasks.seeders import Progress, sizes
from tests.server.seeding import Connection, Load, Turns, connection, load, mistakes, rows

__all__ = ["connection", "load"]

pytestmark = pytest.mark.outside  # these tests load from this process, on a server of their own

USERS = """CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL UNIQUE, age int CHECK (age >= 0))"""
USERS_CSV = "id,email,age\n1,anna@example.com,30\n2,ben@example.com,\n"
USERS_YAML = "- {id: 1, email: anna@example.com, age: 30}\n- {id: 2, email: ben@example.com}\n"
USERS_JSON = '[{"id": 1, "email": "anna@example.com", "age": 30},\n {"id": 2, "email": "ben@example.com"}]'
USERS_LINES = '{"id": 1, "email": "anna@example.com", "age": 30}\n\n{"id": 2, "email": "ben@example.com"}\n'
FORMATS = pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("users.csv", USERS_CSV, id="csv"),
        pytest.param("users.yaml", USERS_YAML, id="yaml"),
        pytest.param("users.json", USERS_JSON, id="json"),
        pytest.param("users.jsonl", USERS_LINES, id="json lines"),
    ],
)


@FORMATS
def test_every_format_adds_what_is_missing_and_a_second_load_adds_nothing(
    connection: Connection, load: Load, name: str, content: str
) -> None:
    connection.execute(USERS)
    first, second = load({f"demo/{name}": content}), load({f"demo/{name}": content})
    assert (first.added, first.kept, second.added, second.kept) == (2, 0, 0, 2)
    assert rows(connection, "SELECT * FROM users ORDER BY id") == [
        (1, "anna@example.com", 30),
        (2, "ben@example.com", None),
    ]


@FORMATS
def test_what_people_changed_stays(connection: Connection, load: Load, name: str, content: str) -> None:
    connection.execute(USERS)
    load({f"demo/{name}": content})
    connection.execute("UPDATE users SET age = 31, email = 'new@example.com' WHERE id = 1")
    connection.execute("DELETE FROM users WHERE id = 2")
    result = load({f"demo/{name}": content})
    assert (result.added, result.kept) == (1, 1)
    assert rows(connection, "SELECT * FROM users WHERE id = 1") == [(1, "new@example.com", 31)]


@FORMATS
def test_match_follows_the_file_and_rewrites_nothing_else(
    connection: Connection, load: Load, name: str, content: str
) -> None:
    connection.execute(USERS)
    files = {f"demo/{name}": content, "demo/set.yaml": "mode: match\n"}
    load(files)
    connection.execute("UPDATE users SET age = 99 WHERE id = 1")
    connection.execute("INSERT INTO users VALUES (3, 'cleo@example.com', 3)")
    before = rows(connection, "SELECT id, ctid::text FROM users WHERE id > 1")
    result = load(files)
    assert (result.added, result.changed, result.kept) == (0, 1, 1)
    assert rows(connection, "SELECT age FROM users WHERE id = 1") == [(30,)]
    assert rows(connection, "SELECT id, ctid::text FROM users WHERE id > 1") == before


def test_a_row_without_primary_key_is_known_by_its_unique_columns(connection: Connection, load: Load) -> None:
    connection.execute("CREATE TABLE tags (id serial PRIMARY KEY, slug text NOT NULL UNIQUE, label text)")
    connection.execute("INSERT INTO tags (slug, label) VALUES ('piano', 'mine')")
    result = load({"demo/tags.csv": "slug,label\npiano,Piano\ncello,Cello\n"})
    assert (result.added, result.kept) == (1, 1)
    assert rows(connection, "SELECT slug, label FROM tags ORDER BY 1") == [("cello", "Cello"), ("piano", "mine")]


def test_empty_is_null_and_quoted_empty_is_a_text_in_csv(connection: Connection, load: Load) -> None:
    connection.execute("CREATE TABLE t (id int PRIMARY KEY, a text, b text)")
    text = 'id,a,b\r\n1,,""\r\n2,"say ""hi"",\r\nfriend",ü\r\n'
    load({"demo/t.csv": b"\xef\xbb\xbf" + text.encode()})
    assert rows(connection, "SELECT * FROM t ORDER BY 1") == [(1, None, ""), (2, 'say "hi",\r\nfriend', "ü")]


TYPES = """
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE DOMAIN percent AS int CHECK (VALUE BETWEEN 0 AND 100);
CREATE DOMAIN name AS text NOT NULL;
CREATE TABLE t (
    id int PRIMARY KEY, tags text[], numbers int[], doc jsonb, raw json, mood mood, span int4range,
    during tstzrange, bytes bytea, share percent, who name, day date, at timestamptz, price numeric, zip text,
    yes boolean, country text, twice int GENERATED ALWAYS AS (id * 2) STORED
)"""
VALUES = """SELECT tags, numbers, doc::text, raw::text, mood::text, span::text, during::text, bytes, share, who,
    day::text, at::text, price::text, zip, yes, country, twice FROM t"""
EXPECTED = (
    ["a", "b c"],
    [1, 2],
    '{"k": [1, "x", null]}',
    '{"k":1.10}',
    "good",
    "[1,5)",
    '["2024-01-01 00:00:00+00","2024-02-01 00:00:00+00")',
    b"hi",
    50,
    "Anna",
    "2024-01-01",
    "2024-01-01 12:00:00+00",
    "1.10",
    "05432",
    True,
    "no",
    2,
)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param(
            "t.yaml",
            """
- id: 1
  tags: [a, b c]
  numbers: "{1,2}"
  doc: {k: [1, x, null]}
  raw: {k: 1.10}
  mood: good
  span: "[1,5)"
  during: "[2024-01-01, 2024-02-01)"
  bytes: !!binary aGk=
  share: 50
  who: Anna
  day: 2024-01-01
  at: 2024-01-01 12:00:00
  price: 1.10
  zip: 05432
  yes: on
  country: no
""",
            id="yaml",
        ),
        pytest.param(
            "t.json",
            """[{"id": 1, "tags": ["a", "b c"], "numbers": "{1,2}", "doc": {"k": [1, "x", null]}, "raw": {"k":1.10},
  "mood": "good", "span": "[1,5)", "during": "[2024-01-01, 2024-02-01)", "bytes": "\\\\x6869", "share": 50,
  "who": "Anna", "day": "2024-01-01", "at": "2024-01-01 12:00:00", "price": 1.10, "zip": "05432", "yes": true,
  "country": "no"}]""",
            id="json",
        ),
        pytest.param(
            "t.csv",
            "id,tags,numbers,doc,raw,mood,span,during,bytes,share,who,day,at,price,zip,yes,country\n"
            '1,"{a,b c}","{1,2}","{""k"": [1, ""x"", null]}","{""k"":1.10}",good,"[1,5)","[2024-01-01, 2024-02-01)",'
            "\\x6869,50,Anna,2024-01-01,2024-01-01 12:00:00,1.10,05432,on,no\n",
            id="csv",
        ),
    ],
)
def test_types_arrive_as_they_were_meant(connection: Connection, load: Load, name: str, content: str) -> None:
    connection.execute(TYPES)
    files = {f"demo/{name}": content, "demo/set.yaml": "mode: match"}
    load(files)
    assert rows(connection, VALUES) == [EXPECTED]
    assert load(files).kept == 1


def test_columns_that_a_row_leaves_out_get_their_default(connection: Connection, load: Load) -> None:
    connection.execute("CREATE TABLE t (id int PRIMARY KEY, a int DEFAULT 7, b text DEFAULT 'x')")
    load({"demo/t.yaml": "- {id: 1}\n- {id: 2, a: 1}\n- {id: 3, b: }\n- {b: z, id: 4}\n"})
    assert rows(connection, "SELECT * FROM t ORDER BY 1") == [(1, 7, "x"), (2, 1, "x"), (3, 7, None), (4, 7, "z")]


@pytest.mark.parametrize(
    "kind",
    [
        "serial",
        "int GENERATED BY DEFAULT AS IDENTITY",
        "int GENERATED ALWAYS AS IDENTITY",
        "int DEFAULT nextval('free_sequence')",
    ],
)
def test_sequences_go_on_behind_the_ids_given(connection: Connection, load: Load, kind: str) -> None:
    connection.execute("CREATE SEQUENCE free_sequence")
    connection.execute(f"CREATE TABLE t (id {kind} PRIMARY KEY, a int)".encode())
    load({"demo/t.csv": "id,a\n7,1\n3,1\n"})
    assert rows(connection, "INSERT INTO t (a) VALUES (0) RETURNING id") == [(8,)]
    load({"demo/t.csv": "id,a\n1,1\n"})
    assert rows(connection, "INSERT INTO t (a) VALUES (0) RETURNING id") == [(9,)]


def test_a_load_that_is_taken_back_leaves_the_sequences_as_they_were(connection: Connection, load: Load) -> None:
    connection.execute("CREATE TABLE t (id serial PRIMARY KEY, a int)")
    connection.execute("SELECT nextval('t_id_seq'); SAVEPOINT before")
    load({"demo/t.csv": "id,a\n7,1\n"})
    assert rows(connection, "SELECT last_value, is_called FROM t_id_seq") == [(7, True)]
    connection.execute("ROLLBACK TO before")
    assert rows(connection, "SELECT last_value, is_called FROM t_id_seq") == [(1, True)]


def test_sequences_move_for_a_role_that_may_use_and_not_alter_them(connection: Connection, load: Load) -> None:
    connection.execute("CREATE TABLE t (id serial PRIMARY KEY, a int); CREATE ROLE plain")
    connection.execute("GRANT ALL ON t, t_id_seq TO plain; SET ROLE plain")
    load({"demo/t.csv": "id,a\n7,1\n"})
    assert rows(connection, "INSERT INTO t (a) VALUES (0) RETURNING id") == [(8,)]


def test_sequences_move_while_somebody_else_has_taken_a_number(
    seed_server: tuple[str, int], connection: Connection, load: Load
) -> None:
    with psycopg.connect(host=seed_server[0], port=seed_server[1], user="postgres", dbname="postgres") as other:
        other.execute("CREATE TABLE taken (id serial PRIMARY KEY, a int)")
        other.commit()
        try:
            other.execute("SELECT nextval('taken_id_seq')")
            load({"demo/taken.csv": "id,a\n7,1\n"})
            assert rows(connection, "INSERT INTO taken (a) VALUES (0) RETURNING id") == [(8,)]
            connection.rollback()
        finally:
            other.rollback()
            other.execute("DROP TABLE taken")


def test_tables_are_filled_in_the_order_of_their_foreign_keys(connection: Connection, load: Load) -> None:
    connection.execute(USERS)
    connection.execute("CREATE TABLE bookings (id int PRIMARY KEY, user_id int NOT NULL REFERENCES users)")
    connection.execute("CREATE TABLE accounts (id int PRIMARY KEY, booking_id int REFERENCES bookings)")
    files: dict[str, str | bytes] = {
        "demo/accounts.json": '[{"id": 1, "booking_id": 1}]',
        "demo/bookings.yaml": "- {id: 1, user_id: 2}",
        "demo/users.csv": USERS_CSV,
    }
    assert [table.table for table in load(files).tables] == ["users", "bookings", "accounts"]


CYCLE = """
CREATE TABLE a (id int PRIMARY KEY, b_id int{a_null});
CREATE TABLE b (id int PRIMARY KEY, a_id int NOT NULL REFERENCES a);
ALTER TABLE a ADD CONSTRAINT a_to_b FOREIGN KEY (b_id) REFERENCES b{deferrable}"""
CYCLE_FILES: dict[str, str | bytes] = {"demo/a.csv": "id,b_id\n1,1\n2,\n", "demo/b.yaml": "- {id: 1, a_id: 1}"}


@pytest.mark.parametrize(
    ("a_null", "deferrable"),
    [
        pytest.param("", "", id="nullable"),
        pytest.param(" NOT NULL DEFAULT 1", " DEFERRABLE", id="deferrable"),
        pytest.param("", " DEFERRABLE INITIALLY DEFERRED", id="deferred"),
    ],
)
@pytest.mark.parametrize("mode", ["missing", "match"])
def test_tables_that_need_each_other_are_filled(
    connection: Connection, load: Load, a_null: str, deferrable: str, mode: str
) -> None:
    connection.execute(CYCLE.format(a_null=a_null, deferrable=deferrable).encode())
    files = {**CYCLE_FILES, "demo/set.yaml": f"mode: {mode}"}
    if a_null:
        files["demo/a.csv"] = "id,b_id\n1,1\n2,1\n"
    load(files)
    assert rows(connection, "SELECT id, b_id FROM a ORDER BY id") == [(1, 1), (2, 1 if a_null else None)]
    assert load(files).kept == 3


def test_a_cycle_keeps_what_people_changed_in_the_column_that_closes_it(connection: Connection, load: Load) -> None:
    connection.execute(CYCLE.format(a_null="", deferrable="").encode())
    load(CYCLE_FILES)
    connection.execute("UPDATE a SET b_id = NULL WHERE id = 1")
    load(CYCLE_FILES)
    assert rows(connection, "SELECT b_id FROM a WHERE id = 1") == [(None,)]


def test_a_cycle_that_nothing_can_open_is_named(connection: Connection, load: Load) -> None:
    connection.execute(CYCLE.format(a_null=" NOT NULL", deferrable="").encode())
    assert mistakes(load, CYCLE_FILES) == [
        (
            "seeds/demo: tables a and b need each other's rows (foreign keys a_to_b, b_a_id_fkey), so none can be "
            "filled first. Make one of the constraints deferrable (ALTER TABLE ... ALTER CONSTRAINT a_to_b "
            "DEFERRABLE), or its column nullable."
        )
    ]


def test_rows_may_refer_to_later_rows_of_their_own_table(connection: Connection, load: Load) -> None:
    connection.execute("CREATE TABLE t (id int PRIMARY KEY, up int REFERENCES t, a int DEFAULT 1)")
    load({"demo/t.csv": "id,up\n1,2\n2,\n"})
    load({"demo/t.yaml": "- {id: 3, up: 4}\n- {id: 4, a: 2}\n"})
    assert rows(connection, "SELECT id, up FROM t ORDER BY id") == [(1, 2), (2, None), (3, 4), (4, None)]


REFERENCES = """
CREATE TABLE users (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL UNIQUE,
    boss int REFERENCES users);
CREATE TABLE bookings (slug text PRIMARY KEY, user_id int NOT NULL REFERENCES users, by int REFERENCES users)"""
PEOPLE = "- {email: anna@example.com, boss: {ref: {email: ben@example.com}}}\n- {email: ben@example.com}\n"


def test_a_reference_by_natural_key_finds_the_row(connection: Connection, load: Load) -> None:
    connection.execute(REFERENCES)
    files: dict[str, str | bytes] = {
        "demo/users.yaml": PEOPLE,
        "demo/bookings.json": '[{"slug": "x", "user_id": {"ref": {"email": "anna@example.com"}}, "by": null}]',
    }
    assert (load(files).added, load(files).kept) == (3, 3)
    assert rows(connection, "SELECT u.email, v.email FROM users u JOIN users v ON v.id = u.boss") == [
        ("anna@example.com", "ben@example.com")
    ]
    assert rows(connection, "SELECT slug, email FROM bookings JOIN users ON users.id = user_id") == [
        ("x", "anna@example.com")
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "- slug: x\n  user_id: {ref: {email: zoe@example.com}}",
            "seeds/demo/bookings.yaml:2:12: user_id: no row of users has the email asked for.",
            id="required",
        ),
        pytest.param(
            "- slug: x\n  user_id: {ref: {email: anna@example.com}}\n  by: {ref: {email: zoe@example.com}}",
            "seeds/demo/bookings.yaml:3:7: by: no row of users has the email asked for.",
            id="optional",
        ),
        pytest.param(
            "- slug: x\n  user_id: {ref: {mail: zoe@example.com}}",
            "seeds/demo/bookings.yaml:2:12: user_id: table users has no column 'mail'. Did you mean email?",
            id="unknown column",
        ),
        pytest.param(
            "- slug: x\n  user_id: {ref: {boss: 1}}",
            "seeds/demo/bookings.yaml:2:12: user_id: (boss) is not unique in table users, so it names no single row.",
            id="not unique",
        ),
        pytest.param(
            "- slug: x\n  user_id: {email: zoe@example.com}",
            "seeds/demo/bookings.yaml:2:12: user_id: expected a value, or a reference as in "
            "{ref: {email: anna@example.com}}.",
            id="no reference",
        ),
    ],
)
def test_a_reference_that_leads_nowhere_is_named(connection: Connection, load: Load, text: str, expected: str) -> None:
    connection.execute(REFERENCES)
    assert mistakes(load, {"demo/users.yaml": PEOPLE, "demo/bookings.yaml": text}) == [expected]


STRICT = """
CREATE TABLE cities (id int PRIMARY KEY);
INSERT INTO cities VALUES (1);
CREATE DOMAIN percent AS int CHECK (VALUE BETWEEN 0 AND 100);
CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN IF NEW.age = 13 THEN RAISE EXCEPTION ''unlucky''; END IF; RETURN NEW; END';
CREATE TABLE users (
    id int PRIMARY KEY, email varchar(20) NOT NULL UNIQUE, age int CONSTRAINT grown CHECK (age > 0),
    city_id int REFERENCES cities, span int4range, share percent, doc jsonb, twice int GENERATED ALWAYS AS (id) STORED,
    EXCLUDE USING gist (span WITH &&)
);
CREATE TRIGGER shout BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION shout();
INSERT INTO users VALUES (100, 'taken@example.com', 1, 1, '[0,1)')"""
BREAKS = [
    ("age", "x", "2:{c}: age: expected integer, found 'x'."),
    ("age", "99999999999", "2:{c}: age: '99999999999' does not fit integer: {json_range}"),
    ("age", "-1", "2:{c}: age: the row breaks constraint grown: CHECK ((age > 0))."),
    ("age", "13", "2:1: unlucky."),
    ("city_id", "9", "2:{c}: city_id: no row of cities has id '9' (foreign key users_city_id_fkey)."),
    ("email", "taken@example.com", "2:{c}: email: email 'taken@example.com' is taken by another row (unique: {key})."),
    (
        "span",
        "[0,3)",
        "2:{c}: span: the row breaks constraint users_span_excl: EXCLUDE USING gist (span WITH &&).",
    ),
    ("span", "[3,0)", "2:{c}: span: '[3,0)' does not fit int4range: {range}"),
    ("share", "101", "2:{c}: share: '101' does not fit percent: {domain}"),
    ("twice", "1", "{h}: twice: the column is generated by the database. Take it out of the file."),
    ("agee", "1", "{h}: agee: table users has no column 'agee'. Did you mean age?"),
]
SENTENCES = {
    "json_range": 'value "99999999999" is out of range for type integer.',
    "range": "range lower bound must be less than or equal to range upper bound.",
    "domain": 'value for domain percent violates check constraint "percent_check".',
    "key": "users_email_key",
}


@pytest.mark.parametrize(("column", "value", "expected"), BREAKS, ids=[f"{b[0]} {b[1]}" for b in BREAKS])
@pytest.mark.parametrize("form", ["csv", "yaml", "json", "large csv"])
def test_a_value_that_does_not_fit_is_named_by_file_line_and_column(
    connection: Connection,
    load: Load,
    monkeypatch: pytest.MonkeyPatch,
    column: str,
    value: str,
    expected: str,
    form: str,
) -> None:
    connection.execute(STRICT)
    more = "" if column == "email" else ",email"
    names, head = (column, more) if column != "email" else ("email", "")
    good = {"age": "5", "city_id": "1", "email": "e{i}@x.org", "span": "empty", "share": "5"}.get(column, value)
    emails = ["", "", ""] if column == "email" else [f",e{i}@x.org" for i in range(3)]
    goods = [good.format(i=i) for i in range(3)]
    if form.endswith("csv"):
        if form == "large csv":
            monkeypatch.setattr(sizes, "SMALL_BYTES", 0)
            monkeypatch.setattr(sizes, "WORTH_COPYING_BYTES", 0)
        lines = [f'{i},"{v}"{e}' for i, v, e in zip((1, 2, 3), (value, *goods[1:]), emails, strict=True)]
        text = "\n".join([f"id,{names}{head}", *lines, ""])
        name, c, h = "users.csv", 3, "1:4"
    else:
        values = zip((1, 2, 3), (value, *goods[1:]), emails, strict=True)
        maps = [f'{{"id": {i}, "{column}": "{v}"' + (f', "email": "{e[1:]}"' if e else "") + "}" for i, v, e in values]
        text = "[\n" + ",\n".join(maps) + "]"
        name, c, h = f"users.{form}", 15 + len(column), f"2:{15 + len(column)}"
    place = expected.format(c=c, h=h, **SENTENCES)
    assert mistakes(load, {f"demo/{name}": text}) == [f"seeds/demo/{name}:{place}"]
    assert rows(connection, "SELECT count(*) FROM users") == [(1,)]


@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("id,email\n1,a\n2\n", ["3:1: the record has 1 field, the header 2."], id="too few"),
        pytest.param("id,email\n1,a\n\n", ["3:1: the record has 1 field, the header 2.*"], id="empty line"),
        pytest.param("id,email\n1,a,b\n", ["2:1: the record has 3 fields, the header 2."], id="too many"),
        pytest.param(
            "id,email\n1,a\n2,b\n1,c\n", ["4:1: id: id '1' is taken by another row (unique: users_pkey)."], id="twice"
        ),
        pytest.param("id,email\n1,\n2,b\n", ["2:3: email: a value is required here (not null)."], id="null"),
        pytest.param(
            "email,age\na,1\nb,1\n",
            ["2:1: column id of users needs a value, and has no default.*"],
            id="no column for what is required",
        ),
        pytest.param(
            "age\n1\n",
            ["*: nothing tells whether this row is there already. Give the columns (id) or (email) of table users."],
            id="no key",
        ),
        pytest.param(
            "id,email,city_id\n1,a,7\n2,b,1\n3,c,8\n",
            [
                "2:5: city_id: no row of cities has id '7' (foreign key users_city_id_fkey).",
                "4:5: city_id: no row of cities has id '8' (foreign key users_city_id_fkey).",
            ],
            id="every orphan",
        ),
        pytest.param("id,id\n1,1\n", ["1:4: column 'id' is there twice."], id="header twice"),
        pytest.param('id,email\n1,a\n2,"b\n', ["*3:3: the quote that opens here is never closed.*"], id="open quote"),
    ],
)
def test_a_csv_that_does_not_fit_its_table_is_named(
    connection: Connection, load: Load, monkeypatch: pytest.MonkeyPatch, large: bool, text: str, expected: list[str]
) -> None:
    from fnmatch import fnmatchcase

    connection.execute(STRICT)
    if large:
        monkeypatch.setattr(sizes, "SMALL_BYTES", 0)
        monkeypatch.setattr(sizes, "WORTH_COPYING_BYTES", 0)
    found = mistakes(load, {"demo/users.csv": text})
    assert len(found) == len(expected), found
    for mine, theirs in zip(found, expected, strict=True):
        assert fnmatchcase(mine, f"seeds/demo/users.csv:{theirs}"), (mine, theirs)


def test_sql_runs_after_the_tables_of_its_set_in_the_same_transaction(connection: Connection, load: Load) -> None:
    connection.execute(USERS)
    script = """
-- A comment; with BEGIN and a semicolon.
CREATE FUNCTION older(n int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT CASE WHEN n > 0 THEN n + 1 END; END;
UPDATE users SET age = older(age) WHERE age IS NOT NULL; -- no end of line"""
    load({"a/users.csv": USERS_CSV, "a/ages.sql": script, "b/after.sql": "DELETE FROM users WHERE age = 31;"})
    assert rows(connection, "SELECT id FROM users") == [(2,)]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        pytest.param("SELECT 1;\nSELEC 2;", '2:1: syntax error at or near "SELEC".', id="syntax"),
        pytest.param("SELECT 1;\nSELECT\n  x;", '3:3: column "x" does not exist.', id="position"),
        pytest.param(
            "SELECT 1;\n /* so */ INSERT INTO users VALUES (1, 'x', 1);",
            '2:11: duplicate key value violates unique constraint "users_pkey".',
            id="constraint",
        ),
    ],
)
def test_a_failing_statement_of_sql_is_named(connection: Connection, load: Load, script: str, expected: str) -> None:
    connection.execute(USERS)
    files: dict[str, str | bytes] = {"demo/users.csv": USERS_CSV, "demo/z.sql": script}
    assert mistakes(load, files) == [f"seeds/demo/z.sql:{expected}"]
    assert rows(connection, "SELECT count(*) FROM users") == [(0,)]


def test_a_file_may_name_its_schema_and_else_the_search_path_decides(connection: Connection, load: Load) -> None:
    connection.execute("CREATE SCHEMA crm; CREATE SCHEMA shop; CREATE TABLE crm.t (id int PRIMARY KEY)")
    connection.execute("CREATE TABLE shop.t (id int PRIMARY KEY); SET search_path = nowhere, shop, crm")
    result = load({"demo/t.csv": "id\n1\n", "demo/crm.t.csv": "id\n2\n3\n"})
    assert sorted((table.table, table.added) for table in result.tables) == [("t", 1), ("t", 2)]
    assert rows(connection, "SELECT * FROM crm.t ORDER BY 1") == [(2,), (3,)]


def test_names_that_need_quotes_and_percent_signs_are_fine(connection: Connection, load: Load) -> None:
    connection.execute('CREATE TABLE "Odd ""name%s" ("a %" serial PRIMARY KEY, "{b}" text, "select" int[])')
    files: dict[str, str | bytes] = {'demo/Odd "name%s.yaml': '- {"a %": 1, "{b}": "50 %s", select: [1]}'}
    assert (load(files).added, load({**files, "demo/set.yaml": "mode: match"}).kept) == (1, 1)


def test_a_table_that_is_not_there_is_named_with_the_nearest(connection: Connection, load: Load) -> None:
    connection.execute(USERS)
    files: dict[str, str | bytes] = {"demo/user.csv": USERS_CSV, "demo/x.csv": "id\n1\n"}
    assert mistakes(load, files) == [
        "seeds/demo/user.csv: the database has no table user. Did you mean users?",
        "seeds/demo/x.csv: the database has no table x.",
    ]


def test_a_table_without_any_key_is_refused(connection: Connection, load: Load) -> None:
    connection.execute("CREATE TABLE t (a int); CREATE UNIQUE INDEX ON t (a) WHERE a > 1")
    assert mistakes(load, {"demo/t.csv": "a\n1\n"}) == [
        "seeds/demo/t.csv:2:1: table t has no primary key or unique constraint, so its rows cannot be told apart."
    ]


def test_a_row_without_a_value_in_its_unique_columns_is_refused(connection: Connection, load: Load) -> None:
    connection.execute("CREATE TABLE t (id serial PRIMARY KEY, a int UNIQUE)")
    assert mistakes(load, {"demo/t.csv": "a\n1\n\n"}) == [
        "seeds/demo/t.csv:3:1: a: a value is required here, since it tells this row from others."
    ]


@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
@pytest.mark.parametrize("mode", ["missing", "match"])
def test_where_nulls_are_not_distinct_a_row_without_a_value_is_known_again(
    connection: Connection, load: Load, monkeypatch: pytest.MonkeyPatch, mode: str, large: bool
) -> None:
    if large:
        monkeypatch.setattr(sizes, "SMALL_BYTES", 0)
        monkeypatch.setattr(sizes, "WORTH_COPYING_BYTES", 0)
    connection.execute("CREATE TABLE t (a int NOT NULL, b int, n int, UNIQUE NULLS NOT DISTINCT (a, b))")
    files = {"demo/t.csv": "a,b,n\n1,,1\n1,2,2\n2,,3\n", "demo/set.yaml": f"mode: {mode}"}
    load(files)
    connection.execute("UPDATE t SET n = 0; DELETE FROM t WHERE a = 2")
    again = load(files)
    assert (again.added, again.changed) == (1, 2 if mode == "match" else 0)
    assert rows(connection, "SELECT count(*) FROM t") == [(3,)]
    assert mistakes(load, {"demo/t.csv": "a,b,n\n3,,1\n3,,2\n"})[0].startswith("seeds/demo/t.csv:3:1: a: a, b '3'")


def test_rows_of_different_shape_with_one_key_are_refused(connection: Connection, load: Load) -> None:
    connection.execute("CREATE TABLE t (id int PRIMARY KEY, a int, b int)")
    assert mistakes(load, {"demo/t.yaml": "- {id: 1, a: 1}\n- {id: 1, b: 2}"}) == [
        "seeds/demo/t.yaml:2:8: id: the row has the same key as row 1 of this file."
    ]


def test_an_orphan_behind_a_deferred_constraint_is_named_before_the_commit(connection: Connection, load: Load) -> None:
    connection.execute("CREATE TABLE u (id int PRIMARY KEY)")
    connection.execute("CREATE TABLE t (id int PRIMARY KEY, u int REFERENCES u DEFERRABLE INITIALLY DEFERRED)")
    assert mistakes(load, {"demo/t.csv": "id,u\n1,\n2,9\n"}) == [
        "seeds/demo/t.csv:3:3: u: no row of u has id '9' (foreign key t_u_fkey)."
    ]


def test_an_orphan_that_closes_a_cycle_is_named(connection: Connection, load: Load) -> None:
    connection.execute(CYCLE.format(a_null="", deferrable="").encode())
    assert mistakes(load, {**CYCLE_FILES, "demo/a.csv": "id,b_id\n1,1\n2,7\n"}) == [
        "seeds/demo/a.csv:3:3: b_id: no row of b has id '7' (foreign key a_to_b)."
    ]


def test_nothing_of_the_seeds_is_left_after_a_mistake_and_the_transaction_goes_on(
    connection: Connection, load: Load
) -> None:
    connection.execute(USERS)
    connection.execute("INSERT INTO users VALUES (50, 'kept@example.com', 1)")
    mistakes(load, {"a/users.csv": USERS_CSV, "b/users.yaml": "- {id: 9, email: x, age: -1}"})
    assert rows(connection, "SELECT id FROM users") == [(50,)]
    assert load({"a/users.csv": USERS_CSV}).added == 2


def test_a_long_value_is_shortened_and_a_secret_hidden(connection: Connection, load: Load) -> None:
    connection.execute("CREATE TABLE t (id int PRIMARY KEY, n int)")
    assert mistakes(load, {"demo/t.csv": f"id,n\n1,{'x' * 100}\n"}) == [
        f"seeds/demo/t.csv:2:3: n: expected integer, found '{'x' * 59}…'."
    ]
    assert mistakes(load, {"demo/t.csv": "id,n\n1,postgresql://anna:hunter2@db/app\n"}) == [
        "seeds/demo/t.csv:2:3: n: expected integer, found 'postgresql://anna:***@db/app'."
    ]


def test_a_file_that_changed_since_it_was_read_is_refused(connection: Connection, tmp_path: Path) -> None:
    connection.execute(USERS)
    path = tmp_path / "seeds" / "demo" / "users.csv"
    path.parent.mkdir(parents=True)
    path.write_text(USERS_CSV)
    seeds = seeders.read(tmp_path, Path("seeds"), ["demo"])
    path.write_text(USERS_CSV + "3,cleo@example.com,\n")
    with pytest.raises(SeedError, match=r"^seeds/demo/users.csv: the file has changed since the plan was made\."):
        seeders.load(connection, seeds, lambda _: None)
    assert rows(connection, "SELECT count(*) FROM users") == [(0,)]


def test_a_connection_in_autocommit_is_refused(seed_server: tuple[str, int], tmp_path: Path) -> None:
    (tmp_path / "seeds" / "demo").mkdir(parents=True)
    seeds = seeders.read(tmp_path, Path("seeds"), ["demo"])
    with psycopg.connect(host=seed_server[0], port=seed_server[1], user="postgres", autocommit=True) as connection:  # noqa: SIM117
        with pytest.raises(ValueError, match="autocommit"):
            seeders.load(connection, seeds, lambda _: None)


def test_a_role_that_owns_the_tables_and_nothing_else_is_enough(connection: Connection, load: Load) -> None:
    connection.execute(
        "CREATE ROLE plain; CREATE SCHEMA app AUTHORIZATION plain; SET ROLE plain; SET search_path = app"
    )
    connection.execute(CYCLE.format(a_null="", deferrable="").encode())
    assert load(CYCLE_FILES).added == 3


def test_a_large_file_is_copied_into_an_empty_table_and_beside_what_is_there(
    connection: Connection, load: Load
) -> None:
    connection.execute("CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a text, b text)")
    text = "\ufeffa,id,b\r\n" + "".join(f'"x\r\n{i}",{i},""\r\n' for i in range(1, 300_000))
    seen: list[Progress] = []
    first = load({"demo/t.csv": text}, seen.append)
    assert rows(connection, "SELECT count(*), sum(id), max(a), max(b) FROM t") == [
        (299_999, 44999850000, "x\r\n99999", "")
    ]
    connection.execute("DELETE FROM t WHERE id > 299990")
    connection.execute("UPDATE t SET a = 'mine' WHERE id = 1")
    second = load({"demo/t.csv": text})
    assert (first.added, second.added, second.kept) == (299_999, 9, 299_990)
    assert rows(connection, "SELECT a FROM t WHERE id = 1") == [("mine",)]
    assert rows(connection, "INSERT INTO t (a) VALUES ('new') RETURNING id") == [(300_000,)]
    assert {(one.set, one.table, one.rows_total) for one in seen} == {("demo", "t", 299_999)}
    done = [one.rows_done for one in seen]
    assert (done, done[-1], done[0] < 299_999) == (sorted(done), 299_999, True)


@pytest.mark.parametrize("remembered", [False, True], ids=["rows unchanged", "file unchanged"])
@pytest.mark.parametrize("mode", ["missing", "match"])
def test_what_is_unchanged_writes_no_row_and_almost_no_wal(
    connection: Connection, load: Load, mode: str, remembered: bool
) -> None:
    connection.execute("CREATE SCHEMA dbtasks; CREATE TABLE t (id int PRIMARY KEY, a text); CREATE INDEX ON t (a)")
    files = {
        "demo/t.csv": "id,a\n" + "".join(f"{i},{'x' * 40}\n" for i in range(120_000)),
        "demo/set.yaml": f"mode: {mode}",
    }
    load(files)
    if not remembered:
        connection.execute("TRUNCATE dbtasks.seeds")
    written = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_xact_user_tables WHERE relname = 't'"
    places = "SELECT sum(hashtext(t.ctid::text)) FROM t"
    before = rows(connection, written), rows(connection, places)
    start = rows(connection, "SELECT pg_current_wal_insert_lsn()")[0]
    again = load(files)
    little = connection.execute("SELECT pg_current_wal_insert_lsn() - %s::pg_lsn < 65536", start).fetchone()
    assert (again.kept, [table.recognised for table in again.tables]) == (120_000, [remembered])
    assert (rows(connection, written), rows(connection, places)) == before
    assert little == (True,)


def test_a_large_file_is_never_held_in_memory(connection: Connection, load: Load, tmp_path: Path) -> None:
    connection.execute("CREATE TABLE t (id int PRIMARY KEY, a text)")
    load({"demo/t.csv": "id,a\n" + "".join(f"{i},{'x' * 90}\n" for i in range(200_000))})
    seeds = seeders.read(tmp_path, Path("seeds"), ["demo"])
    for _ in range(2):  # straight, and through the temporary table
        tracemalloc.start()
        try:
            seeders.load(connection, seeds, lambda _: None)
            assert tracemalloc.get_traced_memory()[1] < 4 << 20  # of nineteen megabytes
        finally:
            tracemalloc.stop()
        connection.execute("DELETE FROM t WHERE id % 2 = 0")


@pytest.mark.parametrize("mode", ["missing", "match"])
@pytest.mark.parametrize("tables", [14, 40])
def test_small_sets_take_at_most_eight_round_trips_whatever_the_number_of_tables(
    seed_server: tuple[str, int], tmp_path: Path, tables: int, mode: str
) -> None:
    _write_linked_sets(tmp_path / "seeds", tables, mode)
    seeds = seeders.read(tmp_path, Path("seeds"), ["even", "odd"])
    relay = Turns(f"{seed_server[0]}/.s.PGSQL.{seed_server[1]}")
    with psycopg.connect(host="127.0.0.1", port=relay.port, user="postgres", dbname="postgres") as connection:
        links = ["", "", *(f" REFERENCES t{i - 2}" for i in range(2, tables))]
        ddl = (f"CREATE TABLE t{i} (id serial PRIMARY KEY, up int{links[i]}, a text UNIQUE)" for i in range(tables))
        connection.execute(";".join(ddl).encode())
        before = relay.count
        result = seeders.load(connection, seeds, lambda _: None)
        assert relay.count - before == 2
        assert (len(result.tables), result.added) == (tables, 2 * tables)
        connection.rollback()
    relay.close()


def _write_linked_sets(folder: Path, tables: int, mode: str) -> None:
    """Write two sets with a script each and, in three formats, two rows a table that refer to the table before."""
    for name in ("even", "odd"):
        (folder / name).mkdir(parents=True)
        (folder / name / "set.yaml").write_text(f"mode: {mode}")
        (folder / name / "last.sql").write_text("SELECT 1; SELECT 2")
    for i in range(tables):
        form, text = [
            ("csv", "id,up,a\n1,,x\n2,,y\n"),
            ("yaml", "- {id: 1, a: x}\n- {id: 2, up: {ref: {a: x}}}" if i > 1 else "- {id: 1, a: x}\n- {id: 2}"),
            ("json", '[{"id": 1, "up": 1, "a": "x"}, {"id": 2}]' if i > 1 else '[{"id": 1, "a": "x"}, {"id": 2}]'),
        ][i % 3]
        (folder / ("odd" if i % 2 else "even") / f"t{i}.{form}").write_text(text)
