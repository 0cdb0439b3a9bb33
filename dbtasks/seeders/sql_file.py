"""SQL: run as it is, inside the transaction of the seeds. What would leave that transaction is refused beforehand."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dbtasks.errors import Mistake, SeedError
from dbtasks.seeders.files import Place, Source
from dbtasks.values import dataclass

EXTENSIONS = (".sql",)

# The lexical rules of the manual, chapter 4.1; the body of `begin atomic` as psql counts it.
_TOKEN = re.compile(
    r"""
      (?P<blank>\s+ | --[^\r\n]*)
    | (?P<comment>/\*)
    | (?P<escaped>[eE]'(?:[^'\\]|\\.|'')*')
    | (?P<text>(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*')
    | (?P<dollar>\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$)
    | (?P<name>(?:[uU]&)?"(?:[^"]|"")*")
    | (?P<word>[^\W\d][\w$]*)
    | (?P<parameter>\$\d+)
    | (?P<meta>\\)
    | (?P<end>;)
    | (?P<open>['"] | \$[^\W\d]?\w*\$)
    | (?P<other>\d[\w.]* | .)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_PART = re.compile(r"/\*|\*/")
_LEAVES = frozenset(("begin", "commit", "rollback", "end", "abort", "start", "savepoint", "release"))
_ROUTINES = frozenset(("function", "procedure"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A file's text and where its statements begin and end there."""

    source: Source
    text: str
    spans: tuple[tuple[int, int], ...]

    def place(self, offset: int) -> Place:
        return _place(self.text, offset)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    kind: str
    text: str
    offset: int


def script(source: Source) -> Script:
    """Return the file's statements; `SeedError` with every one that would leave the transaction."""
    text = source.text()
    mistakes: list[Mistake] = []
    spans: list[tuple[int, int]] = []
    statement: list[_Token] = []
    depth = parentheses = 0
    for token in _tokens(text):
        if token.kind == "open":
            mistakes.append(source.mistake("what opens here is never closed.", _place(text, token.offset)))
        elif token.kind == "meta":
            problem = "a command of psql. Only SQL can be run here."
            mistakes.append(source.mistake(problem, _place(text, token.offset)))
        elif token.kind == "end" and depth == 0 and parentheses <= 0:
            spans += _span(statement, token.offset)
            mistakes += _refusals(source, text, statement)
            statement, parentheses = [], 0
        else:
            statement.append(token)
            depth = _depth(statement, depth)
            parentheses += (token.text == "(") - (token.text == ")")
    spans += _span(statement, len(text))
    mistakes += _refusals(source, text, statement)
    if mistakes:
        raise SeedError(mistakes)
    return Script(source=source, text=text, spans=tuple(spans))


def _tokens(text: str) -> Iterator[_Token]:
    """Yield what is neither blank nor comment."""
    position = 0
    while match := _TOKEN.match(text, position):
        kind = match.lastgroup if match.lastgroup != "tag" else "dollar"
        position = match.end()
        if kind == "comment":
            end = _comment_end(text, position)
            if end is None:
                yield _Token(kind="open", text=match[0], offset=match.start())
                return
            position = end
        elif kind != "blank":
            yield _Token(kind=kind or "other", text=match[0], offset=match.start())


def _comment_end(text: str, position: int) -> int | None:
    depth = 1
    for match in _COMMENT_PART.finditer(text, position):
        depth += 1 if match[0] == "/*" else -1
        if depth == 0:
            return match.end()
    return None


def _span(statement: list[_Token], end: int) -> list[tuple[int, int]]:
    return [(statement[0].offset, end)] if statement else []


def _words(statement: list[_Token]) -> list[str]:
    return [token.text.lower() for token in statement if token.kind == "word"]


def _depth(statement: list[_Token], depth: int) -> int:
    """Return how deep inside `begin atomic` the statement's last token stands."""
    token = statement[-1]
    if token.kind != "word" or statement[0].text.lower() != "create":
        return depth
    if not _ROUTINES & set(_words(statement[:4])):
        return depth
    match token.text.lower():
        case "begin":
            return depth + 1
        case "case" if depth:
            return depth + 1
        case "end" if depth:
            return depth - 1
        case _:
            return depth


def _refusals(source: Source, text: str, statement: list[_Token]) -> list[Mistake]:
    words = _words(statement)
    if not words or statement[0].kind != "word":
        return []
    if words[0] in _LEAVES or words[:2] == ["prepare", "transaction"]:
        problem = f"{words[0].upper()} would end or split the transaction that loads all seeds or none. Delete it."
    elif words[0] == "copy" and "stdin" in words:
        problem = "COPY FROM stdin needs psql. Put the rows into a CSV file named after the table."
    elif words[0] == "copy" and "stdout" in words:
        problem = "COPY TO stdout has nobody who reads it here. Delete it."
    else:
        return []
    return [source.mistake(problem, _place(text, statement[0].offset))]


def _place(text: str, offset: int) -> Place:
    return Place(line=text.count("\n", 0, offset) + 1, column=offset - text.rfind("\n", 0, offset))
