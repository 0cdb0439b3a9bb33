"""What a dry run foresees where this process, or this tier alone, would not get as far."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbtasks.evidence import Evidence, Proof
from dbtasks.foreseeing import foresee
from dbtasks.proof import Fault
from dbtasks.surroundings import Kind
from dbtasks.verdicts import Refuse
from tests.unit.guard_cells import PROD
from tests.unit.guard_samples import MIGRATE, evidence_of, plan_for, report_of, request_for, situation_of


def lacking(*faults: Fault) -> Evidence:
    situation = situation_of(PROD)
    if faults:
        situation = replace(situation, proof=Proof.UNPROVEN, proof_report=report_of(*faults))
    return evidence_of(PROD, situation)


@pytest.mark.parametrize(
    ("kind", "faults", "walks", "code", "words"),
    [
        (Kind.SCRIPT, [], False, "E-NO-PERSON", "would be refused (E-NO-PERSON): "),
        (
            Kind.SCRIPT,
            [Fault.MISSING],
            False,
            "E-NOT-PROVEN",
            "would be refused (E-NOT-PROVEN): STG does not",
        ),
        (Kind.SCRIPT, [Fault.MISSING], True, "E-NO-PERSON", "would be refused (E-NO-PERSON): "),
        (Kind.TERMINAL, [Fault.MISSING], True, "", "would ask first, once STG has c41f"),
        (Kind.TERMINAL, [Fault.MISSING, Fault.EDITED], True, "E-NOT-PROVEN", "would be refused (E-NOT-PROVEN): "),
        (Kind.AGENT, [Fault.EDITED], True, "E-NOT-PROVEN", "would be refused (E-NOT-PROVEN): "),
    ],
    ids=["nobody", "unproven", "nobody on a walk", "a walk", "a walk over an edited one", "an agent"],
)
def test_what_the_database_forbids_is_told_before_who_is_missing(
    kind: Kind, faults: list[Fault], walks: bool, code: str, words: str
) -> None:
    request, evidence = request_for(PROD, MIGRATE, kind, "flag_on"), lacking(*faults)

    verdict, said = foresee(request, plan_for(request, evidence), evidence, walks=walks)

    assert (verdict.code if isinstance(verdict, Refuse) else "") == code
    assert said.startswith(words)
