"""Commands outside of the test process: our end-to-end tests start them the way a person does.

The environment is built from an allow-list, so that nothing of the test run reaches them: no pin, no marker of pytest,
CI or an agent, no URL. They work on sandboxes only, copies of the sample project with servers of their own; nothing in
`dbtasks/` knows this module.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pexpect

import dbtasks
from dbtasks import embedded
from tests import sessions
from tests.sessions import Session, T

REPOSITORY = Path(dbtasks.__file__).resolve().parents[1]  # also where these tests are a copy: see outside_runs.py
ALLOWED = ("HOME", "LANG", "LOGNAME", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "SYSTEMROOT", "TMPDIR", "USER")
SAMPLE = ("config", "migrations", "seeds", "alembic.ini", "tasks.py")
PATIENCE_S = 100
# In a known order, and without a plugin that no test in a sandbox uses and that takes longer to load than all others.
PYTEST = (sys.executable, "-m", "pytest", "-p", "no:randomly", "-p", "no:hypothesispytest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A command that ended. On a terminal both streams are one, in `out`."""

    code: int
    out: str
    err: str = ""

    @property
    def text(self) -> str:
        return self.out + self.err


def environment(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what a command outside may see: the allow-list, this Python's programs, and `env`."""
    kept = {name: os.environ[name] for name in ALLOWED if name in os.environ}
    if kept.get("LANG", "") in ("", "C", "POSIX"):
        kept["LC_CTYPE"] = "C.UTF-8"  # as Python does itself at its start (PEP 538), but a command that is forked not
    programs = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    return kept | {"PATH": programs, "TERM": "xterm", "NO_COLOR": "1"} | dict(env or {})


def run(
    project: Path,
    *command: str,
    env: Mapping[str, str] | None = None,
    tty: bool = False,
    patience_s: float = PATIENCE_S,
) -> Finished:
    """Run a command in a project's folder and return what came of it; standard input is closed, or a terminal."""
    if tty:
        with on_terminal(project, *command, env=env) as terminal:
            terminal.expect(pexpect.EOF)
            out = str(terminal.before)
        return Finished(code=_code(terminal), out=out)
    done = subprocess.run(
        command,
        cwd=project,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=patience_s,
        check=False,
    )
    return Finished(code=done.returncode, out=done.stdout, err=done.stderr)


def connect(conninfo: str = "", **parameters: Any) -> Session:
    """Return a session on a database that is not this repository's INT: psycopg's, in a process outside."""
    return sessions.open_session(conninfo, environment(), **parameters)


def call(function: Callable[..., T], *arguments: Any) -> T:
    """Return what a function of a test module returns in that process; nothing it imports may import pytest."""
    return sessions.call(environment(), function, *arguments)


@contextmanager
def on_terminal(project: Path, *command: str, env: Mapping[str, str] | None = None) -> Iterator[pexpect.spawn[str]]:
    """Start a command on a terminal of its own, to read what it asks and type. It is ended with the block."""
    terminal = pexpect.spawn(
        command[0],
        list(command[1:]),
        cwd=str(project),
        env=environment(env),
        encoding="utf-8",
        timeout=PATIENCE_S,
        dimensions=(50, 200),
    )
    try:
        yield terminal
    finally:
        terminal.close(force=True)


def _code(terminal: pexpect.spawn[str]) -> int:
    return terminal.exitstatus if terminal.exitstatus is not None else -(terminal.signalstatus or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A copy of the sample project, with servers of its own that start when they are needed."""

    root: Path

    def run(self, *command: str, env: Mapping[str, str] | None = None, tty: bool = False) -> Finished:
        return run(self.root, *command, env=env, tty=tty)

    def python(self, code: str, env: Mapping[str, str] | None = None) -> Finished:
        return self.run(sys.executable, "-c", code, env=env)

    def pytest(self, *arguments: str, env: Mapping[str, str] | None = None) -> Finished:
        return self.run(*PYTEST, *arguments, env=env)

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return path

    def stop(self) -> None:
        """Stop the servers and remove what they keep outside of the project."""
        for kind in embedded.Kind:
            server = embedded.look(self.root, kind)
            embedded.stop(self.root, kind)
            if server is not None and not server.data.is_relative_to(self.root):
                shutil.rmtree(server.data.parent)


@contextmanager
def sandbox() -> Iterator[Sandbox]:
    """Make a sandbox; nothing of it is left afterwards."""
    memory = Path("/dev/shm")  # where it is there, fsync costs the durable server nothing
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 4 << 30
    base = Path(tempfile.mkdtemp(prefix="dbtasks-sandbox-", dir=memory if roomy else None))
    base.chmod(0o755)  # every account may enter: as root the servers run under another
    root = base / "project"
    root.mkdir()
    for name in SAMPLE:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, root / name)
    settings = root / "config" / "tiers.yaml"  # nothing goes on in the background while a sandbox is cleared away
    settings.write_text(
        settings.read_text(encoding="utf-8").replace("by_hand: false", "by_hand: true"), encoding="utf-8"
    )
    box = Sandbox(root=root.resolve())
    try:
        yield box
    finally:
        box.stop()
        shutil.rmtree(base)
