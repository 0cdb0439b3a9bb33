"""A project whose every tier lives, and the ways in which its score is broken from outside: never by a probe."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests import outside
from tests.server.road import Project, project

# What a person's terminal has and a test's command has not.
SHOWN = {"USE_PROD_DATABASE": "true", "NO_COLOR": None}


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
        made.urls["stg_database_url"] = made.server_url("stg", "scored_stg")
        sql(made, "stg", "postgres", "CREATE DATABASE scored_prod")
        for words in ("adopt --tier=prod", "migrate --tier=prod"):
            done = made.prod(words)
            assert done.code == 0, done.out
        yield made


def sql(made: Project, tier: str, database: str, *statements: str) -> list[Any]:
    """Run statements on a tier's server as its superuser, and return the rows of the last."""
    rows: list[Any] = []
    with outside.connect(made.server_url(tier, database), autocommit=True) as connection:
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
