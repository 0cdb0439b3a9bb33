"""Signed heads: whose signature it is and that it is over this head; any other line is named with what is wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dbtasks.approvals import ssh_keygen
from dbtasks.approvals.signers import read
from dbtasks.errors import TrailError
from dbtasks.signed_heads import SIGNS, SignedHead, add, check, file_of, head_now
from dbtasks.trail_file import Link
from tests.server.approvals_ground import make_key, signer

LINK = Link(entry=7, hash="ab" * 32)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("keys")
    return {name: make_key(folder, name) for name in ("anna", "ben")}


def signed(key: Path, namespace: str = SIGNS, head: SignedHead | None = None) -> SignedHead:
    head = head or head_now("shop", "cd" * 32, LINK)
    return replace(head, signature=ssh_keygen.sign(head.text, key, namespace, may_ask=False))


def problems(trail: Path, allowed: str) -> list[str]:
    return [each.problem for each in check(trail, read(allowed))]


def test_a_head_is_whose_key_has_signed_it(tmp_path: Path, keys: dict[str, Path]) -> None:
    trail = tmp_path / "audit.jsonl"
    assert list(check(trail, read(""))) == []
    add(trail, signed(keys["anna"]))
    add(trail, signed(keys["ben"]))
    allowed = signer(keys["anna"]) + signer(keys["ben"])
    found = list(check(trail, read(allowed)))
    assert [(each.line, each.person, each.problem) for each in found] == [
        (1, "anna@example.com", ""),
        (2, "ben@example.com", ""),
    ]
    assert found[0].head is not None
    assert (found[0].head.entry, found[0].head.hash) == (7, LINK.hash)


def test_a_head_that_was_changed_or_signed_for_something_else_is_nobodys(tmp_path: Path, keys: dict[str, Path]) -> None:
    trail, anna = tmp_path / "audit.jsonl", keys["anna"]
    good = signed(anna)
    for changed in ({"entry": 8}, {"hash": "00" * 32}, {"chain": "00" * 32}, {"project": "other"}):
        add(trail, replace(good, **changed))
    add(trail, signed(anna, ssh_keygen.AGREES))
    add(trail, replace(good, signature="none"))
    *others, agreed, none = problems(trail, signer(anna))
    assert others == ["has a signature of anna@example.com that is not over this head"] * 4
    assert (agreed, none) == ("has no signature of a trail's head",) * 2


def test_a_key_counts_only_where_and_while_the_file_says_so(tmp_path: Path, keys: dict[str, Path]) -> None:
    trail, anna = tmp_path / "audit.jsonl", keys["anna"]
    add(trail, signed(anna))
    unnamed = "is signed with a key that config/allowed_signers does not name for it"
    assert problems(trail, signer(keys["ben"])) == [unnamed]
    assert problems(trail, signer(anna, options='namespaces="git"')) == [unnamed]
    assert problems(trail, signer(anna, options=f'namespaces="{SIGNS}"')) == [""]
    late = problems(trail, signer(anna, options='valid-before="20200101"'))
    assert late == ["is signed by anna@example.com at a time at which that key did not count"]


NO_HEADS = {
    "no JSON": "{",
    "a list": "[]",
    "another key": {"extra": 1},
    "an entry that is no number": {"entry": "7"},
    "entry 0": {"entry": 0},
    "a time without its zone": {"at": "2026-01-31T09:00:00"},
    "no time": {"at": "soon"},
    "a hash that is no text": {"hash": 7},
}


@pytest.mark.parametrize("what", NO_HEADS.values(), ids=NO_HEADS.keys())
def test_what_is_no_head_is_named_with_its_line(tmp_path: Path, keys: dict[str, Path], what: object) -> None:
    trail = tmp_path / "audit.jsonl"
    add(trail, signed(keys["anna"]))
    line = json.loads(file_of(trail).read_text())
    with file_of(trail).open("a") as file:
        file.write((what if isinstance(what, str) else json.dumps(line | what)) + "\n")
    first, second = check(trail, read(signer(keys["anna"])))
    assert (first.problem, second.line, second.problem, second.head) == ("", 2, "is no signed head", None)


def test_a_file_of_heads_that_cannot_be_read_or_written_is_said_so(tmp_path: Path, keys: dict[str, Path]) -> None:
    trail = tmp_path / "audit.jsonl"
    file_of(trail).mkdir()
    with pytest.raises(TrailError, match="cannot be read"):
        list(check(trail, read("")))
    with pytest.raises(TrailError, match=r"cannot be written: Is a directory\. Nothing was kept"):
        add(trail, signed(keys["anna"]))
