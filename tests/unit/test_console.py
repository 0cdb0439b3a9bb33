"""What the console draws at a terminal, and nowhere else."""

from __future__ import annotations

import io
import sys

import pytest

from dbtasks.console import Console
from dbtasks.errors import DbtasksError


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


def test_a_log_gets_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    monkeypatch.setattr(sys, "stderr", file)
    console = Console({})
    console.at("migrate", "c41f", 2, 4)
    console.progress("seed", 1, 2, 9.0)
    assert file.getvalue() == ""


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
