"""The SQL files of a set as statements that travel with the others; a failure is known by its place in the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from dbtasks.errors import Mistake
from dbtasks.seeders.phrases import sentence
from dbtasks.seeders.sql_file import Script
from dbtasks.seeders.statements import Purpose, Query, Statement


def statements(scripts: Sequence[Script]) -> Iterator[Statement]:
    """Yield the statements of all scripts, in their order."""
    for script in scripts:
        for start, end in script.spans:
            # The file's own text, which is what a seed's SQL is for.
            text = sql.SQL(script.text[start:end])
            yield Statement(query=Query(text=text), purpose=Purpose.SCRIPT, told=_Place(script=script, start=start))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where in a file a statement begins; what the server says of it becomes a mistake there."""

    script: Script
    start: int

    def __call__(self, error: psycopg.Error) -> list[Mistake]:
        position = error.diag.statement_position
        offset = self.start + int(position) - 1 if position else self.start
        return [self.script.source.mistake(sentence(error), self.script.place(offset))]
