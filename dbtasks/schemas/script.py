"""What pg_restore writes as plain text, read strictly: anything that is not known is an error, never skipped.

Definitions come as one text for the server's own parser; the few lines around them are told apart by their place.
Data come as a stream of blocks, so that memory stays flat.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from dbtasks.errors import DbtasksError
from dbtasks.values import dataclass

_BLOCK_BYTES = 1 << 20

# What precedes the first definition. We make these settings ourselves, for one transaction: an older server does not
# know all of them, and a driver does not know backslash commands.
_HEADER = re.compile(
    rb"(--.*|\s*|\\restrict \w+|SELECT pg_catalog\.set_config\('search_path', '', false\);"
    rb"|SET (statement_timeout|lock_timeout|idle_in_transaction_session_timeout|transaction_timeout|client_encoding"
    rb"|standard_conforming_strings|check_function_bodies|xmloption|client_min_messages|row_security) = [\w']+;)$"
)
_LAST = b"-- PostgreSQL database dump complete"
_FOOTER = re.compile(rb"(--|\s*|\\unrestrict \w+)\n?")
_COPY = re.compile(rb"(COPY .+ FROM stdin);\n")
_SETVAL = re.compile(rb"SELECT pg_catalog\.setval\('.+', -?\d+, (true|false)\);\n")


class UnreadableDumpError(DbtasksError):
    """The dump holds what cannot be loaded through a driver."""

    def __init__(self, found: bytes) -> None:
        shown = found.decode(errors="replace").strip()[:100]
        super().__init__(f"pg_restore wrote what is not known here: {shown!r}. Nothing was changed.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One table's rows: the COPY statement, and its data in blocks, to be read before going on."""

    statement: bytes
    blocks: Iterator[bytes]


def definitions(text: bytes) -> bytes:
    """Return the statements of a script that holds no data; empty where it has none.

    >>> definitions(b"--\\n\\\\restrict x1\\nSET transaction_timeout = 0;\\n\\nCREATE TABLE s.t ();\\n"
    ...             b"--\\n-- PostgreSQL database dump complete\\n--\\n\\n\\\\unrestrict x1\\n\\n")
    b'CREATE TABLE s.t ();\\n--\\n'
    """
    lines = text.splitlines(keepends=True)
    start = next((number for number, line in enumerate(lines) if not _HEADER.match(line.rstrip(b"\n"))), len(lines))
    end = len(lines)
    while end > start and _FOOTER.fullmatch(lines[end - 1]):
        end -= 1
    if end == start:
        return b""
    if lines[end - 1].rstrip(b"\n") != _LAST:
        raise UnreadableDumpError(lines[end - 1])
    return b"".join(lines[start : end - 1])


def data(stream: BinaryIO) -> Iterator[Copy | bytes]:
    """Yield each table's rows, and each statement that sets a sequence."""
    ended = False
    for line in iter(stream.readline, b""):
        if found := _COPY.fullmatch(line):
            yield Copy(statement=found[1], blocks=_rows(stream))
        elif _SETVAL.fullmatch(line):
            yield line
        elif not _HEADER.match(line.rstrip(b"\n")) and not _FOOTER.fullmatch(line):
            raise UnreadableDumpError(line)
        ended = ended or line.rstrip(b"\n") == _LAST
    if not ended:
        raise UnreadableDumpError(b"(the end is missing)")


def _rows(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the rows up to the line that ends them, in blocks of whole lines."""
    block: list[bytes] = []
    size = 0
    while (line := stream.readline()) != b"\\.\n":
        if not line:
            raise UnreadableDumpError(b"(rows without an end)")
        block.append(line)
        size += len(line)
        if size >= _BLOCK_BYTES:
            yield b"".join(block)
            block, size = [], 0
    yield b"".join(block)
