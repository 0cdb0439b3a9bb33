"""A plan on paper as a file."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from dbtasks.approvals.document import LONGEST, NotAPlanError, Paper, read
from dbtasks.errors import DbtasksError, RefusedError, UsageError
from dbtasks.wording import quoted


def load(file: str) -> Paper:
    """Return the paper in a file. UsageError where there is none, RefusedError where it is no plan of ours."""
    try:
        return read(_content(file).decode())
    except UnicodeDecodeError:
        raise _no_plan(file, "it is not text") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from None
    except NotAPlanError as error:
        raise _no_plan(file, str(error)) from None


def _content(file: str) -> bytes:
    """Return what is in a file, and not much more than a plan may have. Nothing is waited for that is no file."""
    opened = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise NotAPlanError("it is no file")
        with os.fdopen(opened, "rb", closefd=False) as stream:
            return stream.read(LONGEST + 1)
    finally:
        os.close(opened)


def _no_plan(file: str, why: str) -> RefusedError:
    return RefusedError(
        code="E-PLAN-FILE",
        saw=f"{file} is no plan that dbtasks has written: {why}.",
        why="Nothing was changed.",
        instead="Ask for it anew: invoke plan <operation> --tier=<tier> --out=plan.json",
    )


def writable(file: str) -> Path:
    path = Path(file)
    if not file or path.is_dir() or not path.absolute().parent.is_dir():
        raise UsageError(f"--out: expected the name of a file in a folder that exists, found {quoted(file)}.")
    return path


def write(path: Path, paper: Paper) -> None:
    """Put the paper in a file, whole or not at all."""
    try:
        with tempfile.NamedTemporaryFile("w", dir=path.absolute().parent, prefix=f".{path.name}-", delete=False) as new:
            new.write(paper.as_text())
        os.chmod(new.name, 0o644)  # noqa: PTH101 - it is carried to others, and holds no secret
        os.replace(new.name, path)  # noqa: PTH105 - as above
    except OSError as error:
        raise DbtasksError(f"{path} cannot be written: {error.strerror}.") from None
