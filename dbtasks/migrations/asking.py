"""Asking the worker, which has the project's Alembic, for revisions that cannot be told from their text."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dbtasks.errors import Mistake, SettingsError
from dbtasks.migrations.alembic_config import files, implied_location, interpreter, working_folder
from dbtasks.migrations.child import Child
from dbtasks.migrations.scripts import Script
from dbtasks.settings import MigrationSettings


def ask_history(root: Path, settings: MigrationSettings, *, environ: Mapping[str, str]) -> list[Script]:
    """Return the revisions as Alembic reads them, by running their files in the worker; no database is reached."""
    job = {"kind": "history", **configuration(root, settings)}
    child = Child(job, python=interpreter(root, settings), environ=environ, folder=working_folder(root, settings))
    scripts: list[Script] = []
    said = ""
    try:
        for message in child.messages():
            if message["event"] == "revision":
                scripts.append(_script(message))
            else:
                said = str(message.get("message") or message.get("reason"))
    finally:
        child.close()
    if not child.ended_well:
        text = f"Alembic cannot read the revisions: {said or child.last_words()}"
        raise SettingsError([Mistake(file=str(settings.config), text=text)])
    return scripts


def _script(message: dict[str, Any]) -> Script:
    return Script(
        checksum=hashlib.sha256(Path(message["path"]).read_bytes()).hexdigest(),
        id=message["id"],
        down=tuple(message["down"]),
        depends_on=tuple(message["depends_on"]),
        labels=tuple(message["labels"]),
        path=Path(message["path"]),
        message=message["message"],
    )


def configuration(root: Path, settings: MigrationSettings) -> dict[str, Any]:
    """Return where the worker finds Alembic's configuration."""
    ini, toml = files(root, settings)
    return {
        "config": str(ini) if ini else None,
        "pyproject": str(toml) if toml else None,
        "section": settings.section,
        "scripts": implied_location(root, settings),
    }
