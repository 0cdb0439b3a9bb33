"""SQL files as psql reads them: its own commands and the rows of COPY are blanked, so that lines keep their numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator

# Whatever psql would not look into, in the order in which it is told apart; then what matters here.
_PIECE = re.compile(
    r"""
      (?P<comment>--[^\n]*)
    | (?P<block>/\*)
    | [eE]'(?:[^'\\]|\\.|'')*'
    | '(?:[^']|'')*'
    | "(?:[^"]|"")*"
    | \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$
    | (?P<word>[^\W\d][\w$]*)
    | (?P<meta>\\[^\n]*)
    | (?P<end>;)
    """,
    re.VERBOSE | re.DOTALL,
)
_BLOCK = re.compile(r"/\*|\*/")
_DATA_END = re.compile(r"^\\\.\r?$", re.MULTILINE)


def plain_sql(text: str) -> str:
    """Return the text with psql's commands and COPY's rows as blanks; every statement stays where it was.

    >>> plain_sql("\\\\restrict x\\nCOPY t FROM stdin;\\n1\\t'\\n\\\\.\\nSELECT 1;")
    '           \\n                  \\n   \\n  \\nSELECT 1;'
    """
    if "\\" not in text and "stdin" not in text.lower():
        return text
    parts, done = [], 0
    for start, end in _blanks(text):
        parts += [text[done:start], re.sub(r"[^\n]", " ", text[start:end])]
        done = end
    return "".join([*parts, text[done:]])


def _blanks(text: str) -> Iterator[tuple[int, int]]:
    position = 0
    begun, words = None, []  # of the statement so far: where it begins, and its words
    while match := _PIECE.search(text, position):
        position = match.end()
        match match.lastgroup:
            case "comment":
                continue
            case "block":
                position = _after_block(text, position)
                continue
            case "meta":
                yield match.span()
                continue
            case "word":
                begun = match.start() if begun is None else begun
                words.append(match["word"].lower())
            case "end":
                if words[:1] == ["copy"] and "stdin" in words and begun is not None:
                    end = _DATA_END.search(text, position)
                    position = end.end() if end else len(text)
                    yield begun, position
                begun, words = None, []


def _after_block(text: str, position: int) -> int:
    depth = 1
    for match in _BLOCK.finditer(text, position):
        depth += 1 if match[0] == "/*" else -1
        if depth == 0:
            return match.end()
    return len(text)
