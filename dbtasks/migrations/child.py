"""The worker as a process: started, listened to, ended. Nothing secret is in its arguments."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

_WORKER = Path(__file__).with_name("worker.py")
_LOG_LIMIT_BYTES = 1_000_000
_GRACE_S = 5.0
_DRAIN_S = 0.2
# What the project or a server worded; the rest are ids and numbers.
_TEXTS = frozenset({"message", "reason", "reasons", "holder", "text", "differences"})


class Child:
    """One worker. It sits in a session of its own, so that Ctrl-C reaches the parent alone, who then decides."""

    def __init__(
        self, job: Mapping[str, Any] | None, *, python: Path, environ: Mapping[str, str], folder: Path
    ) -> None:
        """Start the worker. Without a `job` it imports what it needs and waits until it is given one."""
        self._events, its_events = os.pipe()
        its_lifeline, self._lifeline = os.pipe()
        self._process = subprocess.Popen(
            [str(python), str(_WORKER), *(["ahead"] if job is None else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(its_events, its_lifeline),
            env=dict(environ),
            cwd=folder,
            start_new_session=True,
        )
        os.close(its_events)
        os.close(its_lifeline)
        self._tail: deque[str] = deque(maxlen=20)
        self._its = {"events": its_events, "lifeline": its_lifeline}
        if job is not None:
            self.give(job)

    def give(self, job: Mapping[str, Any]) -> None:
        """Send the worker its job, once."""
        text = json.dumps({**job, **self._its})
        stdin = self._process.stdin
        try:
            with stdin or open(os.devnull, "wb") as stream:  # noqa: PTH123 - a device
                stream.write(text.encode())
        except BrokenPipeError:
            pass  # it has ended already; its exit status tells why

    def messages(
        self, log: Path | None = None, *, idle: Callable[[], None] | None = None, idle_s: float = 1.0
    ) -> Iterator[dict[str, Any]]:
        """Yield each message with its texts masked, until the worker has ended; its output goes to `log`, masked.

        `idle` is called each time when nothing was heard for `idle_s`.
        """
        from dbtasks.conninfo import mask

        output = self._process.stdout
        assert output is not None  # noqa: S101 - for the type checker; it is a pipe
        rest = {"events": b"", "output": b""}
        with selectors.DefaultSelector() as selector, _Log(log, mask) as written:
            selector.register(self._events, selectors.EVENT_READ, "events")
            selector.register(output.fileno(), selectors.EVENT_READ, "output")
            while selector.get_map():
                # The worker's end closes the events; a program that it left in the background may keep the output.
                ended = self._events not in selector.get_map()
                ready = selector.select(_DRAIN_S if ended else idle_s if idle else None)
                if ended and not ready:
                    break
                if idle and not ready:
                    idle()
                for key, _ in ready:
                    data = os.read(key.fd, 65536)
                    if not data:
                        selector.unregister(key.fd)
                    *lines, rest[key.data] = (rest[key.data] + data).split(b"\n")
                    if key.data == "output":
                        self._tail.extend(written.write(lines if data else [*lines, rest["output"]]))
                    else:
                        yield from (_masked(json.loads(line), mask) for line in lines)
        self._process.wait()

    def end(self) -> None:
        """Let the worker end itself, for at most a few seconds, then kill it and whatever it started."""
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
        try:
            self._process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
        finally:
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()

    def kill(self) -> None:
        """End a worker that was never given a job."""
        self._process.kill()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self.close()

    def close(self) -> None:
        self.end()
        os.close(self._events)
        if self._process.stdout is not None:
            self._process.stdout.close()

    @property
    def ended_well(self) -> bool:
        return self._process.returncode == 0

    def last_words(self) -> str:
        """Return how the worker ended, and the last line that it printed."""
        status = self._process.returncode
        how = f"killed by signal {-status}" if status and status < 0 else f"exit status {status}"
        line = next((line for line in reversed(self._tail) if line.strip()), "")
        return f"the worker ended without a word ({how}){': ' + line if line else ''}"


class _Log:
    """The project's own output: masked, bounded, kept where a file is named."""

    def __init__(self, path: Path | None, mask: Callable[[str], str]) -> None:
        self._mask, self._left = mask, _LOG_LIMIT_BYTES
        self._file = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb")

    def __enter__(self) -> _Log:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, lines: list[bytes]) -> list[str]:
        """Write what the limit still allows and return the masked lines."""
        texts = [self._mask(line.decode(errors="replace")) for line in lines]
        data = "".join(f"{text}\n" for text in texts if text).encode()
        if self._file is not None and self._left > 0:
            self._file.write(data if len(data) <= self._left else data[: self._left] + b"\n(cut here)\n")
            self._file.flush()
        self._left -= len(data)
        return texts


def _masked(message: dict[str, Any], mask: Callable[[str], str]) -> dict[str, Any]:
    def masked(value: object) -> object:
        return [mask(str(each)) for each in value] if isinstance(value, list) else mask(str(value))

    return {key: masked(value) if key in _TEXTS else value for key, value in message.items()}
