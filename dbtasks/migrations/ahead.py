"""A worker that is started before there is a job for it, while the parent still looks and asks.

It imports Alembic and SQLAlchemy and waits. It knows no URL, and nothing of the project's runs in it, until a clearance
gives it its job; where none does, it is ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from dbtasks.errors import SettingsError
from dbtasks.migrations.alembic_config import interpreter, working_folder
from dbtasks.migrations.child import Child
from dbtasks.migrations.script_cache import FOLDER
from dbtasks.migrations.scripts import revision_files
from dbtasks.settings import MigrationSettings


class Ahead:
    """One worker without a job. `environ` holds no URL."""

    def __init__(self, root: Path, settings: MigrationSettings, environ: Mapping[str, str]) -> None:
        self._environ = dict(environ)
        self._child: Child | None = Child(
            None, python=interpreter(root, settings), environ=environ, folder=working_folder(root, settings)
        )

    def take(self, job: Mapping[str, Any], environ: Mapping[str, str]) -> Child | None:
        """Return the worker at its job, once; `None` where another one has to be started for it."""
        child = self._child
        if child is None or self._environ.keys() - environ.keys():
            return None
        self._child = None
        more = {name: value for name, value in environ.items() if self._environ.get(name) != value}
        child.give({**job, "environ": more})
        return child

    def end(self) -> None:
        """End the worker if nobody has taken it."""
        if self._child is not None:
            self._child.kill()
            self._child = None


def looks_pending(root: Path, settings: MigrationSettings, tier: str) -> bool:
    """Return whether a revision file is newer than the tier's last migration here; what is pending the database tells.

    A wrong answer costs haste, or a process that is started in vain.
    """
    try:
        last = _note(root, tier).stat().st_mtime_ns
        return any(file.stat().st_mtime_ns > last for file in revision_files(root, settings))
    except OSError:
        return True
    except SettingsError:  # it is told where the files are read
        return False


def note_migrated(root: Path, tier: str) -> None:
    """Note that the tier has all revisions that are there now."""
    with suppress(OSError):
        _note(root, tier).touch()


def _note(root: Path, tier: str) -> Path:
    return root / FOLDER / f"migrated-{tier}"
