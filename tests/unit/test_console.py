"""What the console draws at a terminal, and nowhere else."""

from __future__ import annotations

import io
import json
import sys

import pytest

from dbtasks.console import Console
from dbtasks.errors import DbtasksError
from dbtasks.moment import Moment
from dbtasks.tiers import Colour


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_a_step_is_at_is_named_as_it_begins_and_gone_with_the_next_line(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    console = Console({"NO_COLOR": "1"})
    console.at("migrate", "c41f", 2, 4)
    console.say("done")
    assert terminal.getvalue() == "\r  migrate   c41f, 3 of 4 ━━━━━━━━━┄┄┄┄┄┄┄┄┄\x1b[K\r\x1b[Kdone\n"


def test_what_is_heard_is_a_line_a_step_that_has_ended_or_how_far_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    console = Console({"NO_COLOR": "1"})
    for told in (
        "swept",
        Moment(step="rehearse", done=1, total=2, doing="c41f"),
        Moment(step="seed", done=1, total=2, seconds=9),
        Moment(step="verify", text="at head", seconds=1.23),
    ):
        console.hear(told)

    cleared = "\r\x1b[K"
    assert terminal.getvalue().split(cleared) == [
        "  swept\n\r  rehearse  c41f, 2 of 2 ━━━━━━━━━┄┄┄┄┄┄┄┄┄\x1b[K\r  seed      1 of 2 ━━━━━━━━━┄┄┄┄┄┄┄┄┄ 9 s\x1b[K",
        "  verify    at head   1.2 s\n",
    ]


def test_a_log_gets_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    monkeypatch.setattr(sys, "stderr", file)
    console = Console({})
    console.at("migrate", "c41f", 2, 4)
    console.progress("seed", 1, 2, 9.0)
    assert file.getvalue() == ""


def test_nothing_that_is_told_steers_the_terminal_or_breaks_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(sys, "stdout", data := io.StringIO())
    console = Console({})
    console.say(console.coloured("[INT]", Colour.GREEN) + " \x1b[2J\x1b]0;title\x07 \x9b2J a\tb\rc")
    console.data({"name": "\x1b[2J \x9b"})
    colours = "\x1b[1;32m[INT]\x1b[0m"
    assert terminal.getvalue() == f"{colours} \\u001b[2J\\u001b]0;title\\u0007 \\u009b2J a\tb\\u000dc\n"
    assert json.loads(data.getvalue()) == {"name": "\x1b[2J \x9b"}
    assert "\x9b" not in data.getvalue()


class Full(io.StringIO):
    def flush(self) -> None:
        raise OSError(28, "No space left on device")


def test_a_full_standard_output_is_told_and_a_full_standard_error_ends_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdout", Full())
    with pytest.raises(DbtasksError, match="cannot be written: No space left on device"):
        Console({}).data({"done": True})
    monkeypatch.setattr(sys, "stderr", Full())
    with pytest.raises(OSError, match="No space left"):  # a question that nobody can read is not waited for
        Console({}).say("done")
