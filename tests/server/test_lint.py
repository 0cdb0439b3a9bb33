"""Lint against what statements really do: every verdict of the table is measured on a server, none is typed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import tuple_row

from dbtasks.lint.catalogue import Catalogue
from dbtasks.lint.engine import lint
from dbtasks.lint.findings import Severity
from dbtasks.lint.reading import read_catalogue
from dbtasks.statements import Statement
from tests.server.lint_rows import HELD_BACK, ROWS, Row
from tests.server.lint_state import ROLES
from tests.server.lint_verdicts import Ground, verdict

pytestmark = [pytest.mark.outside, pytest.mark.timeout(300)]

_GROUND = Path(__file__).parent / "lint_ground.sql"
_KEPT = """
DO $$ DECLARE r record; BEGIN
  CREATE SCHEMA kept;
  FOR r IN SELECT c.oid::regclass AS name, replace(c.oid::regclass::text, '.', '_') AS copy FROM pg_class c
            WHERE c.relkind = 'r' AND c.relnamespace::regnamespace::text IN ('public', 'extra') LOOP
    EXECUTE format('CREATE TABLE kept.%I AS SELECT * FROM %s', r.copy, r.name);
  END LOOP;
END $$
"""


@pytest.fixture(scope="module")
def ground(seed_server: tuple[str, int]) -> Iterator[Ground]:
    folder, port = seed_server
    made = Ground(conninfo=f"host={folder} port={port} user=postgres", database="lint_ground")
    with made.connect("postgres") as boss:
        boss.execute("CREATE DATABASE lint_ground TEMPLATE template0")
        for role in ROLES:
            boss.execute(f"CREATE ROLE {role}")
    with made.connect() as connection:
        connection.execute(_GROUND.read_text("utf-8"))
        connection.execute(_KEPT)
        connection.execute("VACUUM ANALYZE")
    yield made
    with made.connect("postgres") as boss:
        boss.execute("DROP DATABASE lint_ground WITH (FORCE)")
        for role in ROLES:
            boss.execute(f"DROP ROLE {role}")


@pytest.fixture(scope="module")
def catalogue(ground: Ground) -> Catalogue:
    with psycopg.connect(f"{ground.conninfo} dbname={ground.database}", row_factory=tuple_row) as connection:
        return read_catalogue(connection)


def said(row: Row, catalogue: Catalogue | None) -> list[str]:
    """Return the rules that stop a row."""
    if row.alone:
        statements = [Statement(text=each, transactional=False) for each in row.sql.split(";") if each.strip()]
    else:
        statements = [Statement(text=row.sql)]
    return [each.rule for each in lint(statements, catalogue) if each.severity >= Severity.HIGH]


def compared(
    ground: Ground, rows: Sequence[Row], catalogue: Catalogue
) -> tuple[dict[str, list[str]], set[str], dict[str, list[str]]]:
    """Return why rows are unsafe, those that are safe, and the rules that stop each."""
    measured = {each.sql: verdict(ground, each) for each in rows}
    unsafe = {each: why for each, why in measured.items() if why}
    return unsafe, measured.keys() - unsafe.keys(), {each.sql: said(each, catalogue) for each in rows}


@pytest.mark.thorough  # the next one measures on the same ground
def test_lint_finds_what_is_unsafe_and_lets_pass_what_is_safe(ground: Ground, catalogue: Catalogue) -> None:
    unsafe, safe, found = compared(ground, ROWS, catalogue)
    missed = {each: why for each, why in unsafe.items() if not found[each]}
    flagged = {each: found[each] for each in safe if found[each]}

    assert (len(unsafe) >= 60, len(safe) >= 40) == (True, True)
    assert len(missed) <= len(unsafe) * 0.05, missed
    assert len(flagged) <= len(safe) * 0.02, flagged


@pytest.mark.thorough
def test_lint_does_as_well_on_statements_that_no_rule_was_written_for(ground: Ground, catalogue: Catalogue) -> None:
    unsafe, safe, found = compared(ground, HELD_BACK, catalogue)
    missed = {each: why for each, why in unsafe.items() if not found[each]}

    assert len(missed) <= len(unsafe) * 0.1, missed
    assert [each for each in safe if found[each]] == []
