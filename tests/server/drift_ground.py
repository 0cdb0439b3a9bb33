"""What tests of drift do on a server, in a process outside of the test run: nothing here imports pytest."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import psycopg

from dbtasks.drift import Difference, Schema, differences, read_schema
from dbtasks.drift.reprint import still_different

SCHEMA = Path(__file__).with_name("drift_schema.sql").read_text(encoding="utf-8")


def build(url: str) -> None:
    """Make the schema of `drift_schema.sql` in an empty database."""
    with psycopg.connect(url) as connection:
        connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'reader'")
        connection.execute("DO $$ BEGIN CREATE ROLE reader; EXCEPTION WHEN duplicate_object THEN END $$")
        connection.execute(SCHEMA)


def planted(url: str, changes: Sequence[str]) -> list[list[tuple[str, str, str]]]:
    """Return what is found after each change, made and taken back again; the last entry is of no change at all."""
    with closing(psycopg.connect(url)) as connection:
        before = read_schema(connection)
        connection.rollback()
        return [_told(before, _changed(connection, change)) for change in (*changes, "SELECT 1")]


def across(reference: str, live: str, change: str = "SELECT 1") -> list[tuple[str, str, str]]:
    """Return how a changed database differs from a reference on another server, whatever their versions."""
    with closing(psycopg.connect(live)) as connection:
        there = _changed(connection, change)
    with closing(psycopg.connect(reference, autocommit=True)) as connection:
        found = differences(read_schema(connection), there)
        return [_words(each) for each in still_different(connection, found)]


def _changed(connection: psycopg.Connection[tuple[object, ...]], change: str) -> Schema:
    connection.execute(change)
    schema = read_schema(connection)
    connection.rollback()
    return schema


def _told(before: Schema, after: Schema) -> list[tuple[str, str, str]]:
    return [_words(each) for each in differences(before, after)]


def _words(each: Difference) -> tuple[str, str, str]:
    return each.what.value, each.kind.value, each.name
