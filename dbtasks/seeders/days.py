"""Words that mean another value on another day. A file with one of them is never taken for unchanged."""

from __future__ import annotations

import re
from dataclasses import dataclass

_WORDS = (b"now", b"today", b"tomorrow", b"yesterday")
# Where a value begins, also within an array, a range or JSON.
_VALUE = re.compile(rb'(?:^|[,"\[({\r\n:])[ \t"]*(?:' + b"|".join(_WORDS) + rb")(?![a-z0-9_])")
_LONGEST = 32


@dataclass(slots=True, kw_only=True)
class Days:
    """Looks for such words in bytes that come in blocks."""

    found: bool = False
    _tail: bytes = b""

    def feed(self, block: bytes) -> None:
        """Look at the next block.

        >>> days = Days(); days.feed(b"id,at\\n1,tomo"); days.feed(b"rrow\\n"); days.found
        True
        >>> days = Days(); days.feed(b"id,at\\n1,I know\\n2,nowhere\\n"); days.found
        False
        """
        if self.found:
            return
        data = (self._tail + block).lower()
        self.found = any(word in data for word in _WORDS) and _VALUE.search(data) is not None
        self._tail = data[-_LONGEST:]
