"""YAML: a list of mappings. A word without quotes is read by the column it goes to, never by YAML's guesses.

So `zip: 05432` stays a text with its zero, `country: no` stays Norway, and a date goes to the server as written.
Only a column of json needs to know a number from a text; it follows JSON's own grammar.
"""

from __future__ import annotations

import base64
import binascii
import gc
import re
from collections.abc import Iterator
from json.encoder import encode_basestring
from typing import NoReturn

import yaml

from dbtasks.seeders.files import Place, Source, shorten

EXTENSIONS = (".yaml", ".yml")

MOST_NODES = 2_000_000
DEEPEST = 100
# Above this the reader in C could run out of its stack, so depth is counted by events first.
_SURELY_SHALLOW = 5000

_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_INDENT = re.compile(r"^[ \-?:]*", re.MULTILINE)
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_BOOLEANS = {"true": "true", "True": "true", "TRUE": "true", "false": "false", "False": "false", "FALSE": "false"}
_CORE = "tag:yaml.org,2002:"
_TEXT_TAGS = frozenset(_CORE + name for name in ("str", "int", "float", "bool", "timestamp"))

_Pairs = dict[str, tuple[yaml.Node, yaml.Node]]


def records(source: Source) -> Iterator[dict[str, str]]:
    """Yield one mapping from column to JSON text a list item."""
    writer = _Writer(source)
    for node in _items(source):
        yield {name: writer.text(value, 1) for name, (_, value) in writer.pairs(node).items()}


def place(source: Source, number: int, column: str | None) -> Place:
    """Return where item `number` has the value of `column`, or where it begins."""
    node = _items(source)[number - 1]
    if column is not None:
        pairs = _Writer(source).pairs(node)
        if column in pairs:
            return _at(pairs[column][1])
    return _at(node)


def _items(source: Source) -> list[yaml.Node]:
    text = source.text()
    collecting = gc.isenabled()
    gc.disable()  # a million small nodes and no cycles among them: collecting would take most of the time
    try:
        root, problem, where = _root(source, text)
    finally:
        if collecting:
            gc.enable()
    if problem is not None:
        source.fail(f"this is not YAML: {problem}.", where)
    if root is None or (isinstance(root, yaml.ScalarNode) and root.value == ""):
        return []
    if not isinstance(root, yaml.SequenceNode):
        source.fail("expected a list of rows, each beginning with a dash.", _at(root))
    items: list[yaml.Node] = root.value
    return items


def _root(source: Source, text: str) -> tuple[yaml.Node | None, str | None, Place | None]:
    """Return the document's node, or what is wrong and where.

    Returned, not raised: PyYAML's error quotes the file, so it must not hang on ours as its context.
    """
    try:
        _check_depth(source, text)
        return yaml.compose(text, Loader=yaml.CBaseLoader), None, None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = str(getattr(error, "problem", None) or "it holds a character that is not allowed")
        return None, shorten(problem)[1:-1], Place(line=mark.line + 1, column=mark.column + 1) if mark else None


def _check_depth(source: Source, text: str) -> None:
    flows = text.count("[") + text.count("{")
    if flows + max(len(match[0]) for match in _INDENT.finditer(text)) < _SURELY_SHALLOW:
        return
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CBaseLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            source.fail("the value is nested too deep.", _at(event))


def _at(node: yaml.Node | yaml.Event) -> Place:
    mark = node.start_mark
    return Place(line=mark.line + 1, column=mark.column + 1) if mark else Place(line=1, column=1)


class _Writer:
    """Turns nodes into JSON text, with a bound on what aliases can unfold to."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._nodes = 0

    def pairs(self, node: yaml.Node, depth: int = 0) -> _Pairs:
        """Return a mapping's pairs by key, merges (`<<`) filled in under what is written out."""
        self._count(node, depth)
        if not isinstance(node, yaml.MappingNode):
            self._fail("expected a mapping, as in name: Anna.", node)
        pairs: _Pairs = {}
        merged: list[yaml.Node] = []
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._fail("a key must be a single word.", key)
            if key.value == "<<" and not key.style:
                merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
            elif key.value in pairs:
                first = _at(pairs[key.value][0]).line
                self._fail(f"key {shorten(key.value)} is there twice, first in line {first}.", key)
            else:
                pairs[key.value] = (key, value)
        for other in merged:
            for name, pair in self.pairs(other, depth + 1).items():
                pairs.setdefault(name, pair)
        return pairs

    def text(self, node: yaml.Node, depth: int) -> str:
        """Return a node as JSON text."""
        self._count(node, depth)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if isinstance(node, yaml.SequenceNode):
            return f"[{','.join(self.text(item, depth + 1) for item in node.value)}]"
        pairs = self.pairs(node, depth).items()
        texts = (f"{encode_basestring(name)}:{self.text(value, depth + 1)}" for name, (_, value) in pairs)
        return f"{{{','.join(texts)}}}"

    def _scalar(self, node: yaml.ScalarNode) -> str:
        value: str = node.value
        if node.tag == _CORE + "binary":
            try:
                return encode_basestring("\\x" + base64.b64decode("".join(value.split()), validate=True).hex())
            except binascii.Error:
                self._fail("this is not base64.", node)
        if node.tag == _CORE + "null":
            return "null"
        if node.tag not in _TEXT_TAGS:
            self._fail(f"unknown tag {shorten(node.tag)}. Write the value without it.", node)
        if node.style:
            return encode_basestring(value)
        if value in _NULLS:
            return "null"
        return _BOOLEANS.get(value) or (value if _NUMBER.fullmatch(value) else encode_basestring(value))

    def _count(self, node: yaml.Node, depth: int) -> None:
        self._nodes += 1
        if depth > DEEPEST:
            self._fail("the value is nested too deep, or holds itself.", node)
        if self._nodes > MOST_NODES:
            self._fail(f"more than {MOST_NODES} values. Put bulk data into CSV.", node)

    def _fail(self, text: str, node: yaml.Node) -> NoReturn:
        self._source.fail(text, _at(node))
