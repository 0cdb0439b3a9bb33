"""What a build opened (stop-gap until the recorder is here)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def changed(inputs: Mapping[str, object], root: Path, environ: Mapping[str, str]) -> str | None:  # noqa: ARG001
    """Return why a build now could differ."""
    return None
