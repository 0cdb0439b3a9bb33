"""Positions in the write-ahead log, and the files ("segments") that hold them, named as the server names them."""

from __future__ import annotations

import re

_OF_A_LOG = 0x1_0000_0000


def position(text: str) -> int:
    """Return the position that a server wrote; ValueError for anything else.

    >>> position("1/50")
    4294967376
    """
    found = re.fullmatch(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})", text)
    if found is None:
        raise ValueError(f"no position in the write-ahead log: {text!r}")
    return (int(found[1], 16) << 32) + int(found[2], 16)


def shown(lsn: int) -> str:
    """Return a position as servers write it.

    >>> shown(4294967376)
    '1/50'
    """
    return f"{lsn >> 32:X}/{lsn & 0xFFFF_FFFF:X}"


def segment(timeline: int, end: int, size: int) -> str:
    """Return the file that holds the byte before a position, as `pg_walfile_name` does: where what ends there lies.

    >>> segment(1, position("0/2000000"), 16 << 20), segment(1, position("0/2000001"), 16 << 20)
    ('000000010000000000000001', '000000010000000000000002')
    """
    return _name(timeline, (end - 1) // size, size)


def segments(timeline: int, begin: int, end: int, size: int) -> tuple[str, ...]:
    """Return the files from the one that holds the byte at `begin` to the one that holds the byte before `end`.

    >>> segments(1, 100, 300, 100)
    ('000000010000000000000001', '000000010000000000000002')
    """
    return tuple(_name(timeline, number, size) for number in range(begin // size, (end - 1) // size + 1))


def is_segment(name: str) -> bool:
    """Return whether a file's name is that of a segment.

    >>> is_segment("000000010000000000000002"), is_segment("00000002.history")
    (True, False)
    """
    return len(name) == 24 and not name.strip("0123456789ABCDEF")


def _name(timeline: int, number: int, size: int) -> str:
    of_a_log = _OF_A_LOG // size
    return f"{timeline:08X}{number // of_a_log:08X}{number % of_a_log:08X}"
