"""PostgreSQL's programs at the other end of a pipe, ended whatever happens here."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, cast

from dbtasks.errors import BackupError
from dbtasks.masking import mask
from dbtasks.programs import child_environment, version_in

_PIPE_BYTES = 1 << 20
_MOST_TOLD = 2000


class Child:
    """A program that runs. Its standard error goes to a file without a name: a pipe that nobody reads would stop it."""

    def __init__(self, process: subprocess.Popen[bytes], errors: IO[bytes], name: str) -> None:
        self._process, self._errors, self.name = process, errors, name

    @property
    def out(self) -> IO[bytes]:
        return cast("IO[bytes]", self._process.stdout)

    @property
    def into(self) -> IO[bytes]:
        return cast("IO[bytes]", self._process.stdin)

    def feed(self, data: bytes) -> bool:
        """Write to its standard input, and return whether it still reads."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self.into.write(rest) :]
        except BrokenPipeError:
            return False
        return True

    def give(self, data: bytes) -> None:
        """Write to its standard input. BackupError where it does not read everything, with what it said."""
        if not self.feed(data):
            self.finish()
            raise BackupError(f"{self.name} ended before it had read everything.")

    def finish(self) -> None:
        """Wait for its end. BackupError with what it said where it failed."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        code = self._process.wait()
        if code != 0:
            raise BackupError(f"{self.name} failed (exit {code}): {self.said()}")

    def said(self) -> str:
        """Return what it wrote to its standard error, without secrets, and not too much of it."""
        self._errors.seek(0)
        text = mask(self._errors.read().decode(errors="replace")).strip()
        return text if len(text) <= _MOST_TOLD else f"{text[:_MOST_TOLD]} ..."


@contextmanager
def running(
    command: Sequence[str | Path],
    environ: Mapping[str, str],
    *,
    into: IO[bytes] | None = None,
    inherit: tuple[int, ...] = (),
) -> Iterator[Child]:
    """Run a program while the block runs; it is killed where the block does not end well.

    `into`: we write to its standard input, and its output goes there. `inherit` are descriptors that it shall hold.
    """
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL if into is None else subprocess.PIPE,
            stdout=subprocess.PIPE if into is None else into,
            stderr=errors,
            env=dict(environ),
            pass_fds=inherit,
            bufsize=0,
        )
        _widen(process)
        try:
            yield Child(process, errors, Path(command[0]).name)
        finally:
            process.kill()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with suppress(BrokenPipeError):
                        stream.close()
            process.wait()


def _widen(process: subprocess.Popen[bytes]) -> None:
    """Let more lie in the pipe, so that neither side waits for the other at each 64 KiB."""
    if sys.platform == "linux":
        import fcntl

        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(OSError):  # the system may allow less
                    fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def version_of(program: Path) -> str:
    """Return a program's version, such as 15.18."""
    with running([program, "--version"], child_environment()) as child:
        text = child.out.read().decode(errors="replace")
        child.finish()
    found = version_in(text)
    return ".".join(map(str, found)) if found else "unknown"
