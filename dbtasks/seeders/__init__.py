"""Seeds: files in `seeds/<set>/` that add what is missing and keep what people changed.

`read` looks at the files only, `load` writes to a database. One module a format; a new one is one line in `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dbtasks.seeders import csv_file, folder, json_file, sql_file, yaml_file
from dbtasks.seeders.files import Mode, RowFormat, SeedFile, Seeds
from dbtasks.seeders.results import LoadResult, Progress, TableResult

if TYPE_CHECKING:
    import psycopg

__all__ = ["FORMATS", "LoadResult", "Mode", "Progress", "SeedFile", "Seeds", "TableResult", "load", "read"]

FORMATS: dict[str, RowFormat] = {"csv": csv_file, "json": json_file, "yaml": yaml_file}

_EXTENSIONS = {
    **{extension: name for name, module in FORMATS.items() for extension in module.EXTENSIONS},
    **dict.fromkeys(sql_file.EXTENSIONS, "sql"),
}


def read(root: Path, folder_path: Path, sets: Sequence[str]) -> Seeds:
    """Return the files of the sets below `folder_path`, with their digests. Raises `SeedError` with every mistake."""
    return folder.read(root, folder_path, sets, _EXTENSIONS)


def load(
    connection: psycopg.Connection[tuple[object, ...]],
    seeds: Seeds,
    report: Callable[[Progress], None],
    *,
    may_lose: bool = True,
    alone: bool = False,
) -> LoadResult:
    """Return what was added, changed and kept, set by set and table by table.

    Everything happens in the connection's transaction, which the caller commits. On `SeedError`, which names file,
    line and column, nothing of the seeds is left in it. Until the transaction ends its time zone is UTC.
    Where nothing may be lost, RefusedError tells what SQL files took away; the caller then rolls back.
    `alone` says that nobody else uses the database, as where it is built aside: large files then go into tables without
    indexes and foreign keys, which are built again as they were.
    """
    from dbtasks.seeders import loader

    return loader.load(connection, seeds, FORMATS, report, may_lose=may_lose, alone=alone)
