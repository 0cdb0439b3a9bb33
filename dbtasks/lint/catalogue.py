"""What a database's catalogue says, as values: tables with their columns, constraints and indexes, and more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from dbtasks.values import dataclass

# Under both, whatever is done to a table is done in an instant: a rewrite of 10,000 rows takes some 20 ms.
SMALL_ROWS = 10_000
SMALL_BYTES = 8 << 20

Name = tuple[str, str]  # schema and name


@dataclass(frozen=True, slots=True, kw_only=True)
class Type:
    """A data type by its name in `pg_type`, and its modifiers: `varchar(50)` is `Type(name="varchar", mods=(50,))`."""

    name: str
    mods: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    name: str
    type: Type | None = None
    not_null: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """A constraint. `kind` is `pg_constraint.contype`: c, f, p, u, x, or n for NOT NULL.

    `proves` are the columns that cannot be NULL where it holds, `about` those that it mentions. `definition` is as
    `pg_get_constraintdef` writes it, or near.
    """

    name: str
    kind: str
    validated: bool = True
    about: frozenset[str] = frozenset()
    proves: frozenset[str] = frozenset()
    definition: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index. `partly` holds the columns that its predicate or its expressions mention."""

    name: str
    columns: tuple[str, ...] = ()
    unique: bool = False
    partly: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table or materialized view. What is not known is `None`: then the worst is taken for true.

    `new`: made in this very run, so that nobody else uses it yet. `policies` counts those of row level security,
    `viewed` are the columns that views use.
    """

    schema: str
    name: str
    rows: int | None = None
    size_bytes: int | None = None
    columns: Mapping[str, Column] | None = None
    constraints: tuple[Constraint, ...] = ()
    indexes: tuple[Index, ...] = ()
    viewed: frozenset[str] = frozenset()
    partitioned: bool = False
    default_partition: Name | None = None
    persistence: str = "p"
    row_security: bool = False
    policies: int = 0
    new: bool = False

    @property
    def matters(self) -> bool:
        """Whether people use it and work on all of it takes its time."""
        small = self.rows is not None and self.rows < SMALL_ROWS
        return not self.new and not (small and self.size_bytes is not None and self.size_bytes < SMALL_BYTES)

    @property
    def empty(self) -> bool:
        """Whether it is certain that it holds no row."""
        return self.new or self.size_bytes == 0

    @property
    def shown(self) -> str:
        """Its name as people write it."""
        return self.name if self.schema in ("", "public") else f"{self.schema}.{self.name}"

    @property
    def measured(self) -> str:
        """How large it is, in words that stand behind its name; empty where nobody knows."""
        return "" if self.new or self.rows is None else f" (about {self.rows:,} rows)"

    def validates_not_null(self, column: str) -> bool:
        """Return whether no row can hold NULL there, by NOT NULL or by a constraint that was checked on every row."""
        known = (self.columns or {}).get(column)
        proven = any(each.validated and column in each.proves for each in self.constraints)
        return proven or (known is not None and known.not_null)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """What was read. `relaxed` are pairs of types, the second of which reads the first's bytes as they are.

    `volatile` are functions whose result differs from row to row, `domains` those with constraints. `views` and
    `indexes` tell what a name is: `indexes` holds the table of each.
    """

    tables: Mapping[Name, Table] = field(default_factory=dict)
    views: frozenset[Name] = frozenset()
    indexes: Mapping[Name, Name] = field(default_factory=dict)
    search_path: tuple[str, ...] = ("public",)
    relaxed: frozenset[tuple[str, str]] = frozenset()
    volatile: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    plain_domains: Mapping[str, str] = field(default_factory=dict)
    types: frozenset[str] = frozenset()
    utc: bool = False
    version_number: int = 0
