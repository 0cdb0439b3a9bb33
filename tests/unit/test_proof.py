"""What a refusal for lack of proof shows: which words, which command, which table, which data."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from dbtasks import proof_words
from dbtasks.evidence import Proof
from dbtasks.proof import OWN, Code, Fault, Finding, Held, ProofReport, Vouched, Witness
from tests.unit.guard_samples import report_of

R3 = Code(id="r3", checksum="aa" * 32, path="migrations/versions/r3.py")
R4 = Code(id="r4", checksum="bb" * 32, path="migrations/versions/r4.py")
OTHER = "cc" * 32
INT = Witness(tier="int", label="INT", ledger=(("r3", R3.checksum), ("r4", R4.checksum)), free=True, first=True)
STG = Witness(tier="stg", label="STG", ledger=(("r3", R3.checksum), ("r4", OTHER)))
PROD = Witness(tier="prod", label="PROD")


def report(fault: Fault, *revisions: str, stg: Witness = STG, prod: Witness = PROD) -> ProofReport:
    finding = Finding(fault=fault, revisions=revisions or ("r4",))
    return ProofReport(findings=(finding,), code=(R3, R4), tiers=(INT, stg, prod))


@pytest.mark.parametrize(
    ("witness", "expected"),
    [
        (INT, Held.SAME),
        (STG, Held.OTHER),
        (PROD, Held.MISSING),
        (replace(PROD, taken_back=frozenset({"r4"})), Held.TAKEN_BACK),
        (replace(STG, silent="cannot be asked"), Held.UNKNOWN),
    ],
    ids=["same", "other", "missing", "taken back", "unknown"],
)
def test_a_ledger_says_of_a_revision(witness: Witness, expected: Held) -> None:
    assert witness.holds(R4) is expected


def test_nothing_wrong_is_a_proof() -> None:
    assert report_of().state is Proof.PROVEN


@pytest.mark.parametrize("fault", Fault)
def test_each_fault_alone_forbids(fault: Fault) -> None:
    expected = Proof.UNKNOWN if fault is Fault.UNREACHABLE else Proof.UNPROVEN
    assert report_of(fault).state is (Proof.CONTRADICTED if fault in OWN else expected)


def test_the_tiers_own_faults_are_told_before_those_of_the_tier_before() -> None:
    mixed = report_of(Fault.MISSING, Fault.UNREACHABLE, Fault.GAP_HERE)

    assert (mixed.first.fault, mixed.about(mixed.first).tier) == (Fault.GAP_HERE, "prod")
    assert mixed.about(Finding(fault=Fault.MISSING)).tier == "stg"


FREE = replace(STG, free=True)
RAN_HERE = replace(PROD, ledger=(("r4", OTHER),))
OLD_BYTES = "Put the old bytes back and write what is new as a revision of its own, then: "
LOOK = "invoke migrate --tier=prod --dry-run"


@pytest.mark.parametrize(
    ("found", "saw", "instead"),
    [
        pytest.param(
            report(Fault.MISSING, "r3", "r4"),
            "STG does not have r3, r4.",
            "To prove them first: invoke migrate --through=stg",
            id="behind",
        ),
        pytest.param(
            replace(report(Fault.MISSING), tiers=(replace(INT, ledger=()), replace(STG, tier="stg"))),
            "INT does not have r4.",
            "To prove them first: invoke migrate --tier=int",
            id="the first tier is behind",
        ),
        pytest.param(
            report(Fault.MISSING, stg=replace(STG, silent="not built yet", built=False)),
            "STG is not built yet.",
            "To build it: invoke reset --tier=stg",
            id="not built",
        ),
        pytest.param(
            report(Fault.EDITED),
            "migrations/versions/r4.py was edited since STG ran it: cccccccccccc then, bbbbbbbbbbbb now.",
            f"{OLD_BYTES}invoke migrate --through=stg",
            id="edited",
        ),
        pytest.param(
            report(Fault.EDITED, "r4", "r3", stg=FREE),
            "migrations/versions/r4.py was edited since STG ran it: cccccccccccc then, bbbbbbbbbbbb now (and 1 more).",
            "To prove the new bytes: invoke reset --tier=stg",
            id="edited where everything may be lost",
        ),
        pytest.param(
            report(Fault.GAP),
            "STG has r4 by its version table only: dbtasks did not run it there.",
            "To record what it has, once you know it is right: invoke adopt --tier=stg",
            id="a gap",
        ),
        pytest.param(
            report(Fault.GAP, stg=FREE),
            "STG has r4 by its version table only: dbtasks did not run it there.",
            "To build it anew: invoke reset --tier=stg",
            id="a gap where everything may be lost",
        ),
        pytest.param(
            report(Fault.FAILING, stg=replace(STG, failing="revision r5 left its transaction and did not come back")),
            "STG, the tier before, is failing: revision r5 left its transaction and did not come back.",
            "To see what to mend: invoke check --tier=stg",
            id="failing",
        ),
        pytest.param(
            report(Fault.UNREACHABLE, stg=replace(STG, silent="cannot be asked: timeout")),
            "Whether STG has r4 could not be found out.",
            "To see why: invoke check --tier=stg",
            id="unreachable",
        ),
        pytest.param(
            report(Fault.UNREACHABLE, stg=replace(FREE, silent="cannot be asked: connection refused")),
            "Whether STG has r4 could not be found out.",
            "To build it: invoke reset --tier=stg",
            id="unreachable where everything may be lost",
        ),
        pytest.param(
            report(Fault.EDITED_HERE, prod=RAN_HERE),
            "migrations/versions/r4.py was edited since PROD ran it: cccccccccccc then, bbbbbbbbbbbb now.",
            f"{OLD_BYTES}{LOOK}",
            id="edited since it ran here",
        ),
        pytest.param(
            report(Fault.GAP_HERE),
            "PROD has gone on without r4: what comes before and after it is in its ledger.",
            "If it ran by other means (invoke drift --tier=prod), record it: invoke adopt --tier=prod. "
            f"If it never did, let it follow the newest revision (its down_revision), then: {LOOK}",
            id="left out here",
        ),
        pytest.param(
            report(Fault.NOT_IN_CODE, "x9"),
            "PROD is at revision x9, which this code does not have.",
            f"Check out the commit that has it, or a newer one, then: {LOOK}",
            id="not in the code",
        ),
        pytest.param(
            report(Fault.NOT_IN_CODE, "x9", prod=replace(PROD, free=True)),
            "PROD is at revision x9, which this code does not have.",
            "To build it anew from this code: invoke reset --tier=prod",
            id="not in the code where everything may be lost",
        ),
        pytest.param(
            report(Fault.HEADS, "r3", "r4"),
            "The revisions end in several heads, r3, r4, and no branch label tells them apart.",
            "Merge them (alembic merge), then: invoke migrate --through=stg",
            id="heads",
        ),
    ],
)
def test_the_words_and_the_next_command_of_each_fault(found: ProofReport, saw: str, instead: str) -> None:
    assert (proof_words.saw(found), proof_words.instead(found, "migrate")) == (saw, instead)


def test_the_table_shows_tier_by_tier_what_each_has() -> None:
    stg = replace(STG, ledger=(("r4", OTHER),), taken_back=frozenset({"r3"}), failing="revision r9 is torn")

    assert report(Fault.EDITED, stg=stg).lines() == [
        "revision  file          INT           STG           PROD",
        "r3        aaaaaaaaaaaa  same          taken back    pending",
        "r4        bbbbbbbbbbbb  same          cccccccccccc  pending",
        "STG: revision r9 is torn",
    ]


def test_the_table_leaves_out_what_every_tier_before_has() -> None:
    assert [line.split()[0] for line in report(Fault.EDITED).lines()] == ["revision", "r4"]


def test_a_tiers_own_fault_stands_in_its_own_column() -> None:
    gone = Code(id="x9", checksum="", path="")
    here = replace(report(Fault.NOT_IN_CODE, "x9"), code=(gone,), tiers=(PROD,))

    assert here.lines() == ["revision  file          PROD", "x9        none          no entry"]
    assert report(Fault.EDITED_HERE, prod=RAN_HERE).lines()[1].endswith("cccccccccccc")
    assert report(Fault.GAP, prod=replace(RAN_HERE, ledger=(("r4", R4.checksum),))).lines()[1].endswith("same")


def test_a_tier_that_cannot_be_asked_is_unknown_and_says_why() -> None:
    silent = replace(STG, silent="cannot be asked: connection refused")

    assert report(Fault.UNREACHABLE, stg=silent).lines()[-1] == "STG: cannot be asked: connection refused"
    assert report(Fault.UNREACHABLE, stg=silent).lines()[1].split() == [
        "r3", "aaaaaaaaaaaa", "same", "unknown", "pending",
    ]  # fmt: skip


def test_a_table_never_grows_past_a_screen() -> None:
    code = tuple(Code(id=f"payments_of_others/{n:040x}", checksum=f"{n:064x}", path=f"{n}.py") for n in range(1, 60))
    tiers = tuple(Witness(tier=f"t{n}", label="LONGEST8", silent="x" * 300) for n in range(7))
    many = ProofReport(findings=(Finding(fault=Fault.MISSING, revisions=("1",)),), code=code, tiers=tiers)

    assert len(many.lines()) == 1 + 12 + 1 + 4
    assert max(len(f"  {line}") for line in many.lines()) <= 100
    assert many.lines()[1].startswith("payments_of_/000000000000  000000000000  unknown")
    assert "and 47 more" in many.lines()


def test_the_data_has_whole_checksums_and_every_revision() -> None:
    data = report(Fault.EDITED).as_data()

    assert json.loads(json.dumps(data)) == data
    assert data["state"] == "unproven"
    assert data["findings"] == [{"fault": "edited", "tier": "stg", "revisions": ["r4"]}]
    assert data["revisions"] == [
        {
            "revision": code.id,
            "file": code.path,
            "checksum": code.checksum,
            "tiers": {
                "int": {"held": "same bytes", "checksum": code.checksum},
                "stg": stg,
                "prod": {"held": "missing", "checksum": None},
            },
        }
        for code, stg in (
            (R3, {"held": "same bytes", "checksum": R3.checksum}),
            (R4, {"held": "other bytes", "checksum": OTHER}),
        )
    ]
    assert data["tiers"] == [{"tier": tier, "silent": None, "failing": None} for tier in ("int", "stg", "prod")]


def test_a_plan_on_paper_carries_the_word_of_the_tier_before_about_its_own_revisions() -> None:
    asked = replace(STG, server=7301, oid=16403)
    found = ProofReport(findings=(), code=(R3,), tiers=(asked, PROD))

    assert found.vouched == Vouched(tier="stg", server=7301, oid=16403, ledger=(("r3", R3.checksum),))


@pytest.mark.parametrize("tiers", [(PROD,), (STG, PROD)], ids=["no tier before", "none that was asked"])
def test_nobody_vouches_who_was_not_asked(tiers: tuple[Witness, ...]) -> None:
    assert ProofReport(findings=(), code=(R3,), tiers=tiers).vouched is None
