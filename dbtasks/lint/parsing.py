"""SQL text as trees, by PostgreSQL's own grammar. The only importer of the package that holds it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from typing import Any

from dbtasks.errors import DbtasksError, Mistake, UsageError
from dbtasks.lint.folding import folded
from dbtasks.lint.tree import Node
from dbtasks.values import dataclass

_BEFORE = re.compile(r"(?:\s+|--[^\n]*(?:\n|\Z)|/\*(?:[^*]|\*(?!/))*\*/|;)*")
# From this length on a text may hold an expression that needs more than the usual stack.
_LONG = 50_000
_STACK_BYTES = 512 << 20

_NEAR = re.compile(r' at or near ".*"\Z', re.DOTALL)

# What has no placeholder in it, then the placeholders of psycopg and the like.
_BOUND = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$"""
    r"""|(?P<bound>%\(\w+\)s|%s)|(?P<percent>%%)""",
    re.DOTALL,
)


class MissingLintError(UsageError):
    """The optional packages are not installed."""

    def __init__(self, package: str) -> None:
        super().__init__(f"lint needs the package {package}, which is not installed. Run: pip install 'dbtasks[lint]'")


class SqlError(DbtasksError):
    """A text that is no SQL, with its place."""

    exit_code = 2

    def __init__(self, mistake: Mistake) -> None:
        self.mistake = mistake
        super().__init__(str(mistake))


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """One statement of a text: its tree, its own text, and the line in which it begins, counted from 1."""

    node: Node
    text: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A statement inside of a block, and its line there. `text` is `None` where it is known only at run time."""

    text: str | None
    line: int


def parse_text(text: str, name: str, *, bound: bool = False) -> tuple[Parsed, ...]:
    """Return the statements of a text; SqlError names the place in `name`. `bound`: it has a driver's placeholders."""
    if "\0" in text:  # the parser would take it for the end, and never see what follows
        raise SqlError(_mistake(name, text, text.index("\0"), "a NUL character. This is no SQL text."))
    text = _BOUND.sub(_parameter, text) if bound and "%" in text else text
    library = _library()
    from google.protobuf.message import DecodeError  # comes with the library

    try:
        found = _in_a_large_stack(lambda: library.parse(text)) if len(text) > _LONG else library.parse(text)
    except library.PgQueryError as error:
        raise SqlError(_mistake(name, text, max(error.cursorpos - 1, 0), f"{_NEAR.sub('', error.message)}.")) from None
    except UnicodeEncodeError as error:
        raise SqlError(_mistake(name, text, error.start, "a character that is no Unicode.")) from None
    except DecodeError:
        raise SqlError(_mistake(name, text, 0, "an expression in it is nested too deeply to be read.")) from None
    return tuple(_statements(text.encode(), found))


def _in_a_large_stack(act: Callable[[], Any]) -> Any:
    """Return what `act` does in a thread of its own: the library goes down a long expression without looking."""
    before = threading.stack_size(_STACK_BYTES)
    try:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(act).result()
    finally:
        threading.stack_size(before)


def parse(text: str) -> tuple[Parsed, ...] | None:
    """Return the statements of a text, `None` where it is no SQL."""
    try:
        return parse_text(text, "")
    except SqlError:
        return None


def _statements(encoded: bytes, found: Any) -> Iterator[Parsed]:
    line, done = 1, 0
    for each in found.stmts:
        start = each.stmt_location
        end = start + each.stmt_len if each.stmt_len else len(encoded)
        text = encoded[start:end].decode("utf-8")
        before = _BEFORE.match(text)
        skipped = before.end() if before else 0
        line += encoded.count(b"\n", done, start)
        done = start
        node = Node(getattr(each.stmt, each.stmt.WhichOneof("node")))
        yield Parsed(node=node, text=text[skipped:].rstrip(), line=line + text.count("\n", 0, skipped))


def parse_block(text: str) -> tuple[Query, ...] | None:
    """Return the statements inside of a DO block, `None` where its language or its text cannot be read."""
    library = _library()
    try:
        functions = library.parse_plpgsql(text)
    except (library.PgQueryError, ValueError, RecursionError):
        return None
    body = re.search(r"\$\w*\$|'", text)
    first = text.count("\n", 0, body.end()) if body else 0
    return tuple(_queries(functions, first)) if functions else None


def _queries(value: object, line: int, at: int = 1) -> Iterator[Query]:
    if isinstance(value, list):
        for each in value:
            yield from _queries(each, line, at)
        return
    if not isinstance(value, dict):
        return
    at = int(value.get("lineno", at))
    for kind, content in value.items():
        if kind in ("PLpgSQL_stmt_dynexecute", "PLpgSQL_stmt_dynfors") and isinstance(content, dict):
            expression = content.get("query", {}).get("PLpgSQL_expr", {}).get("query", "")
            here = int(content.get("lineno", at))
            yield Query(text=_dynamic(expression), line=line + here - 1)
            yield from _queries({name: each for name, each in content.items() if name != "query"}, line, here)
        elif kind == "PLpgSQL_expr" and isinstance(content, dict):
            if content.get("parseMode", 0) == 0 and content.get("query"):
                yield Query(text=str(content["query"]), line=line + at - 1)
        elif kind != "datums":
            yield from _queries(content, line, at)


def _dynamic(expression: str) -> str | None:
    """Return the statement that EXECUTE would run, as far as its text shows it."""
    parsed = parse(f"SELECT {expression}")
    if not parsed:
        return None
    targets = parsed[0].node.children("target_list")
    return folded(targets[0].child("val")) if targets else None


def parse_constraint(definition: str) -> Node:
    """Return the tree of a constraint as `pg_get_constraintdef` writes it; an empty one where it cannot be read."""
    parsed = parse(f"ALTER TABLE t ADD CONSTRAINT c {definition}")
    return parsed[0].node.children("cmds")[0].child("def") if parsed else Node()


def written(node: Node) -> str:
    """Return a statement's tree as SQL."""
    library = _library()
    from postgast.pg_query_pb2 import ParseResult  # with the library, an extra

    result = ParseResult()
    wrapper = result.stmts.add().stmt
    field = next(each.name for each in wrapper.DESCRIPTOR.fields if each.message_type.name == node.kind)
    getattr(wrapper, field).CopyFrom(node.message)
    return str(library.deparse(result))


@cache
def _library() -> Any:  # an extra, which need not be installed where types are checked
    try:
        import postgast
    except ImportError:
        raise MissingLintError("postgast") from None
    # An expression of fifty operators has more levels than protobuf decodes by default.
    with suppress(ImportError, AttributeError):
        from google._upb import _message

        _message.SetAllowOversizeProtos(True)
    return postgast


def _parameter(found: re.Match[str]) -> str:
    return "$1" if found["bound"] else "%" if found["percent"] else found[0]


def _mistake(name: str, text: str, at: int, problem: str) -> Mistake:
    return Mistake(file=name, line=text.count("\n", 0, at) + 1, column=at - text.rfind("\n", 0, at), text=problem)
