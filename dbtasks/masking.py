"""Text that is safe to print: secrets are hidden in any form, everything else stays as it was.

Two nets. Secrets that are known (every `Secret` makes itself known) are found in any text, as they are, encoded or
escaped. Secrets that are not known are found by their place: behind the user of a URL, or as the value of a password.
Neither net is enough alone: libpq quotes pieces of what it cannot parse, and a stranger's URL is not known.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from dbtasks.masking_places import Span, places

HIDDEN = "***"

# Shorter ones are replaced only where they stand alone: a password `a` must not shred every sentence.
_SHORT = 4

# Words that say nothing about a password even if somebody chose one of them.
ORDINARY = ("postgresql", "postgres", "password", "sslpassword", "PGPASSWORD")

_ALONE = frozenset(" \t\r\n\"'`=:@,;&()[]{}<>")
_QUOTES = frozenset("\"'`")
_SEPARATORS = re.compile(r"[\s@:/?#&=%'\"\\,;]+")


class Masker:
    """What hides secrets; one serves the whole process, see `mask`.

    >>> masker = Masker()
    >>> masker.remember("s3cret/word")
    >>> masker.mask("tried s3cret%2Fword on db-7")
    'tried *** on db-7'
    """

    __slots__ = ("_known", "_pieces", "_readable")

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, ...]] = {}
        self._pieces: dict[str, re.Pattern[str]] = {}
        self._readable: dict[str, None] = dict.fromkeys(ORDINARY)

    def remember(self, secret: str) -> None:
        """Hide this secret from now on. Nothing but asterisks is no secret that could be told from a hidden one."""
        if secret.strip("*") and secret not in self._known:
            self._known[secret] = tuple(sorted(forms(secret)))
            pieces = [piece for piece in _SEPARATORS.split(secret) if piece != secret and len(piece) >= _SHORT]
            self._pieces.update((piece, re.compile(rf"(?<!\w){re.escape(piece)}(?!\w)")) for piece in pieces)

    def keep_readable(self, name: str) -> None:
        """Never hide this name (a host, a database, a user), even if a password is equal to it or part of it.

        Such a password is still hidden in its place in a URL or behind `password=`.
        """
        self._readable[name] = None

    def learn(self, text: str) -> None:
        """Remember what stands in a secret's place in a text that could not be parsed."""
        for start, end in places(text):
            self.remember(text[start:end])

    def mask(self, text: str) -> str:
        """Return the text with every secret replaced; the same text if there is none."""
        for _ in range(_ROUNDS):
            masked = _replace(text, [*places(text), *self._known_spans(text), *self._piece_spans(text)])
            if masked == text:
                break
            text = masked
        return text

    def _known_spans(self, text: str) -> Iterator[Span]:
        known = tuple(self._known.items())
        found = [
            (secret, start, start + len(form))
            for secret, forms in known
            for form in forms
            for start in _occurrences(form, text)
        ]
        if "%" in text:  # nobody agrees which characters must be encoded
            decoded, origins = _percent_decoded(text)
            found += [
                (secret, origins[start], origins[start + len(secret)])
                for secret, _ in known
                for start in _occurrences(secret, decoded)
            ]
        for secret, start, end in found:
            if (len(secret) >= _SHORT or _stands_alone(text, start, end)) and not self._is_name(text, start, end):
                yield start, end

    def _piece_spans(self, text: str) -> Iterator[Span]:
        # Parsers quote the piece at which they gave up: missing "=" after "word".
        for pattern in tuple(self._pieces.values()):
            for found in pattern.finditer(text):
                if _is_quoted(text, *found.span()) and not self._is_name(text, *found.span()):
                    yield found.span()

    def _is_name(self, text: str, start: int, end: int) -> bool:
        found = text[start:end]
        return any(
            text.startswith(name, start - offset)
            for name in tuple(self._readable)
            if found in name
            for offset in _occurrences(found, name)
            if offset <= start
        )


# What hiding one secret joins can look like another one. Once is the rule; the bound is for hostile text.
_ROUNDS = 6


def forms(secret: str) -> set[str]:
    """Return how a secret may be written: as it is, encoded, escaped."""
    plain = {secret, unquote(secret), unquote_plus(secret)}
    coded = {way(text) for text in plain for way in _CODINGS}
    coded |= {_lower_hex(text) for text in coded}
    return {way(text) for text in plain | coded for way in _ESCAPES} - {""}


def _lower_hex(text: str) -> str:
    return re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), text)


def _backslashed(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


# What urllib, SQLAlchemy and JavaScript make of a password in a URL. Half a surrogate pair, as a variable that is no
# UTF-8 holds it, cannot be encoded.
_CODINGS: tuple[Callable[[str], str], ...] = (
    lambda text: quote(text, safe="", errors="replace"),
    lambda text: quote(text, errors="replace"),
    lambda text: quote(text, safe=" +", errors="replace"),
    lambda text: quote(text, safe="!*'()", errors="replace"),
    lambda text: quote_plus(text, errors="replace"),
    lambda text: quote(quote(text, safe="", errors="replace"), safe=""),
)

# As html.escape writes it. That module brings two thousand names of characters along.
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})

# How the places that a text passes through write it: Python, JSON, libpq, SQL, shells, INI files, HTML.
_ESCAPES: tuple[Callable[[str], str], ...] = (
    lambda text: text,
    lambda text: repr(text)[1:-1],
    lambda text: repr(text + "'")[1:-2],
    lambda text: repr(repr(text)[1:-1])[1:-1],
    lambda text: ascii(text)[1:-1],
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    lambda text: json.dumps(json.dumps(text))[3:-3],
    _backslashed,
    lambda text: text.replace("'", "''"),
    lambda text: shlex.quote(text).removeprefix("'").removesuffix("'"),
    lambda text: text.replace("%", "%%"),
    lambda text: text.translate(_HTML),
)


_ENCODED = re.compile(r"(?:%[0-9A-Fa-f]{2})+")


def _percent_decoded(text: str) -> tuple[str, list[int]]:
    """Return the decoded text and, for each of its characters and its end, where that began in the text.

    >>> _percent_decoded("a%C3%A9b")
    ('aéb', [0, 1, 7, 8])
    """
    parts: list[str] = []
    origins: list[int] = []
    done = 0
    for run in _ENCODED.finditer(text):
        characters = bytes.fromhex(run[0].replace("%", "")).decode("utf-8", "surrogateescape")
        parts += [text[done : run.start()], characters]
        origins += range(done, run.start())
        done = run.start()
        for character in characters:
            origins.append(done)
            done += 3 * len(character.encode("utf-8", "surrogateescape"))
    return "".join([*parts, text[done:]]), [*origins, *range(done, len(text) + 1)]


def _occurrences(wanted: str, text: str) -> Iterator[int]:
    start = text.find(wanted)
    while start >= 0:
        yield start
        start = text.find(wanted, start + 1)


def _stands_alone(text: str, start: int, end: int) -> bool:
    neighbours = text[max(start - 1, 0) : start] + text[end : end + 1]
    return _ALONE.issuperset(neighbours) and not set(neighbours) & set(text[start:end])


def _is_quoted(text: str, start: int, end: int) -> bool:
    before = text[max(start - 200, 0) : start].split()
    after = text[end : end + 200].split()
    left = before[-1] if before and not text[start - 1].isspace() else ""
    right = after[0] if after and not text[end].isspace() else ""
    return bool(_QUOTES & set(left + right))


def _replace(text: str, spans: list[Span]) -> str:
    parts, done = [], 0
    reach = -1
    for start, end in sorted(spans):
        if start > reach:
            parts += [text[done:start], HIDDEN]
        reach = done = max(reach, end)
    return "".join([*parts, text[done:]])


_process = Masker()


def mask(text: str) -> str:
    """Return text that is safe to print: every secret hidden, hosts, databases and users readable.

    Known secrets shorter than four characters are hidden only where they stand alone.

    >>> mask("postgresql://anna:pa/s@s@db-7:5432/app?sslpassword=x&sslmode=require")
    'postgresql://anna:***@db-7:5432/app?sslpassword=***&sslmode=require'
    >>> mask("host=db-7 password='it\\\\'s' dbname=app")
    "host=db-7 password='***' dbname=app"
    """
    return _process.mask(text)


def mask_exception(error: BaseException) -> str:
    """Return the whole traceback, with causes, contexts and notes, safe to print."""
    import traceback  # only a failure needs it

    return mask("".join(traceback.format_exception(error)))


def remember(secret: str) -> None:
    """Hide a secret that was found elsewhere in everything that `mask` sees from now on."""
    _process.remember(secret)


def keep_readable(name: str) -> None:
    """Keep a host, database, user or variable readable, whatever a password may be."""
    _process.keep_readable(name)


def learn(text: str) -> None:
    """Remember what looks like secrets in a connection string that could not be parsed."""
    _process.learn(text)
