"""A generated project: as many Alembic revisions and seed rows as wanted, and the tasks that people would write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SEEDED_TABLES = 5
ROWS = 100_000

_TIERS = """\
project: %(project)s
default: int
seeds: seeds
stock: {by_hand: true}
tiers:
  int:
    label: INT
    colour: green
    url: test_database_url
    may_lose: everything
    consent: none
    scripts_may_answer: true
    name_has_word: [int]
    seeds: [demo]
    retention: 1 day
    embedded: throwaway
"""

_TASKS = """\
from dbtasks.invoke_tasks import namespace

ns = namespace()
"""

# What `alembic init` writes, without its offline half.
_ENV = """\
import os

from alembic import context
from sqlalchemy import create_engine, pool

engine = create_engine(
    os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://", 1), poolclass=pool.NullPool
)
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""

_REVISION = '''\
"""{message}

Revision ID: {id}
Revises: {down}
"""

import sqlalchemy as sa
from alembic import op

revision = "{id}"
down_revision = {down!r}
branch_labels = None
depends_on = None


def upgrade():
{up}


def downgrade():
{back}
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """One generated project. `seeds` are its CSV files by table, in the order to load them."""

    root: Path
    name: str
    seeds: tuple[tuple[str, Path], ...]

    @property
    def database(self) -> str:
        return f"{self.name}_int"

    def prepare_by_hand(self, by_hand: bool) -> None:
        """Let only `invoke prepare` make the next reset ready, or each reset do so in the background."""
        settings = self.root / "config" / "tiers.yaml"
        words = {True: "by_hand: true", False: "by_hand: false"}
        settings.write_text(settings.read_text().replace(words[not by_hand], words[by_hand]))


def generate(root: Path, *, revisions: int, rows: int) -> Generated:
    """Write a project: four kinds of revisions in turn, and the rows in the first five tables."""
    name = f"bench_{revisions}_{rows}"
    versions, seeds = root / "migrations" / "versions", root / "seeds" / "demo"
    for folder in (root / "config", versions, seeds):
        folder.mkdir(parents=True)
    (root / "config" / "tiers.yaml").write_text(_TIERS % {"project": name})
    (root / "tasks.py").write_text(_TASKS)
    (root / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/migrations\n")
    (root / "migrations" / "env.py").write_text(_ENV)
    down = None
    for number, (message, up, back) in enumerate(_changes(revisions), start=1):
        identifier = f"r{number:04}"
        text = _REVISION.format(message=message, id=identifier, down=down, up=up, back=back)
        (versions / f"{identifier}_{message.replace(' ', '_')}.py").write_text(text)
        down = identifier
    tables = min(SEEDED_TABLES, (revisions + 3) // 4)
    files = tuple((f"part_{each:02}", seeds / f"part_{each:02}.csv") for each in range(1, tables + 1))
    for number, (_, file) in enumerate(files):
        _write_rows(file, rows // tables + (rows % tables if number == 0 else 0))
    return Generated(root=root, name=name, seeds=files)


def _changes(revisions: int) -> Iterator[tuple[str, str, str]]:
    """Yield message, upgrade and downgrade: a table, then a column, an index and rows for it."""
    for number in range(revisions):
        table, kind = f"part_{number // 4 + 1:02}", number % 4
        if kind == 0:
            columns = (
                'sa.Column("id", sa.Integer, primary_key=True)',
                'sa.Column("name", sa.Text, nullable=False)',
                'sa.Column("price", sa.Numeric(10, 2), nullable=False, server_default="0")',
                'sa.Column("made_at", sa.DateTime(timezone=True), server_default=sa.func.now())',
            )
            up = f'    op.create_table("{table}", {", ".join(columns)})'
            yield f"make {table}", up, f'    op.drop_table("{table}")'
        elif kind == 1:
            up = f'    op.add_column("{table}", sa.Column("note", sa.Text))'
            yield f"note on {table}", up, f'    op.drop_column("{table}", "note")'
        elif kind == 2:
            up = f'    op.create_index("{table}_by_name", "{table}", ["name"])'
            yield f"index of {table}", up, f'    op.drop_index("{table}_by_name")'
        else:
            rows = "SELECT 9000000 + n, 'row ' || n, n FROM generate_series(1, 20) n"
            up = f'    op.execute("INSERT INTO {table} (id, name, price) {rows}")'
            yield f"rows of {table}", up, f'    op.execute("DELETE FROM {table} WHERE id > 9000000")'  # noqa: S608 - a file's text


def _write_rows(file: Path, rows: int) -> None:
    with file.open("w", encoding="utf-8") as stream:
        stream.write("id,name,price,made_at,note\n")
        for number in range(1, rows + 1):
            day = f"2026-{number % 12 + 1:02}-{number % 28 + 1:02} 08:00:00+00"
            stream.write(f"{number},item number {number},{number % 1000}.50,{day},a few words about item {number}\n")
