"""What was executed, as a fingerprint: the same for the same deeds, whatever the layout and the literals."""

from __future__ import annotations

import pytest

from dbtasks.rehearsed import Rehearsed, fingerprint
from dbtasks.statements import Statement


def print_of(*texts: str) -> str:
    return fingerprint(tuple(Statement(text=text, revision="r1") for text in texts))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ALTER TABLE a ADD b int", "alter  table a\n\tadd b int;"),
        ("UPDATE a SET b = 'x'", "UPDATE a SET b = 'it''s' -- now"),
        ("DELETE FROM a WHERE id IN (1, 2)", "DELETE FROM a WHERE id IN (3,4,5 )"),
        ("UPDATE a SET b = $1", "UPDATE a SET b = $2 /* another\nplace */"),
        ("SELECT E'a'", "SELECT 1.5"),
    ],
    ids=["layout", "literal and comment", "lists", "placeholders", "kinds of literals"],
)
def test_what_does_the_same_has_the_same_fingerprint(one: str, other: str) -> None:
    assert print_of(one) == print_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["ALTER TABLE a ADD b int"], ["ALTER TABLE a DROP b"]),
        (['DROP TABLE "A"'], ['DROP TABLE "a"']),
        (["DROP TABLE a1"], ["DROP TABLE a2"]),
        (["DROP TABLE a", "DROP TABLE b"], ["DROP TABLE b", "DROP TABLE a"]),
        (["DROP TABLE a"], ["DROP TABLE a", "DROP TABLE a"]),
    ],
    ids=["another deed", "quoted names", "numbers in names", "order", "twice"],
)
def test_what_does_something_else_has_another(one: list[str], other: list[str]) -> None:
    assert print_of(*one) != print_of(*other)


def test_a_rehearsal_tells_the_statements_of_each_revision() -> None:
    first, second = Statement(text="SELECT 1", revision="r1"), Statement(text="SELECT 2", revision="r2")

    assert Rehearsed(statements=(first, second)).of("r2") == (second,)
