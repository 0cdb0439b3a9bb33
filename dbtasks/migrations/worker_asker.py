"""Who asks for a file, a folder or a variable: the code behind the library's own layers, from the frames of the stack.

Part of the worker: standard library only.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType
from typing import NamedTuple

# What lies between the asker and the system's call. The outermost of their functions says what is really asked.
_PATHS = frozenset({"os", "posixpath", "genericpath", "pathlib", "pathlib._local", "pathlib._abc", "pathlib._os"})
_MAPPINGS = frozenset({*_PATHS, "collections.abc", "_collections_abc", "getpass"})
_IMPORTER = ("importlib._bootstrap_external", "_frozen_importlib_external", "importlib._bootstrap", "_frozen_importlib")
_RECORDING = frozenset(
    f"{__package__}.worker_{name}" for name in ("asker", "audit", "facets", "inputs", "modules", "places", "wraps")
)
_DRIVERS = ("psycopg", "psycopg_binary", "psycopg_c", "psycopg2", "asyncpg", "pg8000")


class Asker(NamedTuple):
    """`through` is the function that the asker called, empty where it called the system itself."""

    module: str
    through: str
    frame: FrameType | None

    @property
    def is_ours(self) -> bool:
        return self.module == "__main__" or self.module.partition(".")[0] in ("dbtasks_worker", "dbtasks")

    @property
    def is_importing(self) -> bool:
        return self.module in _IMPORTER

    def is_in(self, *packages: str) -> bool:
        """Return whether the asker's module is one of these or inside of it."""
        return any(self.module == each or self.module.startswith(f"{each}.") for each in packages)


def of_path() -> Asker:
    """Return who asks about a path."""
    return _behind(_PATHS)


def of_variable() -> Asker:
    """Return who reads the environment."""
    return _behind(_MAPPINGS)


def frames() -> Iterator[FrameType]:
    """Yield the frames of the stack, the innermost first, without those that only record."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and module_of(frame) in _RECORDING:
        frame = frame.f_back
    while frame is not None:
        yield frame
        frame = frame.f_back


def is_driver_loading() -> bool:
    """Return whether a driver looks for its own library: `ctypes.util` asks the linker, by processes."""
    modules = [module_of(frame) for frame in frames()]
    outside = modules[modules.index("ctypes.util") :] if "ctypes.util" in modules else []
    return any(module.partition(".")[0] in _DRIVERS for module in outside)


def module_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _behind(layers: frozenset[str]) -> Asker:
    # Called for every look at a path, so without the generator above.
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__") in _RECORDING:
        frame = frame.f_back
    through = ""
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module not in layers:
            return Asker(str(module), through, frame)
        through = frame.f_code.co_name
        frame = frame.f_back
    return Asker("", through, None)
