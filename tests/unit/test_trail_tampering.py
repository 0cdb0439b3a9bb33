"""The tampering table: what is caught without anchors, with anchors, with signatures; and that nobody cries wolf."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbtasks.proof_view import said
from dbtasks.trail_proof import verify
from tests import trail_tampering
from tests.trail_tampering import ATTACKS, Ground, seen, tried

DOCS = Path(__file__).parents[2] / "docs" / "trail.md"

# (the chain alone, with anchors, with a signed head)
CAUGHT = {
    "an entry is edited": (True, True, True),
    "an entry is removed": (True, True, True),
    "an entry is put in": (True, True, True),
    "two entries change places": (True, True, True),
    "the end is cut off": (False, True, True),
    "the end is cut off behind the last anchor": (False, False, False),
    "all is written anew from entry 12 on, with hashes that are right": (False, True, True),
    "all is written anew from the first entry on": (False, True, True),
    "an older copy is put in its place": (False, True, True),
    "all is written anew, and its head signed with a key of their own": (False, True, True),
    "every file is taken away": (False, True, True),
    "every file is taken away, and work goes on": (False, True, True),
    "a file that was put aside is taken away": (True, True, True),
    "two files get each other's names": (True, True, True),
}


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return trail_tampering.lay(tmp_path_factory.mktemp("tampering"))


def test_a_trail_that_nobody_touched_is_proved_up_to_its_anchor_and_its_signature(ground: Ground) -> None:
    plain = seen(ground, anchors=False, signatures=False)
    anchored = seen(ground, anchors=True, signatures=False)
    signed = seen(ground, anchors=False, signatures=True)
    assert (plain.ok, anchored.ok, signed.ok) == (True, True, True)
    assert [proof.verdict.proved for proof in (plain, anchored, signed)] == [0, 28, 20]
    assert [proof.verdict.last for proof in (plain, anchored, signed)] == [30, 30, 30]
    assert "Proved up to entry 28, 2 after the last anchor." in list(said(anchored))


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_is_done_to_a_trail_is_caught_by_what_the_table_says(ground: Ground, attack: str) -> None:
    proofs = tried(ground, attack)
    assert tuple(not proof.ok for proof in proofs) == CAUGHT[attack]
    for proof in proofs:
        if not proof.verdict.ok:
            assert proof.verdict.bad_file
            assert proof.verdict.why


def test_what_was_written_anew_is_named_by_the_first_anchor_that_it_contradicts(ground: Ground) -> None:
    _, anchored, signed = tried(ground, "all is written anew from entry 12 on, with hashes that are right")
    assert (anchored.verdict.proved, signed.verdict.proved) == (10, 0)
    assert anchored.verdict.why == (
        "entry 12 is another one than was there: the trail was written anew behind entry 10"
    )


def test_a_cut_end_is_named_behind_the_last_line(ground: Ground) -> None:
    _, anchored, _ = tried(ground, "the end is cut off")
    assert anchored.verdict.last == 10
    assert anchored.verdict.why == (
        "entry 28 was there, and the last one here is 10: the end was cut off, or an older copy stands in its place"
    )


def test_heads_of_entries_that_servers_disagree_about_prove_nothing(ground: Ground) -> None:
    found = verify(ground.path, {4: ground.hashes[4], 6: ""})
    assert (found.ok, found.proved) == (False, 4)


def test_the_table_in_the_docs_is_what_came_of_it(ground: Ground) -> None:
    assert trail_tampering.table(ground) in DOCS.read_text(encoding="utf-8")
