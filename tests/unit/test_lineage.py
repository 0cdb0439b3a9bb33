"""What follows from a history about a database, on trees with branches, merges, labels and dependencies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dbtasks.migrations import lineage
from dbtasks.migrations.history import History, build
from dbtasks.migrations.scripts import Script

ROOT = Path("/project")


def history(**revisions: str) -> History:
    """Build a history: `b="a"` follows a; words after `+` are what it depends on, after `=` its labels."""
    scripts = []
    for id_, text in revisions.items():
        words = text.split()
        scripts.append(
            Script(
                checksum=id_ * 4,
                id=id_,
                down=tuple(word for word in words if word[0] not in "+="),
                depends_on=tuple(word[1:] for word in words if word[0] == "+"),
                labels=tuple(word[1:] for word in words if word[0] == "="),
                path=ROOT / f"{id_}.py",
                message=id_,
            )
        )
    return build(ROOT, scripts)


LINE = history(a="", b="a", c="b", d="c")
FORK = history(a="", b="a", c="b", d="b")
MERGED = history(a="", b="a", c="a", d="b c", e="d")
APART = history(a="", b="a", x="=billing", y="x +b")


@pytest.mark.parametrize(
    ("tree", "current", "expected"),
    [
        (LINE, ["c"], "abc"),
        (LINE, [], ""),
        (MERGED, ["b"], "ab"),
        (MERGED, ["d"], "abcd"),
        (APART, ["y"], "abxy"),
        (LINE, ["gone"], ""),
    ],
    ids=["a line", "nothing", "one side", "a merge", "a dependency", "unknown"],
)
def test_what_stands_is_what_the_version_table_needs(tree: History, current: list[str], expected: str) -> None:
    assert lineage.standing(tree, current) == set(expected)


@pytest.mark.parametrize(
    ("tree", "current", "ledger", "expected"),
    [
        (LINE, ["d"], "abcd", ""),
        (LINE, ["d"], "abd", "c"),
        (LINE, ["d"], "ad", "bc"),
        (LINE, ["d"], "cd", ""),
        (LINE, ["d"], "ab", ""),
        (LINE, ["b"], "ab", ""),
        (LINE, ["d"], "", ""),
        (MERGED, ["e"], "abde", "c"),
        (LINE, ["d"], "abd?", "c"),
    ],
    ids=[
        "whole", "one", "two", "the ledger began later", "stamped by hand at the end", "pending", "no ledger",
        "one side of a merge", "a row of another code",
    ],
)  # fmt: skip
def test_a_revision_is_left_out_between_two_of_the_ledger(
    tree: History, current: list[str], ledger: str, expected: str
) -> None:
    assert lineage.left_out(tree, current, ledger) == tuple(expected)


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        (LINE, ""),
        (MERGED, ""),
        (FORK, "cd"),
        (APART, ""),
        (history(a="", b="a", c="a =reports"), ""),
        (history(a="=app", b="a", c="a"), "bc"),
        (history(a="", b="a =one", c="a", d="a"), "cd"),
    ],
    ids=[
        "one head", "merged", "two people", "two trees", "a labelled branch", "below the label", "two of three",
    ],
)  # fmt: skip
def test_heads_are_loose_where_no_label_tells_them_apart(tree: History, expected: str) -> None:
    assert lineage.loose_heads(tree) == tuple(expected)


def test_the_file_of_first_tables_makes_no_trees_one() -> None:
    apart = history(a="first.py", x="first.py", **{"first.py": ""})
    assert lineage.loose_heads(apart) == ("a", "x")
    first = replace(apart.revisions[0], path=Path("first.py"))
    assert lineage.loose_heads(replace(apart, revisions=(first, *apart.revisions[1:]))) == ()


@pytest.mark.parametrize(
    ("tree", "current", "to", "back", "left"),
    [
        (LINE, ["d"], "b", "dc", ["b"]),
        (LINE, ["c"], "b", "c", ["b"]),
        (LINE, ["b"], "b", "", ["b"]),
        (LINE, ["d"], None, "dcba", []),
        (MERGED, ["e"], "b", "ed", ["b", "c"]),
        (MERGED, ["e"], "a", "edcb", ["a"]),
        (APART, ["y"], "x", "y", ["b", "x"]),
        (APART, ["y"], "a", "yb", ["a", "x"]),
    ],
    ids=["two", "one", "none", "base", "a merge", "below a merge", "a dependency", "what is depended on"],
)
def test_a_downgrade_takes_back_what_stands_upon_the_revision(
    tree: History, current: list[str], to: str | None, back: str, left: list[str]
) -> None:
    taken = [revision.id for revision in lineage.above(tree, current, to)]

    assert taken == list(back)
    assert lineage.tops(tree, lineage.standing(tree, current) - set(taken)) == tuple(left)
