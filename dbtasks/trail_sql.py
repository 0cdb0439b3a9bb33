"""SQL over the trail, by DuckDB: one SELECT, which reaches the trail's files and nothing else.

DuckDB reads the files as they lie there. Its configuration is locked before the query is run: no other file, no
network, no extension. Whatever its own parser does not take for a SELECT is refused before it runs.
"""

from __future__ import annotations

import atexit
import gc
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbtasks.errors import DbtasksError, UsageError
from dbtasks.rotation import trail_files
from dbtasks.values import dataclass

if TYPE_CHECKING:
    import duckdb

# The view's columns: an entry's keys. Times are UTC.
COLUMNS = {
    "entry": "BIGINT",
    "time": "TIMESTAMP",
    "kind": "VARCHAR",
    "of": "BIGINT",
    "operation": "VARCHAR",
    "tier": "VARCHAR",
    "target": "VARCHAR",
    "person": "VARCHAR",
    "host": "VARCHAR",
    "pid": "BIGINT",
    "started": "VARCHAR",
    "surroundings": "VARCHAR",
    "plan": "VARCHAR",
    "effect": "VARCHAR",
    "outcome": "VARCHAR",
    "duration_ms": "BIGINT",
    "commit": "VARCHAR",
    "detail": "JSON",
    "version": "VARCHAR",
    "prev": "VARCHAR",
    "hash": "VARCHAR",
}

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
    "temp_directory": "",  # nothing of the trail is written anywhere else
}
_LONGEST_LINE_BYTES = 1 << 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What a query has found. `passed` counts the lines of the trail that are no entries."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    passed: int


def ask(path: Path, query: str) -> Rows:
    """Return what a SELECT finds in the view `trail`.

    UsageError: it is no single SELECT, or DuckDB does not take it. DbtasksError: DuckDB is not installed.
    """
    try:
        import duckdb
    except ImportError:
        raise DbtasksError(
            "--sql needs DuckDB, which is not installed. Install it: pip install 'dbtasks[audit]'"
        ) from None
    atexit.unregister(gc.freeze)  # its binding complains at the end of what was not collected
    try:
        with duckdb.connect(":memory:", config=_CONFIG) as connection:
            kinds = [statement.type for statement in connection.extract_statements(query)]
            if kinds != [duckdb.StatementType.SELECT]:
                raise UsageError("--sql takes one SELECT over the view trail; the trail is only read.")
            _offer(connection, [file for file in trail_files(path) if file.exists()])
            found = connection.execute(query)
            columns, is_json = _described(found)
            rows = tuple(
                tuple(_plain(value, each) for value, each in zip(row, is_json, strict=True)) for row in _all(found)
            )
            return Rows(columns=columns, rows=rows, passed=_passed(connection))
    except duckdb.Error as error:
        raise UsageError(f"--sql: {str(error).strip()}") from None


def _offer(connection: duckdb.DuckDBPyConnection, files: list[Path]) -> None:
    """Make the view, and let DuckDB reach the trail's files and nothing else from then on."""
    names = "[" + ", ".join(_literal(str(file)) for file in files) + "]"
    if files:
        columns = ", ".join(f"{_quoted(name)}: '{kind}'" for name, kind in COLUMNS.items())
        source = (
            f"read_json({names}, format = 'newline_delimited', columns = {{{columns}}}, ignore_errors = true, "
            f"maximum_object_size = {_LONGEST_LINE_BYTES})"
        )
    else:
        source = (
            "(SELECT " + ", ".join(f"NULL::{kind} AS {_quoted(name)}" for name, kind in COLUMNS.items()) + " LIMIT 0)"
        )
    connection.execute(f"SET allowed_paths = {names}")
    connection.execute(f"CREATE VIEW lines AS SELECT * FROM {source}")  # noqa: S608 - quoted above
    connection.execute("CREATE VIEW trail AS SELECT * FROM lines WHERE hash IS NOT NULL AND entry IS NOT NULL")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _passed(connection: duckdb.DuckDBPyConnection) -> int:
    row = connection.execute("SELECT count(*) FROM lines WHERE hash IS NULL OR entry IS NULL").fetchone()
    return int(row[0]) if row else 0


def _described(found: duckdb.DuckDBPyConnection) -> tuple[tuple[str, ...], tuple[bool, ...]]:
    described = found.description or []
    return tuple(str(each[0]) for each in described), tuple(str(each[1]) == "JSON" for each in described)


def _all(found: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while rows := found.fetchmany(1_000):
        yield from rows


def _plain(value: Any, is_json: bool) -> Any:
    return json.loads(value) if is_json and isinstance(value, str) else value


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _quoted(name: str) -> str:
    return f'"{name}"'
