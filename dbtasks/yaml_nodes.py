"""YAML text as nodes that know their line and column; nothing is constructed, and no alias is ever followed."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from itertools import islice
from typing import NoReturn, Protocol

import yaml

from dbtasks.errors import Mistake, SettingsError
from dbtasks.values import dataclass

DEEPEST = 12
MOST_NODES = 5000
MOST_CHARACTERS = 20  # wrong ones that are listed; a binary file has as many as bytes

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAB = re.compile(r"^ *(\t)\s*[^\s#]", re.MULTILINE)
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]{1,40}|<<")
# Beginnings of libyaml's and PyYAML's problems. Their own texts can quote the file, so none is ever shown.
_PROBLEMS = (
    ("mapping values are not allowed", "a colon is not expected here. Check the indentation or quote the text."),
    ("found character", "a text cannot begin with this character. Put the text in quotes."),
    ("did not find expected key", "this line does not fit the lines above. Indent by two blanks a level."),
    ("expected <block end>", "this line does not fit the lines above. Indent by two blanks a level."),
)
# The same for problems that are best shown where the thing began.
_UNFINISHED = (
    ("could not find expected ':'", "expected a key, a colon and a value, as in label: INT."),
    ("did not find expected ',' or", "this bracket is not closed, or a comma is missing in it."),
    ("expected ',' or", "this bracket is not closed, or a comma is missing in it."),
    ("found unexpected end of stream", "this quote is not closed."),
)


class _Mark(Protocol):
    """A position as both of PyYAML's mark classes have it, its own and libyaml's."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A position in the file, counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """A single value as it is written; `read_as` says what YAML makes of it when that is no text."""

    text: str
    read_as: str | None
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    items: tuple[Node, ...]
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    place: Place
    value: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    pairs: dict[str, Pair]
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Something that is a mistake whatever stands around it, and already reported."""

    place: Place


Node = Scalar | Listing | Mapping | Refused


@dataclasses.dataclass(slots=True, kw_only=True)
class Findings:
    """The mistakes of one file, collected while it is read."""

    file: str
    mistakes: list[Mistake] = dataclasses.field(default_factory=list)

    def add(self, place: Place | None, path: str, text: str) -> None:
        line, column = (place.line, place.column) if place else (None, None)
        self.mistakes.append(Mistake(file=self.file, line=line, column=column, path=path or None, text=text))

    def error(self) -> SettingsError:
        """Return everything that was found, in the order of the file."""
        return SettingsError(sorted(self.mistakes, key=lambda mistake: (mistake.line or 0, mistake.column or 0)))


def joined(path: str, key: str | int) -> str:
    """Return a YAML path with one more step; a key that is not a plain word is not quoted.

    >>> joined("tiers.int", "seeds"), joined("", "a@b")
    ('tiers.int.seeds', '(a key)')
    """
    step = str(key) if is_plain(str(key)) else "(a key)"
    return f"{path}.{step}" if path else step


def is_plain(key: str) -> bool:
    """Return whether a key is a short word, or the merge key, and may be shown."""
    return _PLAIN_KEY.fullmatch(key) is not None


def parse(text: str, findings: Findings, *, begin: str = "Declare the project and its tiers in it.") -> Mapping:
    """Return the one mapping that `text` holds.

    What can be read past goes to `findings`; what cannot (syntax, size, several documents) raises `SettingsError`.
    `begin` is what to do about an empty file.
    """
    _check_characters(text, findings)
    try:
        root = _Reader(text, findings).document()
    except yaml.YAMLError as error:
        place, sentence = _problem(error)
    else:
        if isinstance(root, Mapping):
            return root
        empty = root is None or (isinstance(root, Scalar) and root.read_as == "nothing")
        place = None if empty or root is None else root.place
        sentence = f"the file is empty. {begin}" if empty else "expected keys with values, as in project: shop."
    # Outside of the handler: PyYAML's error quotes the file, so it must not hang on ours as its context.
    findings.add(place, "", sentence)
    raise findings.error()


def _check_characters(text: str, findings: Findings) -> None:
    if text.startswith("\ufeff"):
        findings.add(Place(line=1, column=1), "", "a byte order mark. Save the file as UTF-8 without one.")
    for match in islice(_TAB.finditer(text), MOST_CHARACTERS):
        findings.add(_place(text, match.start(1)), "", "a tab. Indent with blanks, two a level.")
    for match in islice(yaml.reader.Reader.NON_PRINTABLE.finditer(text), MOST_CHARACTERS):
        findings.add(_place(text, match.start()), "", "a control character. Delete it.")
    if findings.mistakes:
        raise findings.error()


def _place(text: str, offset: int) -> Place:
    return Place(line=text.count("\n", 0, offset) + 1, column=offset - text.rfind("\n", 0, offset))


def _problem(error: yaml.YAMLError) -> tuple[Place | None, str]:
    problem = str(getattr(error, "problem", None) or "")
    mark = getattr(error, "problem_mark", None)
    sentence = next((ours for theirs, ours in _PROBLEMS if problem.startswith(theirs)), "this is not YAML.")
    for theirs, ours in _UNFINISHED:
        if problem.startswith(theirs):
            mark, sentence = getattr(error, "context_mark", None) or mark, ours
    return (None if mark is None else _at(mark)), sentence


def _at(mark: _Mark | None) -> Place:
    """Return the position of a mark; events that come from a parser always have one."""
    return Place(line=1, column=1) if mark is None else Place(line=mark.line + 1, column=mark.column + 1)


class _Reader:
    """Builds nodes from PyYAML's events, with bounds on their number and depth."""

    def __init__(self, text: str, findings: Findings) -> None:
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=_LOADER)
        self._findings = findings
        self._nodes = 0

    def document(self) -> Node | None:
        root: Node | None = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    self._stop(event, "a second document. Keep one and delete the line of dashes.")
                root = self._node(next(self._events), "", 0)
        return root

    def _node(self, event: yaml.Event, path: str, depth: int) -> Node:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            self._stop(event, f"more than {MOST_NODES} values. Keep only what belongs there.")
        if depth > DEEPEST:
            self._stop(event, f"more than {DEEPEST} levels deep. Close the brackets before.")
        place = _at(event.start_mark)
        if isinstance(event, yaml.AliasEvent):
            self._findings.add(place, path, "an alias. Two tiers must never share a value: write it out here.")
            return Refused(place=place)
        if (tag := getattr(event, "tag", None)) is not None and tag != "!":
            self._findings.add(place, path, "a tag. Delete the word that begins with an exclamation mark.")
        if isinstance(event, yaml.ScalarEvent):
            return Scalar(text=event.value, read_as=_read_as(event), place=place)
        if isinstance(event, yaml.SequenceStartEvent):
            return Listing(items=self._items(path, depth), place=place)
        return Mapping(pairs=self._pairs(path, depth), place=place)

    def _items(self, path: str, depth: int) -> tuple[Node, ...]:
        items: list[Node] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, joined(path, len(items)), depth + 1))
        return tuple(items)

    def _pairs(self, path: str, depth: int) -> dict[str, Pair]:
        pairs: dict[str, Pair] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, joined(path, "(a key)"), depth + 1)
            text = key.text if isinstance(key, Scalar) else "(a key)"
            value = self._node(next(self._events), joined(path, text), depth + 1)
            if self._key_is_fine(key, path, pairs):
                pairs[text] = Pair(place=key.place, value=value)
        return pairs

    def _key_is_fine(self, key: Node, path: str, pairs: dict[str, Pair]) -> bool:
        match key:
            case Scalar(text="<<", read_as="a merge"):
                problem = "a merge. Two tiers must never share a value: write the keys out here."
            case Scalar(read_as=str() as meaning):
                problem = f"a key that YAML reads as {meaning}. Put it in quotes or choose another word."
            case Scalar(text=text) if text in pairs:
                problem = f"the key is there twice, first in line {pairs[text].place.line}. Delete one."
            case Scalar():
                return True
            case Refused():
                return False
            case _:
                problem = "a key must be a single word."
        self._findings.add(key.place, joined(path, key.text if isinstance(key, Scalar) else "(a key)"), problem)
        return False

    def _stop(self, event: yaml.Event, text: str) -> NoReturn:
        self._findings.add(_at(event.start_mark), "", text)
        raise self._findings.error()


def _read_as(event: yaml.ScalarEvent) -> str | None:
    """Return what a YAML 1.1 reader makes of a value without quotes, or `None` when it is a text."""
    if not event.implicit[0]:
        return None
    text = event.value
    resolvers = yaml.SafeLoader.yaml_implicit_resolvers
    tags = (tag for tag, pattern in [*resolvers.get(text[:1], []), *resolvers.get(None, [])] if pattern.match(text))
    match next(tags, "").rpartition(":")[2]:
        case "bool":
            return "true" if text.lower() in ("yes", "on", "true") else "false"
        case "null":
            return "nothing"
        case "int" if re.fullmatch(r"0[0-7]{1,12}", text):
            return f"the number {int(text, 8)}"
        case "int" | "float":
            return "a number"
        case "timestamp":
            return "a date"
        case "merge":
            return "a merge"
        case _:
            return None
