"""What the console draws at a terminal, and nowhere else."""

from __future__ import annotations

import io
import sys

import pytest

from dbtasks.console import Console


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
