"""A command at a pseudo-terminal, and whoever sits there: nobody, or somebody who types what is not asked for.

What a question asks for is never typed here: consent is a person's. Where the drill needs it, it signs an approval with
a key that the sandbox's own signers name.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dbtasks.drill.attempt import Ran
from dbtasks.values import dataclass

_CONFIRM = "confirm production access: "
_PHRASE = re.compile(r"Type (\S+ [0-9a-f]{4}) to run exactly this plan: $")
_END_OF_FILE = b"\x04"
_PAUSE_S = 0.05


class ConsentWasTypedError(AssertionError):
    """A bug of the drill: it would have typed what a person is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sitting:
    """Who sits at the terminal. `answer` gets the phrase that is asked for and returns another one.

    `blindly`: types yes again and again, and reads nothing.
    """

    answer: Callable[[str], str] | None = None
    blindly: bool = False


NOBODY = Sitting()


def run(command: Sequence[str], folder: Path, environ: Mapping[str, str], sitting: Sitting, patience_s: float) -> Ran:
    """Run a command at a terminal of its own, and return its end and what was on the screen."""
    ours, its = os.openpty()
    try:
        child = subprocess.Popen(
            command, cwd=folder, env=environ, stdin=its, stdout=its, stderr=its, start_new_session=True
        )
        os.close(its)
        try:
            shown = _sit(ours, child, sitting, time.monotonic() + patience_s)
            return Ran(code=child.wait(5), text=shown)
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
    finally:
        os.close(ours)


def _sit(ours: int, child: subprocess.Popen[bytes], sitting: Sitting, until: float) -> str:
    shown, answered = "", 0
    while time.monotonic() < until:
        if select.select([ours], [], [], _PAUSE_S)[0]:
            try:
                read = os.read(ours, 65536)
            except OSError:  # Linux says so where the other end is closed
                read = b""
            if not read:
                break
            shown += read.decode("utf-8", "replace")
            continue
        if child.poll() is not None:
            break
        if sitting.blindly:
            with contextlib.suppress(OSError):
                os.write(ours, b"yes\n")
        elif _asks(shown[answered:]):
            os.write(ours, _typed(shown[answered:], sitting))
            answered = len(shown)
    return shown


def _asks(shown: str) -> bool:
    return shown.endswith((_CONFIRM, "to go on: ")) or _PHRASE.search(shown) is not None


def _typed(shown: str, sitting: Sitting) -> bytes:
    """Return what is typed at a question: to the first one yes, which grants nothing, then never what it asks for."""
    if sitting.answer is None:
        return _END_OF_FILE
    if shown.endswith(_CONFIRM):
        return b"yes\n"
    asked = _PHRASE.search(shown)
    if asked is None:
        return _END_OF_FILE
    text = sitting.answer(asked[1])
    if text == asked[1]:
        raise ConsentWasTypedError("the drill does not consent")
    return f"{text}\n".encode()
