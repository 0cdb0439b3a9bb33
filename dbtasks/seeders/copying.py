"""A large CSV file into a temporary table: its bytes as they are, never through Python's objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import psycopg

from dbtasks.errors import SeedError
from dbtasks.seeders import csv_file, diagnosis
from dbtasks.seeders.batch import Connection
from dbtasks.seeders.shapes import Group
from dbtasks.seeders.statements import copy_into

# Before version 18 this line ended the data, silently, also within CSV.
_END_OF_DATA = re.compile(rb"(?:^|\n)\\\.\r?(?:\n|$)")
_FIRST_WITHOUT_END_OF_DATA = 180000
_REPORT_EVERY_BLOCKS = 16


def copy(connection: Connection, group: Group, names: Sequence[str], stage: str, report: Callable[[int], None]) -> int:
    """Return how many rows were copied; `report` hears from time to time how many it is about."""
    old = connection.info.server_version < _FIRST_WITHOUT_END_OF_DATA
    sent = 0
    try:
        with connection.cursor() as cursor:
            with cursor.copy(copy_into(names, stage)) as target:
                for index, block in enumerate(group.source.blocks()):
                    data = block[csv_file.header_bytes(block) :] if index == 0 else block
                    if old and _END_OF_DATA.search(data):
                        group.source.fail("a line holds nothing but \\. and this server would stop there. Quote it.")
                    target.write(data)
                    sent += data.count(b"\n")
                    if index % _REPORT_EVERY_BLOCKS == 0:
                        report(sent)
            rows = cursor.rowcount
            cursor.execute(f"ANALYZE pg_temp.{stage}")
            return rows
    except psycopg.Error as error:
        if connection.broken:
            raise
        raise SeedError(diagnosis.explain_copy(group, error)) from error
