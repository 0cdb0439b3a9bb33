"""The whole decision table against the promises: every cell, every mutant of a cell, every rule taken away."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import pytest

from dbtasks import guard
from dbtasks.admission import ADMIT_RULES
from dbtasks.effects import Effect
from dbtasks.evidence import Situation
from dbtasks.judgement import DECIDE_RULES
from dbtasks.verdicts import Ask, Decision, Proceed, Refuse, Request
from tests.unit import guard_oracle as oracle
from tests.unit.guard_cells import (
    CAUTIOUS,
    LIMITED,
    TIERS,
    approval_grid,
    arming_grid,
    consent_grid,
    obstacle_grid,
    paper_requests,
    rehearsal_grid,
    requests,
)
from tests.unit.guard_oracle import Cell

YES_ASK = "an Ask that --yes answers"


class Sheet:
    """A `Case` that is written over for each cell, because three million frozen ones take minutes."""

    __slots__ = ("database", "effect", "plan_hash", "request", "situation")
    request: Request
    situation: Situation
    effect: Effect

    def __init__(self) -> None:
        self.database, self.plan_hash = "shop", "7f3a" * 16

    def judge(self, cell: Cell) -> Decision:
        self.request, self.situation, self.effect = cell
        return guard.judge(self)  # type: ignore[arg-type] # it has all that a rule reads


def table(stride: int = 1) -> Iterator[Cell]:
    """The whole table, or a part in which every request comes, and every situation for some."""
    yield from arming_grid(CAUTIOUS, stride=stride)
    for tier in TIERS:
        yield from consent_grid(tier, stride=stride)
        yield from obstacle_grid(tier, stride=stride)
        yield from rehearsal_grid(tier, stride=stride)
        yield from approval_grid(tier, stride=stride)


def acceptable(cell: Cell, verdict: Decision) -> bool:
    match verdict:
        case Proceed():
            return oracle.may_proceed(cell)
        case Refuse():
            return oracle.must_be_refused(cell)
        case Ask():
            if oracle.may_proceed(cell) or oracle.must_be_refused(cell):
                return False
            fits = len(verdict.questions) == oracle.questions(cell)
            return fits and verdict.yes_counts == oracle.yes_would_count(cell)


def violations(cells: Iterable[Cell]) -> Iterator[tuple[Cell, Decision]]:
    sheet = Sheet()
    return ((cell, verdict) for cell in cells if not acceptable(cell, verdict := sheet.judge(cell)))


def admission_violations() -> Iterator[Request]:
    tiers = (*TIERS, *LIMITED)
    every = (request for tier in tiers for request in itertools.chain(requests(tier), paper_requests(tier)))
    return (request for request in every if isinstance(guard.admit(request), Proceed) != oracle.may_connect(request))


def test_every_request_connects_exactly_where_the_promises_allow_it() -> None:
    assert next(admission_violations(), None) is None


@pytest.mark.parametrize(
    "stride",
    [
        pytest.param(1, id="all", marks=[pytest.mark.table, pytest.mark.timeout(1500)]),
        pytest.param(7, id="a seventh", marks=[pytest.mark.thorough, pytest.mark.timeout(600)]),
        pytest.param(307, id="some"),
    ],
)
def test_every_cell_keeps_the_promises_and_every_mutant_breaks_one(stride: int, report: Callable[[str], None]) -> None:
    sheet = Sheet()
    count: Counter[str] = Counter()
    broken: list[tuple[Cell, Decision]] = []
    survivors: list[tuple[Cell, str]] = []
    for cell in table(stride):
        verdict = sheet.judge(cell)
        count[type(verdict).__name__] += 1
        if not acceptable(cell, verdict):
            broken.append((cell, verdict))
        if not isinstance(verdict, Proceed):
            count["mutants"] += 1
            if oracle.may_proceed(cell):
                survivors.append((cell, "Proceed"))
        if isinstance(verdict, Ask) and not verdict.yes_counts:
            count["yes mutants"] += 1
            if oracle.yes_would_count(cell):
                survivors.append((cell, YES_ASK))

    refused = sum(not oracle.may_connect(request) for tier in TIERS for request in requests(tier))
    report(
        f"decision table: {refused + sum(count[name] for name in ('Proceed', 'Ask', 'Refuse')):,} cells "
        f"({count['Proceed']:,} proceed, {count['Ask']:,} ask, {refused + count['Refuse']:,} refuse)\n"
        f"  Refuse or Ask turned into Proceed: {refused + count['mutants']:,} mutants; "
        f"Ask made answerable by --yes: {count['yes mutants']:,} mutants; {len(survivors)} survivors"
    )
    assert (broken[:3], survivors[:3]) == ([], [])
    assert min(count["Proceed"], count["Ask"], count["Refuse"], count["yes mutants"]) > 0


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Print past pytest's capture, so that a normal run shows the figures."""

    def show(text: str) -> None:
        with capsys.disabled():
            print(f"\n{text}")  # noqa: T201 - the figures are this test's result

    return show


@pytest.mark.parametrize("index", range(len(ADMIT_RULES)), ids=[rule.__name__.strip("_") for rule in ADMIT_RULES])
def test_taking_away_an_admission_rule_breaks_a_promise(index: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "ADMIT_RULES", ADMIT_RULES[:index] + ADMIT_RULES[index + 1 :])

    assert next(admission_violations(), None) is not None


@pytest.mark.parametrize("index", range(len(DECIDE_RULES)), ids=[rule.__name__.strip("_") for rule in DECIDE_RULES])
def test_taking_away_a_decision_rule_breaks_a_promise(index: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "DECIDE_RULES", DECIDE_RULES[:index] + DECIDE_RULES[index + 1 :])
    # Each rule shows in a part what it is for; the whole table has the last word.
    assert next(violations(itertools.chain(table(101), table())), None) is not None
