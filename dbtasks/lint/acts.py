"""Statements taken apart into acts: what one command does to one thing, also inside of DO blocks and WITH."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.lint.parsing import Parsed, parse, parse_block, written
from dbtasks.lint.tree import Node
from dbtasks.statements import Statement
from dbtasks.values import dataclass

# The kind of what cannot be seen into.
OPAQUE = "opaque"

# The kind of what a server ran and the grammar does not know.
UNREAD = "unread"

# The kind of a whole statement, once more, as a rehearsal has seen it.
REHEARSED = "rehearsed"

_CHANGES = frozenset(("DeleteStmt", "UpdateStmt", "InsertStmt", "MergeStmt"))
_TABLES = frozenset(("OBJECT_TABLE", "OBJECT_MATVIEW", "OBJECT_FOREIGN_TABLE"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One act. `kind` is the command's type in PostgreSQL's parse tree, or its `AT_` word for a part of ALTER TABLE.

    `node` is the act itself, `whole` the statement around it; both are the same where the statement does one thing.
    """

    kind: str
    node: Node
    whole: Node
    text: str
    line: int
    transactional: bool
    statement: Statement

    @property
    def relation(self) -> Node:
        """The table that the statement is about."""
        return self.whole.child("relation")

    @property
    def definition(self) -> Node:
        return self.node.child("def")

    def sql(self, **values: object) -> str:
        """Return the whole statement as SQL, with other values in it."""
        return written(self.whole.altered(**values) if values else self.whole) + ";"


def acts(parsed: Parsed, statement: Statement, *, transactional: bool) -> Iterator[Act]:
    """Yield what a statement does, in order. `transactional`: it runs inside of a transaction of several."""
    for kind, node, whole, text, line in _taken_apart(parsed.node, parsed.text, parsed.line):
        yield Act(
            kind=kind,
            node=node,
            whole=whole,
            text=text,
            line=line,
            transactional=transactional or parsed.node.kind == "DoStmt",
            statement=statement,
        )


_Part = tuple[str, Node, Node, str, int]


def _taken_apart(node: Node, text: str, line: int) -> Iterator[_Part]:
    match node.kind:
        case "":
            yield UNREAD, node, node, text, line
        case "AlterTableStmt":
            object_type = node.text("objtype")
            suffix = "" if object_type in _TABLES else f"@{object_type.removeprefix('OBJECT_')}"
            for command in node.children("cmds"):
                yield command.text("subtype") + suffix, command, node, text, line
        case "DoStmt":
            yield from _block(text, line)
        case "ExplainStmt" if any(each.text("defname") == "analyze" for each in node.children("options")):
            yield from _taken_apart(node.child("query"), text, line)
        case "PrepareStmt":
            yield from _taken_apart(node.child("query"), text, line)
        case "CreateSchemaStmt":
            yield node.kind, node, node, text, line
            for element in node.children("schema_elts"):
                yield from _taken_apart(element, text, line)
        case _:
            for table in node.child("with_clause").children("ctes"):
                query = table.child("ctequery")
                if query.kind in _CHANGES:
                    yield query.kind, query, query, text, line
            yield node.kind, node, node, text, line


def _block(text: str, line: int) -> Iterator[_Part]:
    queries = parse_block(text)
    if queries is None:
        yield OPAQUE, Node(), Node(), text, line
        return
    for query in queries:
        at = line + query.line
        inner = parse(query.text) if query.text is not None else None
        if inner is None:
            yield OPAQUE, Node(), Node(), text, at
        for each in inner or ():
            yield from _taken_apart(each.node, each.text, at)
