"""The files that a trail lies in: the one that grows, and those that were put aside when they were large or old enough.

Of `audit.jsonl` these are called `audit.00000001.jsonl`, by the number of their first entry. Files of any other name
are somebody else's. Nothing is ever deleted, and a file that was put aside keeps its name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from dbtasks.values import dataclass

_BUFFER_BYTES = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """When a file is put aside: once it is so large, or its first entry so old. `None`: never for that reason."""

    size_bytes: int | None = None
    age: timedelta | None = None


NEVER = Rotation()


def name_aside(path: Path, first: int) -> Path:
    """Return what the file is called once it is put aside.

    >>> name_aside(Path("logs/audit.jsonl"), 225).as_posix()
    'logs/audit.00000225.jsonl'
    """
    return path.with_name(f"{path.stem}.{first:08}{path.suffix}")


def files_aside(path: Path) -> tuple[Path, ...]:
    """Return the files that were put aside, oldest first."""
    pattern = re.compile(rf"{re.escape(path.stem)}\.([0-9]{{8,18}}){re.escape(path.suffix)}")
    try:
        files = [(int(found[1]), file) for file in path.parent.iterdir() if (found := pattern.fullmatch(file.name))]
    except FileNotFoundError:
        return ()
    return tuple(file for _, file in sorted(files))


def trail_files(path: Path) -> tuple[Path, ...]:
    """Return the trail's files, oldest first. The last is the one that grows, whether it exists or not.

    Who reads all of them goes by `opened`: a file may be put aside between this and its opening.
    """
    return (*files_aside(path), path)


def opened(path: Path, *, newest_first: bool = False) -> Iterator[BinaryIO]:
    """Yield the trail's files, each open for reading, as they are at the first: none is missed and none comes twice.

    A file is closed when the next one is asked for.
    """
    with ExitStack() as stack:
        try:
            growing = stack.enter_context(path.open("rb", buffering=_BUFFER_BYTES))
        except FileNotFoundError:  # put aside, and nobody has written since
            growing = None
        older = _before(growing, files_aside(path))
        if growing is not None and newest_first:
            yield growing
        for file in reversed(older) if newest_first else older:
            with file.open("rb", buffering=_BUFFER_BYTES) as one:
                yield one
        if growing is not None and not newest_first:
            yield growing


def _before(growing: BinaryIO | None, files: tuple[Path, ...]) -> tuple[Path, ...]:
    """Return the files up to the one that grew when it was opened, which may have been put aside since."""
    if growing is None:
        return files
    here = os.fstat(growing.fileno())
    return next((files[:at] for at, file in enumerate(files) if os.path.samestat(file.stat(), here)), files)
