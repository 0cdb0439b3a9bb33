"""What is found wrong before a tier takes revisions: from the code's history, its own database and the tier before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbtasks.effects import Operation
from dbtasks.evidence import Database
from dbtasks.migrations import lineage
from dbtasks.plan import RevisionBytes
from dbtasks.proof import Fault
from dbtasks.proving import Wanted, failing, missing, own_faults, witness_of
from dbtasks.surroundings import Kind
from dbtasks.tiers import Tier
from tests.unit.guard_cells import INT, PROD, STG
from tests.unit.guard_samples import DOWNGRADE, MIGRATE, RESET, database_of, request_for
from tests.unit.test_lineage import FORK, LINE

SAME = {each.id: each.checksum for each in LINE.revisions}


def holding(tier: Tier, at: str, *, ledger: str = "", edited: str = "", back: str = "") -> Database:
    """A database at a revision, with these letters in its ledger, some with other bytes, some taken back."""
    rows = tuple((id_, "other" if id_ in edited else SAME.get(id_, "gone")) for id_ in ledger)
    revisions = frozenset([at] if at else [])
    return replace(database_of(tier), revisions=revisions, ledger=rows, taken_back=frozenset(back))


@pytest.mark.parametrize(
    ("tier", "database", "expected"),
    [
        (PROD, holding(PROD, "b", ledger="ab"), []),
        (PROD, holding(PROD, "", ledger=""), []),
        (PROD, holding(PROD, "b", ledger=""), []),
        (PROD, holding(PROD, "x", ledger="abx"), [(Fault.NOT_IN_CODE, "x")]),
        (INT, holding(INT, "x", ledger="abx"), [(Fault.NOT_IN_CODE, "x")]),
        (PROD, holding(PROD, "c", ledger="abc", edited="ab"), [(Fault.EDITED_HERE, "ab")]),
        (INT, holding(INT, "c", ledger="abc", edited="ab"), []),
        (PROD, holding(PROD, "b", ledger="abd", edited="d"), []),
        (PROD, holding(PROD, "c", ledger="ac"), [(Fault.GAP_HERE, "b")]),
        (PROD, holding(PROD, "c", ledger="ac", edited="c"), [(Fault.EDITED_HERE, "c"), (Fault.GAP_HERE, "b")]),
        (INT, holding(INT, "c", ledger="ac"), []),
    ],
    ids=[
        "whole", "nothing applied", "no ledger", "not in the code", "nor on the first tier", "edited since",
        "edited on the first tier", "what does not stand any more", "left out", "both", "left out on the first tier",
    ],
)  # fmt: skip
def test_a_tiers_own_history_is_held_against_the_code(
    tier: Tier, database: Database, expected: list[tuple[Fault, str]]
) -> None:
    found = own_faults(request_for(tier, MIGRATE, Kind.TERMINAL), database, Wanted(history=LINE))

    assert [(each.fault, "".join(each.revisions)) for each in found] == expected


@pytest.mark.parametrize(
    ("tier", "operation", "expected"),
    [
        (STG, MIGRATE, [Fault.HEADS]),
        (STG, RESET, [Fault.HEADS]),
        (STG, DOWNGRADE, []),
        (INT, MIGRATE, []),
        (INT, RESET, []),
    ],
    ids=["migrate", "reset", "downgrade", "the first tier", "a reset of the first tier"],
)
def test_loose_heads_stop_what_applies_revisions_after_the_first_tier(
    tier: Tier, operation: Operation, expected: list[Fault]
) -> None:
    found = own_faults(request_for(tier, operation, Kind.TERMINAL), None, Wanted(history=FORK))

    assert [each.fault for each in found] == expected


def test_a_reset_builds_anew_whatever_there_was() -> None:
    database = holding(STG, "x", ledger="acx", edited="a")

    assert not list(own_faults(request_for(STG, RESET, Kind.TERMINAL), database, Wanted(history=LINE)))


def test_a_downgrade_is_about_the_revisions_that_it_takes_back() -> None:
    back = (RevisionBytes(id="c", checksum=SAME["c"]),)
    request = request_for(STG, DOWNGRADE, Kind.TERMINAL)

    def found(database: Database) -> list[Fault]:
        return [each.fault for each in own_faults(request, database, Wanted(history=LINE, back=back))]

    assert found(holding(STG, "c", ledger="ac", edited="a")) == []
    assert found(holding(STG, "c", ledger="abc", edited="c")) == [Fault.EDITED_HERE]


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (holding(STG, "d", ledger="abcd"), []),
        (holding(STG, "b", ledger="ab"), [(Fault.MISSING, "cd")]),
        (holding(STG, "c", ledger="abc", back="d"), [(Fault.MISSING, "d")]),
        (holding(STG, "d", ledger="abcd", edited="d"), [(Fault.EDITED, "d")]),
        (holding(STG, "d", ledger="abd"), [(Fault.GAP, "c")]),
        (holding(STG, "c", ledger="abcd"), [(Fault.MISSING, "d")]),
        (holding(STG, "z", ledger="abcdz"), []),
        (holding(STG, "z", ledger="abdz"), [(Fault.MISSING, "c")]),
        (replace(holding(STG, "d", ledger="abcd"), torn=("e",)), [(Fault.FAILING, "cd")]),
        (replace(holding(STG, "d", ledger="abcd"), unproven="its check ended with 3"), [(Fault.FAILING, "cd")]),
        (replace(holding(STG, "d", ledger="abcd"), stamps=()), [(Fault.FAILING, "cd")]),
    ],
    ids=[
        "proven", "behind", "taken back", "edited", "a gap", "moved back by other means", "ahead", "ahead with a gap",
        "torn", "not proven", "no stamp",
    ],
)  # fmt: skip
def test_the_tier_before_must_have_what_is_needed_by_the_same_bytes(
    before: Database, expected: list[tuple[Fault, str]]
) -> None:
    standing = lineage.standing(LINE, before.revisions)
    stamped = "" if before.stamps else "no stamp"
    witness = replace(witness_of(STG, before, standing, known=frozenset(SAME)), failing=failing(before) or stamped)

    found = missing(witness, standing, Wanted(history=LINE, needed=("c", "d")))

    assert [(each.fault, "".join(each.revisions)) for each in found] == expected


@pytest.mark.parametrize("at", ["d", "x"], ids=["on other revisions", "on this one"])
def test_a_revision_that_the_code_lost_is_shown_by_the_bytes_that_ran(at: str) -> None:
    before = holding(STG, at, ledger="abcdx")
    witness = witness_of(STG, before, lineage.standing(LINE, before.revisions), known=frozenset(SAME))

    assert (witness.checksum("x"), "x" in witness.taken_back) == ("gone", False)


def test_a_tier_that_does_not_answer_is_unknown_and_one_that_was_never_built_lacks_everything() -> None:
    silent = replace(witness_of(STG, None, frozenset()), silent="cannot be asked")
    wanted = Wanted(history=LINE, needed=("c", "d"))

    assert [each.fault for each in missing(silent, frozenset(), wanted)] == [Fault.UNREACHABLE]
    assert [each.fault for each in missing(replace(silent, built=False), frozenset(), wanted)] == [Fault.MISSING]
