"""Lint without a server: each rule fires and keeps quiet, text is read as PostgreSQL and psql read it, waivers end."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from dbtasks.errors import SettingsError, UsageError
from dbtasks.lint import parsing, rules, squawk
from dbtasks.lint.catalogue import Catalogue, Column, Table, Type
from dbtasks.lint.engine import NAMES, lint
from dbtasks.lint.findings import Finding, Severity
from dbtasks.lint.parsing import MissingLintError, SqlError
from dbtasks.lint.psql import plain_sql
from dbtasks.lint.rule import Rule
from dbtasks.lint.rules import RULES
from dbtasks.lint.views import VIEWS
from dbtasks.lint.waivers import Waiver, read_waivers
from dbtasks.statements import LockTaken, Statement

TODAY = date(2026, 11, 23)
ROOT = Path(__file__).resolve().parent.parent.parent

# For each rule a statement at which it speaks, and one like it at which it does not.
EXAMPLES = {
    "drop-table": ("DROP TABLE t", "CREATE TABLE t (); DROP TABLE t"),
    "drop-column": ("ALTER TABLE t DROP COLUMN c", "CREATE TABLE t (c int); ALTER TABLE t DROP COLUMN c"),
    "drop-schema": ("DROP SCHEMA s CASCADE", "CREATE SCHEMA s"),
    "drop-object": ("DROP VIEW v", "DROP VIEW v; CREATE VIEW v AS SELECT 1"),
    "truncate": ("TRUNCATE t", "CREATE TABLE t (); TRUNCATE t"),
    "delete-all": ("DELETE FROM t WHERE 1 = 1", "DELETE FROM t WHERE id = 1"),
    "update-all": ("UPDATE t SET a = 1", "UPDATE t SET a = 1 WHERE b = 2"),
    "rename": ("ALTER TABLE t RENAME COLUMN a TO b", "ALTER INDEX i RENAME TO j"),
    "type-change": (
        "ALTER TABLE t ALTER a TYPE bigint",
        "CREATE TABLE t (a int); ALTER TABLE t ALTER a TYPE bigint",
    ),
    "type-definition": (
        "ALTER DOMAIN d ADD CONSTRAINT c CHECK (VALUE > 0)",
        "ALTER DOMAIN d ADD CONSTRAINT c CHECK (VALUE > 0) NOT VALID",
    ),
    "add-column-rewrites": (
        "ALTER TABLE t ADD a float DEFAULT random()",
        "ALTER TABLE t ADD a timestamptz DEFAULT now()",
    ),
    "add-column-required": ("ALTER TABLE t ADD a int NOT NULL", "ALTER TABLE t ADD a int NOT NULL DEFAULT 1"),
    "add-column-checked": ("ALTER TABLE t ADD a int UNIQUE", "ALTER TABLE t ADD a int"),
    "set-not-null": (
        "ALTER TABLE t ALTER a SET NOT NULL",
        "ALTER TABLE t ADD CHECK (a IS NOT NULL); ALTER TABLE t ALTER a SET NOT NULL",
    ),
    "check-scans": (
        "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0)",
        "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID",
    ),
    "foreign-key-scans": (
        "ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES u (id)",
        "ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES u (id) NOT VALID",
    ),
    "unique-blocks": (
        "ALTER TABLE t ADD CONSTRAINT u UNIQUE (a)",
        "ALTER TABLE t ADD CONSTRAINT u UNIQUE USING INDEX i",
    ),
    "index-blocks": ("CREATE INDEX i ON t (a)", "CREATE INDEX CONCURRENTLY i ON t (a)"),
    "reindex": ("REINDEX TABLE t", "REINDEX TABLE CONCURRENTLY t"),
    "concurrently-in-transaction": (
        "BEGIN; CREATE INDEX CONCURRENTLY i ON t (a); COMMIT",
        "BEGIN; COMMIT; CREATE INDEX CONCURRENTLY i ON t (a)",
    ),
    "rewrite-table": ("VACUUM (FULL on) t", "VACUUM (FULL off) t"),
    "refresh-view": ("REFRESH MATERIALIZED VIEW m", "REFRESH MATERIALIZED VIEW CONCURRENTLY m"),
    "lock-table": ("LOCK TABLE t", "LOCK TABLE t IN ROW EXCLUSIVE MODE"),
    "long-under-lock": (
        "BEGIN; ALTER TABLE t ADD a int; UPDATE t SET a = 1 WHERE b = 1; COMMIT",
        "ALTER TABLE t ADD a int; UPDATE t SET a = 1 WHERE b = 1",
    ),
    "attach-partition": (
        "ALTER TABLE t ATTACH PARTITION p FOR VALUES FROM (1) TO (2)",
        "CREATE TABLE p (); ALTER TABLE t ATTACH PARTITION p FOR VALUES FROM (1) TO (2)",
    ),
    "detach-partition": ("ALTER TABLE t DETACH PARTITION p", "ALTER TABLE t DETACH PARTITION p CONCURRENTLY"),
    "drop-constraint": ("ALTER TABLE t DROP CONSTRAINT c", "DROP INDEX CONCURRENTLY i"),
    "disable-trigger": ("ALTER TABLE t DISABLE TRIGGER ALL", "ALTER TABLE t ENABLE TRIGGER ALL"),
    "row-security": (
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "CREATE TABLE t (); ALTER TABLE t ENABLE ROW LEVEL SECURITY",
    ),
    "rights": ("GRANT SELECT ON t TO PUBLIC", "CREATE TABLE t (); GRANT SELECT ON t TO PUBLIC"),
    "server-settings": ("ALTER SYSTEM SET work_mem = '1GB'", "SET work_mem = '1GB'"),
    "opaque": ("DO $$ BEGIN EXECUTE (SELECT x FROM y); END $$", "DO $$ BEGIN EXECUTE 'SELECT 1'; END $$"),
    "brief-lock": ("ALTER TABLE t ADD a int", "CREATE TABLE t (); ALTER TABLE t ADD a int"),
}
BY_NAME = {rule.name: rule for rule in RULES}


def said(sql: str, catalogue: Catalogue | None = None, waivers: Sequence[Waiver] = ()) -> list[Finding]:
    return list(lint([Statement(text=sql, transactional=False)], catalogue, waivers, name="x.sql", today=TODAY))


def names(sql: str, catalogue: Catalogue | None = None) -> set[str]:
    return {each.rule for each in said(sql, catalogue) if not each.by_squawk}


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_rule_speaks_where_it_must_and_not_where_it_need_not(name: str) -> None:
    loud, quiet = EXAMPLES[name]

    assert (name in names(loud), name in names(quiet)) == (True, False)


def test_every_file_of_the_folder_is_a_rule_with_an_example_and_an_entry_in_the_documentation() -> None:
    files = {file.stem for file in Path(rules.__file__).parent.glob("*.py")} - {"__init__"}
    page = (ROOT / "docs" / "rules.md").read_text("utf-8")
    documented = re.findall(r"^### (\S+)$", page, re.MULTILINE)
    own = [rule.name for rule in RULES]

    assert {name.replace("-", "_") for name in own} == files
    assert set(own) == {*EXAMPLES, "unforeseen"}
    assert sorted(own) == sorted(set(own)) == sorted(documented)


@pytest.mark.parametrize("rule", RULES, ids=BY_NAME)
def test_a_rule_says_in_its_first_line_what_it_is_about(rule: Rule) -> None:
    text = sys.modules[rule.check.__module__].__doc__ or ""

    assert text.split("\n", 1)[0].endswith(".")


def test_squawk_knows_every_rule_that_is_judged_here() -> None:
    known = [name for name in squawk.KNOWN if name not in ("squawk-failed", "syntax-error", "unused-ignore")]
    command = [squawk.program(), *(f"--exclude={name}" for name in known), "--stdin-filepath=x.sql"]

    assert subprocess.run(command, input="SELECT 1;\n", text=True, capture_output=True, check=False).returncode == 0


def test_squawks_word_stands_at_the_line_of_its_statement() -> None:
    texts = ["SELECT 1;\nSELECT 2;", "\nCREATE TABLE t (\n  id int\n);"]

    assert [(each.text, each.line, each.rule) for each in squawk.remarks(texts)] == [(1, 3, "prefer-bigint-over-int")]


# What the catalogue knows


def users(*, rows: int = 90_000, size_bytes: int = 9 << 20, columns: Mapping[str, Column] | None = None) -> Catalogue:
    """Return a catalogue with one table."""
    table = Table(schema="public", name="users", rows=rows, size_bytes=size_bytes, columns=columns or {})
    return Catalogue(tables={("public", "users"): table})


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        pytest.param(Type(name="varchar", mods=(50,)), "varchar(80)", "brief-lock", id="longer"),
        pytest.param(Type(name="varchar", mods=(50,)), "text", "brief-lock", id="without a length"),
        pytest.param(Type(name="varchar", mods=(50,)), "varchar(30)", "type-change", id="shorter"),
        pytest.param(Type(name="numeric", mods=(8, 2)), "numeric(10,2)", "brief-lock", id="more digits"),
        pytest.param(Type(name="numeric", mods=(8, 2)), "numeric(10,3)", "type-change", id="another scale"),
        pytest.param(Type(name="numeric", mods=(8, 2)), "numeric", "brief-lock", id="no limit"),
        pytest.param(Type(name="int4"), "bigint", "type-change", id="another width"),
        pytest.param(Type(name="timestamp", mods=(3,)), "timestamp(6)", "brief-lock", id="finer"),
        pytest.param(Type(name="timestamp"), "timestamptz", "type-change", id="where the zone is not UTC"),
    ],
)
def test_a_type_change_is_judged_by_the_type_that_is_there(before: Type, after: str, found: str) -> None:
    catalogue = users(columns={"a": Column(name="a", type=before)})

    assert names(f"ALTER TABLE users ALTER COLUMN a TYPE {after}", catalogue) == {found}


def test_a_small_table_may_be_written_anew_and_a_large_one_not() -> None:
    sql = "CREATE INDEX ON users (a)"

    assert names(sql, users(rows=500, size_bytes=1 << 16)) == set()
    assert names(sql, users(rows=500, size_bytes=1 << 30)) == {"index-blocks"}
    assert names(sql, users()) == {"index-blocks"}


def test_if_not_exists_makes_no_table_new_that_people_use() -> None:
    sql = "CREATE TABLE IF NOT EXISTS users (a int); CREATE INDEX ON users (a)"

    assert names(sql, users()) == names(sql) == {"index-blocks"}
    assert names(sql, Catalogue()) == set()


def test_a_message_says_how_large_the_table_is() -> None:
    (finding,) = said("TRUNCATE users", users())

    assert finding.message == "removes all rows of users (about 90,000 rows)"


def test_what_a_rehearsal_saw_beats_what_a_rule_foretells() -> None:
    statement = Statement(
        text="ALTER TABLE users ALTER COLUMN a TYPE text",
        revision="3fc2",
        locks=(LockTaken(relation="public.users", mode="AccessExclusiveLock"),),
    )
    rewritten = Statement(
        text=statement.text, revision="3fc2", locks=statement.locks, rewrites=("public.users",)
    )  # fmt: skip

    assert [each.rule for each in lint([statement])] == ["brief-lock", "unforeseen"]
    assert [each.rule for each in lint([rewritten])] == ["type-change"]


def test_what_only_the_rehearsal_saw_is_said() -> None:
    locks = (LockTaken(relation="public.users", mode="AccessExclusiveLock"),)
    statement = Statement(text="SELECT tidy()", revision="3fc2", locks=locks, rewrites=("public.users",))

    assert [(each.rule, each.severity) for each in lint([statement])] == [("unforeseen", Severity.HIGH)]


# Text


@pytest.mark.parametrize(
    ("text", "place"),
    [
        pytest.param("SELECT 1;\n  SELEC 2;", "x.sql:2:3: syntax error.", id="a word"),
        pytest.param("SELECT 'ü', FROM;;\n)", "x.sql:1:13: syntax error.", id="behind an umlaut"),
        pytest.param("SELECT 1;\nSELECT 'x", "x.sql:2:8: unterminated quoted string.", id="an open quote"),
        pytest.param("SELECT 1; \0 DROP TABLE t;", "x.sql:1:11: a NUL character. This is no SQL text.", id="NUL"),
    ],
)
def test_what_is_no_sql_has_its_place(text: str, place: str) -> None:
    with pytest.raises(SqlError) as caught:
        said(text)

    assert str(caught.value) == place


def test_a_statement_is_found_at_its_own_line() -> None:
    text = "-- first\n\n/* second */ DROP TABLE a;\nDO $$\nBEGIN\n  DROP TABLE b;\n  EXECUTE 'TRUNCATE ' || x;\nEND $$;"

    assert [(each.rule, each.line) for each in said(text)] == [("drop-table", 3), ("drop-table", 6), ("truncate", 7)]


def test_what_psql_reads_is_blanked_and_every_line_keeps_its_number() -> None:
    text = (
        "\\restrict abc\nCOPY t (a) FROM stdin;\nDROP TABLE a;\t'\n\\.\nSELECT '\\.' || $x$\n\\d $x$;\nDROP TABLE b;\n"
    )

    assert [(each.rule, each.line) for each in said(plain_sql(text))] == [("drop-table", 7)]


def test_a_copy_inside_of_a_text_hides_nothing() -> None:
    text = "SELECT '\nCOPY t FROM stdin;\n';\nDROP TABLE a;\n-- COPY t FROM stdin;\nDROP TABLE b;\n\\.\n"

    assert [each.line for each in said(plain_sql(text))] == [4, 6]


def test_placeholders_of_a_driver_are_read_where_a_revision_ran_them() -> None:
    text = "UPDATE t SET a = %(a)s, b = 'x %(y)s', c = 7 %% 2 WHERE id = %(id)s"

    assert lint([Statement(text=text, revision="3fc2")]) == ()


def test_what_a_server_ran_and_our_grammar_does_not_know_is_opaque() -> None:
    assert [each.rule for each in lint([Statement(text="FUTURE SYNTAX t", revision="3fc2")])] == ["opaque"]


@pytest.mark.parametrize("written", ["'hu''sh one'", "E'hush\\'one'", "$$hush one$$", "$p$hush$one$p$"])
def test_no_password_is_shown(written: str) -> None:
    findings = said(f"ALTER ROLE app SUPERUSER PASSWORD {written};")

    assert {each.statement for each in findings} == {"ALTER ROLE app SUPERUSER PASSWORD '***'"}
    assert [view(findings, "x.sql") for view in VIEWS.values() if "one" in view(findings, "x.sql")] == []


def test_what_a_revision_ran_is_shown_at_its_file() -> None:
    (finding,) = lint([Statement(text="DROP TABLE orders", revision="3fc2")])
    shown = {name: view([replace(finding, file="versions/3fc2.py")], "") for name, view in VIEWS.items()}

    assert shown["github"].startswith("::error file=versions/3fc2.py,title=")
    assert json.loads(shown["json"])[0]["file"] == "versions/3fc2.py"
    (location,) = json.loads(shown["sarif"])["runs"][0]["results"][0]["locations"]
    assert location == {
        "logicalLocations": [{"name": "3fc2", "kind": "module"}],
        "physicalLocation": {"artifactLocation": {"uri": "versions/3fc2.py"}},
    }


def test_a_name_tells_a_terminal_nothing() -> None:
    (finding,) = said('DROP TABLE "a\x1b[31m"')

    assert [view([finding], "x.sql") for view in VIEWS.values() if "\x1b" in view([finding], "x.sql")] == []
    assert finding.message.startswith("drops a?[31m with")


@pytest.mark.parametrize(
    ("text", "said_of_it"),
    [
        pytest.param("SELECT " + " || ".join(["a"] * 9000), [], id="many operators"),
        pytest.param(
            "DO $$ BEGIN " + "IF a THEN " * 3000 + "NULL; " + "END IF; " * 3000 + "END $$", ["opaque"], id="a block"
        ),
    ],
)
def test_what_is_nested_deeply_is_read_or_said_to_be_unread(text: str, said_of_it: list[str]) -> None:
    assert [each.rule for each in said(text)] == said_of_it


def test_what_is_nested_too_deeply_is_one_error() -> None:
    for text in ("SELECT " + "(" * 20_000 + "1" + ")" * 20_000, "SELECT " + "+".join(["1"] * 50_000)):
        with pytest.raises(
            SqlError, match=r"x\.sql:1:\d+: (memory exhausted|an expression in it is nested too deeply)"
        ):
            said(text)


# Waivers and views


def test_a_waiver_counts_up_to_its_day_and_is_reported() -> None:
    def waiver(day: int, revision: str = "x.sql") -> Waiver:
        return Waiver(rule="drop-table", revision=revision, reason="nobody uses it", expires=date(2026, 11, day))

    (valid,), (ended,), (other,) = (
        said("DROP TABLE t", waivers=[each]) for each in (waiver(23), waiver(22), waiver(30, "y"))
    )

    assert (valid.stops, valid.waived) == (False, "nobody uses it (until 2026-11-23)")
    assert (ended.stops, ended.waived, ended.expired) == (True, "", "2026-11-22")
    assert (other.stops, other.waived, other.expired) == (True, "", "")


def test_the_waivers_of_a_project_are_read_with_every_mistake_at_once(tmp_path: Path) -> None:
    file = tmp_path / "config" / "waivers.yaml"
    file.parent.mkdir()
    good = "waivers:\n  - {rule: drop-table, revision: 3fc2, reason: nobody uses it, expires: 2026-12-31}\n"
    assert read_waivers(tmp_path, NAMES) == ()
    file.write_text(good, "utf-8")
    (waiver,) = read_waivers(tmp_path, NAMES)
    file.write_text(good + "  - {rule: no-such, revision: a, reason: x, expires: soon}\n  - {rule: rename}\n", "utf-8")
    with pytest.raises(SettingsError) as caught:
        read_waivers(tmp_path, NAMES)

    assert (waiver.rule, waiver.expires) == ("drop-table", date(2026, 12, 31))
    assert str(caught.value).splitlines() == [
        "config/waivers.yaml:3:12: waivers.1.rule: there is no rule of this name. See docs/rules.md.",
        "config/waivers.yaml:3:42: waivers.1.reason: expected a sentence that says why.",
        "config/waivers.yaml:3:54: waivers.1.expires: expected a day, as in 2026-12-31.",
        "config/waivers.yaml:4:5: waivers.2.revision: expected a text, and every key is needed.",
        "config/waivers.yaml:4:5: waivers.2.reason: expected a text, and every key is needed.",
        "config/waivers.yaml:4:5: waivers.2.expires: expected a text, and every key is needed.",
        "6 mistakes. Nothing was contacted.",
    ]


def test_json_is_a_list_of_findings_with_everything_that_is_promised() -> None:
    (finding,) = json.loads(VIEWS["json"](said("CREATE INDEX i ON t (a)"), "x.sql"))

    assert {name: finding[name] for name in ("rule", "severity", "line", "statement", "lock", "blocks", "safe")} == {
        "rule": "index-blocks",
        "severity": "high",
        "line": 1,
        "statement": "CREATE INDEX i ON t (a)",
        "lock": "ShareLock",
        "blocks": "writes",
        "safe": {
            "sql": "CREATE INDEX CONCURRENTLY i ON t USING btree (a);",
            "alembic": "with op.get_context().autocommit_block():\n"
            '    op.execute("CREATE INDEX CONCURRENTLY i ON t USING btree (a);")',
        },
    }
    assert finding["message"] == "builds an index on t while nobody can write to it"


def test_an_annotation_for_github_is_one_line() -> None:
    assert VIEWS["github"](said("LOCK TABLE t"), "a,b.sql") == (
        "::error file=a%2Cb.sql,line=1,title=lock-table (high)::"
        "keeps t from reads and writes until the transaction ends"
    )


def test_sarif_names_rule_file_and_line() -> None:
    (run,) = json.loads(VIEWS["sarif"](said("\nLOCK TABLE t"), "x.sql"))["runs"]
    (result,) = run["results"]

    assert (result["ruleId"], result["level"]) == ("lock-table", "error")
    assert result["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "x.sql"},
        "region": {"startLine": 2},
    }


# What may be missing


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "postgast", None)
    parsing._library.cache_clear()
    try:
        with pytest.raises(MissingLintError) as caught:
            said("SELECT 1")
    finally:
        parsing._library.cache_clear()

    assert isinstance(caught.value, UsageError)
    assert str(caught.value) == (
        "lint needs the package postgast, which is not installed. Run: pip install 'dbtasks[lint]'"
    )


def test_without_squawk_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_args, **_more: None)

    with pytest.raises(MissingLintError, match=r"the package squawk-cli.*pip install 'dbtasks\[lint\]'"):
        said("SELECT 1")
