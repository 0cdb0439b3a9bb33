"""A large CSV file to the server: its bytes as they are, never through Python's objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from dbtasks.errors import SeedError
from dbtasks.seeders import copy_diagnosis, counting, csv_file
from dbtasks.seeders.batch import Connection
from dbtasks.seeders.days import Days
from dbtasks.seeders.queries import copy_into, identifiers, stage_name
from dbtasks.seeders.results import Progress
from dbtasks.seeders.shapes import Group

# Before version 18 this line ended the data, silently, also within CSV.
_END_OF_DATA = re.compile(rb"(?:^|\n)\\\.\r?(?:\n|$)")
_FIRST_WITHOUT_END_OF_DATA = 180000
_REPORT_EVERY_BLOCKS = 16


@dataclass(slots=True, kw_only=True)
class Copy:
    """One file to be copied, whose columns are `names`; `days` looks for words such as `tomorrow` on the way."""

    connection: Connection
    group: Group
    names: Sequence[str]
    report: Callable[[Progress], None]
    days: Days | None = None
    _total: int | None = field(default=None)

    @property
    def dated(self) -> bool:
        return self.days is not None and self.days.found

    def to_stage(self, stage: str) -> int:
        """Return how many rows went into a temporary table; `SeedError` names what the server did not take."""
        try:
            rows = self.into(stage_name(stage))
            text = sql.SQL("ANALYZE {} ({})")
            key = [column for column in self.group.shape.given if column.name in self.group.key.columns]
            self.connection.execute(text.format(stage_name(stage), identifiers(key)))
        except psycopg.Error as error:
            if self.connection.broken:
                raise
            raise SeedError(copy_diagnosis.explain_copy(self.group, error)) from error
        return rows

    def into(self, table: sql.Identifier) -> int:
        """Return how many rows the server took."""
        with self.connection.cursor() as cursor:
            with cursor.copy(copy_into(self.names, table)) as target:
                self._send(target)
            return cursor.rowcount

    def _send(self, target: psycopg.Copy) -> None:
        source = self.group.source
        if self._total is None:
            self._total = counting.count(source.path)
        old = self.connection.info.server_version < _FIRST_WITHOUT_END_OF_DATA
        counter = None
        for index, block in enumerate(source.blocks()):
            data = block
            if counter is None:
                length = csv_file.header_bytes(block)
                counter, data = counting.counter(block[:length]), block[length:]
            if old and _END_OF_DATA.search(data):
                source.fail("a line holds nothing but \\. and this server would stop there. Quote it.")
            if self.days is not None:
                self.days.feed(data)
            target.write(data)
            counter.feed(data)
            if index % _REPORT_EVERY_BLOCKS == 0:
                self._tell(counter.records)

    def _tell(self, rows: int) -> None:
        name, table = self.group.source.file.set, str(self.group.table)
        self.report(Progress(set=name, table=table, rows_done=rows, rows_total=self._total))
