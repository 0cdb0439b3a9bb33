"""Forks `python -m invoke` from a process that has loaded its libraries and done nothing else.

Thousands of commands are run and killed; each would spend most of its time on imports, in which nothing happens. This
reads requests as JSON lines: the folder, the environment, the words, the file for the output. The answers are lines,
too: the process's id as it starts, its exit code as it ends.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any

from tests.faults import points

LIBRARIES = (
    "invoke.main",
    "psycopg",
    "dbtasks.invoke_tasks",
    "dbtasks.card",
    "dbtasks.pipeline",
    "dbtasks.preparing",
    "dbtasks.migrations.upgrade",
    "dbtasks.seeders.loader",
)


def serve() -> bool:
    """Answer requests until standard input ends. True in a fork: what is left to do there is the command."""
    points.hook()
    for name in LIBRARIES:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    for line in iter(sys.stdin.readline, ""):
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            become(request)
            return True
        print(pid, flush=True)  # noqa: T201 - the answer
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - the answer
    return False


def become(request: dict[str, Any]) -> None:
    """Be what `python -m invoke` is before its first line."""
    os.setpgid(0, 0)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environ"])
    output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for source, descriptor in ((os.open(os.devnull, os.O_RDONLY), 0), (output, 1), (output, 2)):
        os.dup2(source, descriptor)
    spec = importlib.util.find_spec("invoke")
    sys.argv = [str(Path(spec.origin or "").with_name("__main__.py")) if spec else "invoke", *request["words"]]
    sys.path[0] = request["folder"]
    if "FAULTS" in os.environ:
        points.begin()


if __name__ == "__main__" and serve():
    runpy.run_module("invoke", run_name="__main__", alter_sys=True)
