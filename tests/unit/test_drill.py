"""The drill's table, its judgement, and the terminal at which nobody consents."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import cast

import pytest

from dbtasks.drill import results, terminal
from dbtasks.drill.attempt import Attempt, Layer, Outcome, Ran, Verdict
from dbtasks.drill.attempts import FAMILIES
from dbtasks.drill.ground import Ground
from dbtasks.drill.judging import carry_out
from dbtasks.drill.terminal import Sitting

PAGE = Path(__file__).resolve().parents[2] / "docs" / "drill.md"
ATTEMPTS = [attempt for family in FAMILIES for attempt in family]


def test_every_attempt_stands_in_the_page_with_what_should_stop_it() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("<!-- drill -->\n")[2].partition("\n\n")[0]
    fresh = results.markdown([Outcome(attempt=each, verdict=Verdict.STOPPED, by=each.by) for each in ATTEMPTS])

    assert re.sub(r"\d+\.\d s", "", table) == re.sub(r"\d+\.\d s", "", fresh)


def test_ids_are_unique_and_begin_with_what_they_show() -> None:
    ids = [attempt.id for attempt in ATTEMPTS]

    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z_]+\.[a-z0-9_]+", each) for each in ids)
    assert {"production_confirmation", "test_isolation", "interactive_check", "agents_refused"} <= {
        each.partition(".")[0] for each in ids
    }


class Box:
    """Stands for a sandbox: one value that attempts change."""

    def __init__(self) -> None:
        self.value = 0

    def change(self, text: str, code: int = 3) -> Ran:
        self.value += 1
        return Ran(code=code, text=text)


NO_PERSON = Ran(code=3, text="refused (E-NO-PERSON)")


def tried(forbidden: Ran | None, twin: str = "", *, missing: str = "", harm: bool | None = None) -> Outcome:
    """Return what comes of one attempt; `None`: it happens, whatever is said."""
    box = Box()

    def act(ground: Ground) -> Ran:
        there = cast(Box, ground)
        return there.change(NO_PERSON.text) if forbidden is None else Ran(code=3, text=forbidden.text, harm=harm)

    attempt = Attempt(
        id="a.b",
        tried="it",
        layer=Layer.ADMISSION,
        by="E-NO-PERSON",
        forbidden=act,
        allowed=lambda _: twin,
        looks=lambda ground: cast(Box, ground).value,
        missing=lambda _: missing,
    )
    return next(iter(carry_out([(attempt,)], cast(Ground, box), lambda *_: None)))


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        (tried(NO_PERSON), Verdict.STOPPED),
        (tried(None), Verdict.BREACH),
        (tried(NO_PERSON, harm=True), Verdict.BREACH),
        (tried(None, "the twin failed"), Verdict.BREACH),
        (tried(Ran(code=3, text="refused (E-STAMP)")), Verdict.LATE),
        (tried(Ran(code=1, text="Traceback")), Verdict.LATE),
        (tried(NO_PERSON, "the twin failed"), Verdict.UNPROVEN),
        (tried(NO_PERSON, missing="nothing is installed"), Verdict.NOT_TRIED),
    ],
    ids=[
        "stopped",
        "happened",
        "said to have happened",
        "happened, no twin",
        "another layer",
        "a crash",
        "no twin",
        "-",
    ],
)
def test_it_is_judged_by_what_is_there(outcome: Outcome, verdict: Verdict) -> None:
    assert outcome.verdict is verdict
    assert results.as_data([outcome])["ok"] is (verdict in (Verdict.STOPPED, Verdict.NOT_TRIED))


def test_what_could_not_be_tried_is_not_among_what_was() -> None:
    data = results.as_data([tried(NO_PERSON, missing="nothing is installed"), tried(NO_PERSON)])

    assert [each["stopped"] for each in cast("list[dict[str, object]]", data["tried"])] == [True]
    assert data["not_tried"] == [{"id": "a.b", "why": "nothing is installed"}]


ASKS = "import sys; print('Type app_prod 7f3a to run exactly this plan: ', end='', flush=True); print(repr(input()))"


def test_the_phrase_that_is_asked_for_is_never_typed(tmp_path: Path) -> None:
    command, environ = [sys.executable, "-c", ASKS], {"PATH": "/usr/bin:/bin"}
    done = terminal.run(command, tmp_path, environ, Sitting(answer=lambda phrase: phrase.upper()), 30)

    assert "'APP_PROD 7F3A'" in done.text
    with pytest.raises(terminal.ConsentWasTypedError):
        terminal.run(command, tmp_path, environ, Sitting(answer=lambda phrase: phrase), 30)
