"""Whether it is known what a process is: the real recognition is shown one of each kind, and this one is compared."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping

from dbtasks.probes.ground import Ground
from dbtasks.safety import About, Finding, failed, passed, unknown
from dbtasks.surroundings import Kind, Process, recognise

ABOUT = About(
    name="environment_detection",
    promise="tests, agents, CI, managed runtimes and people are told apart, by signs that none of them has by chance",
    critical=True,
)
_SHELL = ("HOME", "LANG", "LOGNAME", "PATH", "PWD", "SHELL", "SHLVL", "TERM", "TMPDIR", "TZ", "USER")
_SIGNS: tuple[tuple[Kind, Mapping[str, str]], ...] = (
    (Kind.PYTEST, {"PYTEST_CURRENT_TEST": "tests/test_shop.py::test_shop (call)"}),
    (Kind.AGENT, {"CLAUDECODE": "1"}),
    (Kind.AGENT, {"AGENT": "", "CI": "true"}),
    (Kind.CI, {"GITHUB_ACTIONS": "true"}),
    (Kind.CI, {"CI": "1"}),
)


def look(ground: Ground) -> Iterator[Finding]:
    """Yield whether each kind is recognised with this project's own settings, and whether this process was."""
    if sys.stdin is None or sys.stderr is None:
        yield unknown("standard input or error is closed here, so that nobody can tell whether a person sits there")
        return
    found = _mistaken(ground)
    here = ground.project.surroundings
    terminal = _is_terminal(0) and _is_terminal(2)
    if found:
        yield found
    elif here.kind is Kind.TERMINAL and not terminal:
        yield failed(f"this process was taken for a person's, and has no terminal ({here.because})", ABOUT.page)
    elif here.kind is Kind.SCRIPT and terminal:
        yield failed(f"this process was taken for a script, and has a terminal ({here.because})", ABOUT.page)
    else:
        yield passed(f"this is {here.kind.value}: {here.because}; {len(_SIGNS) + 2} others were told apart")


def _mistaken(ground: Ground) -> Finding | None:
    """Return the first process that is taken for another kind of process than it is."""
    settings = ground.project.settings
    plain = {name: f"/{name.lower()}" for name in _SHELL}

    def kind(environ: Mapping[str, str], *, terminal: bool) -> Kind:
        process = Process(environ=environ, stdin_is_terminal=terminal, stderr_is_terminal=terminal)
        return recognise(process, settings.tiers, settings.agent_markers).kind

    for wanted, terminal in ((Kind.TERMINAL, True), (Kind.SCRIPT, False)):
        if (taken := kind(plain, terminal=terminal)) is not wanted:
            saw = f"an ordinary shell is taken for {taken.value}: a variable that everybody has is a marker"
            return failed(saw, "Name other variables under runtime.markers and agents.markers in config/tiers.yaml")
    for wanted, signs in _SIGNS:
        if (taken := kind({**plain, **signs}, terminal=True)) is not wanted:
            return failed(f"{' '.join(signs)} at a terminal is taken for {taken.value}", ABOUT.page)
    for tier in settings.tiers:
        for marker in tier.runtime_markers:
            if kind({**plain, marker.variable: marker.value or "1"}, terminal=False) is not Kind.RUNTIME:
                return failed(f"{marker.variable} does not mark the runtime of {tier.label}", ABOUT.page, tier.name)
    return None


def _is_terminal(descriptor: int) -> bool:
    """Ask the system, and not the streams that the recognition asks."""
    try:
        return os.isatty(descriptor)
    except OSError:
        return False
