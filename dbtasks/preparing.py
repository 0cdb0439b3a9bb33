"""`prepare` as a process in the background, after a reset: the next one finds a spare and is a rename.

It is started detached, says nothing, and whatever becomes of it, the reset that started it has ended well.
"""

from __future__ import annotations

import subprocess
import sys

from dbtasks import embedded
from dbtasks.project import Project, open_project
from dbtasks.surroundings import Kind
from dbtasks.tiers import Consent, Embedded, Tier


def start_in_background(project: Project, tier: Tier) -> None:
    """Start `prepare` for a tier where that is of use: not on a machine that is thrown away, nor for guarded tiers."""
    if _is_of_use(project, tier):
        command = [
            sys.executable,
            "-m",
            "dbtasks",
            "prepare",
            f"--tier={tier.name}",
            "--if-running",
            "--reason=after a reset",
        ]
        process = subprocess.Popen(
            command,
            cwd=project.settings.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        process.returncode = 0  # nobody waits for it: without this, Python warns that it still runs


def is_running(name: str) -> bool:
    """Return whether a tier's server is there without starting one; whether another's runs is not looked at."""
    project = open_project()
    tier = project.settings.tier(name) if name else project.settings.default
    if tier.embedded is Embedded.NEVER or project.variables.get(tier.url_variable) is not None:
        return True
    server = embedded.look(project.settings.root, embedded.Kind(tier.embedded.value))
    return server is not None and server.running


def _is_of_use(project: Project, tier: Tier) -> bool:
    stock, kind = project.settings.stock, project.surroundings.kind
    if stock.by_hand or not stock.databases or kind in (Kind.CI, Kind.PYTEST):
        return False
    return tier.consent < Consent.PERSON
