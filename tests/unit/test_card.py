"""What a dry run says of the guard's answer."""

from __future__ import annotations

import pytest

from dbtasks.card import would
from dbtasks.verdicts import Ask, Decision, Proceed, Question, Refuse

QUESTION = Question(prompt="Reset [STG] shop_stg? Type its name to go on:", expected="shop_stg")


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        pytest.param(Proceed(), "would run without a question", id="proceeds"),
        pytest.param(Ask(questions=(QUESTION,)), "would ask first", id="asks"),
        pytest.param(Ask(questions=(QUESTION,), yes_counts=True), "would ask first (or --yes)", id="yes counts"),
        pytest.param(
            Refuse(code="E-STANDBY", saw="The server is a standby."),
            "would be refused (E-STANDBY): The server is a standby",
            id="refuses, without a full stop before more of the line",
        ),
    ],
)
def test_a_dry_run_says_in_a_clause_what_the_guard_would_answer(verdict: Decision, expected: str) -> None:
    assert would(verdict) == expected
