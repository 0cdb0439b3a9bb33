"""Statements on their way to the server, as values: what each is for, and afterwards what it did."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import psycopg
from psycopg import sql

from dbtasks.errors import Mistake
from dbtasks.seeders.catalogue import Column, Table
from dbtasks.seeders.files import Mode, Source
from dbtasks.seeders.shapes import Documents, Group


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    text: sql.SQL | sql.Composed
    parameters: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Where a group's rows are read from. `number` is an expression for a row's number or, copied, its position."""

    group: Group
    origin: sql.Composable
    number: sql.Composable
    parameters: tuple[object, ...] = ()
    hold: frozenset[str] = frozenset()
    upto: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """A file that shall be known again: the columns that it gives, those that decide what it would write, its rows."""

    source: Source
    table: Table
    mode: Mode
    given: tuple[Column, ...]
    hashed: tuple[Column, ...]
    rows: int = 0


class Purpose(enum.Enum):
    """What is done with a statement's result."""

    ADD = "count the rows as added"
    CHANGE = "count the rows as changed"
    MERGE = "count the rows returned as added and changed"
    UNRESOLVED = "report the rows returned: a reference of theirs leads nowhere"
    KEYLESS = "report the rows returned: nothing identifies them"
    DEFERRED = "explain a failure by the foreign keys that could wait"
    SCRIPT = "nothing; its rows, if any, are not fetched"
    OTHER = "nothing"


@dataclass(slots=True, kw_only=True, eq=False)
class Statement:
    """One statement on its way: what it is for, and afterwards how many rows it touched or returned.

    `bounded` makes the same query for fewer rows, which is how the one that breaks it is found; `told` turns an error
    into what is wrong, where the statement knows best. `watch` says what is remembered of a file that this completes.
    """

    query: Query
    purpose: Purpose = Purpose.OTHER
    rows: Rows | None = None
    documents: Documents = ()
    bounded: Callable[[Rows], Query] | None = None
    told: Callable[[psycopg.Error], list[Mistake]] | None = None
    watch: Watch | None = None
    affected: int = 0
    returned: list[tuple[object, ...]] = field(default_factory=list)

    @property
    def outcome(self) -> tuple[int, int]:
        """How many rows were added and changed."""
        match self.purpose:
            case Purpose.ADD:
                return self.affected, 0
            case Purpose.CHANGE:
                return 0, self.affected
            case Purpose.MERGE:
                added, changed, *_ = self.returned[0]
                return cast(int, added), cast(int, changed)
            case _:
                return 0, 0
