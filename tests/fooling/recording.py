"""Programs run under the worker's recording, without Alembic and without a server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from dbtasks import inputs
from dbtasks.inputs import Inputs
from dbtasks.migrations import events
from dbtasks.migrations.events import InputsSeen
from dbtasks.settings import MigrationSettings

_WORKER = Path(inputs.__file__).with_name("migrations")
_CHILD = Path(__file__).with_name("child.py")

SETTINGS = MigrationSettings(config=Path("alembic.ini"))


class Recording:
    """A process that forks for each program. WORKER_PYTHON names another Python for it."""

    def __init__(self, requests: IO[str], answers: IO[str]) -> None:
        self.requests, self.answers = requests, answers

    def run(self, root: Path, program: str, environ: dict[str, str]) -> tuple[list[str], InputsSeen]:
        """Return what the program told, and what it was seen to depend on."""
        told, message = self._ask(root, program, environ, records=True)
        seen = events.parse({"event": "inputs_seen", **message})
        assert isinstance(seen, InputsSeen)
        return told, seen

    def run_again(self, root: Path, program: str, environ: dict[str, str]) -> list[str]:
        """Return what the program tells now, without recording."""
        told: list[str] = self._ask(root, program, environ, records=False)[0]
        return told

    def _ask(self, root: Path, program: str, environ: dict[str, str], *, records: bool) -> list[Any]:
        request = {"root": str(root), "program": program, "environ": environ, "records": records}
        self.requests.write(json.dumps(request) + "\n")
        self.requests.flush()
        answer = json.loads(self.answers.readline())
        if isinstance(answer, str):
            raise RuntimeError(answer)
        assert isinstance(answer, list)
        return answer


@contextmanager
def recording() -> Iterator[Recording]:
    python = os.environ.get("WORKER_PYTHON", sys.executable)
    command = [python, str(_CHILD), str(_WORKER)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Recording(process.stdin, process.stdout)
        process.stdin.close()


def remembered(seen: InputsSeen, environ: dict[str, str]) -> Inputs:
    """Return the record as it comes back from where it was stored."""
    made = inputs.recorded(seen, environ, SETTINGS)
    return Inputs.from_data(json.loads(json.dumps(made.as_data())))
