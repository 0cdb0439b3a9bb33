"""JSON: a list of objects, or one object a line. Values stay the text they are, so no number loses a digit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from json.decoder import scanstring  # type: ignore[attr-defined]  # public in effect: the pure decoder's own import
from typing import NoReturn

from dbtasks.seeders.files import Place, Source, shorten

EXTENSIONS = (".json", ".jsonl")

_BLANK = re.compile(r"[ \t\r\n]*")


class _FormError(ValueError):
    """A mistake of form at an offset of the text."""

    def __init__(self, text: str, offset: int) -> None:
        super().__init__(text)
        self.offset = offset


def records(source: Source) -> Iterator[dict[str, str]]:
    """Yield one mapping from column to JSON text an object."""
    for text, members, _ in _rows(source):
        yield {name: text[start:end] for name, (start, end) in members.items()}


def place(source: Source, number: int, column: str | None) -> Place:
    """Return where object `number` has the value of `column`, or where it begins."""
    for count, (text, members, (line, start)) in enumerate(_rows(source), 1):
        if count == number:
            offset = members[column][0] if column is not None and column in members else start
            return _at(text, offset, line)
    return Place(line=1, column=1)


_Members = dict[str, tuple[int, int]]


def _rows(source: Source) -> Iterator[tuple[str, _Members, tuple[int, int]]]:
    """Yield the text a row stands in, its members' spans there, the text's first line and the row's offset."""
    if source.path.suffix.lower() == ".jsonl":
        for line, text in enumerate(source.text().split("\n"), 1):
            start = _skip(text, 0)
            if start < len(text):
                yield text, _members_of_line(source, text, start, line), (line, start)
        return
    text = source.text()
    try:
        yield from ((text, members, (1, start)) for start, members in _array(text))
    except _FormError as error:
        _fail(source, text, error, 1)


def _members_of_line(source: Source, text: str, start: int, line: int) -> _Members:
    try:
        members, end = _members(text, start)
        if _skip(text, end) != len(text):
            raise _FormError("expected one object a line.", _skip(text, end))
    except _FormError as error:
        _fail(source, text, error, line)
    return members


def _array(text: str) -> Iterator[tuple[int, _Members]]:
    index = _skip(text, 0)
    if text[index : index + 1] != "[":
        raise _FormError("expected a list of objects, as in [{...}, {...}].", index)
    index = _skip(text, index + 1)
    while text[index : index + 1] != "]":
        start = index
        members, index = _members(text, start)
        yield start, members
        index = _skip(text, index)
        if text[index : index + 1] == ",":
            index = _skip(text, index + 1)
        elif text[index : index + 1] != "]":
            raise _FormError("expected a comma or the end of the list.", index)
    if (rest := _skip(text, index + 1)) != len(text):
        raise _FormError("expected nothing after the list.", rest)


def _members(text: str, index: int) -> tuple[_Members, int]:
    """Return the spans of an object's values by key, and where the object ends."""
    if text[index : index + 1] != "{":
        raise _FormError("expected an object, as in {...}.", index)
    members: _Members = {}
    index = _skip(text, index + 1)
    while text[index : index + 1] != "}":
        if text[index : index + 1] != '"':
            raise _FormError("expected a key in double quotes.", index)
        name, after = _string(text, index)
        if name in members:
            raise _FormError(f"key {shorten(name)} is there twice.", index)
        after = _skip(text, after)
        if text[after : after + 1] != ":":
            raise _FormError("expected a colon after the key.", after)
        start = _skip(text, after + 1)
        end = _value(text, start)
        members[name] = (start, end)
        index = _skip(text, end)
        if text[index : index + 1] == ",":
            index = _skip(text, index + 1)
        elif text[index : index + 1] != "}":
            raise _FormError("expected a comma or the end of the object.", index)
    return members, index + 1


def _string(text: str, index: int) -> tuple[str, int]:
    try:
        name, end = scanstring(text, index + 1)
    except json.JSONDecodeError as error:
        raise _FormError(_sentence(error.msg), error.pos) from None
    return str(name), int(end)


def _value(text: str, start: int) -> int:
    try:
        return _DECODER.raw_decode(text, start)[1]
    except json.JSONDecodeError as error:
        raise _FormError(_sentence(error.msg), error.pos) from None
    except RecursionError:
        raise _FormError("the value is nested too deep.", start) from None
    except ValueError as error:
        raise _FormError(str(error), start) from None


def _unique(pairs: list[tuple[str, object]]) -> None:
    names = [name for name, _ in pairs]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise ValueError(f"key {shorten(name)} is there twice in this value.")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON. Write it in quotes.")


# Numbers are only looked at for their form: their text is what is sent.
_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=str, parse_float=str)


def _sentence(message: str) -> str:
    return f"this is not JSON: {message[:1].lower()}{message[1:]}."


def _skip(text: str, index: int) -> int:
    match = _BLANK.match(text, index)
    return match.end() if match else index


def _at(text: str, offset: int, line: int) -> Place:
    return Place(line=line + text.count("\n", 0, offset), column=offset - text.rfind("\n", 0, offset))


def _fail(source: Source, text: str, error: _FormError, line: int) -> NoReturn:
    source.fail(str(error), _at(text, error.offset, line))
