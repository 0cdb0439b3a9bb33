"""How a user's own words are quoted back: short, and never when they may hold a secret."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

HIDDEN = "something that is not shown here, since it may be a secret"
LONGEST_QUOTE = 40


def quoted(text: str) -> str:
    """Return `text` in quotes, cut to a readable length, or a sentence in its place when it may be a secret.

    >>> quoted("five"), quoted("a\\tb"), quoted("postgresql://anna:pw@db/shop")
    ("'five'", "'a\\\\tb'", 'something that is not shown here, since it may be a secret')
    """
    if "@" in text or "://" in text:
        return HIDDEN
    return ascii(text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 3] + "...")


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a question that names the known word closest to `word`, with a blank before it, or nothing.

    >>> nearest("databse_url", ["database_url", "label"]), nearest("xyz", ["label"])
    (' Did you mean database_url?', '')
    """
    close = difflib.get_close_matches(word[:LONGEST_QUOTE].lower(), [*known], n=1)
    return f" Did you mean {close[0]}?" if close else ""


def one_line(words: Iterable[object]) -> str:
    """Return the words of a command as one line, whatever line ends are in them.

    >>> one_line(["python", "-c", "a = 1\\nb = 2"])
    'python -c a = 1 b = 2'
    """
    return " ".join(" ".join(map(str, words)).split())


def shortened(text: str, most: int) -> str:
    """Return a text of at most so many characters, and say where it was cut.

    >>> shortened("Add bookings.source", 12), shortened("Add", 12)
    ('Add booking…', 'Add')
    """
    return text if len(text) <= most else text[: most - 1] + "…"
