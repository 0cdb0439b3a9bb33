"""The task `report`: everything on one page, as a file."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from invoke.context import Context

from dbtasks.command_line import checked_format
from dbtasks.console import Console
from dbtasks.errors import DbtasksError, UsageError
from dbtasks.project import open_project
from dbtasks.task_calls import guarded
from dbtasks.wording import quoted

_USUAL = Path("logs", "report.html")


@guarded(out="the file to write, ending in .html; without it logs/report.html of the project")
def report(_c: Context, out: str = "", format_: str = "text") -> None:
    """Write how everything stands into one HTML file: tiers, revisions, ways back, the trail, what ends soon."""
    as_json, project, console = checked_format(format_), open_project(), Console()
    path = _writable(out) if out else project.settings.root / _USUAL
    from dbtasks.report.gathering import gather  # late: what the command line refuses never loads a driver
    from dbtasks.report.page import page

    found = gather(project)
    _write(path, page(found))
    if as_json:
        console.data({"file": str(path), "unread": list(found.unread)})
    console.say(f"wrote {path}")


def _writable(file: str) -> Path:
    """Return where to write. UsageError where that is no place for a page, or something else lies there."""
    from dbtasks.report.page import BEGIN

    path = Path(file)
    if path.suffix != ".html" or path.is_dir() or not path.absolute().parent.is_dir():
        raise UsageError(f"--out: expected a name ending in .html in a folder that exists, found {quoted(file)}.")
    try:
        with path.open("rb") as there:
            if there.read(len(BEGIN)) != BEGIN.encode():
                raise UsageError(f"--out: {path} is there already and is no report. Name another file.")
    except FileNotFoundError:
        pass
    except OSError as error:
        raise UsageError(f"--out: {path} cannot be read: {error.strerror}.") from None
    return path


def _write(path: Path, text: str) -> None:
    """Put the page in its file, whole or not at all; for its owner's eyes, who may hand it on."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = path.absolute().parent
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=folder, prefix=".report-", delete=False) as new:
            new.write(text)
        os.replace(new.name, path)  # noqa: PTH105 - the name of a temporary file is a text
    except OSError as error:
        raise DbtasksError(f"{path} cannot be written: {error.strerror}.") from None
