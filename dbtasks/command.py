"""Runs a command that was let in: the terminal, the signals and the exit code are the command's own."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from dbtasks.errors import DbtasksError


def run(command: tuple[str, ...], environ: Mapping[str, str]) -> int:
    """Return the command's exit code, as a shell tells it: 128 and the signal's number where a signal ended it.

    Ctrl-C is the command's to answer: psql cancels a query with it. A request to end is passed on, so that no server
    is left behind when a container stops.
    """
    try:
        process = subprocess.Popen(list(command), env=dict(environ))
    except FileNotFoundError:
        raise DbtasksError(f"there is no program {command[0]} on the PATH.") from None
    except PermissionError:
        raise DbtasksError(f"{command[0]} may not be executed.") from None
    with process, _passing_on(process):
        while True:
            try:
                code = process.wait()
            except KeyboardInterrupt:
                continue
            return code if code >= 0 else 128 - code


@contextmanager
def _passing_on(process: subprocess.Popen[bytes]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda _signal, _frame: process.terminate())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
