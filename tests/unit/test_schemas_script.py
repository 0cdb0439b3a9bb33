"""What pg_restore writes is read strictly: what is known goes to the server as it is, anything else is an error."""

from __future__ import annotations

import io
import re

import pytest

from dbtasks.schemas.catalogue import kept_names
from dbtasks.schemas.script import Copy, UnreadableDumpError, data, definitions

HEAD = b"""--
-- PostgreSQL database dump
--

\\restrict abc123

-- Dumped from database version 18.6

SET statement_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SELECT pg_catalog.set_config('search_path', '', false);

"""
FOOT = b"""
--
-- PostgreSQL database dump complete
--

\\unrestrict abc123

"""
BODY = b"""SET default_tablespace = space;

CREATE FUNCTION public.f() RETURNS text LANGUAGE sql AS $$
SET statement_timeout = 0;
-- PostgreSQL database dump complete
\\unrestrict abc123
$$;
"""


def read(rows: bytes) -> list[bytes | tuple[bytes, bytes]]:
    parts = data(io.BytesIO(HEAD + rows + FOOT))
    return [(part.statement, b"".join(part.blocks)) if isinstance(part, Copy) else part for part in parts]


def test_definitions_are_everything_between_the_first_lines_and_the_last() -> None:
    assert definitions(HEAD + BODY + FOOT).strip().removesuffix(b"--").strip() == BODY.strip()


@pytest.mark.parametrize("text", [b"", HEAD + FOOT, (HEAD + FOOT).replace(b"\\", b"--")])
def test_a_script_may_define_nothing(text: bytes) -> None:
    assert definitions(text) == b""


def test_definitions_without_their_end_are_an_error() -> None:
    with pytest.raises(UnreadableDumpError, match=re.escape("'$$;'")):
        definitions(HEAD + b"CREATE FUNCTION f() AS $$\n$$;\n")


def test_rows_and_sequences_are_told_apart() -> None:
    rows = b'COPY public.t (a, "b c") FROM stdin;\n1\t\\N\n\\\\.\tx\n\\.\n'
    found = read(rows + b"\n\nSELECT pg_catalog.setval('public.s', 7, true);\n")
    assert found == [
        (b'COPY public.t (a, "b c") FROM stdin', b"1\t\\N\n\\\\.\tx\n"),
        b"SELECT pg_catalog.setval('public.s', 7, true);\n",
    ]


@pytest.mark.parametrize(
    "line",
    [
        b"DROP SCHEMA public CASCADE;",
        b"SELECT pg_catalog.lo_create('16764');",
        b"COPY public.t (a) FROM PROGRAM 'x';",
        b"SELECT pg_catalog.setval('public.s', 7, true); DROP TABLE t; SELECT (1);",
        b'COPY public."two',
        b"\\! rm",
        b"SET role = postgres;",
    ],
)
def test_any_other_line_among_the_rows_is_an_error(line: bytes) -> None:
    with pytest.raises(UnreadableDumpError):
        read(line + b"\n")


@pytest.mark.parametrize("cut", [b"COPY public.t (a) FROM stdin;\n1\n", b"COPY public.t (a) FROM stdin;\n1\n\\."])
def test_rows_without_their_end_are_an_error(cut: bytes) -> None:
    with pytest.raises(UnreadableDumpError):
        [list(part.blocks) for part in data(io.BytesIO(HEAD + cut)) if isinstance(part, Copy)]


def test_rows_come_in_blocks_of_bounded_size() -> None:
    rows = b"".join(b"%d\tsome text of a row\n" % number for number in range(300_000))
    parts = data(io.BytesIO(HEAD + b"COPY public.t (a, b) FROM stdin;\n" + rows + b"\\.\n" + FOOT))
    part = next(parts)
    assert isinstance(part, Copy)
    blocks = list(part.blocks)
    assert b"".join(blocks) == rows
    assert max(map(len, blocks)) < (1 << 20) + 100
    assert list(parts) == []


def test_kept_names_are_never_alike_nor_too_long() -> None:
    names = ["x" * length for length in range(1, 64)] + ["é" * 31, "é" * 31 + "x", "public"]
    kept = kept_names(names, "1f3a90c2")
    assert len(set(kept.values())) == len(names)
    assert all(len(name.encode()) <= 63 and name.endswith("_dbtasks_1f3a90c2") for name in kept.values())
