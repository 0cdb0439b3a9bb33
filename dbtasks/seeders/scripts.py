"""The SQL files of a set, run as they are; after a failure statement by statement, to name the one."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from dbtasks.errors import SeedError
from dbtasks.seeders.batch import Connection
from dbtasks.seeders.diagnosis import sentence
from dbtasks.seeders.sql_file import Script

_SAVEPOINT = "dbtasks_seed_script"
# Sent with the statements before: a text with a mistake of syntax is refused whole, its own savepoint included.
BEFORE = f"SAVEPOINT {_SAVEPOINT}"


def run(connection: Connection, scripts: Sequence[Script]) -> None:
    """Run all scripts in one round trip, after `BEFORE`.

    `SeedError` names file, line and column of the statement that failed.
    """
    texts = [*(script.text for script in scripts), f"RELEASE {_SAVEPOINT}"]
    try:
        connection.execute("\n;\n".join(texts).encode())
    except psycopg.Error as error:
        if connection.broken:
            raise
        connection.execute(f"ROLLBACK TO {_SAVEPOINT}")
        for script in scripts:
            _run_slowly(connection, script)
        # It failed at once and not one by one: somebody else's rows were in the way.
        raise SeedError([scripts[0].source.mistake(sentence(error))]) from error


def _run_slowly(connection: Connection, script: Script) -> None:
    for start, end in script.spans:
        try:
            connection.execute(script.text[start:end].encode())
        except psycopg.Error as error:
            position = error.diag.statement_position
            offset = start + int(position) - 1 if position else start
            raise SeedError([script.source.mistake(sentence(error), script.place(offset))]) from error
