"""What a dry run foresees where this process, or this tier alone, would not get as far."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbtasks.arming import Armed, Arming
from dbtasks.brought import Approval
from dbtasks.effects import Operation
from dbtasks.evidence import Evidence, Proof
from dbtasks.foreseeing import foresee
from dbtasks.proof import Fault
from dbtasks.surroundings import Kind
from dbtasks.verdicts import Refuse
from tests.unit.guard_cells import BROUGHT, CAUTIOUS, PROD
from tests.unit.guard_samples import ARM, MIGRATE, evidence_of, plan_for, report_of, request_for, situation_of


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


@pytest.mark.parametrize(
    ("operation", "kind", "state", "words"),
    [
        (MIGRATE, Kind.TERMINAL, Arming.OFF, "would ask first, once the terminal is armed"),
        (MIGRATE, Kind.TERMINAL, Arming.ARMED, "would ask first"),
        (ARM, Kind.TERMINAL, Arming.OFF, "would ask first"),
        (MIGRATE, Kind.CI, Arming.OFF, "would be refused (E-NO-PERSON): "),
    ],
    ids=["not armed", "armed", "to arm it", "nobody"],
)
def test_a_terminal_that_is_not_armed_is_no_verdict_on_the_plan(
    operation: Operation, kind: Kind, state: Arming, words: str
) -> None:
    request = request_for(CAUTIOUS, operation, kind, "flag_on")
    evidence = evidence_of(CAUTIOUS, replace(situation_of(CAUTIOUS), armed=Armed(state=state)))

    _, said = foresee(request, plan_for(request, evidence), evidence, walks=False)

    assert said == words or (words.endswith(": ") and said.startswith(words))


def test_a_plan_for_paper_needs_no_armed_terminal() -> None:
    request = replace(request_for(CAUTIOUS, MIGRATE, Kind.CI, "flag_on"), brought=BROUGHT)
    given = replace(situation_of(CAUTIOUS), approval=Approval.GIVEN)
    evidence = evidence_of(CAUTIOUS, given)

    _, said = foresee(request, plan_for(request, evidence), evidence, walks=False)

    assert said == "would run, once it is approved"
