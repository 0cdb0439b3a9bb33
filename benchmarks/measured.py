"""What a benchmark is given, and what it gives back: lines for docs/performance.md and pictures beside it."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where to measure, and how often. `scratch` is an empty folder of this benchmark's own, `sample` this project."""

    scratch: Path
    sample: Path
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Lines of Markdown, and pictures by their file's name in docs/."""

    lines: tuple[str, ...]
    pictures: Mapping[str, str] = field(default_factory=dict)


def machine(*packages: str) -> str:
    """Return the clause that names the machine, Python and the versions of these packages."""
    python = ".".join(map(str, sys.version_info[:3]))
    versions = ", ".join((f"Python {python}", *(f"{name} {version(name)}" for name in packages)))
    return f"on {os.cpu_count()} cores of {platform.machine()} ({platform.system()}), {versions}"


def scrubbed() -> dict[str, str]:
    """Return what of the environment a measured command may see."""
    return {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
