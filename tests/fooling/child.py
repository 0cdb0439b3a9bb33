"""Runs programs under the worker's recording: `python child.py WORKER_FOLDER`, one request and one answer a line.

Each program runs in a fork of its own, in which nothing but the standard library is imported.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import traceback
from types import ModuleType
from typing import Any

# What every program imports, once; none of them is a module that the project may shadow.
_LIBRARY = ("codecs", "configparser", "fileinput", "glob", "importlib.resources", "io", "linecache", "mmap", "pkgutil")
for each in (*_LIBRARY, "runpy", "shutil", "tempfile"):
    importlib.import_module(each)
sys.path.pop(0)  # as `worker.py` begins: its folder is a package of another name, and nothing else of ours is there
home = ModuleType("dbtasks_worker")
home.__path__ = [sys.argv[1]]
sys.modules["dbtasks_worker"] = home
begin = importlib.import_module("dbtasks_worker.worker_wraps").begin_recording


def answer(request: dict[str, Any]) -> list[Any]:
    root = request["root"]
    os.chdir(root)
    os.environ.clear()
    os.environ.update(request["environ"])
    recorder = begin({"root": root, "target": {"host": "127.0.0.1", "port": 5432}}) if request["records"] else None
    sys.path[:0] = [root, f"{root}/lib"]
    spec = importlib.util.spec_from_file_location("env_py", request["program"])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [module.TOLD, recorder.told({}) if recorder else None]


for line in sys.stdin:
    here, there = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            text = json.dumps(answer(json.loads(line)))
        except BaseException:
            text = json.dumps(traceback.format_exc())
        data = text.encode()
        while data:
            data = data[os.write(there, data) :]
        os._exit(0)
    os.close(there)
    with os.fdopen(here, "rb") as pipe:
        told = pipe.read()
    os.waitpid(process, 0)
    sys.stdout.write(told.decode() + "\n")
    sys.stdout.flush()
