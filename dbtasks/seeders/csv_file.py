"""CSV by RFC 4180: a header, UTF-8, any line end. An empty field is NULL, an empty field in quotes is ''."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from json.encoder import encode_basestring

from dbtasks.seeders.files import Place, Source, shorten

EXTENSIONS = (".csv",)

_FIELD = re.compile(r'"((?:[^"]|"")*)"|([^",\r\n]*)')


def header(source: Source) -> tuple[str, ...]:
    """Return the column names. Reads no further than it must."""
    return _header(source, _physical(source, source.lines()))


def records(source: Source) -> Iterator[dict[str, str]]:
    """Yield one mapping from column to JSON text a record."""
    lines = _physical(source, io.StringIO(source.text(), newline=""))
    names = _header(source, lines)
    for line, text in lines:
        values = _fields(source, line, text)
        if len(values) != len(names):
            hint = " The line is empty: delete it." if not text.strip("\r\n") else ""
            source.fail(wrong_count(len(values), len(names)) + hint, Place(line=line, column=1))
        texts = ("null" if value is None else encode_basestring(value) for value in values)
        yield dict(zip(names, texts, strict=True))


def place(source: Source, number: int, column: str | None) -> Place:
    """Return where record `number` (0 is the header) has the value of `column`, or where it begins."""
    lines = _physical(source, source.lines())
    names: tuple[str, ...] = ()
    for count, (line, text) in enumerate(lines):
        if count == 0:
            names = tuple(value or "" for value in _fields(source, line, text))
        if count == number:
            index = names.index(column) if column in names else 0
            return _within(line, text, _offsets(text)[index])
    return Place(line=1, column=1)


def number_at(source: Source, line: int) -> int:
    """Return the number of the record that holds a physical line."""
    records = enumerate(_physical(source, source.lines()))
    last = 0
    for number, (start, text) in records:
        last = number
        if start + max(len(text.splitlines()), 1) > line:
            break
    return last


def value_count(source: Source, number: int) -> int:
    """Return how many fields record `number` has."""
    for count, (_, text) in enumerate(_physical(source, source.lines())):
        if count == number:
            return len(_offsets(text))
    return 0


def wrong_count(found: int, wanted: int) -> str:
    """Return the sentence about a record with too many or too few fields."""
    return f"the record has {found} field{'s' if found != 1 else ''}, the header {wanted}."


def header_lines(source: Source) -> int:
    """Return how many physical lines the header takes."""
    _, text = next(_physical(source, source.lines()), (1, ""))
    return max(len(text.splitlines()), 1)


def header_bytes(first: bytes) -> int:
    """Return how many bytes of the file's first block the header takes, its line end included.

    >>> header_bytes(b'id,"a\\nb"\\r\\n1,2')
    10
    """
    quotes = 0
    for match in re.finditer(rb'"|\r\n|\n|\r', first):
        if match[0] == b'"':
            quotes += 1
        elif quotes % 2 == 0:
            return match.end()
    return len(first)


def _header(source: Source, lines: Iterator[tuple[int, str]]) -> tuple[str, ...]:
    line, text = next(lines, (1, ""))
    if not text.strip():
        source.fail("expected a header with the names of the columns.", Place(line=1, column=1))
    names = _fields(source, line, text)
    if len(names) == 1 and (other := re.search(r"[;\t]", names[0] or "")):
        found = "semicolons" if other[0] == ";" else "tabs"
        where = _within(line, text, other.start())
        source.fail(f"the columns are separated by {found}. Separate them by commas.", where)
    for index, name in enumerate(names):
        where = _within(line, text, _offsets(text)[index])
        if not name:
            source.fail(f"column {index + 1} of the header has no name.", where)
        if name in names[:index]:
            source.fail(f"column {shorten(name)} is there twice.", where)
    return tuple(name or "" for name in names)


def _physical(source: Source, lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield each record's first line number and its text; a field in quotes may hold line ends."""
    parts: list[str] = []
    start = 1
    odd = False
    for number, line in enumerate(lines, 1):
        if not parts:
            start = number
        parts.append(line)
        odd ^= line.count('"') % 2 == 1
        if not odd:
            yield start, "".join(parts)
            parts = []
    if parts:
        text = "".join(parts)
        opened = _within(start, text, _last_open_quote(text))
        source.fail("the quote that opens here is never closed.", opened)


def _fields(source: Source, line: int, text: str) -> list[str | None]:
    bare = text.rstrip("\r\n")
    if '"' not in bare:
        return [value or None for value in bare.split(",")]
    values: list[str | None] = []
    position = 0
    while match := _FIELD.match(bare, position):
        quoted, plain = match.groups()
        values.append(plain or None if quoted is None else quoted.replace('""', '"'))
        position = match.end() + 1
        if match.end() == len(bare):
            break
        if bare[match.end()] != ",":
            text = "a quote stands inside a field. Put the whole field in quotes and double those inside."
            source.fail(text, _within(line, bare, match.end()))
    return values


def _offsets(text: str) -> list[int]:
    """Return where each field begins, leniently: this only points at places."""
    offsets = [0]
    quoted = False
    for match in re.finditer(r'[",]', text.rstrip("\r\n")):
        if match[0] == '"':
            quoted = not quoted
        elif not quoted:
            offsets.append(match.end())
    return offsets


def _within(line: int, text: str, offset: int) -> Place:
    before = re.split(r"\r\n|\n|\r", text[:offset])
    return Place(line=line + len(before) - 1, column=len(before[-1]) + 1)


def _last_open_quote(text: str) -> int:
    return re.sub(r'"(?:[^"]|"")*"', lambda match: "." * len(match[0]), text).rfind('"')
