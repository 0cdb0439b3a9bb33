"""The same file by SQLAlchemy's bulk upsert, as a process: `python -m benchmarks.seeding_upsert URL FILE`."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from sqlalchemy import MetaData, Table, create_engine
from sqlalchemy.dialects.postgresql import insert

_BATCH = 10_000


def main() -> None:
    url, path = sys.argv[1:]
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        table = Table("items", MetaData(), autoload_with=connection)
        statement = insert(table)
        values = {column.name: statement.excluded[column.name] for column in table.columns if not column.primary_key}
        upsert = statement.on_conflict_do_update(index_elements=["id"], set_=values)
        for batch in _batches(Path(path)):
            connection.execute(upsert, batch)


def _batches(path: Path) -> Iterator[list[dict[str, str | None]]]:
    with path.open(newline="", encoding="utf-8") as stream:
        rows = csv.DictReader(stream)
        while batch := [{name: value or None for name, value in row.items()} for row in islice(rows, _BATCH)]:
            yield list(batch)


if __name__ == "__main__":
    main()
