"""A project whose every tier lives, and the ways in which its score is broken from outside: never by a probe."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from dbtasks import drilled
from tests import outside
from tests.server.road import Project, project

# What a person's terminal has and a test's command has not.
SHOWN = {"USE_PROD_DATABASE": "true", "NO_COLOR": None}
DRILLED = (
    "production_confirmation.pipe", "production_confirmation.stale_flag", "interactive_check.closed_input",
    "agents_refused.terminal", "test_isolation.psycopg", "test_isolation.asyncpg",
)  # fmt: skip


@contextmanager
def scored() -> Iterator[Project]:
    """Make a project with INT, STG and PROD on private servers, each migrated."""
    with project("scored") as made:
        made.edit("config/tiers.yaml", "demo: false", "demo: true")
        made.edit("config/tiers.yaml", "embedded: never", "embedded: durable")
        made.with_keys()
        for tier in ("int", "stg"):
            done = made.invoke(f"reset --tier={tier}")
            assert done.code == 0, done.text
        for tier in ("int", "stg"):
            made.urls[f"scored_{tier}"] = made.server_url(tier, "")
        made.urls["stg_database_url"] = url(made, "stg", "scored_stg")
        sql(made, "stg", "postgres", "CREATE DATABASE scored_prod")
        made.edit(
            "config/tiers.yaml",
            "    # approvals: 2",
            "    limits: {runs: [migrate 20 times in 1 hour]}\n    # approvals: 2",
        )
        for words in ("adopt --tier=prod", "migrate --tier=prod", "seed --tier=prod", "backup --tier=prod"):
            done = made.prod(words)
            assert done.code == 0, done.out
        made.revision("r4", "op.execute('ALTER TABLE people DROP COLUMN name')")
        for tier in ("int", "stg"):
            done = made.invoke(f"migrate --tier={tier} --yes")
            assert done.code == 0, done.text
        done = made.prod("migrate --tier=prod")  # it holds something by now, and so a mark comes first
        assert done.code == 0, done.out
        serves = "CREATE ROLE clerk LOGIN PASSWORD 'not-a-real-one' IN ROLE pg_read_all_data, pg_write_all_data"
        sql(made, "stg", "postgres", serves)
        made.urls["database_runtime_url"] = "postgresql://clerk:not-a-real-one@127.0.0.1:1/scored_prod"
        done = made.prod("harden --tier=prod")
        assert done.code == 0, done.out
        done = made.terminal("backups.verify --tier=prod", USE_PROD_DATABASE="true")  # it only reads what lies there
        assert done.code == 0, done.out
        drill(made)
        yield made


def drill(made: Project, *, through: str = "", at: datetime | None = None, code: str = "", without: str = "") -> None:
    """Leave what a drill would leave."""
    ids = [each for each in DRILLED if each != without]
    tried = [{"id": each, "layer": "guard", "stopped": each != through, "ms": 7} for each in ids]
    data = {"version": 1, "at": (at or datetime.now(UTC)).isoformat(), "code": code or drilled.code(), "tried": tried}
    made.file(str(drilled.FILE), json.dumps(data))


def url(made: Project, tier: str, database: str) -> str:
    """Return the URL of a database on a tier's server, for its superuser."""
    return made.urls[f"scored_{tier}"] + database


def sql(made: Project, tier: str, database: str, *statements: str) -> list[Any]:
    """Run statements on a tier's server as its superuser, and return the rows of the last."""
    rows: list[Any] = []
    with outside.connect(url(made, tier, database), autocommit=True) as connection:
        for statement in statements:
            rows = connection.execute(statement).rows or []
    return rows


def ask(made: Project, words: str = "", /, **environ: str | None) -> dict[str, Any]:
    """Return the score as scripts get it."""
    done = made.invoke(f"score --format=json {words}", **{**SHOWN, **environ})
    assert done.code == 0, done.text
    found: dict[str, Any] = json.loads(done.out)
    return found


@contextmanager
def changed(made: Project, path: str, *pairs: tuple[str, str]) -> Iterator[None]:
    """Let a file of the project say something else for a while."""
    before = (made.root / path).read_bytes()
    try:
        for old, new in pairs:
            made.edit(path, old, new)
        yield
    finally:
        (made.root / path).write_bytes(before)


@contextmanager
def away(made: Project, path: str) -> Iterator[None]:
    """Let a file or folder of the project be gone for a while."""
    there, aside = made.root / path, made.root / f"{path}.aside"
    there.rename(aside)
    try:
        yield
    finally:
        aside.rename(there)


@contextmanager
def written(made: Project, path: str, text: str) -> Iterator[None]:
    """Let a file be there for a while."""
    file = made.file(path, text)
    try:
        yield
    finally:
        file.unlink()
