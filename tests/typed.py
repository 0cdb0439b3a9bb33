"""A forked command at a pseudo-terminal, with what tests use of `pexpect.spawn`."""

from __future__ import annotations

import os
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pexpect.fdpexpect import fdspawn

from tests.loaded import Loaded

_PATIENCE_S, _DELAY_S = 10, 0.05


class Typed(fdspawn):  # type: ignore[misc] # it has no types
    """The command. `ready` is held for it until it has ended."""

    def __init__(
        self, ready: Loaded, words: Sequence[str], folder: Path, environ: Mapping[str, str], seconds: int
    ) -> None:
        ours, its = os.openpty()
        termios.tcsetwinsize(its, (50, 250))
        self._ready, self._its_pid = ready, ready.begin(words, folder, environ, [its])
        os.close(its)
        self.exitstatus: int | None = None
        self.signalstatus: int | None = None
        super().__init__(ours, encoding="utf-8", timeout=seconds)

    def send(self, text: str) -> int:
        """Type, as `pexpect.spawn` does it: no person is as quick as to answer before a question was put."""
        time.sleep(_DELAY_S)
        return int(super().send(text))

    def close(self, **_: object) -> None:
        """Hang up, and wait for the command; one that does not end is killed."""
        if self.closed:
            return
        super().close()
        try:
            code = self._ready.end(self._its_pid, _PATIENCE_S)
            if code >= 0:
                self.exitstatus = code
            else:
                self.signalstatus = -code
        finally:
            self._ready.lock.release()
