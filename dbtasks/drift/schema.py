"""A schema as values, and where two of them differ. Pure: nothing here knows where they were read."""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping

from dbtasks.values import dataclass

# Counts up when a schema is read otherwise than before: fingerprints of before are then no word about it.
READER = 1


class Kind(enum.StrEnum):
    """What a schema is made of, in the order in which differences are shown."""

    SCHEMA = "schema"
    EXTENSION = "extension"
    TYPE = "type"
    SEQUENCE = "sequence"
    TABLE = "table"
    COLUMN = "column"
    CONSTRAINT = "constraint"
    INDEX = "index"
    VIEW = "view"
    FUNCTION = "function"
    TRIGGER = "trigger"
    RULE = "rule"
    POLICY = "policy"
    OBJECT = "object"
    GRANT = "grant"
    DEFAULT_GRANT = "default grant"
    COMMENT = "comment"


_ORDER = {kind: number for number, kind in enumerate(Kind)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One object. `name` is as SQL would write it; `within` names the object that it would go with, if any."""

    kind: Kind
    name: str
    definition: str
    within: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """Everything that was read of one database. `major` is that of its server, which words definitions its own way."""

    major: int
    things: tuple[Thing, ...]

    @property
    def fingerprint(self) -> str:
        """sha256 over all of it, in hexadecimal. The order in which it was read does not count."""
        rows = sorted((thing.kind.value, thing.name, thing.definition) for thing in self.things)
        return hashlib.sha256(json.dumps([READER, rows]).encode()).hexdigest()


class What(enum.StrEnum):
    MISSING = "missing"
    EXTRA = "extra"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One object that is not as it should be. `None`: it is not there on that side."""

    kind: Kind
    name: str
    within: str = ""
    expected: str | None
    found: str | None

    @property
    def what(self) -> What:
        if self.found is None:
            return What.MISSING
        return What.EXTRA if self.expected is None else What.OTHER

    @property
    def digest(self) -> str:
        """What an acceptance holds to: it is another one as soon as either side changes."""
        text = json.dumps([self.kind.value, self.name, self.expected, self.found])
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def clause(self) -> str:
        """The difference in a few words, on one line.

        >>> Difference(kind=Kind.INDEX, name="public.by_name", expected=None, found="...").clause
        'index public.by_name is extra'
        """
        ends = {What.MISSING: "is missing", What.EXTRA: "is extra", What.OTHER: "is another one"}
        return f"{self.kind} {one_line(self.name)} {ends[self.what]}"

    def as_data(self) -> dict[str, object]:
        return {
            "kind": self.kind.value,
            "name": self.name,
            "what": self.what.value,
            "expected": self.expected,
            "found": self.found,
            "digest": self.digest,
        }


def differences(expected: Schema, found: Schema) -> tuple[Difference, ...]:
    """Return where they differ, kind by kind and by name.

    What is missing or extra as a whole is one difference, with what goes with it in its definition.
    """
    should, there = _by_name(expected.things), _by_name(found.things)
    alone = {name for (_, name) in should.keys() ^ there.keys()}  # on one side only
    shared = {name for (_, name) in should.keys() & there.keys()}
    alone -= shared
    parts = {side: _parts(things, alone) for side, things in (("should", should), ("there", there))}
    found_ = []
    for kind, name in sorted(should.keys() | there.keys(), key=lambda key: (_ORDER[key[0]], key[1])):
        one, other = should.get((kind, name)), there.get((kind, name))
        if any(thing is not None and thing.within in alone for thing in (one, other)):
            continue  # it is told with the whole
        texts = [
            None if thing is None else _with_parts(thing, parts[side].get(name, ()))
            for side, thing in (("should", one), ("there", other))
        ]
        if texts[0] != texts[1]:
            within = (one or other or Thing(kind=kind, name=name, definition="")).within
            found_.append(Difference(kind=kind, name=name, within=within, expected=texts[0], found=texts[1]))
    return tuple(found_)


def _by_name(things: Iterable[Thing]) -> Mapping[tuple[Kind, str], Thing]:
    return {(thing.kind, thing.name): thing for thing in things}


def _parts(things: Mapping[tuple[Kind, str], Thing], wholes: set[str]) -> dict[str, list[Thing]]:
    """Return the parts of each whole that is on one side only."""
    found: dict[str, list[Thing]] = {}
    for thing in things.values():
        if thing.within and thing.within in wholes:
            found.setdefault(thing.within, []).append(thing)
    return found


def _with_parts(thing: Thing, parts: Iterable[Thing]) -> str:
    return "\n".join((thing.definition, *_lines(sorted(parts, key=lambda each: (_ORDER[each.kind], each.name)))))


def _lines(parts: Iterable[Thing]) -> Iterator[str]:
    for part in parts:
        yield f"  {part.kind} {one_line(part.name)}: {part.definition}"


def one_line(text: str) -> str:
    """Return a name so that it stays on its line and moves nothing on a terminal.

    >>> one_line('public."a\\nb"')
    'public."a\\\\nb"'
    """
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
