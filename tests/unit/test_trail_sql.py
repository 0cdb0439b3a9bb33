"""SQL over the trail: what it finds, and all that it must not reach."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dbtasks.author import whoami
from dbtasks.errors import DbtasksError, UsageError
from dbtasks.rotation import Rotation, files_aside
from dbtasks.trail import Act, Outcome, Trail
from dbtasks.trail_query import Entry
from dbtasks.trail_sql import COLUMNS, ask

WHO = replace(whoami("terminal", Path("/")), person="anna")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three files: an intent and its result, a refusal, and a last file with a torn line and one that is not JSON."""
    path = tmp_path_factory.mktemp("it's") / "audit.jsonl"
    trail = Trail(path, WHO, Rotation(size_bytes=700))
    act = Act(operation="reset", tier="int")
    trail.result(trail.intent(act), outcome=Outcome.DONE, duration_ms=9, detail={"heads": ["c41f"]})
    for _ in range(3):
        trail.refusal(Act(operation="migrate", tier="prod"), code="E-AGENT")
    with path.open("ab") as file:
        file.write(b'{"entry":6,"time":"2026\nno json\n\0\0\0\n{"entry":7}\n')
    return path


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "outside.txt"
    file.write_text("untouched")
    yield file
    assert file.read_text() == "untouched"
    assert [each.name for each in tmp_path.iterdir()] == ["outside.txt"]


def test_a_select_sees_the_entries_of_all_files_and_counts_what_is_none(path: Path) -> None:
    assert len(files_aside(path)) >= 2
    found = ask(path, "SELECT operation, count(*), max(duration_ms) AS longest FROM trail GROUP BY 1 ORDER BY 1")
    assert found.columns == ("operation", "count_star()", "longest")
    assert found.rows == (("migrate", 3, None), ("reset", 2, 9))
    assert found.passed == 4


def test_the_view_has_every_key_of_an_entry_with_its_parts(path: Path) -> None:
    assert set(COLUMNS) == set(Entry.__struct_fields__)
    found = ask(path, "SELECT * FROM trail WHERE kind = 'result'")
    assert found.columns == tuple(COLUMNS)
    row = dict(zip(found.columns, found.rows[0], strict=True))
    assert (row["of"], row["person"], row["detail"]) == (1, "anna", {"heads": ["c41f"]})


def test_without_a_trail_the_view_is_empty(tmp_path: Path) -> None:
    assert ask(tmp_path / "audit.jsonl", "SELECT * FROM trail").rows == ()


@pytest.mark.parametrize(
    "query",
    [
        "COPY trail TO '{}'",
        "COPY (SELECT 1) TO '{trail}'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{}'",
        "ATTACH '{}' AS x",
        "EXPORT DATABASE '{}'",
        "INSERT INTO trail VALUES (1)",
        "CREATE TABLE x (a int)",
        "SET enable_external_access = true",
        "INSTALL httpfs",
        "LOAD httpfs",
        "PRAGMA version",
        "CALL enable_logging()",
        "SELECT 1; SELECT 2",
        "",
        "SELECT 1; COPY trail TO '{}'",
        "DROP VIEW trail",
        "RESET allowed_paths",
    ],
)
def test_what_is_no_single_select_is_refused_before_it_runs(path: Path, outside: Path, query: str) -> None:
    before = path.read_bytes()
    with pytest.raises(UsageError, match=r"^--sql takes one SELECT over the view trail; the trail is only read\.$"):
        ask(path, query.replace("{trail}", str(path).replace("'", "''")).replace("{}", str(outside)))
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_text('{}')",
        "SELECT * FROM '{}'",
        "SELECT * FROM read_csv('{}')",
        "SELECT * FROM glob('{}')",
        "SELECT * FROM read_csv('http://127.0.0.1:9/x')",
        "SELECT * FROM read_json('s3://bucket/x')",
        "SELECT * FROM enable_logging('QueryLog', storage = 'file', storage_config = {'path': '{}'})",
        "SELECT * FROM enable_profiling(save_location = '{}')",
        "SELECT * FROM query('COPY trail TO ''{}''')",
        "SELECT * FROM sniff_csv('{}')",
        "SELECT * FROM parquet_metadata('{}')",
        "SELECT getenv('HOME')",
        "SELECT * FROM files",
        "SELECT nothing FROM trail",
        "SELEC 1",
    ],
)
def test_a_select_reaches_nothing_but_the_trail(path: Path, outside: Path, query: str) -> None:
    files = [outside]  # a variable of Python is no table
    with pytest.raises(UsageError, match=r"^--sql: [\w ]+ Error: ") as caught:
        ask(path, query.replace("{}", str(files[0])))
    assert "untouched" not in str(caught.value)


def test_without_duckdb_the_extra_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(DbtasksError, match=r"^--sql needs DuckDB, .* pip install 'dbtasks\[audit\]'$"):
        ask(path, "SELECT 1")
