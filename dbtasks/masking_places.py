"""Where secrets stand in a text, by position alone: the userinfo of URLs and the values of passwords.

Everything here takes one pass: texts come from strangers and may be long. Where a text can be read in two ways, the
reading that hides more wins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from dbtasks.values import dataclass

Span = tuple[int, int]


def places(text: str) -> Iterator[Span]:
    """Yield the start and end of everything that stands where a secret stands.

    >>> [text[start:end] for text in ["redis://:x@y@h/0", '{"password": "a b"}'] for start, end in places(text)]
    ['x@y', 'a b']
    """
    yield from _in_urls(text)
    yield from _after_keys(text)


_SCHEME = re.compile(r"(?<![\w+.\-])([\w+.\-]*+):(?:\\?/){2}")
_USER = re.compile(r"[^:/?#\s]*+:")
_PORT = re.compile(r"[0-9]{0,5}(?![^/?#\s\"'`,;)\]}>\\])")
_QUERY = re.compile(r"\?[\w.%\-]++=")
_LINE_OR_URL = re.compile(r"\n|:\\?/\\?/")
_AFTER = (
    r"[\s,;:.)\]}>\\\"'`&]|\Z"  # what may follow a closing quote; anything else and the quote is part of the secret
)
_URL_END = {
    "": re.compile(r"\s|[\"'`](?=[,:}\])>\\]|\Z)"),
    **{mark: re.compile(rf"{mark}(?={_AFTER})|\n") for mark in "\"'`"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stretch:
    """How far one URL reaches: to `end` before its query, to `close` with it.

    `at` is its last @ before `end`, `later_at` the last one behind `end` on the line.
    """

    end: int
    close: int
    at: int
    later_at: int
    blank: bool


def _in_urls(text: str) -> Iterator[Span]:
    stretch: _Stretch | None = None
    for scheme in _SCHEME.finditer(text):
        start = scheme.end()
        # URLs inside a URL share what was found for it, or this would be quadratic.
        if stretch is None or start > stretch.close:
            stretch = _stretch(text, start, _close(text, start, text[max(scheme.start() - 1, 0) : scheme.start()]))
        elif start > stretch.end:
            stretch = _stretch(text, start, stretch.close)
        user = _USER.match(text, start)
        if user is None or user.end() > stretch.end:
            continue
        secret, ours = user.end(), "postgres" in scheme[1]
        if _PORT.match(text, secret):
            # A password may look like a port as far as its first slash; elsewhere paths hold @ for good reasons.
            last_at, blank = max(stretch.at, stretch.later_at), text[secret : secret + 1].isspace()
            if ours and last_at >= secret and (blank or (stretch.at >= secret and not stretch.blank)):
                yield secret, last_at if blank else stretch.at
        elif stretch.at >= secret:
            yield secret, stretch.at
        elif ours:  # a blank or a quote cut the password in two
            yield secret, max(stretch.later_at, stretch.end)


def _close(text: str, start: int, before: str) -> int:
    found = _URL_END.get(before, _URL_END[""]).search(text, start)
    return found.start() if found else len(text)


def _stretch(text: str, start: int, close: int) -> _Stretch:
    query = _QUERY.search(text, start, close)
    end = query.start() if query else close
    following = _LINE_OR_URL.search(text, end)
    return _Stretch(
        end=end,
        close=close,
        at=text.rfind("@", start, end),
        later_at=text.rfind("@", end, following.start() if following else len(text)),
        blank=bool(re.search(r"\s", text[start:end])),
    )


_KEY = re.compile(
    r"(?:(?i:pass(?:word|wd|phrase)|client_secret|scram_(?:client|server)_key)|[Pp]wd)"
    r"(?P<quoted>\\{0,8}[\"'`]\]?)?"
    r"(?:[ \t]{0,20}(?:(?P<colon>:=?(?!//))|={1,3}>?|(?(quoted),|(?!)))[ \t]{0,20}|[ \t]{1,20}(?=[eE]?\\{0,8}'))"
)
_IN_QUERY = re.compile(r"[?&](?:amp;)?[\w.%\-]*\Z")
_OPENING = re.compile(r"[bBeEfFrRuU]{0,2}(\\{0,8})([\"'`])")
_NOTHING = re.compile(r"(?:None|null)[,;)\]}]*")
_INNER_QUOTE = rf"[\"'`](?!{_AFTER})"
# Atomic groups: possessive repeats of a group match too much before Python 3.11.5.
_QUERY_VALUE = re.compile(rf"(?>(?:[^&\s\"'`]++|{_INNER_QUOTE})*)")
_PAIR_VALUE = re.compile(rf"(?>(?:[^\s\"'`\\]++|\\.?|{_INNER_QUOTE})*)")
_LITERAL = re.compile(r"(?:-?[\w.+\-]++|\*{3})(?=[ \t]*+(?:[,}\])]|$))", re.MULTILINE)
_LINE_VALUE = re.compile(r"[^\n]*?(?=[ \t]#|[ \t]*,[ \t]*[\"'\\]*+\w++[\"'\\]*+[ \t]?[:=]|$)", re.MULTILINE)
# However many backslashes: a text that was quoted twice has \\" inside, so a quote behind a backslash never closes.
_QUOTED = {mark: re.compile(rf"(?>(?:[^{mark}\\\n]++|\\++.?|{mark}{mark}|{mark}(?!{_AFTER}))*)") for mark in "\"'`"}


def _after_keys(text: str) -> Iterator[Span]:
    key = _KEY.search(text)
    while key:
        start, end = _value(text, key)
        if end > start and not _NOTHING.fullmatch(text, start, end):
            yield start, end
        key = _KEY.search(text, max(key.end(), end))


def _value(text: str, key: re.Match[str]) -> Span:
    start = key.end()
    if _IN_QUERY.search(text, max(key.start() - 40, 0), key.start()):
        return _span(_QUERY_VALUE, text, start)
    if opening := _OPENING.match(text, start):
        return _quoted(text, opening)
    if key["quoted"] and (literal := _LITERAL.match(text, start)):
        return literal.span()
    return _span(_LINE_VALUE if key["colon"] else _PAIR_VALUE, text, start)


def _quoted(text: str, opening: re.Match[str]) -> Span:
    backslashes, mark = opening[1], opening[2]
    if not backslashes:
        return _span(_QUOTED[mark], text, opening.end())
    # JSON inside a string: what opened with \" closes with \", and \\\" is inside.
    closing = re.compile(rf"(?<!\\)\\{{1,{len(backslashes)}}}{mark}|$", re.MULTILINE).search(text, opening.end())
    return opening.end(), closing.start() if closing else len(text)


def _span(pattern: re.Pattern[str], text: str, start: int) -> Span:
    found = pattern.match(text, start)
    return found.span() if found else (start, start)
