"""The only writer to the terminal, and the only reader of answers.

Data goes to standard output, everything else to standard error. Every line is masked on its way out. Colour never
carries meaning alone: the tier's word stands beside it, and NO_COLOR wins.
"""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from dbtasks.conninfo import mask
from dbtasks.errors import DbtasksError, InterruptedByPersonError
from dbtasks.moment import Moment
from dbtasks.tiers import Colour, Tier
from dbtasks.verdicts import Question

_CODES = {
    Colour.GREEN: "32",
    Colour.YELLOW: "33",
    Colour.RED: "31",
    Colour.BLUE: "34",
    Colour.MAGENTA: "35",
    Colour.CYAN: "36",
}
# What steers a terminal, but for our own colours: a server's message or a revision's may hold anything.
_STEERING = re.compile(r"(?!\x1b\[(?:1;3\d|0)m)[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# Over what is there: lines are cut at the edge of the screen meanwhile, and what was below them goes.
_FROM_THE_TOP, _TO_LINE_END, _TO_THE_END = "\x1b[?7l\x1b[H", "\x1b[K", "\x1b[J\x1b[?7h"
_LONG_STEP_S = 1.0
_BAR_WIDTH = 18


class Console:
    """One process's way to a person. The streams are looked up at each use, so that a test may capture them."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._bar_shown = False
        self._read_by_nobody = False

    # Writing

    def say(self, text: str) -> None:
        """Write a line for people, on standard error."""
        self._write(sys.stderr, text + "\n")

    def fact(self, name: str, text: str, *, width: int = 10) -> None:
        """Write one indented fact: its name in a column, then what is so."""
        self.say(f"  {name:<{width}}{text}")

    def data(self, value: object) -> None:
        """Write a JSON document on standard output."""
        self._write(sys.stdout, json.dumps(value, ensure_ascii=False, default=str) + "\n")

    def text(self, text: str) -> None:
        """Write lines of data on standard output."""
        self._write(sys.stdout, text + "\n")

    def frame(self, lines: Sequence[str], *, in_place: bool) -> None:
        """Write lines that take the place of those before, on a terminal; elsewhere they follow them."""
        if in_place and _is_terminal(sys.stdout) and self._environ.get("TERM") != "dumb":
            room = max(1, shutil.get_terminal_size().lines - 1)
            self._write(sys.stdout, "\n".join(lines[:room]) + "\n", in_place=True)
        else:
            self._write(sys.stdout, "\n".join(lines) + "\n")

    def wait(self, seconds: float) -> bool:
        """Pause, and return whether standard output is still read; a pipe that is closed ends the pause."""
        if sys.platform == "win32" or sys.stdout is None or _is_terminal(sys.stdout):
            time.sleep(seconds)
        else:
            poll = select.poll()
            poll.register(sys.stdout.fileno(), 0)  # asked for nothing, it tells of a pipe that was closed
            self._read_by_nobody = bool(poll.poll(seconds * 1000)) or self._read_by_nobody
        return not self._read_by_nobody

    def badge(self, tier: Tier, also: str = "", *, on_stdout: bool = False) -> str:
        """Return the tier's word in its colour, such as `[INT]`, and what else is to be known of it."""
        return self.coloured(f"[{f'{tier.label} {also}'.rstrip()}]", tier.colour, on_stdout=on_stdout)

    def coloured(self, text: str, colour: Colour, *, on_stdout: bool = False) -> str:
        stream = sys.stdout if on_stdout else sys.stderr
        return f"\x1b[1;{_CODES[colour]}m{text}\x1b[0m" if self._colours(stream) else text

    def _colours(self, stream: TextIO | None) -> bool:
        if self._environ.get("NO_COLOR") or self._environ.get("TERM") == "dumb":
            return False
        return _is_terminal(stream)

    def _write(self, stream: TextIO | None, text: str, *, in_place: bool = False) -> None:
        if stream is None:  # closed by whoever started us
            return
        self._clear_bar()
        if self._colours(stream) and sys.platform == "win32":
            import colorama  # only where a terminal needs it

            colorama.just_fix_windows_console()
        encoding = getattr(stream, "encoding", None) or "utf-8"
        try:
            plain = _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", mask(text))
            if in_place:
                plain = _FROM_THE_TOP + plain.replace("\n", _TO_LINE_END + "\n") + _TO_THE_END
            stream.write(plain.encode(encoding, "replace").decode(encoding))
            stream.flush()
        except BrokenPipeError:
            self._read_by_nobody = self._read_by_nobody or stream is sys.stdout
            _leave(stream)
        except OSError as error:
            if stream is not sys.stdout:
                raise
            reason = error.strerror or error
            raise DbtasksError(f"Standard output cannot be written: {reason}. What was done stands.") from None

    # Progress

    def hear(self, told: str | Moment) -> None:
        """Write a line, indented, or say how far a step is."""
        if isinstance(told, str):
            self.say(f"  {told}")
        elif told.text:
            seconds = f"   {told.seconds:.1f} s" if told.seconds >= 0.05 else ""  # one digit shows
            self.fact(told.step, f"{told.text}{seconds}")
        elif told.doing:
            self.at(told.step, told.doing, told.done, told.total)
        else:
            self.progress(told.step, told.done, told.total, told.seconds)

    def progress(self, name: str, done: int, total: int, seconds: float) -> None:
        """Draw a bar for what takes longer than a second, on a terminal only; the next line replaces it."""
        if not _is_terminal(sys.stderr) or seconds < _LONG_STEP_S or not total:
            return
        self._draw(f"{name:<10}{done:,} of {total:,} {_bar(done, total)} {seconds:.0f} s")

    def at(self, name: str, doing: str, done: int, total: int) -> None:
        """Say what a step is at, as it begins with it and so before anybody knows how long that takes; as above."""
        if _is_terminal(sys.stderr) and total:
            self._draw(f"{name:<10}{doing}, {done + 1:,} of {total:,} {_bar(done, total)}")

    def _draw(self, line: str) -> None:
        sys.stderr.write(mask(f"\r  {line}\x1b[K"))
        sys.stderr.flush()
        self._bar_shown = True

    def _clear_bar(self) -> None:
        if self._bar_shown:
            self._bar_shown = False
            sys.stderr.write("\r\x1b[K")

    # Asking

    def ask(self, question: Question) -> str:
        """Return what a person types, without its line end. End of file, or no terminal, answers nothing.

        What was typed before the question stood on the screen is thrown away. Raises InterruptedByPersonError on
        Ctrl-C.
        """
        if not (_is_terminal(sys.stdin) and _is_terminal(sys.stderr)):
            return ""
        try:
            with _waiting() as wait:
                self._write(sys.stderr, question.prompt + " ")
                wait()
                line = sys.stdin.readline()
        except KeyboardInterrupt:
            self._write(sys.stderr, "\n")
            raise InterruptedByPersonError("Interrupted at the question. Nothing was changed.") from None
        return line.removesuffix("\n").removesuffix("\r") if line.endswith("\n") else ""


def _leave(stream: TextIO) -> None:
    """Let what a stream still holds go nowhere: Python would complain of it at its end."""
    with suppress(OSError), Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def _bar(done: int, total: int) -> str:
    filled = min(_BAR_WIDTH, _BAR_WIDTH * done // total)
    return "━" * filled + "┄" * (_BAR_WIDTH - filled)


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def stdin_is_terminal() -> bool:
    return _is_terminal(sys.stdin)


def stderr_is_terminal() -> bool:
    return _is_terminal(sys.stderr)


@contextmanager
def _waiting() -> Iterator[Callable[[], None]]:
    """Yield what forgets whatever was typed ahead and waits for a line, so that Ctrl-C is heard at any moment of it.

    Everything is imported before the question is shown: an import can swallow the interrupt. Python looks for
    signals before it calls read() and when that returns, so one in between would be heard only after the next line;
    the C-level handler writes to this pipe at once, and select sees that.
    """
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    import signal
    import termios

    wakes, woken = os.pipe()
    os.set_blocking(woken, False)
    before = signal.set_wakeup_fd(woken, warn_on_full_buffer=False)

    def wait() -> None:
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
        while sys.stdin not in select.select([sys.stdin, wakes], [], [])[0]:
            os.read(wakes, 64)

    try:
        yield wait
    finally:
        signal.set_wakeup_fd(before)
        os.close(wakes)
        os.close(woken)
