"""Small text files of the project, read once and whole."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from dbtasks.errors import Mistake, SettingsError
from dbtasks.values import dataclass

LARGEST_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFile:
    """A file's text and, where the system has them, its permission bits."""

    text: str
    mode: int


def read_project_file(root: Path, path: Path, *, shown: str) -> ProjectFile:
    """Return the file at `path`, which is called `shown` in messages.

    `SettingsError` when it leads out of `root`, is no regular file, is too large or is not UTF-8.
    """
    try:
        resolved = path.resolve(strict=True)
        if not resolved.is_relative_to(root.resolve()):
            raise _refusal(shown, "is a link that leads out of the project. Put the file itself there.")
        if not stat.S_ISREG(resolved.stat().st_mode):
            raise _refusal(shown, "expected a file, found a folder or a device. Put a text file there.")
        with resolved.open("rb") as stream:
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
            content = stream.read(LARGEST_BYTES + 1)
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, on Python before 3.13
        reason = getattr(error, "strerror", None) or "the links go round in a circle"
        raise _refusal(shown, f"cannot be read ({reason}). Create it or correct its permissions.") from None
    if len(content) > LARGEST_BYTES:
        raise _refusal(shown, f"is larger than {LARGEST_BYTES // 1024} kB. Keep only what belongs there.")
    return ProjectFile(text=_decoded(content, shown), mode=mode)


def _decoded(content: bytes, shown: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - (content.rfind(b"\n", 0, error.start) + 1) + 1
    # `from None`, outside of the handler: a UnicodeDecodeError carries the whole file.
    raise SettingsError(
        [Mistake(file=shown, line=line, column=column, text="this byte is not UTF-8. Save the file as UTF-8.")]
    )


def _refusal(shown: str, text: str) -> SettingsError:
    return SettingsError([Mistake(file=shown, text=text)])
