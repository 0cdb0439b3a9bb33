"""What this process is: under pytest, driven by an AI agent, in CI, a managed runtime, at a terminal, or a script.

Everything is passed in, so that a test can describe any process without being it. The markers can only forbid:
none of them, present or absent, allows what a person at a terminal would not be allowed.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

from dbtasks.tiers import Tier
from dbtasks.values import dataclass

PYTEST_MARKERS = ("PYTEST_CURRENT_TEST", "PYTEST_XDIST_WORKER", "PYTEST_VERSION", "DBTASKS_UNDER_PYTEST")

# Presence counts, even empty or 0. Left out because people have them: REPL_ID, CURSOR_TRACE_ID, COPILOT_MODEL.
AGENT_MARKERS = (
    "CLAUDECODE",
    "CODEX_THREAD_ID",
    "CODEX_CI",
    "CODEX_SANDBOX",
    "CODEX_SANDBOX_NETWORK_DISABLED",
    "GEMINI_CLI",
    "QWEN_CODE",
    "CURSOR_AGENT",
    "COPILOT_CLI",
    "OPENCODE",
    "OPENCODE_CLIENT",
    "CLINE_ACTIVE",
    "AUGMENT_AGENT",
    "ANTIGRAVITY_AGENT",
    "CRUSH",
    "AMP_CURRENT_THREAD_ID",
    "AGENT",
    "AI_AGENT",
)
AGENT_MARKER_FILES = ("/opt/.devin",)

CI_MARKERS = (
    "CI",
    "CONTINUOUS_INTEGRATION",
    "GITHUB_ACTIONS",
    "GITLAB_CI",
    "CIRCLECI",
    "TRAVIS",
    "BUILDKITE",
    "JENKINS_URL",
    "TEAMCITY_VERSION",
    "TF_BUILD",
    "BITBUCKET_BUILD_NUMBER",
    "CODEBUILD_BUILD_ID",
    "DRONE",
    "APPVEYOR",
    "SEMAPHORE",
    "WOODPECKER",
)
RELOADER_MARKERS = ("WERKZEUG_RUN_MAIN", "RUN_MAIN")


class Kind(enum.StrEnum):
    """In the order of precedence: the first that applies."""

    PYTEST = "pytest"
    AGENT = "agent"
    CI = "ci"
    RUNTIME = "runtime"
    TERMINAL = "terminal"
    SCRIPT = "script"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What this process is, and the sign by which it was known, as a clause for a sentence.

    `person` is who it works for, as the team's settings call them; empty where they know of nobody that fits.
    """

    kind: Kind
    because: str
    runtime_tier: str | None = None
    reloaded: bool = False
    person: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """What the edge reads from the running process, so that `recognise` need not."""

    environ: Mapping[str, str]
    stdin_is_terminal: bool
    stderr_is_terminal: bool
    pytest_imported: bool = False
    marker_files: tuple[str, ...] = ()
    is_worker: bool = False


def recognise(process: Process, tiers: tuple[Tier, ...] = (), more_agents: tuple[str, ...] = ()) -> Surroundings:
    """Return what the process is.

    >>> recognise(Process(environ={"CLAUDECODE": ""}, stdin_is_terminal=True, stderr_is_terminal=True)).because
    'CLAUDECODE is set'
    """
    reloaded = process.is_worker or any(name in process.environ for name in RELOADER_MARKERS)
    runtime = _runtime(process.environ, tiers)
    signs = (
        (Kind.PYTEST, _pytest(process)),
        (Kind.AGENT, _agent(process, more_agents)),
        (Kind.CI, _ci(process.environ)),
        (Kind.RUNTIME, runtime[1] if runtime else None),
        (Kind.TERMINAL, _terminal(process)),
    )
    for kind, because in signs:
        if because:
            tier = runtime[0] if runtime and kind is Kind.RUNTIME else None
            return Surroundings(kind=kind, because=because, runtime_tier=tier, reloaded=reloaded)
    return Surroundings(kind=Kind.SCRIPT, because=_no_terminal(process), reloaded=reloaded)


def _pytest(process: Process) -> str | None:
    if process.pytest_imported:
        return "pytest is loaded in this process"
    return next((f"{name} is set" for name in PYTEST_MARKERS if name in process.environ), None)


def _agent(process: Process, more: tuple[str, ...]) -> str | None:
    environ = process.environ
    for name in (*AGENT_MARKERS, *more):
        if name in environ:
            return f"{name} is set"
    if environ.get("OR_APP_NAME") == "Aider":
        return "OR_APP_NAME is Aider"
    if environ.get("REPLIT_SESSION", "").startswith("agent-"):
        return "REPLIT_SESSION names an agent"
    return next((f"{path} exists" for path in AGENT_MARKER_FILES if path in process.marker_files), None)


def _ci(environ: Mapping[str, str]) -> str | None:
    # CI=false is how a person tells a tool that this is not CI; every other presence counts.
    set_ = (name for name in CI_MARKERS if environ.get(name, "false").lower() not in {"false", "0", ""})
    return next((f"{name} is set" for name in set_), None)


def _runtime(environ: Mapping[str, str], tiers: tuple[Tier, ...]) -> tuple[str, str] | None:
    for tier in tiers:
        for marker in tier.runtime_markers:
            found = environ.get(marker.variable)
            if found and marker.value in (None, found):
                return tier.name, f"{marker.variable} marks the managed runtime of {tier.label}"
    return None


def _terminal(process: Process) -> str | None:
    both = process.stdin_is_terminal and process.stderr_is_terminal
    return "standard input and standard error are a terminal" if both else None


def _no_terminal(process: Process) -> str:
    return "standard error is not a terminal" if process.stdin_is_terminal else "standard input is not a terminal"
