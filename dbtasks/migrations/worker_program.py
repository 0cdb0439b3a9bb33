"""What runs inside the worker besides Alembic itself: the project's own program, and a file that makes first tables.

Both run in this process, so that every connection they open passes the door, and every revision they apply through
Alembic is compared with the plan and written down. Part of the worker: standard library only.
"""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points


class ProgramFailedError(Exception):
    """The program ended with another exit status than 0, or is none that can be run here."""


def run_file(path: str, arguments: Sequence[str] = ()) -> None:
    """Run a Python file as `python file` would, with these arguments."""
    sys.argv = [path, *arguments]
    sys.path.insert(0, os.path.dirname(path))  # noqa: PTH120 - as Python itself does it
    _to_its_end(lambda: runpy.run_path(path, run_name="__main__"), path)


def run_program(words: Sequence[str], root: str) -> None:
    """Run a program that a package of this Python installed, or a .py file of the project."""
    name, *arguments = words
    if name.endswith(".py"):
        run_file(os.path.join(root, name), arguments)  # noqa: PTH118 - text in, text out
        return
    found = list(entry_points(group="console_scripts", name=name))
    if not found:
        raise ProgramFailedError(f"{sys.executable} has no program {name} that a Python package installed")
    main = found[0].load()
    sys.argv = [os.path.join(os.path.dirname(sys.executable), name), *arguments]  # noqa: PTH118, PTH120 - as above
    _to_its_end(main, name)


def _to_its_end(main: object, name: str) -> None:
    try:
        code = main() if callable(main) else None
    except SystemExit as end:
        code = end.code
    # What a main function returns is handed to sys.exit; a file's namespace is no status.
    if code not in (None, 0, False) and not isinstance(code, dict):
        raise ProgramFailedError(f"{name} ended with exit status {code}" if isinstance(code, int) else str(code))
