"""Seed files without a server: what a folder holds, and what each format says where."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dbtasks import seeders
from dbtasks.errors import SeedError
from dbtasks.seeders import FORMATS, Mode, sql_file
from dbtasks.seeders.files import Source

Write = Callable[[str, str | bytes], Source]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write one file of the set `demo` and open it as a source."""

    def run(name: str, content: str | bytes) -> Source:
        path = tmp_path / "seeds" / "demo" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        [file] = seeders.read(tmp_path, Path("seeds"), ["demo"]).files
        return Source(file=file, root=tmp_path)

    return run


def read(source: Source) -> list[dict[str, object]]:
    found = FORMATS[source.file.format].records(source)
    return [{name: json.loads(text) for name, text in record.items()} for record in found]


def refusal(call: Callable[[], object]) -> list[str]:
    with pytest.raises(SeedError) as caught:
        call()
    return [str(mistake) for mistake in caught.value.mistakes]


def test_a_folder_is_read_set_by_set_in_the_order_asked_for(tmp_path: Path) -> None:
    for name in (
        "reference/b.csv",
        "reference/a.yml",
        "demo/crm.users.JSON",
        "demo/z.sql",
        "demo/.keep",
        "demo/README.md",
    ):
        path = tmp_path / "seeds" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    (tmp_path / "seeds" / "reference" / "set.yaml").write_text("# follows the file\nmode: match\n")
    seeds = seeders.read(tmp_path, Path("seeds"), ["reference", "demo"])
    assert [(file.set, file.name, file.format, file.table) for file in seeds.files] == [
        ("reference", "seeds/reference/a.yml", "yaml", "a"),
        ("reference", "seeds/reference/b.csv", "csv", "b"),
        ("demo", "seeds/demo/crm.users.JSON", "json", "crm.users"),
        ("demo", "seeds/demo/z.sql", "sql", None),
    ]
    assert (seeds.mode("reference"), seeds.mode("demo")) == (Mode.MATCH, Mode.MISSING)
    assert (seeds.files[0].size_bytes, seeds.files[0].digest[:8]) == (1, "2d711642")


def test_the_digest_follows_names_bytes_and_modes(tmp_path: Path) -> None:
    folder = tmp_path / "seeds" / "demo"
    folder.mkdir(parents=True)
    digests = []
    for change in (
        lambda: folder.joinpath("a.csv").write_text("id\n1\n"),
        lambda: folder.joinpath("a.csv").write_text("id\n2\n"),
        lambda: folder.joinpath("a.csv").rename(folder / "b.csv"),
        lambda: folder.joinpath("set.yaml").write_text("mode: match"),
    ):
        change()
        digests.append(seeders.read(tmp_path, Path("seeds"), ["demo"]).digest)
        assert seeders.read(tmp_path, Path("seeds"), ["demo"]).digest == digests[-1]
    assert len(set(digests)) == 4


def test_everything_wrong_with_a_folder_is_said_at_once(tmp_path: Path) -> None:
    demo = tmp_path / "app" / "seeds" / "demo"
    demo.mkdir(parents=True)
    (tmp_path / "outside.csv").write_text("id\n")
    (demo / "a.csv").symlink_to(tmp_path / "outside.csv")
    (demo / "b.csv").write_text("id\n")
    (demo / "b.yaml").write_text("")
    (demo / "c.txt").write_text("")
    (demo / "d").mkdir()
    (demo.parent / "linked").symlink_to(tmp_path)
    assert refusal(lambda: seeders.read(tmp_path / "app", Path("seeds"), ["demo", "dem", "../x", "linked"])) == [
        "seeds/demo/a.csv: the link leads out of the project. Put a copy of the file here instead.",
        "seeds/demo/c.txt: unknown ending .txt. A seed file ends in .csv, .json, .jsonl, .yaml, .yml, .sql.",
        "seeds/demo/d: expected a file. A seed set has no folders of its own.",
        "seeds/demo/b.yaml: table b has a second file in this set, seeds/demo/b.csv. Join the two into one.",
        "seeds: unknown seed set dem. Did you mean demo?",
        "seeds: unknown seed set ../x. There are: demo, linked.",
        "seeds/linked: the link leads out of the project. Put the folder here instead.",
    ]


@pytest.mark.parametrize("text", ["mode: both", "mod: match", "- mode", "mode: match\nx: 1", "mode: [", ""])
def test_the_settings_of_a_set_are_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "seeds" / "demo").mkdir(parents=True)
    (tmp_path / "seeds" / "demo" / "set.yaml").write_text(text)
    assert refusal(lambda: seeders.read(tmp_path, Path("seeds"), ["demo"])) == [
        (
            "seeds/demo/set.yaml:1: expected one line, either mode: missing (keeps what people changed) "
            "or mode: match (follows the file)."
        )
    ]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("t.csv", 'a,b\n1,\n"",x\n', [{"a": "1", "b": None}, {"a": "", "b": "x"}]),
        ("t.csv", 'a,b\r\n"1\r\n2","say ""hi"""\r\n', [{"a": "1\r\n2", "b": 'say "hi"'}]),
        ("t.csv", '"a ""x""",b\n1,"2"', [{'a "x"': "1", "b": "2"}]),
        ("t.csv", "\ufeffa\n\n1\n", [{"a": None}, {"a": "1"}]),
        ("t.csv", "a,b\n", []),
        ("t.yaml", "", []),
        ("t.yaml", "# nothing yet\n", []),
        ("t.yaml", "[]", []),
        ("t.yaml", "- {a: 1, b: 01, c: 1.50, d: no, e: ~, f: , g: 'null', h: true}", [
            {"a": 1, "b": "01", "c": 1.5, "d": "no", "e": None, "f": None, "g": "null", "h": True}
        ]),
        ("t.yaml", "- {a: 2024-01-01, b: 12:30:00, c: .inf, d: 0x1F, e: 1_000}", [
            {"a": "2024-01-01", "b": "12:30:00", "c": ".inf", "d": "0x1F", "e": "1_000"}
        ]),
        ("t.yaml", "- &x {a: 1, b: 2}\n- {<<: *x, b: 3}\n- <<: [*x, {c: 4}]\n", [
            {"a": 1, "b": 2}, {"a": 1, "b": 3}, {"a": 1, "b": 2, "c": 4}
        ]),
        ("t.yaml", "- a: |\n    x\n    y\n  b: !!binary aGk=", [{"a": "x\ny\n", "b": "\\x6869"}]),
        ("t.json", '\ufeff[{"a": 1.50, "b": {"c": [null]}}, {}]', [{"a": 1.5, "b": {"c": [None]}}, {}]),
        ("t.json", "[]\n", []),
        ("t.jsonl", '{"a": 1}\r\n\r\n{"a": "\\u00e9"}', [{"a": 1}, {"a": "é"}]),
    ],
)  # fmt: skip
def test_a_file_gives_its_rows(write: Write, name: str, text: str, expected: list[dict[str, object]]) -> None:
    assert read(write(name, text)) == expected


def test_numbers_keep_every_digit(write: Write) -> None:
    source = write("t.json", '[{"a": 1.10, "b": 123456789012345678901234567890.5, "c": 1e400}]')
    [record] = FORMATS["json"].records(source)
    assert record == {"a": "1.10", "b": "123456789012345678901234567890.5", "c": "1e400"}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("t.csv", "", "1:1: expected a header with the names of the columns."),
        ("t.csv", "a,,b\n", "1:3: column 2 of the header has no name."),
        ("t.csv", "a,b,a\n", "1:5: column 'a' is there twice."),
        ("t.csv", "a;b\n1;2\n", "1:2: the columns are separated by semicolons. Separate them by commas."),
        ("t.csv", "id\tb\n1\t2\n", "1:3: the columns are separated by tabs. Separate them by commas."),
        ("t.csv", "a,b\n1,2\n\n", "3:1: the record has 1 field, the header 2. The line is empty: delete it."),
        ("t.csv", 'a,b\n"x\n",1\n1,2,3\n', "4:1: the record has 3 fields, the header 2."),
        ("t.csv", 'a,b\n1,x"y"\n', ("2:4: a quote stands inside a field. Put the whole field in quotes "
            "and double those inside.")),
        ("t.csv", 'a,b\n1,"y\n2,3\n', "2:3: the quote that opens here is never closed."),
        ("t.csv", b"a\n1\nM\xfcnchen\n", "3:2: byte 0xfc is not UTF-8. Save the file as UTF-8."),
        ("t.yaml", "a: 1", "1:1: expected a list of rows, each beginning with a dash."),
        ("t.yaml", "- a: 1\n  b: 2\n  a: 3", "3:3: key 'a' is there twice, first in line 1."),
        ("t.yaml", "- {a: {b: 1, b: 2}}", "1:14: key 'b' is there twice, first in line 1."),
        ("t.yaml", "- 5", "1:3: expected a mapping, as in name: Anna."),
        ("t.yaml", "- {[1]: 2}", "1:4: a key must be a single word."),
        ("t.yaml", "- a: !!python/object:os.system x", ("1:6: unknown tag 'tag:yaml.org,2002:python/object:os.system'. "
            "Write the value without it.")),
        ("t.yaml", "- a: b: c", "1:7: this is not YAML: mapping values are not allowed in this context."),
        ("t.yaml", "- a: *x", "1:6: this is not YAML: found undefined alias."),
        ("t.yaml", "- &a {b: *a}", "1:3: the value is nested too deep, or holds itself."),
        ("t.yaml", "- &a {<<: *a}", "1:3: the value is nested too deep, or holds itself."),
        ("t.yaml", "- a: " + "[" * 50_000, "1:104: the value is nested too deep."),
        ("t.yaml", "- a: !!binary x", "1:6: this is not base64."),
        ("t.json", '{"a": 1}', "1:1: expected a list of objects, as in [{...}, {...}]."),
        ("t.json", '[\n  {"a": 1},\n  {"a": 1, "a": 2}]', "3:12: key 'a' is there twice."),
        ("t.json", '[{"a": {"b": 1, "b": 2}}]', "1:8: key 'b' is there twice in this value."),
        ("t.json", '[{"a": NaN}]', "1:8: NaN is no JSON. Write it in quotes."),
        ("t.json", "[{'a': 1}]", "1:3: expected a key in double quotes."),
        ("t.json", '[{"a" 1}]', "1:7: expected a colon after the key."),
        ("t.json", '[{"a": 1} {"a": 2}]', "1:11: expected a comma or the end of the list."),
        ("t.json", '[{"a": 1', "1:9: expected a comma or the end of the object."),
        ("t.json", '[{"a": }]', "1:8: this is not JSON: expecting value."),
        ("t.json", "[] x", "1:4: expected nothing after the list."),
        ("t.json", '[{"a": ' + "[" * 100_000, "1:8: the value is nested too deep."),
        ("t.jsonl", '{"a": 1}\n{"a": 1} x', "2:10: expected one object a line."),
        ("t.jsonl", '{"a": 1}\n\n[1]', "3:1: expected an object, as in {...}."),
    ],
)  # fmt: skip
def test_a_mistake_of_form_is_named_by_line_and_column(
    write: Write, name: str, text: str | bytes, expected: str
) -> None:
    source = write(name, text)
    assert refusal(lambda: read(source)) == [f"seeds/demo/{name}:{expected}"]


def test_a_bomb_of_aliases_is_refused_in_bounded_time(write: Write) -> None:
    lines = ["- a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"- a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    source = write("t.yaml", "\n".join(lines))
    started = time.monotonic()
    [found] = refusal(lambda: read(source))
    assert "more than 2000000 values" in found
    assert time.monotonic() - started < 60


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", 'a,b\r\n"x\r\ny",1\r\n2,3\r\n'),
        ("t.yaml", "- {a: x, b: 1}\n\n- a: 2\n  b: 3\n"),
        ("t.json", '[{"a": "x", "b": 1},\n\n {"a": 2, "b": 3}]'),
        ("t.jsonl", '{"a": "x", "b": 1}\n\n{"a": 2, "b": 3}'),
    ],
    ids=["csv", "yaml", "json", "json lines"],
)
def test_every_format_tells_where_a_value_stands(write: Write, name: str, text: str) -> None:
    source = write(name, text)
    form = FORMATS[source.file.format]
    lines = text.splitlines()
    for column, value in (("a", "2"), ("b", "3")):
        place = form.place(source, 2, column)
        assert lines[place.line - 1][place.column - 1] == value
    start = form.place(source, 2, None)
    assert (form.place(source, 2, "no such column"), start.line) == (start, form.place(source, 2, "a").line)


FIELD = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
TABLE = st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(FIELD, min_size=width, max_size=width), max_size=6))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=TABLE, end=st.sampled_from(["\n", "\r\n"]))
def test_what_a_csv_writer_quotes_is_read_back(write: Write, rows: list[list[str]], end: str) -> None:
    names = [f"c{i}" for i in range(len(rows[0]) if rows else 1)]
    stream = io.StringIO(newline="")
    csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator=end).writerows([names, *rows])
    assert read(write("t.csv", stream.getvalue())) == [dict(zip(names, row, strict=True)) for row in rows]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 1;\n  COMMIT;", "2:3: COMMIT"),
        ("/* a /* b */ */ begin;", "1:17: BEGIN"),
        ("-- x\n;;start transaction", "2:3: START"),
        ("SELECT 'it''s';ROLLBACK", "1:16: ROLLBACK"),
        (r"SELECT E'a\';b'; END", "1:18: END"),
        ("SAVEPOINT a", "1:1: SAVEPOINT"),
        ("PREPARE TRANSACTION 'x'", "1:1: PREPARE"),
        ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; END; ABORT", "1:85: ABORT"),
    ],
)
def test_what_would_leave_the_transaction_is_refused(write: Write, text: str, expected: str) -> None:
    source = write("x.sql", text)
    problem = "would end or split the transaction that loads all seeds or none. Delete it."
    assert refusal(lambda: sql_file.script(source)) == [f"seeds/demo/x.sql:{expected} {problem}"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 1;\n\\i other.sql", "2:1: a command of psql. Only SQL can be run here."),
        (
            "COPY t FROM stdin;\n",
            "1:1: COPY FROM stdin needs psql. Put the rows into a CSV file named after the table.",
        ),
        ("SELECT 'open", "1:8: what opens here is never closed."),
        ("SELECT $a$ $b$", "1:8: what opens here is never closed."),
        ("/* open", "1:1: what opens here is never closed."),
    ],
)
def test_what_only_psql_understands_is_refused(write: Write, text: str, expected: str) -> None:
    source = write("x.sql", text)
    assert refusal(lambda: sql_file.script(source))[0] == f"seeds/demo/x.sql:{expected}"


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 'COMMIT; ''x'",
        'SELECT 1 AS "a;COMMIT"',
        "DO $x$ BEGIN PERFORM 1; END $x$",
        "DO $$ BEGIN NULL; END $$",
        "SELECT E'\\\\;'",
        "SELECT /* ; COMMIT; */ 1 -- ; COMMIT",
        "CREATE PROCEDURE p() BEGIN ATOMIC INSERT INTO t VALUES (1); SELECT CASE 1 WHEN 1 THEN 2 END; END",
        "SELECT U&'\\0041', B'01', $1, 1.5e3, a::text",
        "UPDATE t SET begin = 1, commit = 2",
    ],
)
def test_a_statement_is_not_cut_where_a_semicolon_is_no_end(write: Write, text: str) -> None:
    script = sql_file.script(write("x.sql", f"  {text}\n;\n{text}"))
    assert [script.text[start:end].rstrip() for start, end in script.spans] == [text, text]
