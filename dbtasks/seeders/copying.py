"""A large CSV file to the server: its bytes as they are, never through Python's objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import psycopg
from psycopg import sql

from dbtasks.errors import SeedError
from dbtasks.seeders import csv_file, diagnosis
from dbtasks.seeders.batch import Connection, fetch
from dbtasks.seeders.shapes import Group
from dbtasks.seeders.statements import Query, copy_into, stage_name, table_name

# Before version 18 this line ended the data, silently, also within CSV.
_END_OF_DATA = re.compile(rb"(?:^|\n)\\\.\r?(?:\n|$)")
_FIRST_WITHOUT_END_OF_DATA = 180000
_REPORT_EVERY_BLOCKS = 16
_SAVEPOINT = "dbtasks_seed_copy"


def copy_straight(
    connection: Connection, group: Group, names: Sequence[str], report: Callable[[int], None]
) -> int | None:
    """Return how many rows went into the group's own table, or `None` where it was not empty or did not take them.

    Nothing is left of an attempt that failed; the way through a temporary table then finds out why.
    """
    table = table_name(group.table)
    if fetch(connection, Query(text=sql.SQL("SELECT 1 FROM {} LIMIT 1").format(table))):
        return None
    connection.execute(f"SAVEPOINT {_SAVEPOINT}")
    try:
        rows = _copy(connection, group, copy_into(names, table), report)
        connection.execute(f"RELEASE {_SAVEPOINT}")
    except psycopg.Error:
        if connection.broken:
            raise
        connection.execute(f"ROLLBACK TO {_SAVEPOINT}")
        return None
    return rows


def copy_to_stage(
    connection: Connection, group: Group, names: Sequence[str], stage: str, report: Callable[[int], None]
) -> int:
    """Return how many rows went into a temporary table; `SeedError` names the value that the server did not take."""
    try:
        rows = _copy(connection, group, copy_into(names, stage_name(stage)), report)
        connection.execute(sql.SQL("ANALYZE {}").format(stage_name(stage)))
    except psycopg.Error as error:
        if connection.broken:
            raise
        raise SeedError(diagnosis.explain_copy(group, error)) from error
    return rows


def _copy(connection: Connection, group: Group, query: sql.Composed, report: Callable[[int], None]) -> int:
    old = connection.info.server_version < _FIRST_WITHOUT_END_OF_DATA
    sent = 0
    with connection.cursor() as cursor:
        with cursor.copy(query) as target:
            for index, block in enumerate(group.source.blocks()):
                data = block[csv_file.header_bytes(block) :] if index == 0 else block
                if old and _END_OF_DATA.search(data):
                    group.source.fail("a line holds nothing but \\. and this server would stop there. Quote it.")
                target.write(data)
                sent += data.count(b"\n")
                if index % _REPORT_EVERY_BLOCKS == 0:
                    report(sent)
        return cursor.rowcount
