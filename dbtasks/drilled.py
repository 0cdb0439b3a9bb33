"""What the last drill tried and what stopped it, as it lies in `.dbtasks/drill.json`, and by which code it was run.

A drill takes long, and so its word counts for a while: as long as dbtasks is the same, byte by byte.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import cast

import dbtasks
from dbtasks.errors import DbtasksError
from dbtasks.values import dataclass

FILE = Path(".dbtasks", "drill.json")
VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One forbidden thing, the layer that stopped it, and after how long. `unproven`: nothing was shown by it."""

    id: str
    layer: str
    stopped: bool
    ms: int
    unproven: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Drilled:
    """A drill. `code` is what `code()` was then."""

    at: datetime
    code: str
    tried: tuple[Tried, ...]


def code() -> str:
    """Return a sha256 over the names and bytes of dbtasks' own modules, in hexadecimal."""
    package, digest = Path(dbtasks.__file__).parent, hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        data = path.read_bytes()
        digest.update(f"{path.relative_to(package).as_posix()}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()


def read(root: Path) -> Drilled | None:
    """Return the last drill; `None`: there was none. DbtasksError where the file holds something else."""
    try:
        data = json.loads((root / FILE).read_text(encoding="utf-8"))
        if data["version"] != VERSION:
            raise ValueError(f"version {data['version']}")
        at = datetime.fromisoformat(data["at"])
        if at.tzinfo is None:
            raise ValueError("a time without a zone")
        return Drilled(at=at, code=str(data["code"]), tried=tuple(_tried(each) for each in data["tried"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DbtasksError(f"{FILE.as_posix()} cannot be read ({error}).") from error


def _tried(data: dict[str, object]) -> Tried:
    return Tried(
        id=str(data["id"]),
        layer=str(data["layer"]),
        stopped=data["stopped"] is True,
        ms=int(cast(float, data["ms"])),
        unproven=data.get("verdict") == "unproven",
    )
