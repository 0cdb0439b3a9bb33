"""What is known of the database at one point of a run: the catalogue, and what the statements before have changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from dbtasks.lint import evolution
from dbtasks.lint.acts import Act
from dbtasks.lint.catalogue import Catalogue, Index, Name, Table, Type
from dbtasks.lint.tree import Node
from dbtasks.lint.types import type_of

# Functions that give every row the same, for where no catalogue says so. All others are taken for volatile.
_STEADY = frozenset(
    (
        "now", "transaction_timestamp", "statement_timestamp", "current_setting", "lower", "upper", "md5", "concat",
        "length", "abs", "round", "floor", "ceil", "to_tsvector", "to_char", "to_date", "to_timestamp", "date_trunc",
        "make_interval", "make_date", "jsonb_build_object", "jsonb_build_array", "json_build_object",
        "json_build_array", "array_fill", "repeat", "format", "timezone",
    )
)  # fmt: skip


class World:
    """The catalogue as a run goes on. `known`: there is a catalogue; without one the worst is assumed of each table."""

    def __init__(self, catalogue: Catalogue | None, later: frozenset[Name] = frozenset()) -> None:
        self.known = catalogue is not None
        self.catalogue = catalogue or Catalogue()
        self.tables: dict[Name, Table] = dict(self.catalogue.tables)
        self.views = set(self.catalogue.views)
        self.indexes = dict(self.catalogue.indexes)
        self.search_path = self.catalogue.search_path
        self.new_names: set[Name] = set()
        self.policies_made: set[Name] = set()
        self.held: dict[Name, str] = {}
        self.later = later

    # Asking

    def table(self, relation: Node) -> Table:
        """Return what is known of a relation; an unknown one may be anything."""
        name = self.name(relation)
        return self.tables.get(name) or Table(schema=name[0], name=name[1])

    def table_of(self, act: Act) -> Table:
        return self.table(act.relation)

    def named(self, words: tuple[str, ...]) -> Table:
        """Return the same by a name that is written as a list, such as those of DROP."""
        name = self.resolved(words)
        return self.tables.get(name) or Table(schema=name[0], name=name[1])

    def name(self, relation: Node) -> Name:
        schema, name = relation.text("schemaname"), relation.text("relname")
        return self.resolved((schema, name) if schema else (name,))

    def resolved(self, words: tuple[str, ...]) -> Name:
        """Return schema and name; one without a schema is looked for along the search path."""
        if len(words) > 1:
            return words[-2], words[-1]
        name = words[-1] if words else ""
        for schema in self.search_path:
            if (schema, name) in self.tables or (schema, name) in self.views or (schema, name) in self.indexes:
                return schema, name
        return (self.search_path or ("public",))[0], name

    def absent(self, name: Name) -> bool:
        """Return whether it is certain that there is no relation of this name."""
        return self.known and not (name in self.tables or name in self.views or name in self.indexes)

    def index(self, name: Name) -> tuple[Table, Index] | None:
        """Return an index and its table."""
        table = self.tables.get(self.indexes.get(name, ("", "")))
        found = next((each for each in table.indexes if each.name == name[1]), None) if table else None
        return (table, found) if table and found else None

    def volatile_function(self, expression: Node) -> str:
        """Return a function in an expression whose result differs from row to row; empty where there is none."""
        for node in expression.walk():
            if node.kind == "FuncCall":
                name = (node.names("funcname") or ("",))[-1]
                if name in self.catalogue.volatile or (not self.known and name not in _STEADY):
                    return name
        return ""

    def constrained_domain(self, type_name: Node) -> str:
        """Return the name of a type that is a domain with constraints; empty where it is none."""
        name = type_of(type_name).name
        return name if name in self.catalogue.domains else ""

    def steady_domain(self, type_: Type) -> Type:
        """Return the base of a domain without constraints, else the type itself."""
        base = self.catalogue.plain_domains.get(type_.name)
        return Type(name=base) if base else type_

    # Going on

    def alter(self, name: Name, change: Callable[[Table], Table]) -> None:
        if name in self.tables:
            self.tables[name] = change(self.tables[name])

    def make(self, name: Name, table: Table) -> None:
        """Note a table that was made in this run."""
        self.tables[name] = replace(table, new=True)
        self.new_names.add(name)

    def forget(self, name: Name) -> None:
        self.tables.pop(name, None)
        self.views.discard(name)
        self.indexes.pop(name, None)
        self.new_names.discard(name)

    def after(self, act: Act) -> None:
        """Take note of what an act has changed."""
        if (change := evolution.CHANGES.get(act.kind)) is not None:
            change(act, self)

    def holding(self) -> Iterator[tuple[Table, str]]:
        """Yield the tables that matter on which this transaction holds a lock that blocks, with the lock."""
        for name, lock in self.held.items():
            table = self.tables.get(name) or Table(schema=name[0], name=name[1])
            if table.matters:
                yield table, lock
