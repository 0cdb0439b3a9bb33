"""Which SQL reads from outside of its own database, so that what it builds is not kept."""

from __future__ import annotations

import pytest

from dbtasks.migrations.worker_server import read_outside

COPY = "COPY FROM a file or program"


@pytest.mark.parametrize(
    ("statement", "by"),
    [
        ("COPY lessons (id, title) FROM '/srv/lessons.csv' WITH (FORMAT csv)", COPY),
        ("copy lessons\nfrom program 'curl x'", COPY),
        ("COPY lessons FROM E'/srv/a\\tb'", COPY),
        ("COPY lessons /* ; */ FROM '/srv/lessons.csv'", COPY),
        ("SELECT 'copy'; COPY lessons FROM '/srv/lessons.csv'", COPY),
        ("DO $$ BEGIN EXECUTE 'COPY t FROM ''/a'''; END $$", COPY),
        ("INSERT INTO t SELECT pg_read_file('a')", "pg_read_file"),
        ("SELECT pg_catalog.pg_read_binary_file('a')", "pg_read_binary_file"),
        ("SELECT * FROM pg_ls_dir('.')", "pg_ls_dir"),
        ("SELECT lo_import('/a')", "lo_import"),
        (
            "DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'a') THEN GRANT ALL ON t TO a; END IF; END $$",
            "pg_roles",
        ),
        ("SELECT 'app'::REGROLE", "regrole"),
        ("SELECT datname FROM pg_database", "pg_database"),
        ("SELECT * FROM dblink('host=x', 'SELECT 1') AS t(a int)", "dblink"),
        ("SELECT dblink_connect ('x')", "dblink_connect"),
        ("IMPORT  FOREIGN SCHEMA public FROM SERVER s INTO x", "import foreign schema"),
        ("CREATE FOREIGN TABLE t (a int) SERVER s", "create foreign table"),
    ],
)
def test_what_reads_from_outside_is_named(statement: str, by: str) -> None:
    assert read_outside(statement) == by


@pytest.mark.parametrize(
    "statement",
    [
        "COPY lessons FROM stdin",
        "COPY lessons TO '/srv/lessons.csv'",
        "-- as in pg_roles\nSELECT 1 /* COPY t FROM '/a' */",
        "SELECT current_database(), pg_database_size(1)",
        "CREATE EXTENSION dblink",
        "CREATE TABLE photocopy (sent_from text DEFAULT 'x')",
        "INSERT INTO copy_of (a) SELECT a FROM b; UPDATE c SET d = 'x'",
    ],
)
def test_what_stays_inside_is_not(statement: str) -> None:
    assert read_outside(statement) == ""


def test_a_long_text_is_read_once_however_often_it_says_copy() -> None:
    # An expression that looked through the rest from each of the words on would not come to an end.
    assert read_outside("copy " * 500_000) == ""
